import { placeOf } from "../../sandbox/place.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import type { WatchedLeadership } from "../election/leadership.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import { type HookAsk, HookBoard } from "../hooks/hook-board.ts";
import type { HookFigure } from "../hooks/tap-meter.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { Store } from "../store/create-store.ts";
import type { Clock } from "../watch/clock.ts";
import { bootOrder, withDependants } from "./boot-order.ts";
import type { GateFigures } from "./kube-gate.ts";
import { KubeGate } from "./kube-gate.ts";
import type { SiteParts } from "./main-site.ts";
import type { MetricSink } from "./metric-sink.ts";
import type { ThreadInfo } from "./metrics-sources.ts";
import type { NoticeBoard } from "./notices.ts";
import { entryOf, type PluginEntry, type PluginInfo } from "./plugin-entry.ts";
import { PluginPermissions } from "./plugin-permissions.ts";
import type { PluginRunner, RunnerParts } from "./plugin-runner.ts";
import { PluginServiceBoard } from "./plugin-services.ts";
import { noticed, PluginSlot, type SlotHost } from "./plugin-slot.ts";
import {
  bootTree,
  checkKinds,
  declarationsOf,
  fallbackName,
  isSameButOptions,
  isSameEntry,
  ordered,
  settleAll,
  stopAll,
} from "./plugin-slots.ts";

const STATS_DEADLINE_MS = 1000;

/** What a plugin host works with. */
export interface PluginHostOptions {
  readonly log: Logger;
  readonly clock: Clock;
  readonly store: Store;
  readonly metrics: MetricSink;
  readonly notices: NoticeBoard;
  /** Connects when it is first called. */
  readonly client: () => Promise<KubeClient>;
  /** Writes of every plugin are only checked. */
  readonly dryRun: boolean;
  /** Undefined where nobody is elected: every process leads. */
  readonly leadership?: WatchedLeadership | undefined;
  /** Namespaces that are followed, where they are known; undefined: the whole cluster. */
  readonly namespaces: readonly string[] | undefined;
  readonly createRunner: (parts: RunnerParts, board: HookBoard) => Promise<PluginRunner>;
  readonly task: SiteParts["task"];
  readonly reconcile: SlotHost["reconcile"];
  /** The embedder's own. */
  readonly kinds: readonly AnyKind[];
  /** Makes the store follow these kinds beside the embedder's own. */
  readonly follow: (kinds: readonly AnyKind[]) => Promise<void>;
  /** Resolves when the caches of these kinds are complete or known to be out of reach. */
  readonly loaded: (kinds: readonly AnyKind[]) => Promise<void>;
}

/** A plugin that goes on with other options, and what it had before. */
interface Handed {
  readonly slot: PluginSlot;
  readonly entry: PluginEntry;
  readonly options: { readonly checked: unknown };
}

/** The plugins of one controller. */
export class PluginHost {
  readonly board: HookBoard;
  readonly #options: PluginHostOptions;
  readonly #services: PluginServiceBoard;
  readonly #gate: KubeGate;
  readonly #slotHost: SlotHost;
  readonly #permissions: PluginPermissions;
  readonly #stopping = new AbortController();
  /** In the order of their start. */
  #slots: readonly PluginSlot[] = [];
  /** Slots that a reload has loaded and not yet taken over. */
  readonly #fresh = new Set<PluginSlot>();
  /** What a reload handed to plugins that go on, and can take back: their entries and options of before. */
  readonly #handed: Handed[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #reviewing: Promise<void> | undefined;

  constructor(options: PluginHostOptions) {
    const { log, clock, client, store, notices, metrics, dryRun, task } = options;
    this.#options = options;
    this.board = new HookBoard({ log, clock });
    this.#services = new PluginServiceBoard(clock);
    this.#gate = new KubeGate({ client, board: this.board, log, clock });
    const { signal } = this.#stopping;
    this.#permissions = new PluginPermissions({ client, log, namespaces: options.namespaces, signal });
    const { board } = this;
    this.#slotHost = {
      log,
      clock,
      board,
      store,
      notices,
      metrics,
      dryRun,
      task,
      services: this.#services,
      gate: this.#gate,
      leadership: options.leadership,
      reconcile: options.reconcile,
      createRunner: (parts) => options.createRunner(parts, board),
    };
    const stopListening = options.leadership?.onChange(() => this.#leadershipChanged());
    signal.addEventListener("abort", () => stopListening?.(), { once: true });
  }

  /**
   * Loads the plugins and puts them in order. Rejects with what is wrong with a required one (PLUGIN_*, SERVICE_DUPLICATE);
   * nothing is left running then.
   */
  load(plugins: readonly (AnyPlugin | PluginEntry)[]): Promise<void> {
    return this.#inTurn(async () => {
      const slots = plugins.map((given, at) => this.#slot(given, at));
      this.#slots = slots;
      try {
        await this.#loadAll(slots);
        checkKinds(slots, this.#options.kinds);
        this.#takeOver(ordered(slots));
      } catch (error) {
        await stopAll(slots);
        throw error;
      }
    });
  }

  /** Kinds that the plugins need. */
  kinds(): readonly AnyKind[] {
    return this.#slots.flatMap((slot) => (slot.state === "failed" ? [] : slot.kinds));
  }

  /** Sets the loaded plugins up. Rejects with what a required one failed with, after all that ran was stopped. */
  boot(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#bootAll(this.#slots);
      } catch (error) {
        await stopAll(this.#slots);
        throw error;
      }
      this.#reviewing = this.#permissions.review(this.#slots);
    });
  }

  /**
   * Runs the hooks `synced` and `leading` of each plugin as soon as its kinds are complete. Resolves when they have run for
   * those whose kinds are complete now.
   */
  async follow(): Promise<void> {
    await this.#follow(this.#slots);
  }

  /**
   * Goes over to other plugins: only what changed is stopped and started, with those that depend on it. Rejects with the
   * reason when that fails; then the plugins are as before. Waits until the caches of new plugins are complete, or known to
   * be out of reach. Calls are put in order.
   */
  reload(plugins: readonly (AnyPlugin | PluginEntry)[]): Promise<void> {
    return this.#inTurn(() => this.#reload(plugins));
  }

  /** Stops all plugins in reverse order. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort(stoppedError());
    // Stops what a turn waits for; the turn then ends by itself.
    await stopAll([...this.#slots, ...this.#fresh]);
    await this.#turn.catch(() => {}); // told to whoever asked for it
    await stopAll([...this.#slots, ...this.#fresh]);
    await this.#reviewing;
  }

  infos(): readonly PluginInfo[] {
    return this.#slots.map((slot) => slot.info());
  }

  /** Calls a handler of a plugin's service. Rejects with SERVICE_*, or what the handler threw. */
  callService(service: string, handler: string, given: unknown): Promise<unknown> {
    return this.#services.call(service, handler, given);
  }

  hookFigures(): readonly HookFigure[] {
    return this.board.hookFigures();
  }

  /** Errors of plugins that nobody awaited: timers, change callbacks. */
  failures(): ReadonlyMap<string, number> {
    return new Map(this.#slots.map((slot) => [slot.name, slot.failures]));
  }

  /** Threads in which plugins run, and those that they started. */
  threads(): readonly ThreadInfo[] {
    return this.#slots.flatMap((slot) => slot.threads);
  }

  /** Resolves when metrics that threads of plugins collected are in, or did not come in time. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#slots.map((slot) => slot.flush()));
  }

  /** Votes of the hook `health`, to be asked. */
  healthVotes(): readonly HookAsk[] {
    return this.board.asks("health");
  }

  /** Figures of the hook `stats`, by plugin. Never rejects; takes at most a second. */
  async stats(): Promise<ReadonlyMap<string, unknown>> {
    const { answers } = await this.board.call("stats", "parallel", undefined, { deadlineMs: STATS_DEADLINE_MS });
    return new Map(answers.map(({ plugin, answer }) => [plugin, answer]));
  }

  /** What each plugin has done at the API server. */
  kubeFigures(): ReadonlyMap<string, Readonly<GateFigures>> {
    return new Map(this.#slots.map(({ name }) => [name, this.#gate.figuresOf(name)]));
  }

  async #reload(plugins: readonly (AnyPlugin | PluginEntry)[]): Promise<void> {
    const { log, notices } = this.#options;
    const before = this.#slots;
    const next = await this.#loadNext(plugins);
    const fresh = next.filter((slot) => this.#fresh.has(slot));
    const leaving = before.filter((slot) => !next.includes(slot));
    try {
      await stopAll(leaving);
      await this.#options.follow(next.flatMap((slot) => (slot.state === "failed" ? [] : slot.kinds)));
      this.#takeOver(next);
      await this.#bootAll(fresh);
    } catch (error) {
      this.#stopping.signal.throwIfAborted();
      log.error(
        { code: codeOf(error), detail: messageOf(error) },
        "reload failed, the plugins from before are brought back",
      );
      await stopAll(fresh);
      await this.#handBack();
      await this.#bringBack(before);
      throw error;
    }
    this.#forget(leaving, next);
    await this.#options.loaded(fresh.flatMap((slot) => slot.kinds));
    await this.#follow(fresh);
    this.#reviewing = this.#permissions.review(this.#slots);
    const started = fresh.map(({ name }) => name);
    const stopped = leaving.map(({ name }) => name);
    log.info({ started, stopped }, "plugins reloaded");
    notices.tell("reloaded", { started, stopped });
  }

  /** The plugins after a reload, in order: slots that stay, and fresh ones, loaded. Nothing has been stopped yet. */
  async #loadNext(plugins: readonly (AnyPlugin | PluginEntry)[]): Promise<PluginSlot[]> {
    this.#fresh.clear();
    this.#handed.length = 0;
    const free = new Set(this.#slots.filter(({ state }) => state === "running" || state === "restarting"));
    const freshSlot = (entry: AnyPlugin | PluginEntry, at: number): PluginSlot => {
      const slot = this.#slot(entry, at);
      this.#fresh.add(slot);
      return slot;
    };
    let next = plugins.map((given, at) => {
      const entry = entryOf(given);
      const same = [...free].find((slot) => isSameEntry(slot.entry, entry));
      if (same === undefined) {
        return freshSlot(entry, at);
      }
      free.delete(same);
      return same;
    });
    try {
      await this.#loadAll([...this.#fresh]);
      bootOrder(declarationsOf(next));
      checkKinds(next, this.#options.kinds);
      next = await this.#handOver(next);
      const changed = [...this.#slots, ...next].filter((slot) => this.#fresh.has(slot) || !next.includes(slot));
      const touched = withDependants(new Set(changed.map(({ name }) => name)), declarationsOf(next));
      const again: PluginSlot[] = [];
      next = next.map((slot, at) => {
        if (this.#fresh.has(slot) || !(touched.has(slot.name) || this.#usesGone(slot, changed))) {
          return slot;
        }
        const anew = freshSlot(slot.entry, at);
        again.push(anew);
        return anew;
      });
      await this.#loadAll(again);
      return ordered(next);
    } catch (error) {
      await stopAll([...this.#fresh]);
      this.#fresh.clear();
      await this.#handBack();
      throw error;
    }
  }

  /** Plugins of which only the options changed, and which take them over while they run, stay. */
  async #handOver(next: readonly PluginSlot[]): Promise<PluginSlot[]> {
    const result: PluginSlot[] = [];
    for (const slot of next) {
      const { entry, name } = slot;
      const options = this.#fresh.has(slot) ? slot.options : undefined;
      const old = this.#slots.find(
        (other) => !next.includes(other) && other.name === name && isSameButOptions(other.entry, entry),
      );
      const before = old?.options === undefined ? undefined : { slot: old, entry: old.entry, options: old.options };
      if (before !== undefined && options !== undefined && (await before.slot.takeOptions(entry, options))) {
        this.#handed.push(before);
        this.#fresh.delete(slot);
        await slot.stop();
        result.push(before.slot);
        this.#options.log.info({ plugin: name }, "plugin took other options over");
      } else {
        result.push(slot);
      }
    }
    return result;
  }

  /** The reload failed: plugins that took other options over get those of before. */
  async #handBack(): Promise<void> {
    for (const { slot, entry, options } of this.#handed.splice(0).reverse()) {
      if (!(await slot.takeOptions(entry, options))) {
        const fields = { plugin: slot.name };
        this.#options.log.error(
          fields,
          "plugin keeps the options of the reload that failed; it did not take those of before",
        );
      }
    }
  }

  /** True when a plugin was set up after one that is not there any more. */
  #usesGone(slot: PluginSlot, changed: readonly PluginSlot[]): boolean {
    const after = slot.declaration?.after ?? [];
    return changed.some(
      ({ name, declaration }) => after.includes(name) || declaration?.provides.some((it) => after.includes(it)),
    );
  }

  /** Starts the plugins from before a failed reload again. What fails now is logged, and told by the plugin's state. */
  async #bringBack(before: readonly PluginSlot[]): Promise<void> {
    const { log } = this.#options;
    const slots = before.map((slot, at) => (slot.state === "stopped" ? this.#slot(slot.entry, at) : slot));
    const anew = slots.filter((slot) => !before.includes(slot));
    this.#slots = slots;
    for (const slot of anew) {
      await slot.load().catch((error: unknown) => this.#failed(slot, error));
    }
    try {
      await this.#options.follow(this.kinds());
    } catch (error) {
      log.error({ code: codeOf(error), detail: messageOf(error) }, "the kinds from before cannot be followed again");
    }
    this.#takeOver(slots);
    for (const slot of anew.filter(({ state }) => state === "waiting")) {
      this.#stopping.signal.throwIfAborted();
      await slot.boot().catch(async (error: unknown) => {
        await slot.stop();
        this.#failed(slot, error);
      });
    }
    await this.#follow(anew);
  }

  #takeOver(slots: readonly PluginSlot[]): void {
    this.#slots = slots;
    this.#fresh.clear();
    this.board.setOrder(slots.map(({ name }) => name));
    this.#services.setOwners(
      new Map(
        slots.flatMap(({ name, declaration }) => declaration?.provides.map((it): [string, string] => [it, name]) ?? []),
      ),
    );
  }

  #forget(leaving: readonly PluginSlot[], next: readonly PluginSlot[]): void {
    for (const { name } of leaving) {
      if (!next.some((slot) => slot.name === name)) {
        this.board.forget(name);
        this.#gate.forget(name);
        this.#options.metrics.forget(name);
      }
    }
  }

  async #loadAll(slots: readonly PluginSlot[]): Promise<void> {
    const results = await settleAll(slots, (slot) => slot.load());
    this.#stopping.signal.throwIfAborted();
    const failed: unknown[] = [];
    for (const [at, slot] of slots.entries()) {
      const result = results[at];
      if (result.status === "rejected") {
        this.#failed(slot, result.reason);
        failed.push(...(slot.required ? [result.reason] : []));
        await slot.stop();
      }
    }
    if (failed.length > 0) {
      throw failed[0];
    }
  }

  async #bootAll(slots: readonly PluginSlot[]): Promise<void> {
    const { log } = this.#options;
    for (const slot of slots.filter(({ state }) => state === "waiting")) {
      this.#stopping.signal.throwIfAborted();
      try {
        await slot.boot();
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        await slot.stop();
        this.#failed(slot, error);
        if (slot.required) {
          throw error;
        }
      }
    }
    log.debug({ plugins: bootTree(slots) }, "plugins started");
  }

  #failed(slot: PluginSlot, error: unknown): void {
    const { log, notices } = this.#options;
    if (!this.#stopping.signal.aborted) {
      const { name: plugin, required } = slot;
      const fields = { plugin, required, code: codeOf(error), detail: messageOf(error), at: placeOf(error) };
      log.error(fields, "plugin failed");
      notices.tell("plugin-failed", { plugin: slot.name, error: noticed(error) });
    }
  }

  async #follow(slots: readonly PluginSlot[]): Promise<void> {
    const running = slots.filter(({ state }) => state === "running");
    const all = running.map((slot) => ({ slot, following: slot.follow() }));
    await Promise.all(all.filter(({ slot }) => slot.seesAll()).map(({ following }) => following));
  }

  /** The hooks `leading` and `following` of all plugins. Never rejects. */
  async #leadershipChanged(): Promise<void> {
    const slots = new Set([...this.#slots, ...this.#fresh]);
    await Promise.all([...slots].map((slot) => slot.leadershipChanged()));
  }

  #slot(given: AnyPlugin | PluginEntry, at: number): PluginSlot {
    const entry = entryOf(given);
    return new PluginSlot(entry, fallbackName(entry, at), this.#slotHost);
  }

  /** One thing after the other, also after one that failed. */
  #inTurn<T>(what: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      this.#stopping.signal.throwIfAborted();
      return what();
    });
    this.#turn = turn.catch(() => {}); // told to whoever asked
    return turn;
  }
}

function stoppedError(): FairleadError {
  return new FairleadError("CONTROLLER_STOPPED", "the controller was stopped; make a new one to start again");
}
