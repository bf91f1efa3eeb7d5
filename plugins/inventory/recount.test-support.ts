import type { ClusterNode, NamespaceSummary, PodPlace, ServiceBacking, Summary, Workload } from "./answers.ts";
import type { OwnerReference } from "./model.ts";
import { PHASES, type PodTotals } from "./pod-counts.ts";
import type { PodSource } from "./queries.ts";

/** Objects of a small cluster, as a test keeps them. */
export interface TestPod extends PodPlace {
  readonly labels: Readonly<Record<string, string>>;
  readonly owners: readonly OwnerReference[];
}
export interface TestOwner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly owners: readonly OwnerReference[];
}
export interface TestCluster {
  readonly pods: Map<string, TestPod>;
  readonly owners: Map<string, TestOwner>;
  readonly nodes: Map<string, { readonly isReady: boolean }>;
  readonly namespaces: Set<string>;
  readonly services: Map<string, { readonly type: string; readonly selector: Readonly<Record<string, string>> }>;
  readonly slices: Map<string, { readonly service: string; readonly uids: readonly string[] }>;
}

type Reference = Pick<TestOwner, "apiVersion" | "kind" | "namespace" | "name" | "uid">;

/** Everything that the model answers, counted anew from all objects. */
export function recount(cluster: TestCluster): {
  readonly workloads: readonly Workload[];
  readonly services: readonly ServiceBacking[];
  readonly namespaces: readonly NamespaceSummary[];
  readonly nodes: readonly ClusterNode[];
  readonly summary: Summary;
} {
  const roots = new Map<string, Reference>();
  const podsByRoot = new Map<string, TestPod[]>();
  for (const owner of cluster.owners.values()) {
    const root = rootFrom(cluster, owner);
    roots.set(root.uid, root);
  }
  for (const pod of cluster.pods.values()) {
    const root = rootOfPod(cluster, pod);
    roots.set(root.uid, root);
    podsByRoot.set(root.uid, [...(podsByRoot.get(root.uid) ?? []), pod]);
  }
  const workloads = [...roots.values()].sort(byPlace).map(({ apiVersion, kind, namespace, name, uid }) => ({
    apiVersion,
    kind,
    namespace,
    name,
    uid,
    known: cluster.owners.has(uid) || kind === "Pod",
    pods: totals(podsByRoot.get(uid) ?? []),
  }));
  const services = [...cluster.services.keys()].sort().map((key) => backing(cluster, key));
  const namespaces = namespacesOf(cluster, workloads);
  const nodes = [...new Set([...cluster.nodes.keys(), ...podNodes(cluster)])].sort().map((name) => ({
    name,
    known: cluster.nodes.has(name),
    ready: cluster.nodes.get(name)?.isReady ?? false,
    unschedulable: false,
    pods: totals([...cluster.pods.values()].filter((pod) => pod.node === name)),
  }));
  const summary = {
    nodes: { total: nodes.length, ready: nodes.filter((node) => node.ready).length },
    namespaces: namespaces.length,
    services: services.length,
    workloads: workloads.length,
    workloadsByKind: Object.fromEntries(
      [...new Set(workloads.map(({ kind }) => kind))]
        .sort()
        .map((kind) => [kind, workloads.filter((one) => one.kind === kind).length]),
    ),
    pods: totals([...cluster.pods.values()]),
  };
  return { workloads, services, namespaces, nodes, summary };
}

/** Pods by walking over all of them. */
export function naiveSource(cluster: TestCluster): PodSource {
  const filtered = (fits: (pod: TestPod) => boolean) => [...cluster.pods.values()].filter(fits);
  return {
    byOwner: (uid) => filtered((pod) => pod.owners.some((owner) => owner.uid === uid)),
    byUid: (uid) => cluster.pods.get(uid),
    byName: (namespace, name) => filtered((pod) => pod.namespace === namespace && pod.name === name)[0],
    onNode: (node) => filtered((pod) => pod.node === node),
  };
}

function rootOfPod(cluster: TestCluster, pod: TestPod): Reference {
  const controller = pod.owners.find((owner) => owner.controller && owner.kind !== "Node");
  return controller === undefined
    ? { apiVersion: "v1", kind: "Pod", namespace: pod.namespace, name: pod.name, uid: pod.uid }
    : rootFrom(cluster, asReference(controller, pod.namespace));
}

function rootFrom(cluster: TestCluster, from: Reference): Reference {
  const controller = cluster.owners.get(from.uid)?.owners.find((owner) => owner.controller);
  return controller === undefined ? from : rootFrom(cluster, asReference(controller, from.namespace));
}

function asReference(owner: OwnerReference, namespace: string): Reference {
  const { apiVersion = "", kind = "", name = "", uid = "" } = owner;
  return { apiVersion, kind, namespace, name, uid };
}

function backing(cluster: TestCluster, key: string): ServiceBacking {
  const [namespace, name] = key.split("/");
  const { type, selector } = cluster.services.get(key) ?? { type: "", selector: {} };
  const pairs = Object.entries(selector);
  const named = new Set([...cluster.slices.values()].filter((one) => one.service === key).flatMap((one) => one.uids));
  const pods = [...cluster.pods.values()].filter((pod) =>
    pairs.length > 0
      ? pod.namespace === namespace && pairs.every(([label, value]) => pod.labels[label] === value)
      : named.has(pod.uid),
  );
  const shares = new Map<string, Reference & { pods: number }>();
  for (const pod of pods) {
    const root = rootOfPod(cluster, pod);
    const share = shares.get(root.uid) ?? { ...pick(root), pods: 0 };
    share.pods++;
    shares.set(root.uid, share);
  }
  return { namespace, name, type, pods: pods.length, workloads: [...shares.values()].sort(byPlace) };
}

function namespacesOf(cluster: TestCluster, workloads: readonly Workload[]): NamespaceSummary[] {
  const serviceNamespaces = [...cluster.services.keys()].map((key) => key.split("/")[0]);
  const podNamespaces = [...cluster.pods.values()].map((pod) => pod.namespace);
  const names = [
    ...cluster.namespaces,
    ...workloads.map((one) => one.namespace),
    ...serviceNamespaces,
    ...podNamespaces,
  ];
  return [...new Set(names)].sort().map((name) => ({
    name,
    known: cluster.namespaces.has(name),
    phase: cluster.namespaces.has(name) ? "Active" : undefined,
    workloads: workloads.filter((one) => one.namespace === name).length,
    services: serviceNamespaces.filter((one) => one === name).length,
    pods: totals([...cluster.pods.values()].filter((pod) => pod.namespace === name)),
  }));
}

function podNodes(cluster: TestCluster): string[] {
  return [...cluster.pods.values()].flatMap((pod) => pod.node ?? []);
}

function totals(pods: readonly TestPod[]): PodTotals {
  const phases = PHASES.map((phase) => [phase, pods.filter((pod) => pod.phase === phase).length] as const);
  return {
    total: pods.length,
    ready: pods.filter((pod) => pod.ready).length,
    phases: Object.fromEntries(phases.filter(([, count]) => count > 0)),
  };
}

function pick({ apiVersion, kind, namespace, name, uid }: Reference): Reference {
  return { apiVersion, kind, namespace, name, uid };
}

function byPlace(a: Reference, b: Reference): number {
  const left = [a.namespace, a.name, a.kind, a.uid];
  const right = [b.namespace, b.name, b.kind, b.uid];
  const at = left.findIndex((part, i) => part !== right[i]);
  return at < 0 ? 0 : left[at] < right[at] ? -1 : 1;
}
