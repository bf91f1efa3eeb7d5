import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { leaseRules, shardRules } from "../../core/election/lease-rules.ts";
import { whyNoCluster } from "../cluster/cluster.ts";
import { type Manifest, renderChart } from "./manifests.ts";

const missing = await whyNoCluster(["helm"]);
const STATUS = { port: 8080 };

const named = (objects: readonly Manifest[], kind: string, name: string): Manifest | undefined =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);

suite("several replicas by the chart", { skip: missing ?? false, timeout: 120_000 }, () => {
  test("an election brings its Role, and replicas that follow each other", async () => {
    const config = { apiVersion: "fairlead/v1", status: STATUS, leaderElection: { lease: "ours" } };
    const objects = await renderChart("system", { replicas: 3, config });
    const role = named(objects, "Role", "fairlead-leader-election");
    assert.deepEqual([role?.metadata.namespace, role?.rules], ["system", leaseRules({ name: "ours" })]);
    const binding = named(objects, "RoleBinding", "fairlead-leader-election");
    assert.deepEqual(binding?.roleRef, {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "Role",
      name: "fairlead-leader-election",
    });
    assert.deepEqual(binding?.subjects, [{ kind: "ServiceAccount", name: "fairlead", namespace: "system" }]);
    const spec = Object(named(objects, "Deployment", "fairlead")?.spec);
    assert.deepEqual([spec.replicas, spec.strategy], [3, { type: "RollingUpdate" }]);
  });

  test("shards bring theirs, where their Leases are", async () => {
    const config = { apiVersion: "fairlead/v1", status: STATUS, shards: { namespace: "leases" } };
    const objects = await renderChart("system", { replicas: 2, config });
    const role = named(objects, "Role", "fairlead-shards");
    assert.deepEqual([role?.metadata.namespace, role?.rules], ["leases", shardRules()]);
    assert.equal(named(objects, "RoleBinding", "fairlead-shards")?.metadata.namespace, "leases");
    assert.equal(named(objects, "Role", "fairlead-leader-election"), undefined);
  });

  test("several replicas without either are refused", async () => {
    await assert.rejects(renderChart("system", { replicas: 2 }));
    const off = { apiVersion: "fairlead/v1", status: STATUS, leaderElection: { enabled: false } };
    assert.equal(named(await renderChart("system", { config: off }), "Role", "fairlead-leader-election"), undefined);
    await assert.rejects(renderChart("system", { config: off, replicas: 2 }));
    const plain = { apiVersion: "fairlead/v1", status: STATUS, leaderElection: {} };
    const objects = await renderChart("system", { config: plain, replicas: 2 });
    assert.deepEqual(named(objects, "Role", "fairlead-leader-election")?.rules, leaseRules({ name: "fairlead" }));
  });
});
