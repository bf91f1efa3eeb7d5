import { setTimeout as delay } from "node:timers/promises";
import { type Contender, type ContenderLine, type RunningContender, startContender } from "./contender.ts";
import { loadAverage } from "./machine.ts";
import type { MemoryFigures } from "./process-figures.ts";

/** Makes events at a rate for a while; gives the rate that it achieved, events per second. */
export type Churn = (ratePerSecond: number, forMs: number) => Promise<number>;

/** How long the parts of one run take. */
export interface RunTimes {
  /** From sync to the second look at memory, milliseconds; idle CPU is measured in its second half. */
  readonly settleMs: number;
  /** Churn before any of it is measured, milliseconds, at the highest rate: what a program only does once is done by then. */
  readonly warmUpMs: number;
  /** Churn at each rate, milliseconds. */
  readonly churnMs: number;
  readonly rates: readonly number[];
}

/** CPU at one rate of events. */
export interface ChurnFigures {
  /** Asked for, events per second. */
  readonly rate: number;
  /** Made, events per second. */
  readonly madeRate: number;
  /** Seen by the contender. */
  readonly events: number;
  /** CPU above idle, microseconds per event. */
  readonly cpuUsPerEvent: number;
}

/** One run of one contender. */
export interface CoreRun {
  readonly contender: string;
  readonly loadBefore: number;
  readonly syncedMs: number;
  /** All threads, and child processes that it needed. */
  readonly cpuToSyncMs: number;
  readonly objects: number;
  readonly atSync: MemoryFigures;
  readonly settled: MemoryFigures;
  readonly afterChurn: MemoryFigures;
  readonly idleCpuMsPerSecond: number;
  readonly churn: readonly ChurnFigures[];
}

const QUIET_LOOK_MS = 500;
const QUIET_DEADLINE_MS = 15_000;

/** Starts a contender, measures it and ends it. */
export async function measureContender(
  contender: Contender,
  cluster: { readonly kubeconfig: string; readonly churn: Churn },
  times: RunTimes,
): Promise<CoreRun> {
  const loadBefore = loadAverage();
  const running = await startContender(contender, cluster.kubeconfig);
  try {
    await delay(times.settleMs / 2);
    const idleFrom = await lookAt(running);
    await delay(times.settleMs / 2);
    const idleTo = await lookAt(running);
    const settled = running.memory();
    const idleCpuMsPerSecond = (idleTo.cpuMs - idleFrom.cpuMs) / ((idleTo.atMs - idleFrom.atMs) / 1000);
    await cluster.churn(Math.max(...times.rates), times.warmUpMs);
    const churn: ChurnFigures[] = [];
    for (const rate of times.rates) {
      churn.push(await measureChurn(running, cluster.churn, { rate, forMs: times.churnMs, idleCpuMsPerSecond }));
    }
    return {
      contender: contender.name,
      loadBefore,
      syncedMs: running.synced.synced_ms ?? Number.NaN,
      cpuToSyncMs: running.synced.cpu_ms + running.childrenCpuMs,
      objects: running.synced.objects,
      atSync: running.atSync,
      settled,
      afterChurn: running.memory(),
      idleCpuMsPerSecond,
      churn,
    };
  } finally {
    await running.stop();
  }
}

async function measureChurn(
  running: RunningContender,
  churn: Churn,
  plan: { readonly rate: number; readonly forMs: number; readonly idleCpuMsPerSecond: number },
): Promise<ChurnFigures> {
  const before = await untilQuiet(running);
  const madeRate = await churn(plan.rate, plan.forMs);
  const after = await untilQuiet(running);
  const events = after.events - before.events;
  const idleMs = plan.idleCpuMsPerSecond * ((after.atMs - before.atMs) / 1000);
  return {
    rate: plan.rate,
    madeRate,
    events,
    cpuUsPerEvent: events === 0 ? Number.NaN : ((after.cpuMs - before.cpuMs - idleMs) * 1000) / events,
  };
}

interface Look {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly events: number;
}

async function lookAt(running: RunningContender): Promise<Look> {
  const line: ContenderLine = await running.mark();
  return { atMs: performance.now(), cpuMs: line.cpu_ms, events: line.events };
}

/** Looks until two looks in a row count the same events: what is on its way has arrived. */
async function untilQuiet(running: RunningContender): Promise<Look> {
  const giveUpAtMs = performance.now() + QUIET_DEADLINE_MS;
  let last = await lookAt(running);
  for (;;) {
    await delay(QUIET_LOOK_MS);
    const look = await lookAt(running);
    if (look.events === last.events || look.atMs > giveUpAtMs) {
      return look;
    }
    last = look;
  }
}
