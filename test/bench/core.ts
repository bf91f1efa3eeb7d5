import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";
import { type Cluster, churn, startCluster } from "../cluster/cluster.ts";
import type { BenchOptions } from "./bench.ts";
import { type Contender, startContender } from "./contender.ts";
import { OURS, OURS_INLINE, reportOf, SAME_FIELDS_ONLY } from "./core-report.ts";
import { type Churn, type CoreRun, measureContender, type RunTimes } from "./core-run.ts";
import { shown } from "./numbers.ts";
import { buildPeer } from "./peer-build.ts";
import type { Report } from "./report.ts";

const FULL: RunTimes = { settleMs: 8_000, warmUpMs: 12_000, churnMs: 10_000, rates: [50, 500] };
const QUICK: RunTimes = { settleMs: 4_000, warmUpMs: 6_000, churnMs: 5_000, rates: [50, 500] };

/** The core on the eight kinds of the seed shape, beside client-go and kube-rs on the same real control plane. */
export async function benchCore(options: BenchOptions): Promise<Report> {
  const contenders = await contendersOf(options);
  options.progress("starting the seeded control plane");
  await using cluster = await startCluster({
    seeded: options.shape,
    components: ["etcd", "apiserver"],
    progress: options.progress,
  });
  const times = options.quick ? QUICK : FULL;
  const runs: CoreRun[] = [];
  const target = { kubeconfig: cluster.kubeconfigPath, churn: churnOf(cluster) };
  // A server that has just started fills its own caches first; that is not what is measured.
  for (const contender of contenders) {
    await (await startContender(contender, target.kubeconfig)).stop();
  }
  for (let round = 0; round < options.runs; round++) {
    // Each round begins with another contender, so that none is always the first after a pause.
    for (let at = 0; at < contenders.length; at++) {
      const contender = contenders[(at + round) % contenders.length];
      const run = await measureContender(contender, target, times);
      runs.push(run);
      options.progress(progressLine(run, round + 1, options.runs));
    }
  }
  return reportOf(
    runs,
    options,
    contenders.map((contender) => contender.name),
  );
}

/** Churn of the cluster as a plain function, so that a run needs to know nothing of clusters. */
function churnOf(cluster: Cluster): Churn {
  return async (ratePerSecond, forMs) => (await churn(cluster, { ratePerSecond, forMs })).ratePerSecond;
}

async function contendersOf(options: BenchOptions): Promise<Contender[]> {
  const isWanted = (name: string): boolean => options.only.length === 0 || options.only.includes(name);
  const contenders: Contender[] = [];
  for (const name of ["client-go", "kube-rs"] as const) {
    if (isWanted(name)) {
      const command = await buildPeer(name, options.progress);
      contenders.push({ name, command, args: [] });
      contenders.push({ name: name + SAME_FIELDS_ONLY, command, args: [], env: { BENCH_STRIP: "fields" } });
    }
  }
  // The built JavaScript: what users run. Type stripping at run time would cost memory that they do not pay.
  const ours = fileURLToPath(new URL("../../dist/test/bench/ours.js", import.meta.url));
  for (const [mode, name] of [
    ["thread", OURS],
    ["inline", OURS_INLINE],
  ]) {
    if (isWanted(mode)) {
      contenders.push({ name, command: process.execPath, args: [ours, mode] });
    }
  }
  if (contenders.length === 0) {
    throw new FairleadError(
      "BENCH_NO_PROGRAM",
      `--only ${options.only.join(", ")} names none of client-go, kube-rs, thread, inline`,
    );
  }
  return contenders;
}

function progressLine(run: CoreRun, round: number, rounds: number): string {
  const perEvent = run.churn.map((at) => `${shown(at.cpuUsPerEvent)} us/event at ${shown(at.madeRate)}/s`).join(", ");
  return (
    `run ${round}/${rounds} ${run.contender}: ${run.objects} objects in ${shown(run.syncedMs)} ms, ` +
    `CPU ${shown(run.cpuToSyncMs)} ms, resident ${shown(run.settled.residentMb)} MB, ${perEvent}, load ${run.loadBefore}`
  );
}
