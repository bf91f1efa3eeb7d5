import type { RowPlan } from "../kinds/plan.ts";
import type { ClusterAccess } from "../kube/access.ts";
import type { LogFields } from "../log.ts";
import type { WatchLimits } from "./limits.ts";
import type { NamespaceScope } from "./namespace-scope.ts";

/** What the engine is told, the same for both modes. Plain data. */
export interface IngestSetup {
  readonly access: ClusterAccess;
  readonly plans: readonly RowPlan[];
  readonly scope?: NamespaceScope;
  readonly limits?: Partial<WatchLimits>;
  readonly auditEveryMs?: number;
}

/** Something asked of the ingest side; answered under the same `id`. */
export interface IngestRequest {
  readonly id: number;
  readonly ask: IngestAsk;
}

export type IngestAsk =
  | { readonly kind: "setPlans"; readonly plans: readonly RowPlan[] }
  | { readonly kind: "relist"; readonly name: string; readonly reason: string }
  | { readonly kind: "wake" }
  | { readonly kind: "audit"; readonly name: string }
  | { readonly kind: "activity" }
  | { readonly kind: "figures" };

/** What the ingest thread says. */
export type IngestReport =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly code: string; readonly message: string }
  | {
      readonly kind: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly fields: LogFields;
      readonly message: string;
    };

/** What the side that reads and decodes has used since it began, and its connection. */
export interface IngestFigures {
  readonly mode: "thread" | "inline";
  /** User and system time of the thread, or of the whole process when inline, milliseconds. */
  readonly cpuMs: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  /** Part of the time that the loop was busy, 0 to 1. */
  readonly utilization: number;
  /** Garbage collections since figures were first asked for. */
  readonly collections: number;
  readonly collectionMs: number;
  readonly connections: number;
  readonly requests: number;
  readonly bytesIn: number;
  readonly reconnects: number;
  readonly protocol?: string;
}
