import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Duration, HandlersOf, ServiceOf } from "../api/context.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { type Controller, createController } from "../controller/create-controller.ts";
import { milliseconds } from "../controller/duration.ts";
import { rulesFor } from "../controller/permission-check.ts";
import type { Isolation, PluginEntry, PluginState } from "../controller/plugin-entry.ts";
import { describePlugin } from "../controller/plugin-load.ts";
import { FairleadError } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { didYouMean } from "../nearest.ts";
import { type ApiServer, createApiServer } from "./api-server.ts";
import { type LogLine, recordingLog } from "./harness-log.ts";
import { PROBE_SERVICE, type ProbeHandlers, probed } from "./harness-probe.ts";
import type { Recorded, RecordedEvent, RecordedVote, RecordedWrite } from "./harness-records.ts";
import { catchUp } from "./harness-sync.ts";
import type { ObjectInput } from "./object.ts";

/** Options of a plugin, as its users write them. */
type OptionsFor<P> = P extends { readonly options?: infer Schema }
  ? Schema extends StandardSchemaV1
    ? StandardSchemaV1.InferInput<Schema>
    : undefined
  : unknown;

/** How a plugin is tested. All has defaults. */
export interface HarnessOptions<P = unknown> {
  /** Default: none, so that the plugin's own defaults hold. */
  readonly options?: OptionsFor<P>;
  /** What is in the cluster before the plugin starts. */
  readonly objects?: readonly ObjectInput[];
  /** "worker" needs the plugin's module as a URL. Default "inline". */
  readonly isolation?: Isolation;
  /**
   * The plugin's time stands still, from here on, until `advance` moves it: a Date, or milliseconds since 1970. Default: the
   * machine's clock. Threads that the plugin spawns have the machine's clock in any case.
   */
  readonly clock?: Date | number;
  /** Kinds that the test reads from `controller.store` beside those that the plugin needs. */
  readonly kinds?: readonly AnyKind[];
  /** Plugins that it works with, such as those whose services it uses. They run inline. */
  readonly plugins?: readonly (AnyPlugin | PluginEntry)[];
  /** How long `settled` and all that waits as it does may take, milliseconds. Default 10000. */
  readonly timeoutMs?: number;
}

/** Names an object that is to be deleted: one that was applied, or just its name. */
export type ObjectName = Pick<ObjectInput, "apiVersion" | "kind"> & {
  readonly metadata: { readonly name: string; readonly namespace?: string };
};

/**
 * A plugin that runs against a cluster in this process, with no more rights than it asks for. What is asked of it is answered
 * as of the last call that was awaited.
 */
export interface Harness extends AsyncDisposable {
  readonly server: ApiServer;
  readonly controller: Controller;
  /** Where the plugin is in its life. */
  readonly state: PluginState;
  /** Creates or replaces objects, and waits as `settled` does. */
  apply(...objects: readonly ObjectInput[]): Promise<void>;
  /** Removes objects at once, and waits as `settled` does. */
  delete(...objects: readonly ObjectName[]): Promise<void>;
  /**
   * Waits until the plugin was told of all that is in the cluster, and what it does about that (requests, tasks, calls of
   * services) is done. Rejects with TESTING_NOT_SETTLED after `timeoutMs`.
   */
  settled(): Promise<void>;
  /** Moves the plugin's time on, timer by timer, and waits. Needs the option `clock`. */
  advance(time: Duration): Promise<void>;
  /** Events that it reported since it was started. */
  events(): readonly Pick<RecordedEvent, "reason" | "about">[];
  /** The same with type and message. */
  eventDetails(): readonly RecordedEvent[];
  /** Log lines of the plugin, and of Fairlead about it. */
  logs(): readonly LogLine[];
  /**
   * Value of a metric without its prefix: 0 until it was set; of a histogram the number of values. With labels the value of
   * just those. Throws TESTING_UNKNOWN_METRIC.
   */
  metrics(name: string, labels?: Readonly<Record<string, string>>): number;
  /** Asks the plugin's health votes now. */
  health(): Promise<readonly RecordedVote[]>;
  /** Asks for the plugin's figures now. */
  stats(): Promise<Readonly<Record<string, number>>>;
  /** Writes to the API server that it asked for since it was started, Events aside. */
  requests(): readonly RecordedWrite[];
  /** Calls a service as another plugin would. */
  call(service: string, handler: string, given?: unknown): Promise<unknown>;
  /** A service with its types: `h.service<CartHandlers>("cart").total({ … })`. */
  service<H extends HandlersOf<H>>(name: string): ServiceOf<H>;
  /**
   * Other options, as after a change of the YAML file; waits as `settled` does. What was recorded begins anew, but where the
   * plugin takes the options over while it runs (hook `options`).
   */
  reload(options: unknown): Promise<void>;
  /** Tells the plugin of everything again, as when it fell far behind, and waits. Rejects with what a listener throws. */
  resync(): Promise<void>;
  /** Ends the plugin's thread by an error that nobody catches, and waits until it runs again. Isolation "worker" only. */
  crash(): Promise<void>;
  /** Stops the plugin, the controller and the cluster. */
  stop(): Promise<void>;
}

const TOKEN = "plugin-under-test";
const DEFAULT_TIMEOUT_MS = 10_000;
const RESTART_DEADLINE_MS = 20_000;
const NOTHING: Recorded = { events: [], writes: [], metrics: [], metricNames: [] };

/**
 * Starts a plugin against a cluster in this process. Give the plugin itself, or the URL of its module (needed for isolation
 * "worker"): `harness(new URL("./index.ts", import.meta.url), { isolation: "worker" })`. Rejects with what makes it fail to
 * start (PLUGIN_*).
 */
export async function harness<const P extends AnyPlugin>(
  plugin: P | URL,
  given: HarnessOptions<P> = {},
): Promise<Harness> {
  const { declaration } = await describePlugin(plugin);
  const others = given.plugins ?? [];
  const sources = await Promise.all(
    others.map(async (other) => (await describePlugin("use" in other ? other.use : other)).declaration),
  );
  const rules = rulesFor([declaration, ...sources], given.kinds ?? []);
  const server = await createApiServer({ tokens: { [TOKEN]: { name: declaration.name, rules } } });
  const running = new RunningHarness({ server, plugin, given, name: declaration.name });
  try {
    for (const object of given.objects ?? []) {
      server.objects.apply(object);
    }
    await running.start();
  } catch (error) {
    await running.stop();
    throw error;
  }
  return running;
}

interface HarnessParts {
  readonly server: ApiServer;
  readonly plugin: AnyPlugin | URL;
  readonly given: HarnessOptions;
  readonly name: string;
}

class RunningHarness implements Harness {
  readonly server: ApiServer;
  readonly controller: Controller;
  readonly #parts: HarnessParts;
  readonly #log = recordingLog();
  #use: AnyPlugin | URL | undefined;
  #recorded: Recorded = NOTHING;
  #stopped: Promise<void> | undefined;

  constructor(parts: HarnessParts) {
    this.#parts = parts;
    this.server = parts.server;
    this.controller = createController({
      cluster: { kubeconfig: { text: parts.server.kubeconfig(TOKEN) } },
      kinds: parts.given.kinds ?? [],
      plugins: this.#entries(parts.given.options),
      ingest: parts.given.isolation === "worker" ? "thread" : "inline",
      auditEveryMs: 0,
      log: this.#log,
    });
  }

  async start(): Promise<void> {
    await this.controller.start();
    await this.settled();
  }

  async apply(...objects: readonly ObjectInput[]): Promise<void> {
    for (const object of objects) {
      this.server.objects.apply(object);
    }
    await this.settled();
  }

  async delete(...objects: readonly ObjectName[]): Promise<void> {
    for (const { apiVersion, kind, metadata } of objects) {
      this.server.objects.delete({ apiVersion, kind, ...metadata });
    }
    await this.settled();
  }

  async settled(): Promise<void> {
    this.#recorded = await catchUp({
      server: this.server,
      store: this.controller.store,
      timeoutMs: this.#parts.given.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      isStopped: () => this.#stopped !== undefined,
      settle: () => this.#probe.settle(undefined),
    });
  }

  async advance(time: Duration): Promise<void> {
    if (this.#parts.given.clock === undefined) {
      throw new FairleadError("TESTING_NO_CLOCK", "advance moves a clock that stands still; give the harness a clock");
    }
    await this.#probe.advance(milliseconds(time));
    await this.settled();
  }

  events(): readonly Pick<RecordedEvent, "reason" | "about">[] {
    return this.#recorded.events.map(({ reason, about }) => ({ reason, about }));
  }

  eventDetails(): readonly RecordedEvent[] {
    return this.#recorded.events;
  }

  logs(): readonly LogLine[] {
    return this.#log.lines.filter(({ fields }) => fields.plugin === this.#parts.name);
  }

  metrics(name: string, labels?: Readonly<Record<string, string>>): number {
    const { metrics, metricNames } = this.#recorded;
    if (!metricNames.includes(name)) {
      const hint = didYouMean(name, metricNames);
      throw new FairleadError(
        "TESTING_UNKNOWN_METRIC",
        `plugin "${this.#parts.name}" has declared no metric "${name}"${hint === "" ? `; it has ${metricNames.join(", ") || "none"}` : hint}`,
        { facts: { name } },
      );
    }
    const wanted = Object.entries(labels ?? {});
    return metrics
      .filter((metric) => metric.name === name && wanted.every(([label, value]) => metric.labels[label] === value))
      .reduce((sum, metric) => sum + metric.value, 0);
  }

  health(): Promise<readonly RecordedVote[]> {
    return this.#probe.health(undefined);
  }

  stats(): Promise<Readonly<Record<string, number>>> {
    return this.#probe.stats(undefined);
  }

  requests(): readonly RecordedWrite[] {
    return this.#recorded.writes;
  }

  async call(service: string, handler: string, given?: unknown): Promise<unknown> {
    const use = this.controller.services.use<Record<string, (given: unknown) => unknown>>(service);
    return await use[handler](given);
  }

  service<H extends HandlersOf<H>>(name: string): ServiceOf<H> {
    return this.controller.services.use<H>(name);
  }

  async reload(options: unknown): Promise<void> {
    await this.controller.reload(this.#entries(options));
    await this.settled();
  }

  async resync(): Promise<void> {
    await this.#probe.resync(undefined);
    await this.settled();
  }

  get state(): PluginState {
    return this.#info().state;
  }

  async crash(): Promise<void> {
    if (this.#parts.given.isolation !== "worker") {
      throw new FairleadError(
        "TESTING_NOT_A_WORKER",
        'only a plugin with isolation: "worker" has a thread that can crash',
      );
    }
    const before = this.#info().restarts;
    await this.#probe.crash(undefined);
    const endAt = performance.now() + RESTART_DEADLINE_MS;
    while (this.#info().restarts === before || this.#info().state !== "running") {
      const { state, error } = this.#info();
      if (state === "disabled" || state === "failed" || performance.now() > endAt) {
        throw new FairleadError(
          "TESTING_NOT_SETTLED",
          `plugin "${this.#parts.name}" did not run again after a crash; it is "${state}": ${error?.message ?? "no error"}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.settled();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.controller.stop().finally(() => this.server.stop());
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #probe(): ServiceOf<ProbeHandlers> {
    return this.controller.services.use<ProbeHandlers>(PROBE_SERVICE);
  }

  #info() {
    const info = this.controller.plugins().find(({ name }) => name === this.#parts.name);
    if (info === undefined) {
      throw new FairleadError("TESTING_NOT_SETTLED", `plugin "${this.#parts.name}" is not there any more`);
    }
    return info;
  }

  #entries(options: unknown): (AnyPlugin | PluginEntry)[] {
    const { plugin, given } = this.#parts;
    const { isolation = "inline", clock } = given;
    const clockStartMs = clock === undefined ? undefined : Number(clock);
    // The same after a reload: then only the options differ.
    this.#use ??= plugin instanceof URL ? moduleAround(plugin, clockStartMs) : probed(plugin, { clockStartMs });
    return [...(given.plugins ?? []), { use: this.#use, options, isolation }];
  }
}

/** The module that puts a probe around a plugin's module. */
function moduleAround(plugin: URL, clockStartMs: number | undefined): URL {
  const url = new URL(`./harness-module.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
  url.searchParams.set("plugin", plugin.href);
  if (clockStartMs !== undefined) {
    url.searchParams.set("clock", String(clockStartMs));
  }
  return url;
}
