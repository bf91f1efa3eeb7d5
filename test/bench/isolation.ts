import { execFile } from "node:child_process";
import { extname } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import type { PluginEntry } from "../../core/controller/plugin-entry.ts";
import { type Controller, createController } from "../../core/index.ts";
import { silentLogger } from "../../core/log.ts";
import { createApiServer } from "../../core/testing/index.ts";
import { median, quantile } from "./numbers.ts";
import { readMemory } from "./process-figures.ts";

const HARMS = [
  "nothing",
  "an endless loop",
  "log lines without end",
  "prints without end",
  "calls without waiting",
  "a growing Map",
] as const;
const PLUGINS = 4;
/** How much later the main loop may be than with a plugin that does no harm: one turn of reading messages, some times. */
const ADDED_DELAY_MS = 10;

interface Harmed {
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly callP50Ms: number;
  readonly callP99Ms: number;
}

const { values } = parseArgs({
  options: { runs: { type: "string" }, quick: { type: "boolean" }, cost: { type: "boolean" } },
});
const runs = Number(values.runs ?? 5);
const forMs = values.quick ? 1000 : 4000;
const server = await createApiServer({});
server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });

function module(name: string): URL {
  return new URL(`./${name}${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
}

function quiet(number: number): PluginEntry {
  const use = module("isolation-quiet");
  use.searchParams.set("n", String(number));
  return { use, isolation: "worker" };
}

function open(plugins: readonly PluginEntry[]): Controller {
  const made = createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    plugins,
    log: silentLogger,
  });
  // The kinds are those of the plugins, which only they know.
  return made as unknown as Controller;
}

/** Milliseconds and MB (10^6 bytes) of one more plugin in a thread. */
interface Cost {
  readonly startMs: number;
  readonly privateMb: number;
}

/** In a process of its own: memory of threads that ended is used again by later ones. */
async function costInNewProcess(): Promise<Cost> {
  const file = new URL(import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [file, "--cost"]);
  return JSON.parse(stdout);
}

/** Start by start, memory of all together. */
async function costOfPlugin(): Promise<Cost> {
  // The first one has the main thread load what all of them share.
  const controller = await open([quiet(0)]).start();
  const before = readMemory(process.pid).privateMb;
  const starts: number[] = [];
  for (let count = 1; count <= PLUGINS; count++) {
    const plugins = Array.from({ length: count + 1 }, (_, number) => quiet(number));
    const startedAt = performance.now();
    await controller.reload(plugins);
    starts.push(performance.now() - startedAt);
  }
  await delay(500);
  const privateMb = (readMemory(process.pid).privateMb - before) / PLUGINS;
  await controller.stop();
  return { startMs: median(starts), privateMb };
}

/** What another plugin and the main loop feel of one that does harm. */
async function harmed(how: string): Promise<Harmed> {
  const controller = await open([quiet(1), { use: module("isolation-unruly"), isolation: "worker" }]).start();
  const other = controller.services.use<{ echo: (given: number) => number }>("quiet-1");
  const unruly = controller.services.use<{ harm: (how: string) => void }>("unruly");
  for (let i = 0; i < 200; i++) {
    await other.echo(i);
  }
  const loop = monitorEventLoopDelay({ resolution: 2 });
  await unruly.harm(how);
  loop.enable();
  const calls: number[] = [];
  const endsAt = performance.now() + forMs;
  while (performance.now() < endsAt) {
    const startedAt = performance.now();
    await other.echo(1);
    calls.push(performance.now() - startedAt);
    await delay(2);
  }
  loop.disable();
  await controller.stop();
  return {
    // The timer of the measurement itself sleeps two milliseconds.
    loopP99Ms: loop.percentile(99) / 1e6 - 2,
    loopMaxMs: loop.max / 1e6 - 2,
    callP50Ms: median(calls),
    callP99Ms: quantile(calls, 0.99),
  };
}

if (values.cost) {
  console.log(JSON.stringify(await costOfPlugin()));
  await server.stop();
  process.exit(0);
}
const costs: Cost[] = [];
const results = new Map<string, Harmed[]>(HARMS.map((how) => [how, []]));
for (let run = 0; run < runs; run++) {
  costs.push(await costInNewProcess());
  for (const how of HARMS) {
    results.get(how)?.push(await harmed(how));
  }
  const { startMs, privateMb } = costs[run];
  const worst = HARMS.map((how) => `${how} ${results.get(how)?.at(-1)?.loopMaxMs.toFixed(0)}`).join(", ");
  console.log(
    `run ${run + 1}: ${startMs.toFixed(0)} ms and ${privateMb.toFixed(1)} MB a plugin; longest stalls: ${worst} ms`,
  );
}
await server.stop();

const middle = (how: string, figure: keyof Harmed): number =>
  median((results.get(how) ?? []).map((one) => one[figure]));
/** Run by run: the machine may be busier in one than in another. */
const addedP99 = (how: string): number => {
  const calm = results.get("nothing") ?? [];
  return median((results.get(how) ?? []).map(({ loopP99Ms }, run) => loopP99Ms - calm[run].loopP99Ms));
};
console.log(
  JSON.stringify({
    how: [
      `A controller on the in-process API server, with one plugin that answers calls and one that does harm, each in a thread of its own, for ${forMs / 1000} s. Delay is that of the main event loop above its timer; a call goes from the main thread to the answering plugin and back. One more plugin: the middle of ${PLUGINS} that are added by a reload, one after the other, and the private memory of all of them divided by their number, in a fresh process.`,
    ],
    tables: [
      {
        title: "One plugin in a thread of its own",
        columns: ["what", "median"],
        rows: [
          ["start, from reload to running", `${median(costs.map(({ startMs }) => startMs)).toFixed(0)} ms`],
          ["private memory", `${median(costs.map(({ privateMb }) => privateMb)).toFixed(1)} MB`],
        ],
      },
      {
        title: "While another plugin does harm",
        columns: ["harm", "main loop p99", "main loop longest", "call p50", "call p99"],
        rows: HARMS.map((how) => [
          how,
          `${middle(how, "loopP99Ms").toFixed(1)} ms`,
          `${middle(how, "loopMaxMs").toFixed(0)} ms`,
          `${middle(how, "callP50Ms").toFixed(2)} ms`,
          `${middle(how, "callP99Ms").toFixed(1)} ms`,
        ]),
      },
    ],
    bars: HARMS.filter((how) => how !== "nothing").map((how) => ({
      what: `p99 delay of the main loop above that without harm: ${how}`,
      value: addedP99(how),
      wants: "at most",
      limit: ADDED_DELAY_MS,
      unit: "ms",
    })),
  }),
);
