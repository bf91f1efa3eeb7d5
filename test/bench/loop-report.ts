import type { BenchOptions } from "./bench.ts";
import type { LoopDelay } from "./loop-messages.ts";
import { loadNote } from "./machine.ts";
import { median, shown, spread } from "./numbers.ts";
import type { Bar, Report, Table } from "./report.ts";

/** Pods whose arrival is measured. */
export const ARRIVING_PODS = 10_000;
/** Rate of the busy phase. */
export const EVENTS_PER_SECOND = 1_000;
/** Objects of the small set, to compare the cost of an event. */
export const SMALL_SET = 4_000;
/** Objects of the large set. */
export const LARGE_SET = 150_000;

/** Where Fairlead reads and decodes. */
export type Mode = "thread" | "inline";

/** What one run measured on the main loop. */
export interface LoopRun {
  readonly mode: Mode;
  readonly loadBefore: number;
  readonly objects: number;
  readonly syncMs: number;
  readonly arriving: LoopDelay;
  /** An idle process beside it, at the same time: what the machine itself costs. */
  readonly arrivingNoise: LoopDelay;
  readonly madeRate: number;
  readonly busy: LoopDelay;
  readonly busyNoise: LoopDelay;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly latencyMaxMs: number;
  readonly lost: number;
}

/** CPU of one event with this many objects in the store. */
export interface SizeRun {
  readonly mode: Mode;
  readonly objects: number;
  readonly events: number;
  readonly cpuUsPerEvent: number;
}

/** The whole report. */
export function reportOf(loops: readonly LoopRun[], sizes: readonly SizeRun[], options: BenchOptions): Report {
  const loads = loops.map((run) => run.loadBefore);
  const lost = loops.reduce((sum, run) => sum + run.lost, 0);
  return {
    name: "loop",
    title: "Main loop of an embedding process",
    how: [
      `A process that follows ${shown(ARRIVING_PODS)} pods of about 17 KB (JSON) by a streaming watch (protobuf, HTTP/2, TLS) from a feed in another process, with a listener on its ` +
        "main thread. Delay is how late the main loop came to a timer of 1 ms. The idle process beside it follows nothing: its delay is " +
        "what the machine costs. Event to callback is from just before the feed writes an update to its socket to the listener on main. " +
        `${options.runs} interleaved runs.`,
    ],
    tables: [arrivingTable(loops), busyTable(loops), sizeTable(sizes)],
    bars: barsOf(loops, sizes),
    notes: [
      loadNote(loads),
      `Updates that the listener did not see one by one, because a newer one of the same pod came first: ${lost}.`,
      ...(options.quick ? ["Quick run: short phases, not for comparison."] : []),
    ],
    raw: { loops, sizes },
  };
}

const MODES: readonly Mode[] = ["thread", "inline"];

function arrivingTable(loops: readonly LoopRun[]): Table {
  return {
    title: `Delay while ${shown(ARRIVING_PODS)} pods arrive, ms`,
    columns: ["ingest", "synced after", "longest stall", "p99", "longest stall of the idle process"],
    rows: MODES.map((mode) => {
      const of = loops.filter((run) => run.mode === mode);
      return [
        mode,
        spread(of.map((run) => run.syncMs)),
        spread(of.map((run) => run.arriving.maxMs)),
        spread(of.map((run) => run.arriving.p99Ms)),
        spread(of.map((run) => run.arrivingNoise.maxMs)),
      ];
    }),
  };
}

function busyTable(loops: readonly LoopRun[]): Table {
  return {
    title: `At ${shown(EVENTS_PER_SECOND)} events/s, ms`,
    columns: [
      "ingest",
      "made, events/s",
      "delay p99",
      "longest",
      "p99 of the idle process",
      "event to callback p50",
      "p99",
      "longest",
    ],
    rows: MODES.map((mode) => {
      const of = loops.filter((run) => run.mode === mode);
      return [
        mode,
        spread(of.map((run) => run.madeRate)),
        spread(of.map((run) => run.busy.p99Ms)),
        spread(of.map((run) => run.busy.maxMs)),
        spread(of.map((run) => run.busyNoise.p99Ms)),
        spread(of.map((run) => run.latencyP50Ms)),
        spread(of.map((run) => run.latencyP99Ms)),
        spread(of.map((run) => run.latencyMaxMs)),
      ];
    }),
  };
}

function sizeTable(sizes: readonly SizeRun[]): Table {
  const counts = [...new Set(sizes.map((run) => run.objects))];
  return {
    title: "CPU of one event by number of objects, µs",
    columns: ["ingest", ...counts.map((count) => `${shown(count)} objects`)],
    rows: MODES.map((mode) => [
      mode,
      ...counts.map((count) =>
        spread(sizes.filter((run) => run.mode === mode && run.objects === count).map((run) => run.cpuUsPerEvent)),
      ),
    ]),
  };
}

/** What the ratio of costs may be before we say that an event costs more with more objects. */
const SAME_COST_RATIO = 1.15;

function barsOf(loops: readonly LoopRun[], sizes: readonly SizeRun[]): Bar[] {
  return MODES.flatMap((mode) => {
    const of = loops.filter((run) => run.mode === mode);
    const cost = (least: number, most: number): number =>
      median(
        sizes
          .filter((run) => run.mode === mode && run.objects >= least && run.objects <= most)
          .map((run) => run.cpuUsPerEvent),
      );
    const atMost = (what: string, value: number, limit: number, unit: string): Bar => ({
      what: `${mode}: ${what}`,
      value,
      wants: "at most",
      limit,
      unit,
    });
    return [
      atMost("longest stall while 10,000 pods arrive", median(of.map((run) => run.arriving.maxMs)), 20, "ms"),
      atMost("p99 delay at 1,000 events/s", median(of.map((run) => run.busy.p99Ms)), 5, "ms"),
      atMost("event to callback p99 at 1,000 events/s", median(of.map((run) => run.latencyP99Ms)), 10, "ms"),
      atMost(
        "cost of an event at 150,000 objects to 4,000",
        cost(SMALL_SET + 1, Infinity) / cost(0, SMALL_SET),
        SAME_COST_RATIO,
        "x",
      ),
    ];
  });
}
