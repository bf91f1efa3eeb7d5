import type { ObjectReference } from "../../core/api/index.ts";
import { PodCounts } from "./pod-counts.ts";

/**
 * An object that owns others, or a pod that nobody owns. It may be known only from the reference of something that it owns,
 * because its kind is not watched, or it has not arrived yet, or is gone already.
 */
export class OwnerNode implements ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** True while the object itself was seen. */
  isKnown = false;
  /** True once somebody was asked what is above it. */
  isAsked = false;
  parent: OwnerNode | undefined;
  /** Made for the first child: most nodes have none. */
  children: Set<OwnerNode> | undefined;
  /** Pods that have it as their controller. */
  ownPods = 0;
  /** Pods below it, at any depth. */
  readonly pods = new PodCounts();

  constructor(reference: ObjectReference) {
    this.apiVersion = reference.apiVersion;
    this.kind = reference.kind;
    this.namespace = reference.namespace ?? "";
    this.name = reference.name;
    this.uid = reference.uid;
  }
}

/** Told when a node becomes, or is no longer, the top of a chain. */
export interface RootListener {
  rootAdded(node: OwnerNode): void;
  rootRemoved(node: OwnerNode): void;
}

/**
 * Who owns whom, with the pods counted at every level. Each change costs the height of the chain that it touches, however
 * large the cluster is, and the order in which objects arrive makes no difference.
 */
export class OwnerTree {
  readonly #nodes = new Map<string, OwnerNode>();
  readonly #listener: RootListener;

  constructor(listener: RootListener) {
    this.#listener = listener;
  }

  get size(): number {
    return this.#nodes.size;
  }

  byUid(uid: string): OwnerNode | undefined {
    return this.#nodes.get(uid);
  }

  /** The object was seen, with this controller. */
  seen(object: ObjectReference, controller: ObjectReference | undefined): OwnerNode {
    const node = this.node(object);
    node.isKnown = true;
    this.#attach(node, controller === undefined ? undefined : this.node(controller));
    return node;
  }

  /** The object is gone. While something refers to it, it stays as the top of what it owned. */
  gone(uid: string): void {
    const node = this.#nodes.get(uid);
    if (node !== undefined) {
      node.isKnown = false;
      this.#attach(node, undefined);
      this.dropIfUnused(node);
    }
  }

  /** Puts an owner above a node that is known from references only. */
  adopt(node: OwnerNode, owner: ObjectReference): void {
    if (!node.isKnown && this.#nodes.get(node.uid) === node) {
      this.#attach(node, this.node(owner));
    }
  }

  /** The node of an object, made when it is not there: hold it by a pod or a child, or call `dropIfUnused`. */
  node(object: ObjectReference): OwnerNode {
    const found = this.#nodes.get(object.uid);
    if (found !== undefined) {
      return found;
    }
    const node = new OwnerNode(object);
    this.#nodes.set(node.uid, node);
    this.#listener.rootAdded(node);
    return node;
  }

  /** Counts a pod of this node, here and above. */
  count(node: OwnerNode, phase: number, isReady: boolean, by: 1 | -1): void {
    node.ownPods += by;
    for (let at: OwnerNode | undefined = node; at !== undefined; at = at.parent) {
      at.pods.count(phase, isReady, by);
    }
  }

  /** Removes a node that nothing refers to, and what was there only for it. */
  dropIfUnused(node: OwnerNode): void {
    if (node.isKnown || node.ownPods > 0 || (node.children?.size ?? 0) > 0 || this.#nodes.get(node.uid) !== node) {
      return;
    }
    const { parent } = node;
    this.#nodes.delete(node.uid);
    if (parent === undefined) {
      this.#listener.rootRemoved(node);
      return;
    }
    parent.children?.delete(node);
    this.dropIfUnused(parent);
  }

  #attach(node: OwnerNode, wanted: OwnerNode | undefined): void {
    // Owners in a circle are broken objects: the link that would close it is left out.
    const parent = wanted !== undefined && isBelow(wanted, node) ? undefined : wanted;
    const before = node.parent;
    if (before === parent) {
      return;
    }
    if (before === undefined) {
      this.#listener.rootRemoved(node);
    } else {
      before.children?.delete(node);
      addAbove(before, node.pods, -1);
    }
    node.parent = parent;
    if (parent === undefined) {
      this.#listener.rootAdded(node);
    } else {
      parent.children ??= new Set();
      parent.children.add(node);
      addAbove(parent, node.pods, 1);
    }
    if (before !== undefined) {
      this.dropIfUnused(before);
    }
  }
}

/** The top of the chain of a node. */
export function rootOf(node: OwnerNode): OwnerNode {
  let at = node;
  while (at.parent !== undefined) {
    at = at.parent;
  }
  return at;
}

/** Every node below and including this one that has pods of its own. */
export function* podOwnersBelow(node: OwnerNode): Generator<OwnerNode, void, undefined> {
  if (node.ownPods > 0) {
    yield node;
  }
  for (const child of node.children ?? []) {
    if (child.pods.total > 0) {
      yield* podOwnersBelow(child);
    }
  }
}

function addAbove(from: OwnerNode, pods: PodCounts, by: 1 | -1): void {
  for (let at: OwnerNode | undefined = from; at !== undefined; at = at.parent) {
    at.pods.merge(pods, by);
  }
}

function isBelow(node: OwnerNode, above: OwnerNode): boolean {
  for (let at: OwnerNode | undefined = node; at !== undefined; at = at.parent) {
    if (at === above) {
      return true;
    }
  }
  return false;
}
