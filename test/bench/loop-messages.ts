import type { PodSize } from "./loop-pods.ts";

/** To the process that holds the API server. */
export type ToServer =
  | { readonly kind: "load"; readonly pods: number; readonly size: PodSize; readonly podsPerSecond?: number }
  /** Updates pods one after the other, each once before any twice. */
  | { readonly kind: "churn"; readonly ratePerSecond: number; readonly forMs: number }
  | { readonly kind: "stop" };

/** From the process that holds the API server. */
export type FromServer =
  | { readonly kind: "loaded"; readonly kubeconfig: string }
  /** Each update's resource version and when it was made (monotonic clock of the machine, milliseconds). */
  | {
      readonly kind: "churned";
      readonly versions: readonly string[];
      readonly sentAtMs: readonly number[];
      readonly madeRate: number;
    };

/** To the process whose main loop is measured. */
export type ToSubject =
  | { readonly kind: "start"; readonly kubeconfig: string; readonly mode: "thread" | "inline" | "none" }
  /** Forgets what was measured so far. */
  | { readonly kind: "reset" }
  | { readonly kind: "report" }
  | { readonly kind: "stop" };

/** How late the main loop was since the last reset, milliseconds above the 1 ms at which it is looked at. */
export interface LoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** From the process whose main loop is measured. */
export type FromSubject =
  | { readonly kind: "synced"; readonly tookMs: number; readonly objects: number; readonly delay: LoopDelay }
  | {
      readonly kind: "report";
      readonly delay: LoopDelay;
      /** User and system time of all threads since start, milliseconds. */
      readonly cpuMs: number;
      /** Versions in the order in which the listener on main saw them, and when. */
      readonly versions: readonly string[];
      readonly seenAtMs: readonly number[];
    };

/** The machine's monotonic clock, the same in all of its processes, milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
