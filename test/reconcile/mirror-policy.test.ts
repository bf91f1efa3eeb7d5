import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { type ApiClient, type Cluster, openKubeconfig, startCluster, whyNoCluster } from "../cluster/cluster.ts";
import type { AnyObject } from "./world.ts";

const missing = await whyNoCluster(["etcd", "kube-apiserver"]);

const POLICY = new URL("../../plugins/config-mirror/policy.yaml", import.meta.url);
const PATHS: Readonly<Record<string, string>> = {
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
  ValidatingAdmissionPolicyBinding: "validatingadmissionpolicybindings",
};
const COPY = { "config-mirror.fairlead.dev/copy": "true", "config-mirror.fairlead.dev/source-namespace": "shop" };

let cluster: Cluster;
let mirror: ApiClient;

const maps = (namespace: string, name = "") =>
  `/api/v1/namespaces/${namespace}/configmaps${name === "" ? "" : `/${name}`}`;
const configMap = (name: string, labels: Record<string, string> = {}): AnyObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, labels },
  data: { a: "1" },
});

/** A policy is in force a moment after it was stored. */
async function untilInForce(): Promise<void> {
  const giveUpAt = Date.now() + 30_000;
  for (;;) {
    const { status } = await mirror.request("POST", `${maps("shop")}?dryRun=All`, configMap("probe", COPY));
    if (status === 422) {
      return;
    }
    assert.ok(Date.now() < giveUpAt, `the policy is not in force; the last answer was ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("the policy that narrows the writes of config-mirror", { skip: missing ?? false, timeout: 120_000 }, () => {
  before(async () => {
    cluster = await startCluster({ components: ["etcd", "apiserver"] });
    for (const name of ["fairlead", "shop", "team-a"]) {
      await cluster.send("POST", "/api/v1/namespaces", { metadata: { name } });
    }
    const token = await cluster.serviceAccountToken("fairlead", "fairlead");
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }];
    await cluster.send("POST", `${rbac}/clusterroles`, { metadata: { name: "mirror" }, rules });
    await cluster.send("POST", `${rbac}/clusterrolebindings`, {
      metadata: { name: "mirror" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "mirror" },
      subjects: [{ kind: "ServiceAccount", namespace: "fairlead", name: "fairlead" }],
    });
    for (const document of parseAllDocuments(readFileSync(POLICY, "utf8"))) {
      const object: AnyObject = document.toJS();
      await cluster.send("POST", `/apis/admissionregistration.k8s.io/v1/${PATHS[object.kind]}`, object);
    }
    mirror = await openKubeconfig(await cluster.writeKubeconfig("mirror", { token }));
    await untilInForce();
  });

  after(async () => {
    mirror?.close();
    await cluster?.stop();
  });

  async function refused(method: string, path: string, body?: unknown): Promise<string> {
    const answer = await mirror.request(method, path, body);
    assert.equal(answer.status, 422, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body.message;
  }

  test("copies may be made, changed and removed in namespaces with the prefix", async () => {
    await mirror.send("POST", maps("team-a"), configMap("ca", COPY));
    await mirror.send("PUT", maps("team-a", "ca"), { ...configMap("ca", COPY), data: { a: "2" } });
    await mirror.send("DELETE", maps("team-a", "ca"));
  });

  test("nothing may be written in other namespaces", async () => {
    assert.match(await refused("POST", maps("shop"), configMap("ca", COPY)), /begins with "team-"/);
    await cluster.send("POST", maps("shop"), configMap("ca"));
    assert.match(await refused("DELETE", maps("shop", "ca")), /begins with "team-"/);
  });

  test("what is no copy may be neither made, nor changed, nor taken over, nor deleted", async () => {
    await cluster.send("POST", maps("team-a"), configMap("foreign"));
    assert.match(await refused("POST", maps("team-a"), configMap("plain")), /only copies/);
    assert.match(await refused("PUT", maps("team-a", "foreign"), { ...configMap("foreign"), data: {} }), /only copies/);
    assert.match(await refused("PUT", maps("team-a", "foreign"), configMap("foreign", COPY)), /was a copy before/);
    assert.match(await refused("DELETE", maps("team-a", "foreign")), /only copies|was a copy before/);
    const left = await cluster.send("GET", maps("team-a", "foreign"));
    assert.deepEqual(left.body.data, { a: "1" });
  });

  test("others are not held by it", async () => {
    await cluster.send("POST", maps("shop"), configMap("anything"));
    await cluster.send("DELETE", maps("shop", "anything"));
  });
});
