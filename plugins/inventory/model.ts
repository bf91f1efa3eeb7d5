import type { ObjectReference } from "../../core/api/index.ts";
import { type OwnerNode, OwnerTree } from "./owner-tree.ts";
import { NamespaceRecord, NodeRecord } from "./places.ts";
import { PodCounts, phaseNumber } from "./pod-counts.ts";
import { type Labels, type LinkedPod, type PodFinder, ServiceLinks, type ServiceRecord } from "./service-links.ts";

/** The part of an object's metadata that says what it is. */
export interface Identity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** One owner reference; the fields of a broken object may be absent. */
export interface OwnerReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly controller: boolean;
}

/** What the model takes of a pod. */
export interface PodFacts {
  readonly owners: readonly OwnerReference[];
  readonly labels: Labels;
  readonly phase: string | undefined;
  readonly isReady: boolean;
  /** Undefined until it is scheduled. */
  readonly nodeName: string | undefined;
}

interface PodRecord extends LinkedPod {
  readonly name: string;
  phase: number;
  isReady: boolean;
  node: NodeRecord | undefined;
  readonly namespaceRecord: NamespaceRecord;
}

/** What the model asks of its surroundings. */
export interface ModelNeeds {
  readonly findPods: PodFinder;
  /** An owner of a kind that is not watched was referred to: whoever knows what is above it calls `adopt`. */
  readonly ownerUnknown?: (owner: OwnerNode) => void;
}

/** Kinds of owners that are watched, by the API group and kind that references carry. */
const WATCHED_OWNERS: ReadonlySet<string> = new Set([
  "apps/Deployment",
  "apps/ReplicaSet",
  "apps/StatefulSet",
  "apps/DaemonSet",
  "batch/Job",
  "batch/CronJob",
  "/Pod",
]);

/**
 * What runs where, kept from changes. The methods may be called in any order and more than once with the same object; the
 * result depends only on what was said last of each. A change costs what it touches, not what there is.
 */
export class InventoryModel {
  readonly nodes = new Map<string, NodeRecord>();
  readonly namespaces = new Map<string, NamespaceRecord>();
  readonly owners: OwnerTree;
  readonly links: ServiceLinks;
  readonly pods = new PodCounts();
  readyNodes = 0;
  /** Workloads by kind. */
  readonly workloadsByKind = new Map<string, number>();
  readonly #pods = new Map<string, PodRecord>();
  readonly #ownerUnknown: (owner: OwnerNode) => void;

  constructor(needs: ModelNeeds) {
    this.#ownerUnknown = needs.ownerUnknown ?? (() => {});
    this.links = new ServiceLinks((uid) => this.#pods.get(uid), needs.findPods);
    this.owners = new OwnerTree({
      rootAdded: (node) => {
        this.#namespace(node.namespace).addWorkload(node);
        this.workloadsByKind.set(node.kind, (this.workloadsByKind.get(node.kind) ?? 0) + 1);
      },
      rootRemoved: (node) => {
        const namespace = this.#namespace(node.namespace);
        namespace.removeWorkload(node);
        this.#dropNamespace(namespace);
        this.workloadsByKind.set(node.kind, (this.workloadsByKind.get(node.kind) ?? 0) - 1);
      },
    });
  }

  /** Number of namespaces; owners that are in none are kept under "". */
  get namespaceCount(): number {
    return this.namespaces.size - Number(this.namespaces.has(""));
  }

  get services(): ReadonlyMap<string, ServiceRecord> {
    return this.links.services;
  }

  /** The direct owner of a pod; the pod's own node when nobody owns it. */
  ownerOfPod(uid: string): OwnerNode | undefined {
    return this.#pods.get(uid)?.owner;
  }

  putPod(pod: Identity, facts: PodFacts): void {
    const controller = podController(facts.owners);
    let record = this.#pods.get(pod.uid);
    if (record !== undefined && record.owner.uid !== (controller?.uid ?? pod.uid)) {
      // Adopted, or released by its controller.
      this.removePod(pod.uid);
      record = undefined;
    }
    record ??= this.#newPod(pod, controller);
    const phase = phaseNumber(facts.phase);
    if (record.node?.name !== facts.nodeName || record.phase !== phase || record.isReady !== facts.isReady) {
      this.#count(record, -1);
      const left = record.node;
      record.phase = phase;
      record.isReady = facts.isReady;
      record.node = facts.nodeName === undefined ? undefined : this.#node(facts.nodeName);
      this.#count(record, 1);
      this.#dropNode(left);
    }
    this.links.linkPod(record, facts.labels);
  }

  removePod(uid: string): void {
    const record = this.#pods.get(uid);
    if (record === undefined) {
      return;
    }
    this.links.unlinkPod(record);
    this.#count(record, -1);
    this.#pods.delete(uid);
    this.owners.dropIfUnused(record.owner);
    this.#dropNode(record.node);
    this.#dropNamespace(record.namespaceRecord);
  }

  putOwner(
    type: { readonly apiVersion: string; readonly kind: string },
    object: Identity,
    owners: readonly OwnerReference[],
  ): void {
    const owner = controllerOf(owners);
    const controller = owner === undefined ? undefined : referenceTo(owner, object.namespace);
    const node = this.owners.seen(
      { ...type, namespace: object.namespace, name: object.name, uid: object.uid },
      controller,
    );
    this.#askAbove(node.parent);
  }

  removeOwner(uid: string): void {
    this.owners.gone(uid);
  }

  /** Somebody knows what is above an owner of a kind that is not watched. */
  adopt(owner: OwnerNode, above: ObjectReference): void {
    this.owners.adopt(owner, above);
    this.#askAbove(owner.parent);
  }

  putNode(name: string, facts: { readonly isReady: boolean; readonly isUnschedulable: boolean }): void {
    const node = this.#node(name);
    node.isKnown = true;
    this.#setReady(node, facts.isReady);
    node.isUnschedulable = facts.isUnschedulable;
  }

  removeNode(name: string): void {
    const node = this.nodes.get(name);
    if (node !== undefined) {
      node.isKnown = false;
      node.isUnschedulable = false;
      this.#setReady(node, false);
      this.#dropNode(node);
    }
  }

  putNamespace(name: string, phase: string | undefined): void {
    const namespace = this.#namespace(name);
    namespace.isKnown = true;
    namespace.phase = phase;
  }

  removeNamespace(name: string): void {
    const namespace = this.namespaces.get(name);
    if (namespace !== undefined) {
      namespace.isKnown = false;
      namespace.phase = undefined;
      this.#dropNamespace(namespace);
    }
  }

  putService(
    service: Pick<Identity, "namespace" | "name">,
    spec: { readonly type: string | undefined; readonly selector: Labels },
  ): void {
    const { namespace, name } = service;
    // An ExternalName is an alias in the DNS: nothing in the cluster is behind it.
    const selector = spec.type === "ExternalName" ? {} : spec.selector;
    if (
      this.links.putService(`${namespace}/${name}`, { namespace, name }, { type: spec.type ?? "ClusterIP", selector })
    ) {
      this.#namespace(namespace).services++;
    }
  }

  removeService(service: Pick<Identity, "namespace" | "name">): void {
    if (this.links.removeService(`${service.namespace}/${service.name}`)) {
      const namespace = this.#namespace(service.namespace);
      namespace.services--;
      this.#dropNamespace(namespace);
    }
  }

  /** `service`: the name in the slice's label; undefined for a slice without one. */
  putSlice(slice: Pick<Identity, "namespace" | "name">, service: string | undefined, podUids: readonly string[]): void {
    const { namespace, name } = slice;
    this.links.putSlice(`${namespace}/${name}`, `${namespace}/${service ?? ""}`, podUids);
  }

  #newPod(pod: Identity, controller: OwnerReference | undefined): PodRecord {
    const { namespace, name, uid } = pod;
    const itself = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
    const owner = this.owners.node(controller === undefined ? itself : referenceTo(controller, namespace));
    const record: PodRecord = {
      uid: pod.uid,
      namespace: pod.namespace,
      name: pod.name,
      owner,
      services: [],
      phase: phaseNumber(undefined),
      isReady: false,
      node: undefined,
      namespaceRecord: this.#namespace(pod.namespace),
    };
    this.#pods.set(pod.uid, record);
    this.#count(record, 1);
    this.#askAbove(owner);
    return record;
  }

  #count(pod: PodRecord, by: 1 | -1): void {
    this.owners.count(pod.owner, pod.phase, pod.isReady, by);
    pod.node?.pods.count(pod.phase, pod.isReady, by);
    pod.namespaceRecord.pods.count(pod.phase, pod.isReady, by);
    this.pods.count(pod.phase, pod.isReady, by);
  }

  /** Asks once for what is above a node, while nothing is and its own object cannot be seen. */
  #askAbove(node: OwnerNode | undefined): void {
    if (node === undefined || node.isKnown || node.parent !== undefined || node.isAsked) {
      return;
    }
    const group = node.apiVersion.includes("/") ? node.apiVersion.slice(0, node.apiVersion.indexOf("/")) : "";
    if (!WATCHED_OWNERS.has(`${group}/${node.kind}`)) {
      node.isAsked = true;
      this.#ownerUnknown(node);
    }
  }

  #node(name: string): NodeRecord {
    const found = this.nodes.get(name);
    if (found !== undefined) {
      return found;
    }
    const made = new NodeRecord(name);
    this.nodes.set(name, made);
    return made;
  }

  #namespace(name: string): NamespaceRecord {
    const found = this.namespaces.get(name);
    if (found !== undefined) {
      return found;
    }
    const made = new NamespaceRecord(name);
    this.namespaces.set(name, made);
    return made;
  }

  #setReady(node: NodeRecord, isReady: boolean): void {
    this.readyNodes += Number(isReady) - Number(node.isReady);
    node.isReady = isReady;
  }

  #dropNode(node: NodeRecord | undefined): void {
    if (node !== undefined && !node.isKnown && node.pods.total === 0) {
      this.nodes.delete(node.name);
    }
  }

  #dropNamespace(namespace: NamespaceRecord): void {
    if (namespace.isUnused) {
      this.namespaces.delete(namespace.name);
    }
  }
}

/** The controller among owner references. */
function controllerOf(owners: readonly OwnerReference[]): OwnerReference | undefined {
  return owners.find((owner) => owner.controller && owner.uid !== undefined);
}

/** The controller of a pod. A static pod is "owned" by its Node, which is where it runs and not what it belongs to. */
function podController(owners: readonly OwnerReference[]): OwnerReference | undefined {
  const controller = controllerOf(owners);
  return controller?.kind === "Node" ? undefined : controller;
}

function referenceTo(owner: OwnerReference, namespace: string): ObjectReference {
  const { apiVersion = "", kind = "", name = "", uid = "" } = owner;
  return { apiVersion, kind, namespace, name, uid };
}
