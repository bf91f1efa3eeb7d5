import type { ThreadFigures } from "../../sandbox/thread.ts";
import type { StoreReader, StoreStats } from "../store/reader.ts";
import type { KindStatus } from "../store/store.ts";
import type { Ingest, IngestFigures } from "../watch/ingest.ts";
import type { LoopDelay } from "./metrics-loop.ts";
import type { PluginInfo } from "./plugin-entry.ts";

/** How long a thread may take to tell its figures; a busy one is left out of a scrape rather than holding it up. */
const FIGURES_DEADLINE_MS = 1000;

/** What one tap of a hook has taken so far. */
export interface HookFigures {
  readonly hook: string;
  readonly plugin: string;
  readonly calls: number;
  readonly errors: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** One plugin's say in readiness. */
export interface HealthVoter {
  readonly plugin: string;
  /** As the plugin calls it. */
  readonly name: string;
  /** Gives a `HealthVote`, or what a plugin takes for one; may throw, reject or never end. */
  ask(): unknown;
}

/** A thread as it is now. */
export interface ThreadInfo {
  /** "ingest", or the plugin and what the plugin calls it: "dns/server". */
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
  ingest(): Pick<Ingest, "mode" | "restarts" | "figures"> | undefined;
  /** Why there is no ingest at the moment; `final`: there will not be one again. */
  ingestFailure(): { readonly message: string; readonly final: boolean } | undefined;
  plugins(): readonly PluginInfo[];
  hookFigures(): readonly HookFigures[];
  /** Errors of plugins that nobody awaited: timers, change callbacks. */
  pluginFailures(): ReadonlyMap<string, number>;
  /** Threads of plugins. */
  threads(): readonly ThreadInfo[];
  /** Taps of the hook `health`, to be asked. */
  healthVotes(): readonly HealthVoter[];
  /** Samples that were dropped for labels that are not declared, by plugin. */
  droppedSamples(): ReadonlyMap<string, number>;
}

/** All figures of one moment. */
export interface MetricSnapshot {
  readonly nowMs: number;
  readonly kinds: readonly { readonly name: string; readonly status: KindStatus }[];
  readonly store: StoreStats;
  readonly ingest: IngestFigures | undefined;
  readonly threads: readonly (Omit<ThreadInfo, "figures"> & { readonly figures: ThreadFigures | undefined })[];
  readonly plugins: readonly PluginInfo[];
  readonly hooks: readonly HookFigures[];
  readonly pluginFailures: ReadonlyMap<string, number>;
  readonly droppedSamples: ReadonlyMap<string, number>;
  readonly loop: { readonly longestMs: number; readonly p99Ms: number } | undefined;
}

/** Reads all figures. Takes at most a second; threads that do not answer are left out. */
export async function takeSnapshot(sources: FigureSources, loop: LoopDelay | undefined): Promise<MetricSnapshot> {
  const { store } = sources;
  const ingest = sources.ingest();
  const pluginThreads = sources.threads();
  const [ingestFigures, ...figures] = await Promise.all([
    ingest === undefined ? undefined : inTime(ingest.figures()),
    ...pluginThreads.map((thread) => inTime(thread.figures())),
  ]);
  const failure = sources.ingestFailure();
  const ownThread =
    ingest?.mode === "thread"
      ? [{ name: "ingest", restarts: ingest.restarts, state: stateOf(failure), figures: ingestFigures }]
      : [];
  return {
    nowMs: Date.now(),
    kinds: store.kinds.map((name) => ({ name, status: store.status(name) })),
    store: store.stats(),
    ingest: ingestFigures,
    threads: [
      ...ownThread,
      ...pluginThreads.map(({ name, state, restarts }, i) => ({ name, state, restarts, figures: figures[i] })),
    ],
    plugins: sources.plugins(),
    hooks: sources.hookFigures(),
    pluginFailures: sources.pluginFailures(),
    droppedSamples: sources.droppedSamples(),
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
