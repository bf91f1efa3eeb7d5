import type { PluginContext } from "../api/context.ts";
import type { HealthVote, PluginHooks, Tap } from "../api/hooks.ts";
import type { Needs } from "../api/needs.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { createTimers } from "../controller/plugin-timers.ts";
import { messageOf } from "../errors.ts";
import type { ChangeBatch } from "../store/reader.ts";
import { type HarnessClock, harnessClock } from "./harness-clock.ts";
import { KubeRecorder } from "./harness-kube.ts";
import { MetricRecorder } from "./harness-metrics.ts";
import { type Recorded, type RecordedVote, WorkInFlight } from "./harness-records.ts";

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
  readonly #kube = new KubeRecorder(this.#work);
  readonly #metrics = new MetricRecorder();
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
      metrics: this.#metrics.around(real.metrics),
      hooks: this.#probedHooks(),
      store: real.store,
      kube: this.#kube.around(real.kube),
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
      controllers: real.controllers,
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
      writes: this.#kube.recorded(),
      ...this.#metrics.recorded(),
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

  #probedHooks(): PluginHooks<Needs> {
    const { hooks } = this.#real;
    return {
      start: hooks.start,
      synced: hooks.synced,
      leading: hooks.leading,
      following: hooks.following,
      options: hooks.options,
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
