import { setTimeout as delay } from "node:timers/promises";
import type { BenchOptions } from "./bench.ts";
import type { PodSize } from "./loop-pods.ts";
import { Server, Subject } from "./loop-processes.ts";
import {
  ARRIVING_PODS,
  EVENTS_PER_SECOND,
  LARGE_SET,
  type LoopRun,
  type Mode,
  reportOf,
  type SizeRun,
  SMALL_SET,
} from "./loop-report.ts";
import { loadAverage } from "./machine.ts";
import { quantile, shown } from "./numbers.ts";
import type { Report } from "./report.ts";

const EVENTS_FOR_MS = 20_000;
const QUICK_EVENTS_FOR_MS = 5_000;
const IDLE_LOOK_MS = 3_000;
const DRAIN_MS = 1_000;

/** How late the main loop of an embedding process is, and what an event costs with few and with many objects. */
export async function benchLoop(options: BenchOptions): Promise<Report> {
  const forMs = options.quick ? QUICK_EVENTS_FOR_MS : EVENTS_FOR_MS;
  const loops = await withServer(ARRIVING_PODS, "full", options, async (server, kubeconfig) => {
    const runs: LoopRun[] = [];
    for (let round = 0; round < options.runs; round++) {
      for (const mode of alternate(round)) {
        const run = await measureLoop(server, kubeconfig, mode, forMs);
        runs.push(run);
        options.progress(
          `run ${round + 1}/${options.runs} ${mode}: longest stall ${shown(run.arriving.maxMs)} ms while ${run.objects} pods arrive; ` +
            `at ${shown(run.madeRate)}/s p99 delay ${shown(run.busy.p99Ms)} ms, event to callback p99 ${shown(run.latencyP99Ms)} ms, load ${run.loadBefore}`,
        );
      }
    }
    return runs;
  });
  const sizes: SizeRun[] = [];
  for (const pods of [SMALL_SET, LARGE_SET]) {
    const measured = await withServer(pods, "slim", options, async (server, kubeconfig) => {
      const runs: SizeRun[] = [];
      for (let round = 0; round < options.runs; round++) {
        for (const mode of alternate(round)) {
          const run = await measureSize(server, kubeconfig, mode, forMs / 2);
          runs.push(run);
          options.progress(`${shown(run.objects)} objects, ${mode}: ${shown(run.cpuUsPerEvent)} us of CPU an event`);
        }
      }
      return runs;
    });
    sizes.push(...measured);
  }
  return reportOf(loops, sizes, options);
}

function alternate(round: number): readonly Mode[] {
  return round % 2 === 0 ? ["thread", "inline"] : ["inline", "thread"];
}

async function measureLoop(server: Server, kubeconfig: string, mode: Mode, forMs: number): Promise<LoopRun> {
  const loadBefore = loadAverage();
  await using idle = new Subject();
  await using subject = new Subject();
  await idle.start(kubeconfig, "none");
  const started = await subject.start(kubeconfig, mode);
  const arrivingNoise = (await idle.report()).delay;
  await delay(DRAIN_MS);
  await Promise.all([idle.reset(), subject.reset()]);
  const churned = await server.churn(EVENTS_PER_SECOND, forMs);
  await delay(DRAIN_MS);
  const [report, idleReport] = [await subject.report(), await idle.report()];
  const seen = new Map(report.versions.map((version, at) => [version, report.seenAtMs[at]]));
  const latencies: number[] = [];
  churned.versions.forEach((version, at) => {
    const seenAtMs = seen.get(version);
    if (seenAtMs !== undefined) {
      latencies.push(seenAtMs - churned.sentAtMs[at]);
    }
  });
  return {
    mode,
    loadBefore,
    objects: started.objects,
    syncMs: started.tookMs,
    arriving: started.delay,
    arrivingNoise,
    madeRate: churned.madeRate,
    busy: report.delay,
    busyNoise: idleReport.delay,
    latencyP50Ms: quantile(latencies, 0.5),
    latencyP99Ms: quantile(latencies, 0.99),
    latencyMaxMs: quantile(latencies, 1),
    lost: churned.versions.length - latencies.length,
  };
}

async function measureSize(server: Server, kubeconfig: string, mode: Mode, forMs: number): Promise<SizeRun> {
  await using subject = new Subject();
  const started = await subject.start(kubeconfig, mode);
  await delay(DRAIN_MS);
  const idleFrom = await subject.report();
  await delay(IDLE_LOOK_MS);
  const idleTo = await subject.report();
  const startedAtMs = performance.now();
  const churned = await server.churn(EVENTS_PER_SECOND, forMs);
  await delay(DRAIN_MS);
  const report = await subject.report();
  const idleMs = ((idleTo.cpuMs - idleFrom.cpuMs) / IDLE_LOOK_MS) * (performance.now() - startedAtMs);
  const events = churned.versions.length;
  return {
    mode,
    objects: started.objects,
    events,
    cpuUsPerEvent: ((report.cpuMs - idleTo.cpuMs - idleMs) * 1000) / events,
  };
}

async function withServer<T>(
  pods: number,
  size: PodSize,
  options: BenchOptions,
  use: (server: Server, kubeconfig: string) => Promise<T>,
): Promise<T> {
  options.progress(`starting a feed of ${shown(pods)} pods`);
  await using server = new Server();
  return await use(server, await server.load(pods, size));
}
