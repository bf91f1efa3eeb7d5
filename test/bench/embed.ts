import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { FairleadError } from "../../core/errors.ts";
import type { BenchOptions } from "./bench.ts";
import type { FromService, ToService } from "./embed-service.ts";
import { Child, Server, Subject } from "./loop-processes.ts";
import { ARRIVING_PODS } from "./loop-report.ts";
import { loadAverage, loadNote } from "./machine.ts";
import { median, quantile, shown, spread } from "./numbers.ts";
import type { Bar, Report, Table } from "./report.ts";

/** Frames that are ready to be sent come faster than those of an API server, which has to make them. */
const PODS_PER_SECOND = 5_000;
const REQUESTS_PER_SECOND = 1_000;
const WARM_UP_MS = 3_000;
const QUICK_WARM_UP_MS = 1_000;
const ALONE_MS = 3_000;
const LOADS = 6;
const QUICK_LOADS = 2;
const P99_LIMIT = 1.2;
const APPS = ARRIVING_PODS / 4;

/** Latency of the service in one state, all requests of a run. */
interface Window {
  readonly latenciesMs: readonly number[];
  readonly forMs: number;
}

/** What one process of the service measured. */
interface EmbedRun {
  readonly loadBefore: number;
  /** Nothing else runs. */
  readonly alone: Window;
  /** The service follows nothing; another process loads the pods. */
  readonly beside: Window;
  /** The service itself loads the pods. */
  readonly loading: Window;
}

/** Latency of the example service while it loads 10,000 pods, beside the same service alone. */
export async function benchEmbed(options: BenchOptions): Promise<Report> {
  await using feed = new Server();
  const kubeconfig = await feed.load(ARRIVING_PODS, "full", PODS_PER_SECOND);
  const runs: EmbedRun[] = [];
  for (let round = 0; round < options.runs; round++) {
    const run = await measure(kubeconfig, options);
    runs.push(run);
    options.progress(
      `run ${round + 1}/${options.runs}: p99 ${shown(p99(run.alone))} ms alone, ${shown(p99(run.beside))} ms beside a process that loads, ` +
        `${shown(p99(run.loading))} ms while loading (${run.loading.latenciesMs.length} requests)`,
    );
  }
  return reportOf(runs, options);
}

async function measure(kubeconfig: string, options: BenchOptions): Promise<EmbedRun> {
  const loadBefore = loadAverage();
  await using service = new Child<ToService>("embed-service");
  const windows: Record<"alone" | "beside" | "loading", Window[]> = { alone: [], beside: [], loading: [] };
  let port = await listen(service, kubeconfig);
  await requestsWhile(port, delay(options.quick ? QUICK_WARM_UP_MS : WARM_UP_MS));
  for (let load = 0; load < (options.quick ? QUICK_LOADS : LOADS); load++) {
    windows.alone.push(await requestsWhile(port, delay(ALONE_MS)));
    await using other = new Subject();
    windows.beside.push(await requestsWhile(port, other.start(kubeconfig, "thread")));
    await other[Symbol.asyncDispose]();
    windows.loading.push(await requestsWhile(port, follow(service)));
    await service.ask({ kind: "close" }, "closed");
    port = await listen(service, kubeconfig);
  }
  return { loadBefore, alone: joined(windows.alone), beside: joined(windows.beside), loading: joined(windows.loading) };
}

async function listen(service: Child<ToService>, kubeconfig: string): Promise<number> {
  // embed-service.ts answers in the types of its own file.
  const answer = (await service.ask({ kind: "listen", kubeconfig }, "listening")) as FromService;
  return answer.kind === "listening" ? answer.port : 0;
}

async function follow(service: Child<ToService>): Promise<void> {
  // embed-service.ts answers in the types of its own file.
  const answer = (await service.ask({ kind: "follow" }, "followed")) as FromService;
  if (answer.kind !== "followed" || answer.objects !== ARRIVING_PODS) {
    throw new FairleadError("BENCH_FAILED", `the service did not load ${ARRIVING_PODS} pods`);
  }
}

/** Sends requests at a steady rate, whether answers come or not, until `until` resolves; waits for all answers. */
async function requestsWhile(port: number, until: Promise<unknown>): Promise<Window> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const latenciesMs: number[] = [];
  const answers: Promise<void>[] = [];
  const startedAtMs = performance.now();
  let isOver = false;
  const over = until.finally(() => {
    isOver = true;
  });
  for (let sent = 0; !isOver; ) {
    const due = ((performance.now() - startedAtMs) * REQUESTS_PER_SECOND) / 1000;
    for (; sent < due; sent++) {
      answers.push(request(agent, port, sent % APPS).then((ms) => void latenciesMs.push(ms)));
    }
    await delay(1);
  }
  await over;
  await Promise.all(answers);
  agent.destroy();
  return { latenciesMs, forMs: performance.now() - startedAtMs };
}

function request(agent: Agent, port: number, app: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const sentAtMs = performance.now();
    get({ agent, host: "127.0.0.1", port, path: `/apps/app-${app}` }, (response) => {
      response.resume();
      response.on("end", () => resolve(performance.now() - sentAtMs));
      response.on("error", reject);
    }).on("error", reject);
  });
}

function joined(windows: readonly Window[]): Window {
  return {
    latenciesMs: windows.flatMap((window) => window.latenciesMs),
    forMs: windows.reduce((sum, window) => sum + window.forMs, 0),
  };
}

function p99(window: Window): number {
  return quantile(window.latenciesMs, 0.99);
}

const STATES = [
  ["alone", "alone"],
  ["beside", "alone, another process loads the pods"],
  ["loading", "it loads the pods"],
] as const;

function reportOf(runs: readonly EmbedRun[], options: BenchOptions): Report {
  const table: Table = {
    title: "Latency of the service, ms",
    columns: ["the service", "p50", "p99", "longest", "requests a run"],
    rows: STATES.map(([state, title]) => {
      const windows = runs.map((run) => run[state]);
      return [
        title,
        ...[0.5, 0.99, 1].map((share) => spread(windows.map((window) => quantile(window.latenciesMs, share)))),
        shown(median(windows.map((window) => window.latenciesMs.length))),
      ];
    }),
  };
  const ratio = (to: "alone" | "beside"): number => median(runs.map((run) => p99(run.loading) / p99(run[to])));
  const bars: Bar[] = [
    {
      what: "p99 while it loads, to alone",
      value: ratio("alone"),
      wants: "at most",
      limit: P99_LIMIT,
      unit: "x",
    },
  ];
  return {
    name: "embed",
    title: "A web service that follows a cluster",
    how: [
      `The Fastify service of docs/examples answers ${shown(REQUESTS_PER_SECOND)} requests a second from its caches, sent at a steady rate from ` +
        `another process, while it loads ${shown(ARRIVING_PODS)} pods of about 17 KB (JSON) by a streaming watch (protobuf, HTTP/2, TLS) from a feed in a third, ${shown(PODS_PER_SECOND)} a second. ` +
        "Alone is the same process before it follows. The line between has the load on the machine but not in the process: " +
        `what is above it, Fairlead does to the service; what it is above alone, the cores that are shared. ${options.runs} runs, each ${options.quick ? QUICK_LOADS : LOADS} loads.`,
    ],
    tables: [table],
    bars,
    notes: [
      loadNote(runs.map((run) => run.loadBefore)),
      `p99 while it loads, to the same service beside another process that loads: ${shown(ratio("beside"))}x.`,
      ...(options.quick ? ["Quick run: short phases, not for comparison."] : []),
    ],
    raw: runs.map(({ loadBefore, ...windows }) => ({
      loadBefore,
      ...Object.fromEntries(
        Object.entries(windows).map(([state, window]) => [
          state,
          {
            requests: window.latenciesMs.length,
            forMs: window.forMs,
            p50: quantile(window.latenciesMs, 0.5),
            p99: p99(window),
          },
        ]),
      ),
    })),
  };
}
