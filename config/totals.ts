import type { Controller } from "../core/controller/create-controller.ts";

/** One kind as shown to the operator. */
export interface KindRow {
  readonly kind: string;
  readonly synced: boolean;
  /** "watching", "listing", "backing off", "not served", "forbidden", … */
  readonly phase: string;
  readonly objects: number;
  readonly events: number;
  readonly bytes: number;
  readonly reconnects: number;
  readonly relists: number;
  readonly errors: number;
  readonly drift: number;
  readonly refused: number;
  /** Seconds since the kind was known to be current; absent before the first time. */
  readonly staleSeconds?: number;
}

/** Sums over all kinds. */
export interface ClusterTotals {
  readonly objects: Readonly<Record<string, number>>;
  readonly events: number;
  readonly reconnects: number;
  readonly relists: number;
  readonly drift: number;
  readonly refused: number;
  readonly unavailable: readonly string[];
}

const PHASES = ["idle", "connecting", "listing", "watching", "backing off", "not served", "forbidden", "stopped"];
const UNAVAILABLE = [5, 6];

/** The state of every kind, read from the shared counters. */
export function kindRows(controller: Controller): KindRow[] {
  return controller.store.kinds.map((kind) => {
    const status = controller.store.status(kind);
    const stale = status.currentAtMs === 0 ? undefined : Math.max(0, Date.now() - status.currentAtMs) / 1000;
    return {
      kind,
      synced: status.synced,
      phase: PHASES[status.phase] ?? "unknown",
      objects: status.objects,
      events: status.events,
      bytes: status.bytes,
      reconnects: status.reconnects,
      relists: status.relists,
      errors: status.errors,
      drift: status.drift,
      refused: status.refused,
      staleSeconds: stale,
    };
  });
}

/** Sums the rows. */
export function totals(rows: readonly KindRow[]): ClusterTotals {
  const sum = (pick: (row: KindRow) => number): number => rows.reduce((total, row) => total + pick(row), 0);
  return {
    objects: Object.fromEntries(rows.map((row) => [row.kind, row.objects])),
    events: sum((row) => row.events),
    reconnects: sum((row) => row.reconnects),
    relists: sum((row) => row.relists),
    drift: sum((row) => row.drift),
    refused: sum((row) => row.refused),
    unavailable: rows.filter((row) => UNAVAILABLE.some((phase) => PHASES[phase] === row.phase)).map((row) => row.kind),
  };
}
