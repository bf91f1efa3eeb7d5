import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObjectReference, Plugin } from "../../core/api/index.ts";
import {
  conformance,
  cronJob,
  daemonSet,
  deployment,
  harness,
  job,
  namespace,
  node,
  pod,
  replicaSet,
  service,
  statefulSet,
} from "../../core/testing/index.ts";
import plugin, { type InventoryHandlers } from "./index.ts";

const MODULE = new URL("./index.ts", import.meta.url);
const cart = deployment("shop/cart", { replicas: 2 });
const cartSet = replicaSet("shop/cart-7d4f", { owner: cart });
const reports = cronJob("shop/reports");
const report = job("shop/reports-1", { owner: reports });
const rollout = {
  apiVersion: "example.org/v1",
  kind: "Rollout",
  metadata: { name: "web", namespace: "shop", uid: "2d3a1c55-0000-4000-8000-000000000001" },
};

const objects = [
  namespace("shop"),
  node("node-1"),
  node("node-2", { ready: false }),
  cart,
  cartSet,
  reports,
  report,
  statefulSet("shop/db"),
  daemonSet("shop/agent"),
  pod("shop/cart-1", { owner: cartSet }),
  pod("shop/cart-2", { owner: cartSet, phase: "Pending", node: "" }),
  pod("shop/reports-1-a", { owner: report }),
  pod("shop/web-1", { owner: rollout, node: "node-2" }),
  pod("shop/shell", { node: "node-2" }),
  service("shop/cart"),
  service("shop/outside", { type: "ExternalName" }),
];

for (const isolation of ["inline", "worker"] as const) {
  test(`${isolation}: answers what runs where`, async () => {
    await using h = await harness(MODULE, { objects, isolation });
    const inventory = h.service<InventoryHandlers>("inventory");
    assert.deepEqual(await inventory.summary({}), {
      nodes: { total: 2, ready: 1 },
      namespaces: 5,
      services: 2,
      workloads: 6,
      workloadsByKind: { CronJob: 1, DaemonSet: 1, Deployment: 1, Pod: 1, Rollout: 1, StatefulSet: 1 },
      pods: { total: 5, ready: 4, phases: { Pending: 1, Running: 4 } },
    });
    const { items } = await inventory.workloads({ namespace: "shop" });
    assert.deepEqual(
      items.map(({ kind, name, known, pods }) => `${kind} ${name} ${known} ${pods.ready}/${pods.total}`),
      [
        "DaemonSet agent true 0/0",
        "Deployment cart true 1/2",
        "StatefulSet db true 0/0",
        "CronJob reports true 1/1",
        "Pod shell true 1/1",
        "Rollout web false 1/1",
      ],
    );
    const found = await inventory.workload({ namespace: "shop", kind: "Deployment", name: "cart" });
    assert.deepEqual(
      { via: found?.via.map(({ name }) => name), services: found?.services, nodes: found?.nodes },
      { via: ["cart-7d4f"], services: ["shop/cart"], nodes: { "": 1, "node-1": 1 } },
    );
    const chain = await inventory.root({ namespace: "shop", name: "reports-1-a" });
    assert.deepEqual(
      chain?.map(({ kind }) => kind),
      ["Pod", "Job", "CronJob"],
    );
    const backing = await inventory.service({ namespace: "shop", name: "cart" });
    assert.deepEqual(
      [backing?.pods, backing?.workloads.map(({ kind, name, pods }) => `${kind} ${name} ${pods}`)],
      [2, ["Deployment cart 2"]],
    );
    const second = await inventory.node({ name: "node-2" });
    assert.deepEqual(
      [second?.ready, second?.workloads.map(({ name, pods }) => `${name} ${pods}`)],
      [false, ["shell 1", "web 1"]],
    );
    assert.equal(await inventory.workload({ namespace: "shop", kind: "Deployment", name: "none" }), undefined);
    assert.deepEqual(await h.health(), [{ name: "synced", ok: true, detail: undefined }]);
    assert.deepEqual(await h.stats(), { nodes: 2, workloads: 6, services: 2, pods: 5, podsReady: 4 });
  });
}

test("follows changes, and shows them in its metrics", async () => {
  await using h = await harness(plugin, { objects });
  const inventory = h.service<InventoryHandlers>("inventory");
  assert.equal(h.metrics("pods", { phase: "Pending" }), 1);
  assert.equal(h.metrics("workloads", { kind: "other" }), 1);
  await h.apply(pod("shop/cart-2", { owner: cartSet, node: "node-1" }));
  await h.delete(pod("shop/shell"));
  assert.equal(h.metrics("pods", { phase: "Pending" }), 0);
  assert.equal(h.metrics("workloads", { kind: "Pod" }), 0);
  assert.equal(h.metrics("nodes", { ready: "false" }), 1);
  // Foreground deletion: the replica set goes before its pods.
  await h.delete(cart);
  await h.delete(cartSet);
  const { items } = await inventory.workloads({ text: "cart" });
  assert.deepEqual(
    items.map(({ kind, name, known }) => `${kind} ${name} ${known}`),
    ["ReplicaSet cart-7d4f false"],
  );
});

test("pages lists, and gives the pods of a workload and of a node", async () => {
  const pods = Array.from({ length: 5 }, (_, at) => pod(`shop/cart-${at + 1}`, { owner: cartSet }));
  await using h = await harness(plugin, {
    objects: [cart, cartSet, ...pods, pod("team-a/one"), pod("team-b/two")],
    options: { pageSize: 2 },
  });
  const inventory = h.service<InventoryHandlers>("inventory");
  const names: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await inventory.workloads({ after });
    names.push(page.items.map(({ namespace: place, name }) => `${place}/${name}`).join());
    after = page.next;
    if (after === undefined) {
      break;
    }
  }
  assert.deepEqual(names, ["shop/cart,team-a/one", "team-b/two"]);
  const first = await inventory.pods({ namespace: "shop", kind: "Deployment", name: "cart", limit: 3 });
  const rest = await inventory.pods({ uid: String(cart.metadata.uid), limit: 3, after: first?.next });
  assert.deepEqual(
    [first, rest].map((page) => page?.items.map(({ name }) => name).join()),
    ["cart-1,cart-2,cart-3", "cart-4,cart-5"],
  );
  const onNode = await inventory.pods({ node: "node-1", limit: 10 });
  assert.equal(onNode?.items.length, 7);
  assert.equal((await inventory.nodes({ text: "node" })).items[0].pods.total, 7);
  assert.equal((await inventory.namespaces({ text: "team" })).items.length, 2);
  assert.deepEqual((await inventory.services({})).items, []);
});

test("follows owners of kinds that are not watched where a plugin knows them", async () => {
  const releases = {
    name: "releases",
    apiVersion: "fairlead/v1",
    setup({ hooks }) {
      hooks.workloadRoot.tap(({ kind, namespace: place }): ObjectReference | undefined =>
        kind === "Rollout"
          ? { apiVersion: "example.org/v1", kind: "Release", namespace: place, name: "summer", uid: "release-1" }
          : undefined,
      );
    },
  } satisfies Plugin;
  await using h = await harness(plugin, { objects, plugins: [releases] });
  const { items } = await h.service<InventoryHandlers>("inventory").workloads({ kind: "Release" });
  assert.deepEqual(
    items.map(({ name, pods }) => `${name} ${pods.total}`),
    ["summer 1"],
  );
});

test("a request that makes no sense is refused with what is wrong", async () => {
  await using h = await harness(plugin);
  for (const [handler, given] of [
    ["workloads", { namespaces: "shop" }],
    ["workloads", { limit: 0 }],
    ["workload", {}],
    ["pods", "shop"],
    ["node", { name: 7 }],
  ] as const) {
    await assert.rejects(h.call("inventory", handler, given), {
      message: new RegExp(`inventory.${handler} was asked`),
    });
  }
});

conformance(MODULE, {
  objects,
  exercise: async (h) => {
    await h.call("inventory", "summary", {});
  },
});
