import { Histogram } from "../queue/histogram.ts";
import type { QueueFigures } from "../queue/work-queue.ts";
import { isTerminal } from "./terminal.ts";

/** How a reconcile ended, as the label `result` says it. */
export type ReconcileOutcome = "success" | "error" | "requeue" | "requeue_after";

/** 5 ms to 60 s: the buckets of controller-runtime. */
const TIME_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

/** What one controller has done, since it was first started. */
export class ReconcileCounts {
  readonly results: Record<ReconcileOutcome, number> = { success: 0, error: 0, requeue: 0, requeue_after: 0 };
  readonly seconds = new Histogram(TIME_BUCKETS);
  errors = 0;
  terminalErrors = 0;
  /** Throws that are mistakes of the program: a TypeError and its like. */
  panics = 0;
  timeouts = 0;
  /** Changes that were passed over because they were its own writes. */
  echoes = 0;
  /** Reconciles that began although the cache had not all of its own writes in time. */
  stale = 0;
  /** Mappings and predicates that threw. */
  mappingErrors = 0;

  /** Counts a failure, and says what it is. */
  failed(error: unknown): { readonly isTerminal: boolean; readonly isMistake: boolean } {
    const failure = { isTerminal: isTerminal(error), isMistake: isMistake(error) };
    this.results.error++;
    this.errors++;
    this.terminalErrors += Number(failure.isTerminal);
    this.panics += Number(failure.isMistake);
    return failure;
  }
}

/** What a program throws that is wrong in itself. */
function isMistake(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    error instanceof RangeError ||
    error instanceof SyntaxError
  );
}

/** A controller as metrics and health see it. */
export interface ReconcileFigures {
  readonly controller: string;
  readonly state: "waiting" | "syncing" | "running" | "stopped";
  readonly counts: ReconcileCounts;
  readonly concurrency: number;
  /** Reconciles that are under way and in time. */
  readonly active: number;
  /** Reconciles that are over their deadline and do not end. */
  readonly overdue: number;
  readonly queue: QueueFigures;
}
