import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { type Cluster, startCluster, whyNoCluster } from "../cluster/cluster.ts";
import { ensureProgram } from "../cluster/programs.ts";
import { type Manifest, NAMESPACE, plainManifests, readManifests, renderChart } from "../package/manifests.ts";
import { applyManifests } from "./apply.ts";
import { guideBlocks } from "./deploy-guide.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BIN = fileURLToPath(new URL("../../config/bin.ts", import.meta.url));
/** The configuration of the chart, where values do not say otherwise. */
const DEFAULTS = parse(readFileSync(`${ROOT}config/samples/fairlead.yaml`, "utf8"));
const missing = await whyNoCluster(["etcd", "kube-apiserver", "helm"]);

function fairlead(...args: readonly string[]): string {
  const env = { ...process.env, STATUS_TOKEN: "not-a-secret" };
  return execFileSync(process.execPath, [BIN, ...args], { cwd: ROOT, env, encoding: "utf8", stdio: "pipe" });
}

test("every sample configuration is one that Fairlead runs", () => {
  const samples = globSync("config/samples/*.yaml", { cwd: ROOT });
  assert.ok(samples.length > 0);
  for (const sample of samples) {
    assert.match(fairlead("check", "--offline", "--config", sample), /is fine/);
  }
});

test("the rights of the manifests are those that fairlead rbac prints for their configuration", () => {
  const args = ["--config", "config/samples/fairlead.yaml", "--namespace", NAMESPACE, "--output", "json"];
  const { items } = JSON.parse(fairlead("rbac", ...args));
  const plain = readManifests("config/rbac/fairlead.yaml").map(withoutLabels);
  assert.deepEqual(plain, items.map(withoutLabels));
});

test("the manifests of the DNS server run its sample, with the rights that it needs", () => {
  const sample = "config/samples/dns.yaml";
  const [config] = readManifests("config/manager/dns.yaml");
  const text = String(Reflect.get(Object(config.data), "fairlead.yaml"));
  assert.deepEqual(parse(text), parse(readFileSync(`${ROOT}${sample}`, "utf8")));
  const { items } = JSON.parse(fairlead("rbac", "--config", sample, "--namespace", NAMESPACE, "--output", "json"));
  const renamed: readonly Manifest[] = JSON.parse(
    JSON.stringify(items).replaceAll('"name":"fairlead"', '"name":"fairlead-dns"'),
  );
  assert.deepEqual(readManifests("config/rbac/dns.yaml").map(withoutLabels), renamed.map(withoutLabels));
});

describe("manifests and chart", { skip: missing ?? false }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
  });

  after(() => cluster?.stop());

  test("the plain manifests are what the chart renders", async () => {
    for (const { path, text } of await plainManifests()) {
      assert.equal(readFileSync(path, "utf8"), text, `${path} is stale: npm run manifests`);
    }
  });

  test("the API server takes those of the DNS server too", async () => {
    const files = ["config/manager/namespace.yaml", "config/rbac/dns.yaml", "config/manager/dns.yaml"];
    assert.deepEqual(await applyManifests(cluster.client, files.flatMap(readManifests)), []);
  });

  test("the API server takes them in a namespace that admits only restricted pods", async () => {
    const files = ["config/manager/namespace.yaml", "config/rbac/fairlead.yaml", "config/manager/fairlead.yaml"];
    const objects = files.flatMap(readManifests);
    assert.deepEqual(await applyManifests(cluster.client, objects), []);
    const deployment = objects.find(({ kind }) => kind === "Deployment");
    const template = Reflect.get(Object(deployment?.spec), "template");
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "as-deployed" },
      spec: Reflect.get(template, "spec"),
    };
    const path = `/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All`;
    const { status, body } = await cluster.request("POST", path, pod);
    assert.equal(status, 201, body.message);
    const privileged = structuredClone(pod);
    Reflect.set(privileged.spec.containers[0].securityContext, "allowPrivilegeEscalation", true);
    assert.equal((await cluster.request("POST", path, privileged)).status, 403);
  });

  test("helm installs the chart with another configuration, and takes it away again", async () => {
    const helm = await ensureProgram("helm", () => {});
    const run = (...args: readonly string[]): string =>
      execFileSync(helm, [...args, "--namespace", "watchers", "--kubeconfig", cluster.kubeconfigPath], {
        encoding: "utf8",
        stdio: "pipe",
      });
    const values = ["--set", "config.status.port=9090", "--set-json", 'pluginsVolume={"emptyDir":{}}'];
    run("install", "watcher", `${ROOT}config/chart`, "--create-namespace", ...values);
    const path = "/apis/apps/v1/namespaces/watchers/deployments/watcher";
    const { body } = await cluster.send("GET", path);
    const [container] = body.spec.template.spec.containers;
    assert.equal(container.ports[0].containerPort, 9090);
    assert.deepEqual(
      container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath),
      ["/etc/fairlead", "/node_modules"],
    );
    run("uninstall", "watcher");
    assert.equal((await cluster.request("GET", path)).status, 404);
  });

  test("the values and the paths of the guide are ones that the chart and the checkout have", async () => {
    for (const values of guideBlocks("yaml").map((block) => parse(block))) {
      const objects = await renderChart(NAMESPACE, values);
      const map = objects.find(({ kind }) => kind === "ConfigMap");
      const text: unknown = Reflect.get(Object(map?.data), "fairlead.yaml");
      assert.deepEqual(parse(String(text)), { ...DEFAULTS, ...values.config });
    }
    for (const [path] of guideBlocks("console")
      .join("\n")
      .matchAll(/config\/[\w/.-]+/g)) {
      assert.ok(existsSync(ROOT + path), path);
    }
  });

  test("the chart renders every value that it offers", async () => {
    const objects = await renderChart("elsewhere", {
      imagePullSecrets: [{ name: "registry" }],
      "image.tag": "2.0.0",
      env: [{ name: "STATUS_TOKEN", value: "x" }],
      podLabels: { team: "shop" },
      podAnnotations: { "example.org/why": "test" },
      nodeSelector: { disk: "fast" },
      tolerations: [{ operator: "Exists" }],
      affinity: { nodeAffinity: {} },
      priorityClassName: "high",
      "rbac.create": false,
    });
    assert.deepEqual(
      objects.map(({ kind }) => kind),
      ["ServiceAccount", "ConfigMap", "Service", "Deployment"],
    );
    const text = JSON.stringify(objects);
    for (const part of [
      "registry",
      ":2.0.0",
      "STATUS_TOKEN",
      '"team":"shop"',
      "example.org/why",
      '"disk":"fast"',
      "Exists",
      "nodeAffinity",
      '"high"',
    ]) {
      assert.ok(text.includes(part), part);
    }
  });
});

function withoutLabels({ metadata: { name, namespace }, ...object }: Manifest): unknown {
  return { ...object, metadata: namespace === undefined ? { name } : { name, namespace } };
}
