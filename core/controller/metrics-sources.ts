import type { ThreadFigures } from "../../sandbox/thread.ts";
import type { ElectionFigures } from "../election/election-options.ts";
import type { ShardFigures } from "../election/shard-options.ts";
import type { HookAsk } from "../hooks/hook-board.ts";
import type { HookFigure } from "../hooks/tap-meter.ts";
import type { RestFigures } from "../kube/counted-transport.ts";
import type { ReconcileFigures } from "../reconcile/reconcile-figures.ts";
import type { StoreReader, StoreStats } from "../store/reader.ts";
import type { KindStatus } from "../store/store.ts";
import type { Ingest, IngestFigures } from "../watch/ingest.ts";
import type { GateFigures } from "./kube-gate.ts";
import type { LoopDelay } from "./metrics-loop.ts";
import type { PluginInfo } from "./plugin-entry.ts";

/** How long a thread may take to tell its figures; a busy one is left out of a scrape rather than holding it up. */
const FIGURES_DEADLINE_MS = 1000;

/** A thread as it is now. */
export interface ThreadInfo {
  /** The plugin, or the plugin and what it calls its thread: "dns/server". */
  readonly name: string;
  readonly state: ThreadState;
  readonly restarts: number;
  /** Undefined where the thread did not answer. */
  figures(): Promise<ThreadFigures>;
}

/** `gone`: given up. */
export type ThreadState = "running" | "restarting" | "gone";

/** What metrics, health and the statistics line are made of. Nothing here costs anything until it is asked. */
export interface FigureSources {
  readonly store: Pick<StoreReader, "kinds" | "status" | "stats">;
  /** Undefined before `start`. */
  ingest(): Pick<Ingest, "mode" | "restarts" | "figures" | "failure"> | undefined;
  /** Undefined where nobody is elected. */
  election(): { figures(): ElectionFigures & { readonly leaseDurationMs: number } } | undefined;
  /** Undefined where nothing is shared out. */
  shards(): { figures(): ShardFigures } | undefined;
  /** Undefined where there are none. */
  plugins(): PluginFigures | undefined;
  /** Of each controller that reconciles. */
  reconcile(): readonly ReconcileFigures[];
  /** Requests that were made for controllers and plugins; undefined before the first. */
  rest(): RestFigures | undefined;
}

/** What the plugins of a controller tell of themselves. */
export interface PluginFigures {
  infos(): readonly PluginInfo[];
  hookFigures(): readonly HookFigure[];
  /** Errors that nobody awaited, by plugin: timers, change callbacks. */
  failures(): ReadonlyMap<string, number>;
  /** What each plugin has done at the API server. */
  kubeFigures(): ReadonlyMap<string, Readonly<GateFigures>>;
  /** Samples that were dropped for labels or values that are not declared, by plugin. */
  droppedSamples(): ReadonlyMap<string, number>;
  threads(): readonly ThreadInfo[];
  /** Taps of the hook `health`, to be asked. */
  healthVotes(): readonly HookAsk[];
  /** Answers of the hook `stats`, by plugin. Never rejects; takes at most a second. */
  stats(): Promise<ReadonlyMap<string, unknown>>;
}

/** All figures of one moment. */
export interface MetricSnapshot {
  readonly nowMs: number;
  readonly kinds: readonly { readonly name: string; readonly status: KindStatus }[];
  readonly store: StoreStats;
  readonly ingest: IngestFigures | undefined;
  readonly election: ElectionFigures | undefined;
  readonly shards: ShardFigures | undefined;
  readonly threads: readonly (Omit<ThreadInfo, "figures"> & { readonly figures: ThreadFigures | undefined })[];
  readonly plugins: readonly PluginInfo[];
  readonly reconcile: readonly ReconcileFigures[];
  readonly rest: RestFigures | undefined;
  readonly hooks: readonly HookFigure[];
  readonly failures: ReadonlyMap<string, number>;
  readonly kube: ReadonlyMap<string, Readonly<GateFigures>>;
  readonly droppedSamples: ReadonlyMap<string, number>;
  readonly loop: { readonly longestMs: number; readonly p99Ms: number } | undefined;
}

/** Reads all figures. Takes at most a second; threads that do not answer are left out. */
export async function takeSnapshot(sources: FigureSources, loop: LoopDelay | undefined): Promise<MetricSnapshot> {
  const { store } = sources;
  const ingest = sources.ingest();
  const plugins = sources.plugins();
  const pluginThreads = plugins?.threads() ?? [];
  const [ingestFigures, ...figures] = await Promise.all([
    ingest === undefined ? undefined : inTime(ingest.figures()),
    ...pluginThreads.map((thread) => inTime(thread.figures())),
  ]);
  const ownThread =
    ingest?.mode === "thread"
      ? [{ name: "ingest", restarts: ingest.restarts, state: stateOf(ingest.failure), figures: ingestFigures }]
      : [];
  return {
    nowMs: Date.now(),
    kinds: store.kinds.map((name) => ({ name, status: store.status(name) })),
    store: store.stats(),
    ingest: ingestFigures,
    election: sources.election()?.figures(),
    shards: sources.shards()?.figures(),
    threads: [
      ...ownThread,
      ...pluginThreads.map(({ name, state, restarts }, i) => ({ name, state, restarts, figures: figures[i] })),
    ],
    plugins: plugins?.infos() ?? [],
    reconcile: sources.reconcile(),
    rest: sources.rest(),
    hooks: plugins?.hookFigures() ?? [],
    failures: plugins?.failures() ?? new Map(),
    kube: plugins?.kubeFigures() ?? new Map(),
    droppedSamples: plugins?.droppedSamples() ?? new Map(),
    loop: loop?.read(),
  };
}

function stateOf(failure: { readonly final: boolean } | undefined): ThreadState {
  if (failure === undefined) {
    return "running";
  }
  return failure.final ? "gone" : "restarting";
}

/** What a promise gives, or undefined when it rejects or takes too long. */
async function inTime<T>(promise: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), FIGURES_DEADLINE_MS);
  try {
    return await Promise.race([promise, late]);
  } catch {
    return undefined; // a thread that has just ended; its state says so
  } finally {
    clearTimeout(timer);
  }
}
