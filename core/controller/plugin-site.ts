import type { EventSubject, TaskOptions } from "../api/context.ts";
import type { DeclaredHookOptions, ObjectReference, Tap } from "../api/hooks.ts";
import type { LogFields, LogLevel } from "../log.ts";

/** Names of the hooks that a plugin taps through its site; `changes` is not among them: it comes from the store, in any thread. */
export type SiteHook =
  | "start"
  | "synced"
  | "leading"
  | "following"
  | "options"
  | "stop"
  | "workloadRoot"
  | "writeBefore"
  | `health:${string}`
  | "stats"
  /** A hook that a plugin declares: `of:dns.query`. */
  | `of:${string}`;

/** A metric as it is declared. */
export interface MetricDeclaration {
  readonly type: "counter" | "gauge" | "histogram";
  /** As the plugin says it, without prefix. */
  readonly name: string;
  /** In place of `fairlead_<plugin>`: one of the names that others made known. */
  readonly prefix?: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly buckets?: readonly number[];
}

/**
 * One call of a verb of the API server; `args` are those of the method of `KubeClient`, without signals. "page" takes those
 * of `pages` with a `continue` token, and answers with one page.
 */
export interface KubeCall {
  readonly verb: KubeVerb;
  readonly args: readonly unknown[];
}

/** The methods of `KubeClient` behind a site. */
export type KubeVerb =
  | "get"
  | "page"
  | "create"
  | "update"
  | "patch"
  | "apply"
  | "delete"
  | "deleteCollection"
  | "raw"
  | "json";

/**
 * What the context of one plugin is made of, on the main thread. A plugin that runs inline is served by it directly, one in a
 * thread of its own through messages; therefore everything but functions that are tapped or provided is plain data.
 */
export interface PluginSite {
  readonly plugin: string;
  log(level: Exclude<LogLevel, "silent">, fields: LogFields, message: string): void;
  /** Gives the metric's number for `record`. The same declaration gives the same number. Throws METRIC_*. */
  declareMetric(metric: MetricDeclaration): number;
  /** Adds to a counter, sets a gauge, observes in a histogram, so many times (default 1). Never throws. */
  record(metric: number, value: number, labels: Readonly<Record<string, string>>, times?: number): void;
  /** The callback gets and gives plain data; it may be async except for "workloadRoot". */
  tap(hook: SiteHook, callback: (given: unknown) => unknown, options?: { readonly stage?: number }): Tap;
  /** Asks the taps of "workloadRoot", at once. Not there where the plugin does not run on the main thread. */
  askRoot?(object: ObjectReference): ObjectReference | undefined;
  declareHook(name: string, options: DeclaredHookOptions): SiteDeclaredHook;
  kube(call: KubeCall, signal?: AbortSignal): Promise<unknown>;
  event(type: "Normal" | "Warning", about: EventSubject, reason: string, message: string): void;
  task(module: URL, input: unknown, options?: TaskOptions): Promise<unknown>;
  provide(service: string, handlers: Readonly<Record<string, (given: unknown) => unknown>>): void;
  callService(service: string, handler: string, given: unknown): Promise<unknown>;
  secret(reference: string): Promise<string>;
  /** Counts an error of the plugin that nobody awaits (a timer, a change callback), and logs it. Never throws. */
  failed(where: string, error: unknown): void;
}

/** A declared hook as its site sees it. */
export interface SiteDeclaredHook {
  readonly tapped: boolean;
  /** Called when `tapped` changes. */
  onTapped(listener: (tapped: boolean) => void): void;
  call(given: unknown): Promise<unknown>;
}
