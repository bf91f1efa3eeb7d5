import type { OwnerNode } from "./owner-tree.ts";
import { PodCounts } from "./pod-counts.ts";

/** A node of the cluster; known only from its pods while the Node object was not seen. */
export class NodeRecord {
  readonly name: string;
  isKnown = false;
  isReady = false;
  isUnschedulable = false;
  readonly pods = new PodCounts();

  constructor(name: string) {
    this.name = name;
  }
}

/** A namespace; known only from what is in it while the Namespace object was not seen. */
export class NamespaceRecord {
  readonly name: string;
  isKnown = false;
  phase: string | undefined;
  services = 0;
  readonly pods = new PodCounts();
  readonly #workloads = new Set<OwnerNode>();
  #sorted: readonly OwnerNode[] | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get workloadCount(): number {
    return this.#workloads.size;
  }

  /** By name and kind; sorted anew only after one came or went. */
  get workloads(): readonly OwnerNode[] {
    this.#sorted ??= [...this.#workloads].sort(byNameAndKind);
    return this.#sorted;
  }

  addWorkload(node: OwnerNode): void {
    this.#workloads.add(node);
    this.#sorted = undefined;
  }

  removeWorkload(node: OwnerNode): void {
    this.#workloads.delete(node);
    this.#sorted = undefined;
  }

  get isUnused(): boolean {
    return !this.isKnown && this.#workloads.size === 0 && this.services === 0 && this.pods.total === 0;
  }
}

/** Order of workloads in a namespace: by name, then kind, then uid. */
export function byNameAndKind(a: WorkloadOrder, b: WorkloadOrder): number {
  return compare(a.name, b.name) || compare(a.kind, b.kind) || compare(a.uid, b.uid);
}

/** What workloads are sorted by. */
export type WorkloadOrder = Pick<OwnerNode, "name" | "kind" | "uid">;

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
