import { InventoryModel, type OwnerReference } from "./model.ts";
import * as queries from "./queries.ts";
import type { recount, TestCluster, TestOwner, TestPod } from "./recount.test-support.ts";

/** A page that is never full. */
export const ALL = { limit: 1_000_000 };

/** A cluster with nothing in it. */
export function emptyCluster(): TestCluster {
  return {
    pods: new Map(),
    owners: new Map(),
    nodes: new Map(),
    namespaces: new Set(),
    services: new Map(),
    slices: new Map(),
  };
}

/** A model that finds pods by walking over those of the cluster. */
export function modelOver(cluster: TestCluster, ownerUnknown?: (uid: string) => void): InventoryModel {
  return new InventoryModel({
    findPods: (namespace, labels) =>
      [...cluster.pods.values()]
        .filter((pod) => pod.namespace === namespace && Object.entries(labels).every(([k, v]) => pod.labels[k] === v))
        .map((pod) => pod.uid),
    ownerUnknown: (owner) => ownerUnknown?.(owner.uid),
  });
}

/** Kinds of owners that tests use. */
export const OWNER_TYPES = {
  Deployment: { apiVersion: "apps/v1", kind: "Deployment" },
  ReplicaSet: { apiVersion: "apps/v1", kind: "ReplicaSet" },
  StatefulSet: { apiVersion: "apps/v1", kind: "StatefulSet" },
  Job: { apiVersion: "batch/v1", kind: "Job" },
  CronJob: { apiVersion: "batch/v1", kind: "CronJob" },
  Rollout: { apiVersion: "example.org/v1", kind: "Rollout" },
  Node: { apiVersion: "v1", kind: "Node" },
} as const;
export type OwnerKind = keyof typeof OWNER_TYPES;

/** A reference to the object of that kind and number in a namespace; controlling unless said otherwise. */
export function ownedBy(kind: OwnerKind, number: number, namespace: string, controller = true): OwnerReference {
  const name = `${kind.toLowerCase()}-${number}`;
  return { ...OWNER_TYPES[kind], name, uid: `${namespace}-${name}`, controller };
}

/** An owner that is there. */
export function owner(
  kind: OwnerKind,
  number: number,
  namespace: string,
  owners: readonly OwnerReference[] = [],
): TestOwner {
  const { name = "", uid = "" } = ownedBy(kind, number, namespace);
  return { ...OWNER_TYPES[kind], namespace, name, uid, owners };
}

/** A running pod of "cart". */
export function podNamed(name: string, more: Partial<TestPod> = {}): TestPod {
  const base = {
    namespace: "shop",
    phase: "Running",
    ready: true,
    node: "node-0",
    labels: { app: "cart" },
    owners: [],
  };
  return { name, uid: `uid-${name}`, ...base, ...more };
}

/** Tells the model of one object as it is now. */
export function tell(model: InventoryModel, cluster: TestCluster, what: keyof TestCluster, key: string): void {
  const [namespace, name] = key.split("/");
  const acts: Record<keyof TestCluster, () => void> = {
    pods: () => {
      const pod = cluster.pods.get(key);
      return pod === undefined
        ? model.removePod(key)
        : model.putPod(pod, { ...pod, isReady: pod.ready, nodeName: pod.node });
    },
    owners: () => {
      const object = cluster.owners.get(key);
      return object === undefined ? model.removeOwner(key) : model.putOwner(object, object, object.owners);
    },
    nodes: () => {
      const node = cluster.nodes.get(key);
      return node === undefined ? model.removeNode(key) : model.putNode(key, { ...node, isUnschedulable: false });
    },
    namespaces: () => (cluster.namespaces.has(key) ? model.putNamespace(key, "Active") : model.removeNamespace(key)),
    services: () => {
      const service = cluster.services.get(key);
      return service === undefined
        ? model.removeService({ namespace, name })
        : model.putService({ namespace, name }, service);
    },
    slices: () => {
      const slice = cluster.slices.get(key);
      return model.putSlice({ namespace, name }, slice?.service.split("/")[1], slice?.uids ?? []);
    },
  };
  acts[what]();
}

/** What the model answers, in the shape of the recount. */
export function answersOf(model: InventoryModel): ReturnType<typeof recount> {
  return {
    workloads: queries.workloads(model, ALL).items,
    services: queries.services(model, ALL).items,
    namespaces: queries.namespaces(model, ALL).items,
    nodes: queries.nodes(model, ALL).items,
    summary: queries.summary(model),
  };
}
