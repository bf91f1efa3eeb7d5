import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { ControllerDefinition, ControllerStart } from "../reconcile/controller.ts";
import type { HostedController } from "../reconcile/run-host.ts";
import type { StoreReader } from "../store/reader.ts";
import type { ObjectReference, PluginHooks } from "./hooks.ts";
import type { PluginMetrics } from "./metrics.ts";
import type { KindsOf, NeededKindOf, Needs } from "./needs.ts";
import type { OptionsOf, OptionsSchema } from "./plugin.ts";
import type { PluginThreads } from "./thread.ts";

/**
 * Verbs of the Kubernetes API for a plugin: limited in rate, audited, a dry run where the operator says so, and refused with
 * PLUGIN_PERMISSION_NOT_DECLARED where the plugin's `permissions` do not cover the call. Watches come from `needs`.
 */
export type PluginKube = Omit<KubeClient, "watch">;

/** Kubernetes Events about objects. Never waits: repeated ones are joined, too many are dropped and counted. */
export interface PluginEvents {
  normal(about: EventSubject, reason: string, message: string): void;
  warn(about: EventSubject, reason: string, message: string): void;
}

/** What an Event is about: a view of the store, or a reference. */
export type EventSubject = ObjectReference | { readonly key: string; readonly metadata: { readonly uid: string } };

/** CPU work for the pool of threads that all plugins share. */
export interface PluginTasks {
  /**
   * Calls the default export of the module with `input` in a pool thread and resolves with what it returns. Name it
   * as your source does, `new URL("./sum.ts", import.meta.url)`: where that was built, `./sum.js` is taken. Plugins take turns. Rejects with TASK_QUEUE_FULL, TASK_ABORTED, TASK_TIMEOUT, TASK_CRASHED, or the error that the function threw.
   */
  run<Input, Output>(module: URL, input: Input, options?: TaskOptions): Promise<Output>;
}

/** How to run one task. */
export interface TaskOptions {
  /** Moved instead of copied. */
  readonly transfer?: readonly ArrayBuffer[];
  readonly signal?: AbortSignal;
  /** Default 30000 milliseconds. */
  readonly timeoutMs?: number;
}

/** A timer that ends with the plugin. */
export interface PluginTimer extends Disposable {
  stop(): void;
}

/** A time as milliseconds, or as text: "500ms", "30s", "5m", "2h". */
export type Duration = number | string;

/** Timers that stop with the plugin. A callback that throws is counted as the plugin's error; calls never overlap. */
export interface PluginTimers {
  after(time: Duration, callback: () => void | Promise<void>): PluginTimer;
  /** `jitter`: part of the time by which calls are moved at random, 0 to 1 (default 0). */
  every(
    time: Duration,
    callback: () => void | Promise<void>,
    options?: { readonly jitter?: number; readonly immediately?: boolean },
  ): PluginTimer;
}

/** The time; tests move it. */
export interface PluginClock {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Never goes back, milliseconds. */
  monotonic(): number;
}

/** Handlers of a service: plain data in, plain data out, so that it works from any thread. */
export type ServiceHandlers = Readonly<Record<string, (given: never) => unknown>>;

/** What the type of a service may be: an interface whose members are handlers. */
export type HandlersOf<H> = { readonly [Name in keyof H]: (given: never) => unknown };

/** A service as its users see it: every handler is async. */
export type ServiceOf<H> = {
  readonly [Name in keyof H]: H[Name] extends (...given: infer Given) => infer Answer
    ? (...given: Given extends [] ? [given?: undefined] : Given) => Promise<Awaited<Answer>>
    : never;
};

/** What plugins offer each other. */
export interface PluginServices {
  /** Offers a service that the plugin's `provides` names. */
  provide<H extends HandlersOf<H>>(name: string, handlers: H): void;
  /**
   * Another plugin's service. Calls reject with SERVICE_NOT_FOUND when nobody provides it, SERVICE_UNAVAILABLE while its
   * plugin is down, SERVICE_TIMEOUT after five seconds, or the error that the handler threw.
   */
  use<H extends HandlersOf<H>>(name: string): ServiceOf<H>;
}

/** Controllers that a plugin runs: they reconcile objects one by one, with a queue, retries and a deadline. Inline plugins only. */
export interface PluginControllers<N> {
  /** The kinds of `needs`, to be given to a controller. */
  readonly kinds: { readonly [Name in keyof N & string]: NeededKindOf<N, Name> };
  /** Begins a definition, as `controller` of "fairlead/reconcile" does. Throws CONTROLLER_BAD_DEFINITION. */
  define(name: string): ControllerStart;
  /**
   * Runs a controller until the plugin ends, from when the kinds of its definition and of `needs` are complete, and where a
   * leader is elected, only in the leader. It looks at nothing that `needs` does not name. Rejects with CONTROLLER_DUPLICATE, PLUGIN_NEEDS,
   * PLUGIN_CONTROLLER_NEEDS_INLINE, PLUGIN_STOPPED.
   */
  run(definition: ControllerDefinition): Promise<HostedController>;
}

/** All that a plugin gets. The same whether it runs on the main thread or in one of its own. */
export interface PluginContext<
  Schema extends OptionsSchema | undefined = OptionsSchema | undefined,
  N extends Needs = Needs,
> {
  /** Name of the plugin. */
  readonly plugin: string;
  readonly options: OptionsOf<Schema>;
  /** Every line carries `plugin`. */
  readonly log: Logger;
  readonly metrics: PluginMetrics;
  readonly hooks: PluginHooks<N, OptionsOf<Schema>>;
  /** Reads what `needs` names. Throws STORE_KIND_NOT_NEEDED, STORE_FIELD_NOT_DECLARED for the rest. */
  readonly store: StoreReader<KindsOf<N>>;
  readonly kube: PluginKube;
  readonly events: PluginEvents;
  readonly controllers: PluginControllers<N>;
  readonly threads: PluginThreads;
  readonly tasks: PluginTasks;
  readonly timers: PluginTimers;
  readonly clock: PluginClock;
  readonly services: PluginServices;
  /** Reads "file:/run/secrets/token" or "${TOKEN}" anew each time, so that rotated secrets are seen; SECRET_* errors. */
  readonly secrets: { read(reference: string): Promise<string> };
  /** Aborted when the plugin must end. */
  readonly signal: AbortSignal;
}
