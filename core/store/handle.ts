import type { RowPlan } from "../kinds/plan.ts";
import type { KindCounters } from "./store.ts";

/** All that another thread needs to attach to a store. Plain data: post it, or give it as `workerData`. */
export interface StoreHandle {
  /** Names the store: the same for each memory that it has in turn. */
  readonly store: string;
  readonly buffer: SharedArrayBuffer;
  /** The kinds declared with this memory, in order. Others are announced inside the shared memory. */
  readonly plans: readonly RowPlan[];
  readonly maxBytes: number;
  readonly keepDeletedMs: number;
  /** Of a renewed store: what was counted in the memories before this one, by the kinds' names. */
  readonly before?: Readonly<Record<string, KindCounters>>;
}
