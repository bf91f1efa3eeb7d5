import type { AnyPlugin } from "../api/plugin.ts";
import type { RunOn } from "../election/leadership.ts";

/** A plugin and how to run it: one entry of `plugins` in YAML. */
export interface PluginEntry {
  /** The plugin, or the module that exports one as default. A plugin with `isolation: "worker"` must be a module. */
  readonly use: AnyPlugin | URL;
  /** Checked by the plugin's own schema. */
  readonly options?: unknown;
  /** On the main thread (default), or in a thread of its own. */
  readonly isolation?: Isolation;
  /** False: the rest goes on when it fails. Default true. */
  readonly required?: boolean;
  /** How long `setup` and the `start` hooks may take, milliseconds. Default 10000. */
  readonly setupTimeoutMs?: number;
  /** How long `stop` may take, milliseconds. Default 5000. */
  readonly stopTimeoutMs?: number;
  /** Soft limit of the heap of its thread, MB. Default 256. */
  readonly maxHeapMb?: number;
  /** Its writes are checked by the server but not stored. Default false. */
  readonly dryRun?: boolean;
  /** Calls of its `kube`. Default: 50 a second, 100 at once. */
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number };
  /** Where it acts when a leader is elected. Default: what the plugin says, or "leader". */
  readonly runOn?: RunOn;
  /** Version of its package, where it has one; only shown. */
  readonly version?: string;
}

/** An entry for a plugin that was given as such. */
export function entryOf(given: AnyPlugin | PluginEntry): PluginEntry {
  return typeof given === "object" && given !== null && "use" in given ? given : { use: given };
}

/** Where a plugin runs. */
export type Isolation = "inline" | "worker";

/** Life of a plugin. `disabled`: given up after too many crashes; `failed`: did not start. */
export type PluginState =
  | "waiting"
  | "starting"
  | "running"
  | "restarting"
  | "stopping"
  | "stopped"
  | "failed"
  | "disabled";

/** What `controller.plugins()` tells of each plugin. */
export interface PluginInfo {
  readonly name: string;
  readonly version: string | undefined;
  readonly state: PluginState;
  readonly isolation: Isolation;
  readonly required: boolean;
  /** Where it acts when a leader is elected. */
  readonly runOn: RunOn;
  /** True between its hooks `leading` and `following`. */
  readonly leads: boolean;
  /** Kinds and fields that it reads. */
  readonly needs: Readonly<Record<string, readonly string[]>>;
  readonly hooks: readonly string[];
  readonly provides: readonly string[];
  readonly after: readonly string[];
  readonly restarts: number;
  /** The last error, where there was one. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
}
