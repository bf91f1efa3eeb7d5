import type { PodTotals } from "./pod-counts.ts";

/** What a workload is called. */
export interface WorkloadName {
  readonly apiVersion: string;
  readonly kind: string;
  /** "" for cluster-scoped owners. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** The top of an owner chain, with its pods counted: a Deployment, a CronJob, a pod that nobody owns, … */
export interface Workload extends WorkloadName {
  /** False: known only from what it owns; its kind is not watched, or it is gone already. */
  readonly known: boolean;
  readonly pods: PodTotals;
}

/** One workload with its surroundings. */
export interface WorkloadDetail extends Workload {
  /** What stands between it and its pods, such as ReplicaSets; only those that have pods. */
  readonly via: readonly WorkloadName[];
  /** Services that it is behind: "shop/cart". */
  readonly services: readonly string[];
  /** Number of its pods by node; "" for pods that are not scheduled. */
  readonly nodes: Readonly<Record<string, number>>;
}

/** A pod and where it runs. */
export interface PodPlace {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly node: string | undefined;
}

/** A node of the cluster. */
export interface ClusterNode {
  readonly name: string;
  /** False: known only from its pods. */
  readonly known: boolean;
  readonly ready: boolean;
  readonly unschedulable: boolean;
  readonly pods: PodTotals;
}

/** A part of a workload's pods: those behind a service, or on a node. */
export interface WorkloadShare extends WorkloadName {
  readonly pods: number;
}

/** A service and the workloads behind it. */
export interface ServiceBacking {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly pods: number;
  readonly workloads: readonly WorkloadShare[];
}

/** A namespace and what is in it. */
export interface NamespaceSummary {
  readonly name: string;
  readonly known: boolean;
  readonly phase: string | undefined;
  readonly workloads: number;
  readonly services: number;
  readonly pods: PodTotals;
}

/** The whole cluster in numbers. */
export interface Summary {
  readonly nodes: { readonly total: number; readonly ready: number };
  readonly namespaces: number;
  readonly services: number;
  readonly workloads: number;
  readonly workloadsByKind: Readonly<Record<string, number>>;
  readonly pods: PodTotals;
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Pass it as `after` to get what follows; undefined at the end. */
  readonly next: string | undefined;
}
