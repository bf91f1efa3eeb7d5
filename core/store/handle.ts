import type { RowPlan } from "../kinds/plan.ts";
import type { KindCounters } from "./store.ts";

/** All that another thread needs to attach to a store. Plain data: post it, or give it as `workerData`. */
export interface StoreHandle {
  readonly buffer: SharedArrayBuffer;
  /** The kinds declared with the store, in order. Others are announced inside the shared memory. */
  readonly plans: readonly RowPlan[];
  readonly maxBytes: number;
  readonly keepDeletedMs: number;
  /** Of a renewed store: what was counted in the memories before this one, by the kinds' numbers. */
  readonly before?: readonly KindCounters[];
}
