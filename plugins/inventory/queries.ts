import type {
  ClusterNode,
  NamespaceSummary,
  Page,
  PodPlace,
  ServiceBacking,
  Summary,
  Workload,
  WorkloadDetail,
  WorkloadName,
  WorkloadShare,
} from "./answers.ts";
import type { InventoryModel } from "./model.ts";
import { type OwnerNode, podOwnersBelow, rootOf } from "./owner-tree.ts";
import { byNameAndKind, type NamespaceRecord, type NodeRecord, type WorkloadOrder } from "./places.ts";
import type { ServiceRecord } from "./service-links.ts";

/** Reads pods by the indexes of the store. */
export interface PodSource {
  byOwner(uid: string): readonly PodPlace[];
  byUid(uid: string): PodPlace | undefined;
  byName(namespace: string, name: string): PodPlace | undefined;
  onNode(node: string): readonly PodPlace[];
}

/** Which part of a list. */
export interface Paging {
  readonly limit: number;
  readonly after?: string;
}

/** What `workloads` filters by. */
export interface WorkloadFilter extends Paging {
  readonly namespace?: string;
  readonly kind?: string;
  readonly text?: string;
}

/** How a workload is named in a request. */
export type WorkloadReference =
  | { readonly uid: string }
  | { readonly namespace: string; readonly kind: string; readonly name: string };

/** The cluster in numbers; nothing is counted for it. */
export function summary(model: InventoryModel): Summary {
  const kinds = [...model.workloadsByKind].filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    nodes: { total: model.nodes.size, ready: model.readyNodes },
    namespaces: model.namespaceCount,
    services: model.services.size,
    workloads: kinds.reduce((sum, [, count]) => sum + count, 0),
    workloadsByKind: Object.fromEntries(kinds),
    pods: model.pods.totals(),
  };
}

/** Workloads by namespace, name and kind. A page costs what it passes over. */
export function workloads(model: InventoryModel, filter: WorkloadFilter): Page<Workload> {
  const from = filter.after === undefined ? undefined : workloadCursor(filter.after);
  const names = filter.namespace === undefined ? [...model.namespaces.keys()].sort() : [filter.namespace];
  const items: Workload[] = [];
  for (const name of names) {
    if (from !== undefined && name < from.namespace) {
      continue;
    }
    for (const node of model.namespaces.get(name)?.workloads ?? []) {
      const isPast = from === undefined || name !== from.namespace || byNameAndKind(node, from) > 0;
      if (!isPast || !fits(node, filter)) {
        continue;
      }
      if (items.length === filter.limit) {
        return { items, next: workloadCursorText(items[items.length - 1]) };
      }
      items.push(workloadOf(node));
    }
  }
  return { items, next: undefined };
}

/** One workload; also by the uid of something below it, such as a ReplicaSet or pod. */
export function workload(model: InventoryModel, pods: PodSource, which: WorkloadReference): WorkloadDetail | undefined {
  const node = findWorkload(model, which);
  if (node === undefined) {
    return undefined;
  }
  const via: WorkloadName[] = [];
  const services = new Set<string>();
  const nodes: Record<string, number> = {};
  for (const owner of podOwnersBelow(node)) {
    if (owner !== node) {
      via.push(nameOf(owner));
    }
    for (const service of model.links.ofOwner(owner)) {
      services.add(service.key);
    }
    for (const pod of podsOfOwner(model, pods, owner)) {
      nodes[pod.node ?? ""] = (nodes[pod.node ?? ""] ?? 0) + 1;
    }
  }
  via.sort(byNameAndKind);
  return { ...workloadOf(node), via, services: [...services].sort(), nodes };
}

/** The pods of a workload, by name; undefined when there is no such workload. */
export function podsOf(
  model: InventoryModel,
  pods: PodSource,
  which: WorkloadReference & Paging,
): Page<PodPlace> | undefined {
  const node = findWorkload(model, which);
  if (node === undefined) {
    return undefined;
  }
  const found: PodPlace[] = [];
  for (const owner of podOwnersBelow(node)) {
    found.push(...podsOfOwner(model, pods, owner));
  }
  return page(found, podKey, (pod) => pod, which);
}

/** The pods on a node, by name. */
export function podsOn(pods: PodSource, which: Paging & { readonly node: string }): Page<PodPlace> {
  return page(pods.onNode(which.node), podKey, (pod) => pod, which);
}

/** From a pod up to its workload: the pod first, the workload last; undefined when there is no such pod. */
export function chainOf(
  model: InventoryModel,
  pods: PodSource,
  which: { readonly namespace: string; readonly name: string },
): readonly WorkloadName[] | undefined {
  const pod = pods.byName(which.namespace, which.name);
  const owner = pod === undefined ? undefined : model.ownerOfPod(pod.uid);
  if (pod === undefined || owner === undefined) {
    return undefined;
  }
  const chain: WorkloadName[] = [];
  if (owner.uid !== pod.uid) {
    chain.push({ apiVersion: "v1", kind: "Pod", namespace: pod.namespace, name: pod.name, uid: pod.uid });
  }
  for (let at: OwnerNode | undefined = owner; at !== undefined; at = at.parent) {
    chain.push(nameOf(at));
  }
  return chain;
}

export function nodes(model: InventoryModel, filter: Paging & { readonly text?: string }): Page<ClusterNode> {
  const { text = "" } = filter;
  const found = [...model.nodes.values()].filter((node) => node.name.includes(text));
  return page(found, (node) => node.name, clusterNodeOf, filter);
}

/** One node with the workloads on it. */
export function node(
  model: InventoryModel,
  pods: PodSource,
  name: string,
): (ClusterNode & { readonly workloads: readonly WorkloadShare[] }) | undefined {
  const found = model.nodes.get(name);
  if (found === undefined) {
    return undefined;
  }
  const owners = new Map<OwnerNode, number>();
  for (const pod of pods.onNode(name)) {
    const owner = model.ownerOfPod(pod.uid);
    if (owner !== undefined) {
      owners.set(owner, (owners.get(owner) ?? 0) + 1);
    }
  }
  return { ...clusterNodeOf(found), workloads: sharesOf(owners) };
}

export function namespaces(model: InventoryModel, filter: Paging & { readonly text?: string }): Page<NamespaceSummary> {
  const { text = "" } = filter;
  const found = [...model.namespaces.values()].filter((one) => one.name.includes(text) && one.name !== "");
  return page(found, (one) => one.name, namespaceOf, filter);
}

export function services(
  model: InventoryModel,
  filter: Paging & { readonly namespace?: string; readonly text?: string },
): Page<ServiceBacking> {
  const { text = "", namespace } = filter;
  const found = [...model.services.values()].filter(
    (service) => service.name.includes(text) && (namespace === undefined || service.namespace === namespace),
  );
  return page(found, (service) => service.key, backingOf, filter);
}

export function service(model: InventoryModel, namespace: string, name: string): ServiceBacking | undefined {
  const found = model.services.get(`${namespace}/${name}`);
  return found === undefined ? undefined : backingOf(found);
}

function fits(node: OwnerNode, filter: WorkloadFilter): boolean {
  return (
    (filter.kind === undefined || node.kind === filter.kind) &&
    (filter.text === undefined || node.name.includes(filter.text))
  );
}

function findWorkload(model: InventoryModel, which: WorkloadReference): OwnerNode | undefined {
  if ("uid" in which) {
    const owner = model.owners.byUid(which.uid) ?? model.ownerOfPod(which.uid);
    return owner === undefined ? undefined : rootOf(owner);
  }
  const all = model.namespaces.get(which.namespace)?.workloads ?? [];
  const found = all.filter((one) => one.name === which.name && one.kind === which.kind);
  // An earlier one of that name may still have pods: the one that is there counts.
  return found.find((one) => one.isKnown) ?? found[0];
}

function podsOfOwner(model: InventoryModel, pods: PodSource, owner: OwnerNode): readonly PodPlace[] {
  const itself = pods.byUid(owner.uid);
  const found = itself === undefined ? pods.byOwner(owner.uid) : [itself];
  return found.filter((pod) => model.ownerOfPod(pod.uid) === owner);
}

function nameOf({ apiVersion, kind, namespace, name, uid }: OwnerNode): WorkloadName {
  return { apiVersion, kind, namespace, name, uid };
}

function workloadOf(owner: OwnerNode): Workload {
  return { ...nameOf(owner), known: owner.isKnown || owner.kind === "Pod", pods: owner.pods.totals() };
}

function clusterNodeOf(record: NodeRecord): ClusterNode {
  const { name, isKnown, isReady, isUnschedulable } = record;
  return { name, known: isKnown, ready: isReady, unschedulable: isUnschedulable, pods: record.pods.totals() };
}

function namespaceOf(record: NamespaceRecord): NamespaceSummary {
  const { name, isKnown, phase, workloadCount, services: count } = record;
  return { name, known: isKnown, phase, workloads: workloadCount, services: count, pods: record.pods.totals() };
}

function backingOf(record: ServiceRecord): ServiceBacking {
  const { namespace, name, type } = record;
  return { namespace, name, type, pods: record.pods.size, workloads: sharesOf(record.owners) };
}

function sharesOf(owners: ReadonlyMap<OwnerNode, number>): WorkloadShare[] {
  const roots = new Map<OwnerNode, number>();
  for (const [owner, count] of owners) {
    const root = rootOf(owner);
    roots.set(root, (roots.get(root) ?? 0) + count);
  }
  return [...roots]
    .map(([root, pods]) => ({ ...nameOf(root), pods }))
    .sort((a, b) => (a.namespace === b.namespace ? byNameAndKind(a, b) : a.namespace < b.namespace ? -1 : 1));
}

function podKey(pod: PodPlace): string {
  return `${pod.namespace}/${pod.name}`;
}

/** One page of a list that is sorted by a unique key. */
function page<Record, Item>(
  all: readonly Record[],
  keyOf: (one: Record) => string,
  itemOf: (one: Record) => Item,
  paging: Paging,
): Page<Item> {
  const { after, limit } = paging;
  const keyed = all.map((one) => ({ key: keyOf(one), one }));
  const left = keyed.filter(({ key }) => after === undefined || key > after);
  left.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const taken = left.slice(0, limit);
  return {
    items: taken.map(({ one }) => itemOf(one)),
    next: left.length > limit ? taken[taken.length - 1].key : undefined,
  };
}

/** Kubernetes names hold no "/". */
function workloadCursorText({ namespace, name, kind, uid }: WorkloadName): string {
  return [namespace, name, kind, uid].join("/");
}

function workloadCursor(text: string): WorkloadOrder & { readonly namespace: string } {
  const [namespace = "", name = "", kind = "", uid = ""] = text.split("/");
  return { namespace, name, kind, uid };
}
