import assert from "node:assert/strict";
import { test } from "node:test";
import { type ApiServer, harness, type StoredObject, simulate } from "../../core/testing/index.ts";
import type { InventoryHandlers } from "./index.ts";
import type { OwnerReference } from "./model.ts";
import { recount, type TestCluster, type TestPod } from "./recount.test-support.ts";

const OWNERS = [
  ["apps/v1", "Deployment"],
  ["apps/v1", "ReplicaSet"],
  ["apps/v1", "StatefulSet"],
  ["apps/v1", "DaemonSet"],
  ["batch/v1", "Job"],
  ["batch/v1", "CronJob"],
] as const;

/** A field of an object of the test server, as what the caller knows it to be. */
function field<T>(object: StoredObject, part: string, name: string): T | undefined {
  const { [part]: holder } = object;
  return (holder as Readonly<Record<string, T>> | undefined)?.[name];
}

function ownersOf({ metadata }: StoredObject): readonly OwnerReference[] {
  return (metadata.ownerReferences ?? []).map((owner) => ({ ...owner, controller: owner.controller === true }));
}

function isTrue(object: StoredObject, condition: string): boolean {
  const all =
    field<readonly { readonly type: string; readonly status: string }[]>(object, "status", "conditions") ?? [];
  return all.some(({ type, status }) => type === condition && status === "True");
}

function podOf(object: StoredObject): TestPod {
  const { name, namespace = "", uid, labels = {} } = object.metadata;
  return {
    name,
    namespace,
    uid,
    labels,
    phase: field<string>(object, "status", "phase") ?? "Unknown",
    ready: isTrue(object, "Ready"),
    node: field<string>(object, "spec", "nodeName"),
    owners: ownersOf(object),
  };
}

/** What is on the server, as the recount wants it. */
function clusterOn({ objects }: ApiServer): TestCluster {
  const pods = objects.list("v1", "Pod").map(podOf);
  const owners = OWNERS.flatMap(([apiVersion, kind]) =>
    objects.list(apiVersion, kind).map((object) => {
      const { name, namespace = "", uid } = object.metadata;
      return { apiVersion, kind, name, namespace, uid, owners: ownersOf(object) };
    }),
  );
  const services = objects.list("v1", "Service").map((object) => {
    const selector = field<Record<string, string>>(object, "spec", "selector") ?? {};
    return [`${object.metadata.namespace}/${object.metadata.name}`, { type: "ClusterIP", selector }] as const;
  });
  return {
    pods: new Map(pods.filter(({ phase }) => phase !== "Failed" && phase !== "Succeeded").map((pod) => [pod.uid, pod])),
    owners: new Map(owners.map((owner) => [owner.uid, owner])),
    nodes: new Map(objects.list("v1", "Node").map((node) => [node.metadata.name, { isReady: isTrue(node, "Ready") }])),
    namespaces: new Set(objects.list("v1", "Namespace").map(({ metadata }) => metadata.name)),
    services: new Map(services),
    slices: new Map(),
  };
}

for (const isolation of ["inline", "worker"] as const) {
  test(`${isolation}: after a busy time with lost connections every answer is that of a recount`, async () => {
    await using h = await harness(new URL("./index.ts", import.meta.url), { isolation });
    const life = await simulate(h.server, { deployments: 30, services: 25, pods: 150, nodes: 8, ratePerSecond: 1500 });
    for (let round = 1; round <= 4; round++) {
      while (life.changes < round * 300) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      h.server.dropConnections();
      if (round % 2 === 0) {
        h.server.compact();
      }
    }
    life.stop();
    await h.settled();
    const inventory = h.service<InventoryHandlers>("inventory");
    const all = { limit: 5000 };
    const answers = {
      workloads: (await inventory.workloads(all)).items,
      services: (await inventory.services(all)).items,
      namespaces: (await inventory.namespaces(all)).items,
      nodes: (await inventory.nodes(all)).items,
      summary: await inventory.summary({}),
    };
    assert.deepEqual(answers, recount(clusterOn(h.server)));
    assert.ok(answers.summary.pods.total > 100);
    assert.equal(h.metrics("pods"), answers.summary.pods.total);
  });
}
