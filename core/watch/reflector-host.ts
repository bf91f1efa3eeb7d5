import type { RowPlan } from "../kinds/plan.ts";
import type { Transport } from "../kube/transport.ts";
import type { RowBuilder } from "../store/row.ts";
import type { KindCounter } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import type { CommitBatch } from "./commit-batch.ts";
import type { WatchLimits } from "./limits.ts";
import type { WatchScope } from "./paths.ts";
import type { Phase } from "./reflector-state.ts";
import type { WatchMemory } from "./watch-memory.ts";

/** What reflectors of one engine share. */
export interface ReflectorHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: WatchLimits;
  /** One scratch row for all: a row lives only within one call. */
  readonly builder: RowBuilder;
  readonly batch: CommitBatch;
  readonly memory: WatchMemory;
  report(level: "info" | "warn" | "error", code: string, message: string, plan: RowPlan, scope: WatchScope): void;
}

/** Told by a reflector to whoever sums up several of them. */
export interface ReflectorListener {
  synced(): void;
  current(wallMs: number): void;
  phase(phase: Phase): void;
  version(version: string): void;
  count(counter: KindCounter, amount: number): void;
  /** An object did not fit into the store. */
  refused(): void;
}
