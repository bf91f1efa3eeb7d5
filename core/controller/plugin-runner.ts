import type { Supervised } from "../../sandbox/supervisor.ts";
import type { FairleadError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Store } from "../store/create-store.ts";
import type { Clock } from "../watch/clock.ts";
import type { RunController } from "./plugin-context.ts";
import type { PluginDeclaration } from "./plugin-declaration.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import type { PluginSite } from "./plugin-site.ts";

/**
 * Runs one plugin, on the main thread or in one of its own. Lives once: a plugin that is started anew by a reload gets a new
 * runner. The plugin host calls `load`, `start`, `stop` in this order, one at a time, except that `stop` may come at any
 * moment: what was under way then rejects with PLUGIN_STOPPED.
 */
export interface PluginRunner {
  /**
   * Loads the module where it is one, checks the plugin and its options, and tells what it declares; nothing of the plugin
   * runs but its module's own code. Rejects with PLUGIN_LOAD_FAILED, PLUGIN_LOAD_TIMEOUT, PLUGIN_BAD, PLUGIN_CONTRACT,
   * PLUGIN_OPTIONS.
   */
  load(): Promise<PluginDeclaration>;
  /**
   * Runs `setup` with a context over the site; the host runs the `start` hooks after it. Rejects with PLUGIN_SETUP_FAILED,
   * PLUGIN_SETUP_TIMEOUT; `stop` is called after that too.
   */
  start(site: PluginSite): Promise<void>;
  /**
   * Aborts the context's signal and ends timers, threads and subscriptions; the host has run the `stop` hooks before.
   * Resolves when nothing of the plugin runs any more; rejects with PLUGIN_STOP_TIMEOUT, which names what still does, after
   * the deadline.
   */
  stop(deadlineMs: number): Promise<void>;
  /** Checked options, where they are plain to see: of a plugin on the main thread that was loaded. */
  readonly options?: { readonly checked: unknown } | undefined;
  /** Times that its thread was started again after a crash. */
  readonly restarts: number;
  /** Its thread, where it has one; undefined before `load`. */
  readonly thread?: RunnerThread | undefined;
  /** Resolves when metrics that its thread collected are in. */
  flush?(): Promise<void>;
}

/** The thread of a runner. */
export type RunnerThread = Pick<Supervised, "state" | "figures">;

/** What a runner gets from the host. All calls on the main thread. */
export interface RunnerParts {
  readonly entry: PluginEntry;
  /** The main thread's store: its reader for inline plugins, handles for threads. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Runs a controller of the plugin, until `stop`. Default: refused. */
  readonly runController?: RunController;
  /** The plugin's thread ended by itself, and will be restarted: its taps and services are taken away. */
  crashed(error: FairleadError): void;
  /** `setup` has run again after a crash; the host now runs the hooks `start`, `synced` and `leading` as they apply. */
  restarted(): Promise<void>;
  /** It crashed too often and is not started again. */
  gaveUp(error: FairleadError): void;
}
