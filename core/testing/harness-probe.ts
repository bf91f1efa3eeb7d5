import type { PluginContext, PluginKube } from "../api/context.ts";
import type { HealthVote, PluginHooks, Tap } from "../api/hooks.ts";
import type { PluginMetrics } from "../api/metrics.ts";
import type { Needs } from "../api/needs.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { createTimers } from "../controller/plugin-timers.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { ChangeBatch } from "../store/reader.ts";
import { type HarnessClock, harnessClock } from "./harness-clock.ts";
import { type Recorded, type RecordedVote, type RecordedWrite, WorkInFlight } from "./harness-records.ts";

type AnyListener = (batch: ChangeBatch<never>) => void;
type AnyContext = PluginContext<undefined, Needs>;

/** The service through which a test talks to the probe around its plugin. */
export const PROBE_SERVICE = "test-probe";

/** How a plugin is watched. Plain data. */
export interface ProbeSettings {
  /** Wall clock at which the plugin's time stands still until it is moved; undefined: real time. */
  readonly clockStartMs: number | undefined;
}

/**
 * The plugin with a probe around it: everything that it does goes on to the real context and is recorded on the way, in the
 * thread where the plugin runs.
 */
export function probed(plugin: AnyPlugin, settings: ProbeSettings): AnyPlugin {
  return {
    name: plugin.name,
    apiVersion: plugin.apiVersion,
    options: plugin.options,
    needs: plugin.needs,
    permissions: plugin.permissions,
    provides: [...(plugin.provides ?? []), PROBE_SERVICE],
    after: plugin.after,
    setup(context: AnyContext) {
      const probe = new Probe(context, settings);
      context.services.provide(PROBE_SERVICE, probe.handlers());
      return plugin.setup(probe.context());
    },
  };
}

/** What a test asks of the probe. */
export type ProbeHandlers = ReturnType<Probe["handlers"]>;

class Probe {
  readonly #real: AnyContext;
  readonly #work = new WorkInFlight();
  readonly #clock: HarnessClock | undefined;
  readonly #events: Recorded["events"][number][] = [];
  readonly #writes: RecordedWrite[] = [];
  readonly #metrics = new Map<string, { name: string; labels: Readonly<Record<string, string>>; value: number }>();
  readonly #metricNames = new Set<string>();
  readonly #listeners = new Map<string, Set<AnyListener>>();
  readonly #votes = new Map<string, () => HealthVote | Promise<HealthVote>>();
  readonly #stats = new Set<() => Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>>();

  constructor(real: AnyContext, settings: ProbeSettings) {
    this.#real = real;
    this.#clock = settings.clockStartMs === undefined ? undefined : harnessClock(settings.clockStartMs);
  }

  handlers() {
    return {
      /** Tells the plugin of all that is in its store, waits for what it does about that, and gives what it did. */
      settle: async (): Promise<Recorded> => {
        this.#real.store.flush();
        await this.#work.quiet();
        return this.#recorded();
      },
      advance: async (byMs: number): Promise<Recorded> => {
        await this.#clock?.advance(byMs, () => this.#work.quiet());
        await this.#work.quiet();
        return this.#recorded();
      },
      health: (): Promise<RecordedVote[]> => Promise.all([...this.#votes].map(([name, vote]) => voteOf(name, vote))),
      stats: async (): Promise<Readonly<Record<string, number>>> =>
        Object.assign({}, ...(await Promise.all([...this.#stats].map((figures) => figures())))),
      /** Tells every change listener of all objects again, as after it fell far behind. Rejects with what one throws. */
      resync: (): void => {
        for (const [kind, callbacks] of this.#listeners) {
          this.#real.store.read((view) => {
            const batch = resyncBatch(view.kind(kind).all());
            for (const callback of callbacks) {
              callback(batch);
            }
          });
        }
      },
      /** Ends the thread as an error that nobody catches does. */
      crash: (): void => {
        setImmediate(() => {
          throw new Error("crash that the test asked for");
        });
      },
    };
  }

  context(): AnyContext {
    const real = this.#real;
    return {
      plugin: real.plugin,
      options: real.options,
      log: real.log,
      metrics: this.#probedMetrics(),
      hooks: this.#probedHooks(),
      store: real.store,
      kube: this.#probedKube(),
      events: {
        normal: (about, reason, message) => {
          real.events.normal(about, reason, message);
          this.#events.push({ type: "Normal", reason, message, about: keyOf(about) });
        },
        warn: (about, reason, message) => {
          real.events.warn(about, reason, message);
          this.#events.push({ type: "Warning", reason, message, about: keyOf(about) });
        },
      },
      threads: real.threads,
      tasks: { run: (module, input, options) => this.#work.track(real.tasks.run(module, input, options)) },
      ...this.#time(),
      services: {
        provide: (name, handlers) => real.services.provide(name, handlers),
        use: (name) => this.#trackedService(real.services.use(name)),
      },
      secrets: { read: (reference) => this.#work.track(real.secrets.read(reference)) },
      signal: real.signal,
    };
  }

  #recorded(): Recorded {
    return {
      events: [...this.#events],
      writes: [...this.#writes],
      metrics: [...this.#metrics.values()].map((metric) => ({ ...metric })),
      metricNames: [...this.#metricNames],
    };
  }

  #time(): Pick<AnyContext, "clock" | "timers"> {
    const clock = this.#clock;
    const { signal, log, clock: realClock, timers: realTimers } = this.#real;
    if (clock === undefined) {
      return { clock: realClock, timers: realTimers };
    }
    const timers = createTimers({
      clock,
      failed: (where, error) => log.error({ where, detail: messageOf(error) }, "a plugin failed"),
      random: () => 0.5,
    });
    signal.addEventListener("abort", () => timers.end(), { once: true });
    return { clock: { now: () => clock.wallNow(), monotonic: () => clock.now() }, timers };
  }

  #probedMetrics(): PluginMetrics {
    const { metrics } = this.#real;
    const note = (name: string, labels: Readonly<Record<string, string>> | undefined) => {
      const key = JSON.stringify([name, Object.entries(labels ?? {}).sort()]);
      const found = this.#metrics.get(key) ?? { name, labels: { ...labels }, value: 0 };
      this.#metrics.set(key, found);
      return found;
    };
    // The wrappers are called with what the metric's own type allows, and hand it on as it came.
    const given = (labels: readonly unknown[]) => labels[0] as Readonly<Record<string, string>> | undefined;
    return {
      counter: (name, help, labels) => {
        const counter = metrics.counter(name, help, labels);
        this.#metricNames.add(name);
        return {
          inc: (...at) => {
            note(name, given(at)).value++;
            counter.inc(...at);
          },
          add: (amount, ...at) => {
            note(name, given(at)).value += amount;
            counter.add(amount, ...at);
          },
        };
      },
      gauge: (name, help, labels) => {
        const gauge = metrics.gauge(name, help, labels);
        this.#metricNames.add(name);
        return {
          set: (value, ...at) => {
            note(name, given(at)).value = value;
            gauge.set(value, ...at);
          },
        };
      },
      histogram: (name, help, options) => {
        const histogram = metrics.histogram(name, help, options);
        this.#metricNames.add(name);
        return {
          observe: (value, ...at) => {
            note(name, given(at)).value++;
            histogram.observe(value, ...at);
          },
        };
      },
    };
  }

  #probedHooks(): PluginHooks<Needs> {
    const { hooks } = this.#real;
    return {
      start: hooks.start,
      synced: hooks.synced,
      leading: hooks.leading,
      following: hooks.following,
      stop: hooks.stop,
      changes: (kind) => ({
        tap: (callback, options) => {
          const callbacks = this.#listeners.get(kind) ?? new Set();
          this.#listeners.set(kind, callbacks.add(callback));
          const tap = hooks.changes(kind).tap(callback, options);
          return tapWith(tap, () => callbacks.delete(callback));
        },
      }),
      workloadRoot: hooks.workloadRoot,
      writeBefore: hooks.writeBefore,
      health: (name, vote) => {
        this.#votes.set(name, vote);
        return tapWith(hooks.health(name, vote), () => this.#votes.delete(name));
      },
      stats: (figures) => {
        this.#stats.add(figures);
        return tapWith(hooks.stats(figures), () => this.#stats.delete(figures));
      },
      declare: (name, options) => hooks.declare(name, options),
      of: (name) => hooks.of(name),
    };
  }

  #probedKube(): PluginKube {
    const { kube } = this.#real;
    return {
      get: (...given) => this.#work.track(kube.get(...given)),
      pages: (...given) => this.#tracked(kube.pages(...given)),
      list: (...given) => this.#tracked(kube.list(...given)),
      create: (target, object, options) =>
        this.#write(kube.create(target, object, options), {
          verb: "create",
          ...pick(target),
          name: target.name ?? nameIn(object.metadata),
          body: object,
        }),
      update: (target, object, options) =>
        this.#write(kube.update(target, object, options), { verb: "update", ...pick(target), body: object }),
      patch: (target, type, patch, options) =>
        this.#write(kube.patch(target, type, patch, options), { verb: "patch", ...pick(target), body: patch }),
      apply: (target, object, options) =>
        this.#write(kube.apply(target, object, options), { verb: "apply", ...pick(target), body: object }),
      delete: (target, options) => this.#write(kube.delete(target, options), { verb: "delete", ...pick(target) }),
      deleteCollection: (target, options) =>
        this.#write(kube.deleteCollection(target, options), { verb: "deleteCollection", ...pick(target) }),
      raw: (...given) => this.#work.track(kube.raw(...given)),
      json: (...given) => this.#work.track(kube.json(...given)),
    };
  }

  async #write<T>(answer: Promise<T>, write: RecordedWrite): Promise<T> {
    const at = this.#writes.push(structuredClone(write)) - 1;
    try {
      return await this.#work.track(answer);
    } catch (error) {
      this.#writes[at] = { ...this.#writes[at], error: { code: codeOf(error), message: messageOf(error) } };
      throw error;
    }
  }

  async *#tracked<T>(items: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = await this.#work.track(items.next());
      if (next.done) {
        return;
      }
      yield next.value;
    }
  }

  #trackedService<Service extends object>(service: Service): Service {
    return new Proxy(service, {
      get: (target, handler) => {
        const call: unknown = Reflect.get(target, handler);
        return typeof call === "function"
          ? (given: unknown) => this.#work.track(Promise.resolve(Reflect.apply(call, target, [given])))
          : call;
      },
    });
  }
}

/** A tap that also does something of ours when it is removed. */
function tapWith(tap: Tap, removed: () => void): Tap {
  const remove = (): void => {
    removed();
    tap.remove();
  };
  return { remove, [Symbol.dispose]: remove };
}

/** The views are of the kind that the listeners were tapped for; their type is known only to the plugin. */
function resyncBatch(views: readonly unknown[]): ChangeBatch<never> {
  const changes = views.map((view) => ({ op: "resync", old: undefined, new: view as never }) as const);
  return { kind: "resync", size: changes.length, [Symbol.iterator]: () => changes[Symbol.iterator]() };
}

async function voteOf(name: string, vote: () => HealthVote | Promise<HealthVote>): Promise<RecordedVote> {
  try {
    const said = await vote();
    return typeof said === "boolean"
      ? { name, ok: said, detail: undefined }
      : { name, ok: said.ok, detail: said.detail };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}

function keyOf(about: { readonly key: string } | { readonly namespace?: string; readonly name: string }): string {
  if ("key" in about) {
    return about.key;
  }
  return about.namespace === undefined ? about.name : `${about.namespace}/${about.name}`;
}

function pick(target: {
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}): Omit<RecordedWrite, "verb"> {
  const { apiVersion, plural, namespace, name, subresource } = target;
  return {
    apiVersion,
    plural,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

function nameIn(metadata: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return typeof metadata?.name === "string" ? metadata.name : undefined;
}
