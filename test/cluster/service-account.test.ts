import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { type LogLine, type ProgramEnd, ProgramRun } from "../../config/program-run.test-support.ts";
import { type Cluster, startCluster, whyNoCluster } from "./cluster.ts";
import { makeNamespace } from "./following.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);
const options = { skip: missing ?? false };
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const WARN = 40;
const TRIES = 40;

let cluster: Cluster;

before(async () => {
  if (missing === undefined) {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
    for (const namespace of ["system", "shop"]) {
      await makeNamespace(cluster, namespace);
    }
  }
});
after(() => cluster?.stop());

/** Writes a config map and an event once its caches are complete. */
const PLUGIN = `export default {
  name: "marker", apiVersion: "fairlead/v1", needs: { configmaps: ["labels"] },
  permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create", "delete"] }],
  setup({ kube, hooks, log, events }) {
    hooks.synced.tap(async () => {
      const target = { apiVersion: "v1", plural: "configmaps", namespace: "shop" };
      await kube.delete({ ...target, name: "mark" }).catch(() => {});
      const made = await kube.create(target, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "mark", namespace: "shop" } });
      events.normal({ apiVersion: "v1", kind: "ConfigMap", namespace: "shop", name: "mark", uid: made.metadata.uid }, "Marked", "made");
      log.info({}, "marked");
    });
  },
};`;

/** A pod's surroundings: a mounted service account and where the API server is. */
class Pod {
  readonly folder: string;
  readonly #env: Record<string, string>;
  readonly #name: string;

  private constructor(name: string, folder: string, env: Record<string, string>) {
    this.#name = name;
    this.folder = folder;
    this.#env = env;
  }

  static async create(name: string, namespaces: string): Promise<Pod> {
    const folder = join(cluster.folder, name);
    const account = join(folder, "serviceaccount");
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, "token"), await cluster.serviceAccountToken("system", name));
    writeFileSync(join(account, "ca.crt"), cluster.caPem);
    writeFileSync(join(folder, "marker.mjs"), PLUGIN);
    writeFileSync(
      join(folder, "fairlead.yaml"),
      `apiVersion: fairlead/v1
cluster:
  server: https://\${KUBERNETES_SERVICE_HOST}:\${KUBERNETES_SERVICE_PORT}
  caFile: ./serviceaccount/ca.crt
  token: file:./serviceaccount/token
  namespaces: { allow: ${namespaces} }
plugins:
  - use: inventory
  - use: ./marker.mjs
`,
    );
    const env = { KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(cluster.port) };
    return new Pod(name, folder, env);
  }

  start(...args: readonly string[]): ProgramRun {
    return new ProgramRun(args, { folder: this.folder, env: this.#env });
  }

  async run(...args: readonly string[]): Promise<ProgramEnd> {
    await using run = this.start(...args);
    return await run.ended;
  }

  /** Applies what `fairlead rbac` prints, as it is; `change` may take a rule away. */
  async applyRbac(change: (object: RbacObject) => RbacObject = (object) => object): Promise<void> {
    const { code, stdout, stderr } = await this.run("rbac", "--namespace", "system", "--name", this.#name);
    assert.deepEqual([code, stderr], [0, ""]);
    const documents = parseAllDocuments(stdout);
    assert.ok(Array.isArray(documents));
    for (const document of documents) {
      const object = change(document.toJS());
      const plural = `${object.kind.toLowerCase()}s`;
      const { name, namespace } = object.metadata;
      const base = object.kind === "ServiceAccount" ? "/api/v1" : RBAC;
      const path = `${base}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}`;
      const made = await cluster.request("POST", path, object);
      if (made.status === 409) {
        await cluster.send("PUT", `${path}/${name}`, object);
      } else {
        assert.equal(made.status, 201, JSON.stringify(made.body));
      }
    }
  }

  /** Checks until the API server goes by the rights that were applied. */
  async checked(code: number): Promise<ProgramEnd> {
    for (let tries = 0; tries < TRIES; tries++) {
      const ended = await this.run("check");
      if (ended.code === code) {
        return ended;
      }
    }
    assert.fail(`fairlead check did not end with ${code}`);
  }

  /** Codes and paths of what the API server refused. */
  async refusals(): Promise<string[]> {
    const user = `system:serviceaccount:system:${this.#name}`;
    const entries = await cluster.auditLog();
    return entries
      .filter((entry) => entry.user.username === user && entry.responseStatus?.code === 403)
      .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
  }
}

interface RbacObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly { readonly resources: readonly string[] }[];
}

function problems(lines: readonly LogLine[]): string[] {
  return lines.filter(({ level }) => level >= WARN).map((line) => JSON.stringify(line));
}

for (const [name, namespaces] of [
  ["everywhere", '["*"]'],
  ["named", "[shop, default]"],
  ["globs", '["sho*"]'],
] as const) {
  test(`${name}: runs with exactly the rights that fairlead rbac printed`, options, async () => {
    const pod = await Pod.create(name, namespaces);
    const refused = await pod.checked(2);
    assert.match(refused.stdout, /plugin "marker" +may not list, watch, create, delete configmaps/);
    const before = (await pod.refusals()).length;
    await pod.applyRbac();
    assert.match((await pod.checked(0)).stdout, /is fine, and the cluster grants what it needs/);
    await using run = pod.start("run", "--log-level", "debug");
    await run.said("marked");
    await run.said("cluster followed");
    run.signal("SIGTERM");
    const { code, stderr } = await run.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(problems(run.lines), []);
    assert.deepEqual((await pod.refusals()).slice(before), []);
    const { unavailable } = await run.said("cluster followed");
    assert.deepEqual(unavailable, []);
  });

  test(`${name}: a rule that was taken away is named by check and in the log, ready to paste`, options, async () => {
    const pod = await Pod.create(name, namespaces);
    await pod.applyRbac((object) => ({
      ...object,
      ...(object.rules === undefined
        ? {}
        : { rules: object.rules.filter(({ resources }) => !resources.includes("services")) }),
    }));
    const { stdout } = await pod.checked(2);
    assert.match(stdout, /plugin "inventory" +may not list, watch services/);
    await using run = pod.start("run");
    const { rules } = await run.said("permissions are missing; fairlead rbac prints them all");
    assert.match(
      String(rules),
      /- apiGroups: \[""\]\n {2}resources: \[.*"services".*\]\n {2}verbs: \["list", "watch"\]\n/,
    );
    run.signal("SIGTERM");
    assert.equal((await run.ended).code, 0);
  });
}
