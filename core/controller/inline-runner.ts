import { placeOf } from "../../sandbox/place.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import { createPluginContext, type OwnContext, stoppedError } from "./plugin-context.ts";
import { type LoadedPlugin, loadPlugin } from "./plugin-load.ts";
import type { PluginRunner, RunnerParts } from "./plugin-runner.ts";
import type { PluginSite } from "./plugin-site.ts";
import type { OwnThreads } from "./plugin-threads.ts";

export const DEFAULT_SETUP_TIMEOUT_MS = 10_000;
export const DEFAULT_STOP_TIMEOUT_MS = 5_000;

/** What an inline plugin gets beside what every runner does. */
export interface InlineParts extends RunnerParts {
  /** A reader that sees only these kinds; it is closed with the plugin. */
  readonly openReader: (loaded: LoadedPlugin) => StoreReader;
  /** Starts threads of the plugin, and ends them. */
  readonly openThreads: (loaded: LoadedPlugin, site: PluginSite) => OwnThreads;
  readonly changesCalled: (plugin: string, kind: string, ms: number, failed: boolean) => void;
}

/** Runs a plugin on the main thread. */
export function createInlineRunner(parts: InlineParts): PluginRunner {
  const { entry, clock } = parts;
  const { setupTimeoutMs = DEFAULT_SETUP_TIMEOUT_MS } = entry;
  const ending = new AbortController();
  let loaded: LoadedPlugin | undefined;
  let own: OwnContext | undefined;
  let threads: OwnThreads | undefined;
  return {
    restarts: 0,
    get options() {
      return loaded === undefined ? undefined : { checked: loaded.options };
    },
    async load() {
      const loading = loadPlugin(entry.use, entry.options);
      loaded = await inTime(loading, {
        clock,
        signal: ending.signal,
        ms: setupTimeoutMs,
        late: () =>
          new FairleadError(
            "PLUGIN_LOAD_TIMEOUT",
            `${nameOf(parts)} did not load within ${setupTimeoutMs} ms; look for an await at its top, or a schema that never answers`,
          ),
      });
      return loaded.declaration;
    },
    async start(site) {
      if (loaded === undefined || ending.signal.aborted) {
        throw stoppedError(site.plugin);
      }
      const { plugin, options, kinds } = loaded;
      threads = parts.openThreads(loaded, site);
      own = createPluginContext({
        site,
        options,
        kinds,
        reader: parts.openReader(loaded),
        threads,
        clock,
        runController: parts.runController,
        changesCalled: (kind, ms, failed) => parts.changesCalled(site.plugin, kind, ms, failed),
      });
      const { context } = own;
      // In a promise at once, so that a throw is a rejection.
      const setup = Promise.resolve().then(() => plugin.setup(context));
      try {
        await inTime(setup, {
          clock,
          signal: ending.signal,
          ms: setupTimeoutMs,
          late: () => setupTimeout(site.plugin, setupTimeoutMs),
        });
      } catch (error) {
        throw setupFailure(site.plugin, error);
      }
    },
    async stop(deadlineMs) {
      ending.abort(stoppedError(loaded?.declaration.name ?? nameOf(parts)));
      own?.end();
      await threads?.stop(deadlineMs);
    },
  };
}

/** What is told when `setup` took too long. */
export function setupTimeout(plugin: string, ms: number): FairleadError {
  return new FairleadError(
    "PLUGIN_SETUP_TIMEOUT",
    `plugin "${plugin}" did not finish setup within ${ms} ms; raise setupTimeoutMs or look for an unresolved promise`,
    { facts: { plugin, timeoutMs: ms } },
  );
}

/** What is told when `setup` threw: our own codes as they are, the rest as PLUGIN_SETUP_FAILED. */
export function setupFailure(plugin: string, error: unknown): unknown {
  if (codeOf(error) === "PLUGIN_SETUP_TIMEOUT" || codeOf(error) === "PLUGIN_STOPPED") {
    return error;
  }
  return new FairleadError("PLUGIN_SETUP_FAILED", `plugin "${plugin}" failed in setup: ${messageOf(error)}`, {
    cause: error,
    facts: { plugin, reason: codeOf(error), at: placeOf(error) },
  });
}

function nameOf({ entry }: RunnerParts): string {
  return entry.use instanceof URL ? entry.use.href : "the plugin";
}

interface TimeLimit {
  readonly clock: Clock;
  readonly ms: number;
  readonly signal: AbortSignal;
  readonly late: () => FairleadError;
}

/** What a promise gives, if it does so in time and before the signal aborts. */
function inTime<T>(promise: Promise<T>, { clock, ms, signal, late }: TimeLimit): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      timer.clear();
      signal.removeEventListener("abort", aborted);
    };
    const aborted = (): void => {
      over();
      reject(signal.reason);
    };
    const timer = clock.setTimer(ms, () => {
      over();
      reject(late());
    });
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(over);
    if (signal.aborted) {
      aborted();
    }
  });
}
