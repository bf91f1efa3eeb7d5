import type { Logger } from "../log.ts";
import type { StoreReader } from "../store/reader.ts";
import type { PluginMetrics } from "./metrics.ts";
import type { KindsOf, Needs } from "./needs.ts";

/** How to start a thread of a plugin. */
export interface ThreadStart<Data> {
  /** Kinds that it may read, out of the plugin's `needs`. Default: none. */
  readonly store?: readonly string[];
  /** Copied into the thread; `SharedArrayBuffer`s are shared. */
  readonly data?: Data;
  /** Shown in metrics and errors. Default: the file's name. */
  readonly name?: string;
  /** Soft limit of its heap, MB; above it the thread is ended and started anew. Default 256. */
  readonly maxHeapMb?: number;
}

/** A running thread, seen from its plugin. It is restarted after a crash, and given up after three crashes in five minutes. */
export interface PluginThread<In, Out> {
  /** True while it runs and answers. */
  readonly alive: boolean;
  /** Resolves when its module has been set up the first time; rejects when it was given up before. */
  readonly ready: Promise<void>;
  /** Dropped, and counted, while it restarts. */
  post(message: In, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: Out) => void): void;
  /** Called each time that `alive` changes, with its new value. */
  onAlive(listener: (isAlive: boolean) => void): void;
  stop(): Promise<void>;
}

/** Starts threads that read the plugin's store. */
export interface PluginThreads {
  /** The module's default export is called with a `ThreadContext`; of a `.ts` that was built `.js` is taken. Ends with the plugin. */
  spawn<In = never, Out = never, Data = undefined>(module: URL, options?: ThreadStart<Data>): PluginThread<In, Out>;
}

/**
 * What the default export of a thread's module gets. It may be async; the thread is ready when it returns. `N`: the plugin's
 * needs, `typeof needs`; at run time only the kinds that `spawn` names under `store` are there.
 */
export interface ThreadContext<Data = undefined, In = never, Out = never, N extends Needs = Needs> {
  readonly data: Data;
  readonly store: StoreReader<KindsOf<N>>;
  readonly log: Logger;
  readonly metrics: PluginMetrics;
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: In) => void): void;
  /** Aborted when the thread must end. */
  readonly stop: AbortSignal;
}
