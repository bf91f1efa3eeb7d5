import type { ChangeBatch, ObjectView } from "../store/reader.ts";
import type { NeededKindOf } from "./needs.ts";

/** A tap that can be taken away again; it is taken away by itself when the plugin stops. */
export interface Tap extends Disposable {
  remove(): void;
}

/** Where a plugin hooks in. Taps are named after their plugin, timed, counted and kept from harming each other. */
export interface Hook<F extends (...given: never[]) => unknown> {
  /** Lower `stage` first (default 0); within a stage in the order of the plugins. */
  tap(callback: F, options?: { readonly stage?: number }): Tap;
}

/** A hook that plugins may also ask themselves. */
export interface AskedHook<Given, Answer> extends Hook<(given: Given) => Answer | undefined> {
  /** The first answer of those who tapped it, at once. Never throws but PLUGIN_HOOK_NEEDS_INLINE. */
  ask(given: Given): Answer | undefined;
}

/** What a health vote says. `true` is ok; `detail` says what is wrong. */
export type HealthVote = boolean | { readonly ok: boolean; readonly detail?: string };

/** An object as owner chains know it. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  /** Absent for cluster-scoped objects. */
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
}

/** A write that is about to be sent to the API server. Frozen. */
export interface WriteRequest {
  /** The plugin that writes; "controller" for Fairlead itself. */
  readonly plugin: string;
  readonly verb: "create" | "update" | "patch" | "apply" | "delete" | "deleteCollection";
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly dryRun: boolean;
  /** The object or patch; undefined for deletes. */
  readonly body: unknown;
}

/** What a tap of `writeBefore` decides; undefined leaves the decision to the next tap. */
export type WriteVerdict =
  | undefined
  | { readonly allow: true }
  | { readonly allow: false; readonly reason: string }
  /** Checked by the server, but not stored. */
  | { readonly dryRun: true };

/** A hook that a plugin declares for others. Every tap answers at once (sync) or in time (async). */
export type DeclaredHookKind =
  /** All taps, one after the other; answers are ignored. */
  | "observe"
  /** The first answer that is not undefined is the answer. */
  | "decide"
  /** All answers, as a list. */
  | "collect";

/** How to declare a hook. */
export interface DeclaredHookOptions {
  readonly kind: DeclaredHookKind;
  /** How long one call may take, milliseconds; after that `fallback` is the answer. Default 50. */
  readonly deadlineMs?: number;
  /** Answer of a "decide" hook when nobody answered, or not in time. Default undefined. */
  readonly fallback?: unknown;
  /** What it is for, one line: shown by `fairlead plugins`. */
  readonly about: string;
}

/** A hook seen by the plugin that declared it. */
export interface DeclaredHook<Given, Answer> {
  /** False: nobody has tapped it and a call would be a waste. Cheap. */
  readonly tapped: boolean;
  /** Never rejects: a tap that throws is counted and skipped. `given` is plain data. */
  call(given: Given): Promise<Answer | readonly Answer[] | undefined>;
}

/** The hooks, as one plugin sees them. */
export interface PluginHooks<N, Options = unknown> {
  /** Right after `setup`, in the order of the plugins. Async, deadline `setupTimeoutMs`; a throw fails the plugin. */
  readonly start: Hook<() => void | Promise<void>>;
  /** Once, when all kinds that the plugin needs are complete. Async, deadline `setupTimeoutMs`. */
  readonly synced: Hook<() => void | Promise<void>>;
  /**
   * This process leads: again after each loss. Without election, and with `runOn: "every"`, right after `synced`. Async,
   * deadline `setupTimeoutMs`; over when the leadership is lost meanwhile.
   */
  readonly leading: Hook<() => void | Promise<void>>;
  /**
   * This process leads no more, or stops: end what `leading` began. Writes are refused already after a loss. Async, deadline
   * `stopTimeoutMs`, and after a loss at most the time until another one can lead (5 s).
   */
  readonly following: Hook<() => void | Promise<void>>;
  /**
   * The options have changed and nothing else of the plugin's entry; they are checked. Answer true when you have taken them
   * over, and the plugin goes on; any other answer starts it anew with them, as does no tap. When the reload fails after that,
   * the options of before come the same way. Async, deadline `stopTimeoutMs`. Inline plugins only: others are started anew.
   */
  readonly options: Hook<(next: Options) => boolean | Promise<boolean>>;
  /** In reverse order of start. Async, deadline `stopTimeoutMs`. */
  readonly stop: Hook<() => void | Promise<void>>;
  /**
   * Changes of one kind, the complete initial set first, at most one batch a turn of the event loop. Sync: keep it short and
   * queue slow work by key. Views are valid only inside the callback. Each tap is served by itself; `stage` has no effect.
   */
  changes<Name extends keyof N & string>(
    kind: Name,
  ): Hook<(batch: ChangeBatch<ObjectView<NeededKindOf<N, Name>>>) => void>;
  /** Who owns an object whose owner Fairlead does not know how to follow. Sync, first answer wins; inline plugins only. */
  readonly workloadRoot: AskedHook<ObjectReference, ObjectReference>;
  /**
   * Before each write to the API server, but for the plugin's own. Async, first verdict wins, deadline 1000 ms. A tap that
   * throws, or does not answer in time, refuses the write.
   */
  readonly writeBefore: Hook<(write: WriteRequest) => WriteVerdict | Promise<WriteVerdict>>;
  /** Votes on readiness; asked at most once a second, deadline 1000 ms, no answer in time is a "no". Async. */
  health(name: string, vote: () => HealthVote | Promise<HealthVote>): Tap;
  /** Figures for the line that is logged once a minute. Async, deadline 1000 ms. */
  stats(figures: () => Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>): Tap;
  /** Declares a hook that other plugins can tap as `<plugin>.<name>`. */
  declare<Given, Answer = undefined>(name: string, options: DeclaredHookOptions): DeclaredHook<Given, Answer>;
  /** A hook that another plugin declares: `hooks.of("dns.query")`. May be tapped before it is declared. */
  of<Given, Answer = undefined>(name: string): Hook<(given: Given) => Answer | undefined | Promise<Answer | undefined>>;
}
