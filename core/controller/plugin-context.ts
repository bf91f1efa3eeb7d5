import type { EventSubject, PluginContext, PluginControllers, PluginEvents, TaskOptions } from "../api/context.ts";
import type { DeclaredHook, Hook, ObjectReference, PluginHooks, Tap } from "../api/hooks.ts";
import type { Needs } from "../api/needs.ts";
import type { PluginThreads } from "../api/thread.ts";
import { FairleadError } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { controller } from "../reconcile/builder.ts";
import type { ControllerDefinition } from "../reconcile/controller.ts";
import { reconcileEvents } from "../reconcile/run-events.ts";
import type { ControllerSite, HostedController } from "../reconcile/run-host.ts";
import type { ChangeBatch, StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import { builtModule } from "./built-module.ts";
import { createPluginKube } from "./plugin-context-kube.ts";
import { serviceOver } from "./plugin-services.ts";
import type { PluginSite, SiteHook } from "./plugin-site.ts";
import { createTimers } from "./plugin-timers.ts";
import { siteLog, siteMetrics } from "./site-log-metrics.ts";

/** What a context is made of. Nothing here belongs to the main thread alone. */
export interface ContextParts {
  readonly site: PluginSite;
  /** Checked, defaults filled in. */
  readonly options: unknown;
  /** Reads what the plugin needs and nothing else. Closed by `end`. */
  readonly reader: StoreReader;
  /** What the plugin needs. */
  readonly kinds: readonly AnyKind[];
  readonly threads: PluginThreads;
  readonly clock: Clock;
  /** Runs a controller of the plugin. Default: refused, as in a thread of the plugin's own. */
  readonly runController?: RunController | undefined;
  /** Told how long each call of a change callback took, milliseconds, and whether it threw. */
  readonly changesCalled?: (kind: string, ms: number, failed: boolean) => void;
}

/** Runs a controller on what the plugin itself may read and write. */
export type RunController = (
  definition: ControllerDefinition,
  site: Omit<ControllerSite, "leadership">,
) => Promise<HostedController>;

/** A context and how to end it. */
export interface OwnContext {
  readonly context: PluginContext;
  /** Aborts the signal, ends timers and subscriptions, and closes the reader. Safe to call twice. */
  end(): void;
}

/** Makes the context of one plugin over its site; the same code runs on the main thread and in a plugin's own. */
export function createPluginContext(parts: ContextParts): OwnContext {
  const { site, clock, reader } = parts;
  const ending = new AbortController();
  const { signal } = ending;
  const timers = createTimers({ clock, failed: (where, error) => site.failed(where, error) });
  const context: PluginContext = {
    plugin: site.plugin,
    // Checked by the plugin's own schema.
    options: parts.options as PluginContext["options"],
    log: siteLog(site),
    metrics: siteMetrics(site),
    hooks: siteHooks(parts, signal),
    store: reader as PluginContext["store"], // the plugin's own kinds; the type says any
    kube: createPluginKube(site, signal),
    events: siteEvents(site),
    controllers: siteControllers(parts, signal),
    threads: parts.threads,
    tasks: {
      run: async <Input, Output>(module: URL, input: Input, options: TaskOptions = {}): Promise<Output> =>
        // The module says what it gives.
        (await site.task(builtModule(module, "TASK_BAD_MODULE"), input, {
          ...options,
          signal: anyOf(signal, options.signal),
        })) as Output,
    },
    timers,
    clock: { now: () => clock.wallNow(), monotonic: () => clock.now() },
    services: {
      provide: (name, handlers) =>
        // A handler gets what its caller gives: plain data that only the handler can check.
        site.provide(name, handlers as unknown as Readonly<Record<string, (given: unknown) => unknown>>),
      use: (name) => serviceOver((handler, given) => site.callService(name, handler, given)),
    },
    secrets: { read: (reference) => site.secret(reference) },
    signal,
  };
  return {
    context: Object.freeze(context),
    end() {
      if (!signal.aborted) {
        ending.abort(stoppedError(site.plugin));
        timers.end();
        reader.close();
      }
    },
  };
}

/** For everything that a plugin still tries after its end. */
export function stoppedError(plugin: string): FairleadError {
  return new FairleadError("PLUGIN_STOPPED", `plugin "${plugin}" was stopped`, { facts: { plugin } });
}

/** For "workloadRoot", which is answered at once, from another thread. */
export function needsInline(plugin: string): FairleadError {
  return new FairleadError(
    "PLUGIN_HOOK_NEEDS_INLINE",
    `plugin "${plugin}" uses "workloadRoot", which is answered at once; run the plugin with isolation: inline`,
    { facts: { plugin, hook: "workloadRoot" } },
  );
}

function anyOf(signal: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? signal : AbortSignal.any([signal, other]);
}

function siteHooks(parts: ContextParts, signal: AbortSignal): PluginHooks<Needs> {
  const { site } = parts;
  const hook = <F extends (...given: never[]) => unknown>(name: SiteHook): Hook<F> => ({
    tap: (callback, options) =>
      // The hook's own type says what is given.
      site.tap(name, callback as unknown as (given: unknown) => unknown, options),
  });
  return Object.freeze({
    start: hook("start"),
    synced: {
      // The reader of this thread may not have had its turn yet.
      tap: (callback, options) =>
        site.tap(
          "synced",
          () => {
            parts.reader.flush();
            return callback();
          },
          options,
        ),
    },
    leading: hook("leading"),
    following: hook("following"),
    options: hook("options"),
    stop: hook("stop"),
    workloadRoot: {
      ...hook<(object: ObjectReference) => ObjectReference | undefined>("workloadRoot"),
      ask(object) {
        if (site.askRoot === undefined) {
          throw needsInline(site.plugin);
        }
        return site.askRoot(object);
      },
    },
    writeBefore: hook("writeBefore"),
    // The kind's own type is known to the plugin; here it is any kind.
    changes: ((kind: string) => changesHook(parts, kind, signal)) as unknown as PluginHooks<Needs>["changes"],
    health: (name, vote) => site.tap(`health:${name}`, vote),
    stats: (figures) => site.tap("stats", figures),
    declare<Given, Answer>(name: string, options: Parameters<PluginHooks<Needs>["declare"]>[1]) {
      const declared = site.declareHook(name, options);
      return {
        get tapped() {
          return declared.tapped;
        },
        call: (given: Given) => declared.call(given),
        // The kind of the hook says which of the answers it is.
      } as DeclaredHook<Given, Answer>;
    },
    of: (name: string) => hook(`of:${name}`),
  } satisfies PluginHooks<Needs>);
}

function changesHook(
  { site, kinds, reader, clock, changesCalled }: ContextParts,
  name: string,
  signal: AbortSignal,
): Hook<(batch: ChangeBatch<unknown>) => void> {
  const kind = kinds.find((candidate) => candidate.name === name);
  if (kind === undefined) {
    throw new FairleadError(
      "STORE_KIND_NOT_NEEDED",
      `plugin "${site.plugin}" taps the changes of "${name}" without needing it; add it to needs: { ${name}: true }`,
      { facts: { plugin: site.plugin, kind: name } },
    );
  }
  return {
    tap(callback): Tap {
      if (signal.aborted) {
        throw stoppedError(site.plugin);
      }
      const subscription = reader.changes(kind, (batch) => {
        const startedAt = clock.now();
        let failed = false;
        try {
          // A callback that is async by mistake must not end the process with its rejection.
          const answer: unknown = callback(batch);
          if (answer instanceof Promise) {
            answer.catch((error: unknown) => site.failed(`changes:${name}`, error));
          }
        } catch (error) {
          failed = true;
          site.failed(`changes:${name}`, error);
        }
        changesCalled?.(name, clock.now() - startedAt, failed);
      });
      const remove = (): void => subscription.stop();
      return { remove, [Symbol.dispose]: remove };
    },
  };
}

function siteControllers(parts: ContextParts, signal: AbortSignal): PluginControllers<Needs> {
  const { site, reader, kinds, runController } = parts;
  return Object.freeze({
    // The plugin's own kinds; the type says any.
    kinds: Object.freeze(
      Object.fromEntries(kinds.map((kind) => [kind.name, kind])),
    ) as PluginControllers<Needs>["kinds"],
    define: (name) => controller(name),
    async run(definition) {
      if (signal.aborted) {
        throw stoppedError(site.plugin);
      }
      if (runController === undefined) {
        throw new FairleadError(
          "PLUGIN_CONTROLLER_NEEDS_INLINE",
          `plugin "${site.plugin}" runs the controller "${definition.name}"; run the plugin with isolation: inline`,
          { facts: { plugin: site.plugin, controller: definition.name } },
        );
      }
      checkNeeds(site.plugin, definition, kinds);
      return await runController(definition, {
        store: reader,
        kube: createPluginKube(site, signal),
        events: reconcileEvents(
          (type, about, reason, message) => site.event(type, about, reason, message),
          (error) => site.failed("events", error),
        ),
        log: siteLog(site),
        after: kinds.map(({ name }) => name),
      });
    },
  } satisfies PluginControllers<Needs>);
}

/** A controller sees what its plugin needs. Throws PLUGIN_NEEDS. */
function checkNeeds(plugin: string, definition: ControllerDefinition, needed: readonly AnyKind[]): void {
  for (const kind of definition.kinds) {
    const there = needed.find(({ name }) => name === kind.name)?.selected ?? [];
    const missing = kind.selected.filter((field) => !there.includes(field) && !there.includes(field.split(".")[0]));
    if (missing.length > 0) {
      const fields = missing.map((field) =>
        field.startsWith("owned:") ? `appliedBy: "${field.slice(6)}"` : `"${field}"`,
      );
      throw new FairleadError(
        "PLUGIN_NEEDS",
        `plugin "${plugin}" runs the controller "${definition.name}", which looks at ${fields.join(", ")} of "${kind.name}"; add that to needs`,
        { facts: { plugin, controller: definition.name, kind: kind.name } },
      );
    }
  }
}

function siteEvents(site: PluginSite): PluginEvents {
  const send = (type: "Normal" | "Warning") => (about: EventSubject, reason: string, message: string) => {
    let reference: ObjectReference;
    try {
      reference = referenceTo(about);
    } catch (error) {
      site.failed("events", error);
      return;
    }
    site.event(type, reference, reason, message);
  };
  return Object.freeze({ normal: send("Normal"), warn: send("Warning") });
}

/** What an event is about, as plain data: views are valid only for a moment. */
function referenceTo(about: EventSubject): ObjectReference {
  if ("uid" in about && "name" in about) {
    const { apiVersion, kind, namespace, name, uid } = about;
    return { apiVersion, kind, namespace, name, uid };
  }
  // Every view of the store has toJSON; anything else has too little in it for an event.
  const { toJSON } = about as { readonly toJSON?: () => unknown };
  const object = typeof toJSON === "function" ? toJSON.call(about) : undefined;
  const { apiVersion, kind, metadata } = (object ?? {}) as {
    readonly apiVersion?: string;
    readonly kind?: string;
    readonly metadata?: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
  };
  if (apiVersion === undefined || kind === undefined || metadata?.name === undefined || metadata.uid === undefined) {
    throw new FairleadError(
      "PLUGIN_BAD_EVENT",
      "an event is about an object of the store, or { apiVersion, kind, namespace, name, uid }",
    );
  }
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name, uid: metadata.uid };
}
