import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startCluster } from "../cluster/cluster.ts";
import type { BenchOptions } from "./bench.ts";
import { childBench } from "./child-bench.ts";
import { type QuestionFiles, writeQuestions } from "./dns-questions.ts";
import { BLOCKED, type DnsRun, dnsReport, OURS, SHIPPED, WITHOUT, ZONE_ONLY } from "./dns-report.ts";
import { type DnsServer, type ServerPlace, startOurs, startTheirs } from "./dns-servers.ts";
import { type LoadResult, load } from "./dnsperf.ts";
import { loadAverage } from "./machine.ts";
import { shown } from "./numbers.ts";
import { readCpuMs, readMemory } from "./process-figures.ts";
import type { Report } from "./report.ts";

interface Times {
  readonly settleMs: number;
  readonly warmUpSeconds: number;
  readonly loadSeconds: number;
  /** At 10,000 questions a second. */
  readonly blockedSeconds: number;
}

const FULL: Times = { settleMs: 5_000, warmUpSeconds: 3, loadSeconds: 5, blockedSeconds: 6 };
const QUICK: Times = { settleMs: 1_000, warmUpSeconds: 1, loadSeconds: 1, blockedSeconds: 2 };
const RATE = 20_000;
const INDEX = childBench({ name: "dns-index", summary: "", title: "Index of names", file: "dns-index" });
const FUZZ = childBench({ name: "dns-fuzz", summary: "", title: "Fuzzing of the DNS plugin", file: "dns-fuzz" });
const BLOCKED_RATE = 10_000;

/** The plugin beside CoreDNS on the same control plane, one core for the server and one for the load; its index by size. */
export async function benchDns(options: BenchOptions): Promise<Report> {
  if (options.fuzz) {
    return FUZZ.run(options);
  }
  const folder = await mkdtemp(join(tmpdir(), "fairlead-dns-bench-"));
  const runs: DnsRun[] = [];
  try {
    options.progress("starting the seeded control plane");
    await using cluster = await startCluster({
      seeded: options.shape,
      components: ["etcd", "apiserver"],
      progress: options.progress,
    });
    const questions = await writeQuestions(cluster.client, folder);
    const place: ServerPlace = { kubeconfigPath: cluster.kubeconfigPath, folder, known: questions.known };
    const times = options.quick ? QUICK : FULL;
    const all: readonly [name: string, measure: () => Promise<Omit<DnsRun, "subject" | "loadBefore">>][] = [
      [OURS, async () => measured(await startOurs(place, { dns: true }), questions, times)],
      [ZONE_ONLY, async () => measured(await startTheirs(place, false), questions, times)],
      [SHIPPED, async () => measured(await startTheirs(place, true), questions, times)],
      [WITHOUT, async () => idle(await startOurs(place, { dns: false }), times)],
      [BLOCKED, async () => blocked(await startOurs(place, { dns: true, blocked: true }), questions, times)],
    ];
    const subjects = all.filter(
      ([name]) => options.only.length === 0 || options.only.some((part) => name.includes(part)),
    );
    await (await startTheirs(place, true)).stop(); // Fills the caches of the API server.
    for (let round = 0; round < options.runs; round++) {
      for (const [subject, measure] of subjects) {
        const loadBefore = loadAverage();
        const run = { subject, loadBefore, ...(await measure()) };
        runs.push(run);
        const said = Object.entries(run.loads).map(([what, { perSecond }]) => `${what} ${shown(perSecond)}/s`);
        options.progress(`run ${round + 1}/${options.runs} ${subject}: ${said.join(", ")}, load ${loadBefore}`);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return dnsReport(runs, await INDEX.run(options), options);
}

type Measured = Omit<DnsRun, "subject" | "loadBefore">;

async function measured(server: DnsServer, files: QuestionFiles, times: Times): Promise<Measured> {
  try {
    const { port } = server;
    await delay(times.settleMs); // Nothing to wait for: what it holds at rest is measured.
    const settled = readMemory(server.pid);
    await load({ port, questions: files.mix, seconds: times.warmUpSeconds });
    const seconds = times.loadSeconds;
    const cpuUs: Record<string, number> = {};
    const counted = async (what: string, run: () => Promise<LoadResult>): Promise<LoadResult> => {
      const before = readCpuMs(server.pid).ownMs;
      const result = await run();
      cpuUs[what] = ((readCpuMs(server.pid).ownMs - before) * 1000) / result.answered;
      return result;
    };
    const loads = {
      services: await counted("services", () => load({ port, questions: files.services, seconds })),
      mix: await counted("mix", () => load({ port, questions: files.mix, seconds })),
      tcp: await counted("tcp", () => load({ port, questions: files.mix, seconds, tcp: true })),
      rate: await counted("rate", () => load({ port, questions: files.mix, seconds, rate: RATE })),
    };
    return { firstAnswerMs: server.firstAnswerMs, settled, loaded: readMemory(server.pid), loads, cpuUs };
  } finally {
    await server.stop();
  }
}

async function idle(server: DnsServer, times: Times): Promise<Measured> {
  try {
    await delay(times.settleMs); // As above.
    const settled = readMemory(server.pid);
    return { firstAnswerMs: Number.NaN, settled, loaded: settled, loads: {}, cpuUs: {} };
  } finally {
    await server.stop();
  }
}

async function blocked(server: DnsServer, files: QuestionFiles, times: Times): Promise<Measured> {
  try {
    const settled = readMemory(server.pid);
    await load({ port: server.port, questions: files.mix, seconds: times.warmUpSeconds });
    const what = { port: server.port, questions: files.mix, seconds: times.blockedSeconds, rate: BLOCKED_RATE };
    const loads = { blocked: await load(what) };
    return { firstAnswerMs: server.firstAnswerMs, settled, loaded: readMemory(server.pid), loads, cpuUs: {} };
  } finally {
    await server.stop();
  }
}
