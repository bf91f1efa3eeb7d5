import type { RunOn, WatchedLeadership } from "../election/leadership.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { HookBoard } from "../hooks/hook-board.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { Logger } from "../log.ts";
import type { ControllerDefinition } from "../reconcile/controller.ts";
import type { ControllerSite, HostedController, ReconcileHost } from "../reconcile/run-host.ts";
import type { Store } from "../store/create-store.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import { EventRecorder } from "./event-recorder.ts";
import { DEFAULT_SETUP_TIMEOUT_MS, DEFAULT_STOP_TIMEOUT_MS, setupTimeout } from "./inline-runner.ts";
import type { KubeGate } from "./kube-gate.ts";
import { createMainSite, type MainSite, type SiteParts } from "./main-site.ts";
import type { ThreadInfo } from "./metrics-sources.ts";
import type { NoticeBoard, NoticedError } from "./notices.ts";
import { watchRules } from "./permission-check.ts";
import { stoppedError } from "./plugin-context.ts";
import { kindFromData, type PluginDeclaration } from "./plugin-declaration.ts";
import type { PluginEntry, PluginInfo, PluginState } from "./plugin-entry.ts";
import type { PluginRunner, RunnerParts } from "./plugin-runner.ts";
import { threadInfo, threadsOf } from "./plugin-threads-host.ts";

/** Time for what a plugin leaves behind when its hooks have used up the deadline, milliseconds. */
const LEAST_STOP_MS = 250;
const LAST_EVENTS_MS = 500;

/** What all slots share. */
export interface SlotHost extends SiteParts {
  readonly board: HookBoard;
  readonly gate: KubeGate;
  readonly store: Store;
  readonly log: Logger;
  readonly clock: Clock;
  readonly notices: NoticeBoard;
  /** Writes of every plugin are only checked. */
  readonly dryRun: boolean;
  /** Undefined where nobody is elected: every process leads. */
  readonly leadership: WatchedLeadership | undefined;
  readonly createRunner: (parts: RunnerParts) => Promise<PluginRunner>;
  /** Runs controllers; made when the first one is run. */
  readonly reconcile: () => Promise<Pick<ReconcileHost, "run">>;
}

/** How long the steps of a start took, milliseconds. */
export interface BootTimes {
  loadMs: number;
  setupMs: number;
  startMs: number;
}

/** One plugin from its entry to its end. A plugin that is started anew gets a new slot. */
export class PluginSlot {
  readonly times: BootTimes = { loadMs: 0, setupMs: 0, startMs: 0 };
  #entry: PluginEntry;
  /** Options that it took over while it ran. */
  #takenOptions: { readonly checked: unknown } | undefined;
  readonly #host: SlotHost;
  readonly #fallbackName: string;
  readonly #ending = new AbortController();
  #state: PluginState = "waiting";
  #error: unknown;
  /** Rights that the server does not grant: told, but no failure. */
  #warning: NoticedError | undefined;
  #runner: PluginRunner | undefined;
  #site: MainSite | undefined;
  /** Controllers that the plugin runs. */
  readonly #hosted: HostedController[] = [];
  #events: EventRecorder | undefined;
  #declaration: PluginDeclaration | undefined;
  #kinds: readonly AnyKind[] = [];
  #reader: StoreReader | undefined;
  #isSynced = false;
  /** Between its hooks `leading` and `following`. */
  #isLeading = false;
  #leadTurn: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(entry: PluginEntry, fallbackName: string, host: SlotHost) {
    this.#entry = entry;
    this.#fallbackName = fallbackName;
    this.#host = host;
  }

  get entry(): PluginEntry {
    return this.#entry;
  }

  /** Its checked options, where they can be handed to another life of it. */
  get options(): { readonly checked: unknown } | undefined {
    return this.#takenOptions ?? this.#runner?.options;
  }

  /** Hands other options to the plugin while it runs. Gives whether it goes on with them; never rejects. */
  async takeOptions(entry: PluginEntry, options: { readonly checked: unknown }): Promise<boolean> {
    const { stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS } = this.#entry;
    const how = { only: this.name, deadlineMs: stopTimeoutMs, signal: this.#ending.signal };
    const { answers, failures, late } = await this.#host.board.call("options", "series", options.checked, how);
    const isAgreed = answers.length > 0 && answers.every(({ answer }) => answer === true);
    const isTaken = this.#state === "running" && isAgreed && failures.length + late.length === 0;
    if (isTaken) {
      this.#entry = entry;
      this.#takenOptions = options;
    }
    return isTaken;
  }

  get name(): string {
    return this.#declaration?.name ?? this.#fallbackName;
  }

  get state(): PluginState {
    return this.#state;
  }

  get required(): boolean {
    return this.entry.required !== false;
  }

  /** Undefined before `load`, and when that failed. */
  get declaration(): PluginDeclaration | undefined {
    return this.#declaration;
  }

  get kinds(): readonly AnyKind[] {
    return this.#kinds;
  }

  get failures(): number {
    return this.#site?.failures ?? 0;
  }

  /** The plugin's own thread, where it has one, and those that it started. */
  get threads(): readonly ThreadInfo[] {
    const thread = this.#runner?.thread;
    const restarts = this.#runner?.restarts ?? 0;
    const own =
      thread === undefined
        ? []
        : [threadInfo(this.name, { state: thread.state, restarts, figures: () => thread.figures() })];
    return this.#site === undefined ? own : [...own, ...threadsOf(this.#site)];
  }

  /** Resolves when metrics that the plugin's thread collected are in. */
  async flush(): Promise<void> {
    await this.#runner?.flush?.();
  }

  set warning(warning: NoticedError | undefined) {
    this.#warning = warning;
  }

  info(): PluginInfo {
    const { entry, name, required } = this;
    const { provides = [], after = [] } = this.#declaration ?? {};
    const error = this.#error === undefined ? this.#warning : noticed(this.#error);
    return {
      name,
      version: entry.version,
      state: this.#state,
      isolation: entry.isolation ?? "inline",
      required,
      runOn: this.#runOn,
      leads: this.#isLeading,
      needs: Object.fromEntries(this.#kinds.map((kind) => [kind.name, [...kind.selected]])),
      hooks: this.#host.board.tapsOf(name),
      provides,
      after,
      restarts: this.#runner?.restarts ?? 0,
      error,
    };
  }

  /** Loads and checks the plugin. Rejects with what is wrong; `stop` is called after that too. */
  async load(): Promise<void> {
    const startedAt = this.#host.clock.now();
    try {
      this.#runner = await this.#host.createRunner(this.#runnerParts());
      if (this.#ending.signal.aborted) {
        await this.#runner.stop(LEAST_STOP_MS);
        throw this.#ending.signal.reason;
      }
      const declaration = await this.#runner.load();
      this.#declaration = declaration;
      this.#kinds = declaration.kinds.map(kindFromData);
    } catch (error) {
      this.#fail(error);
      throw error;
    } finally {
      this.times.loadMs = this.#host.clock.now() - startedAt;
    }
  }

  /** Runs `setup` and the `start` hooks. Rejects with what failed; `stop` is called after that too. */
  async boot(): Promise<void> {
    const { clock } = this.#host;
    const { setupTimeoutMs = DEFAULT_SETUP_TIMEOUT_MS } = this.entry;
    this.#state = "starting";
    try {
      const runner = this.#loaded();
      const site = this.#openSite();
      const startedAt = clock.now();
      await runner.start(site);
      this.times.setupMs = clock.now() - startedAt;
      await this.#callStart(Math.max(1, setupTimeoutMs - this.times.setupMs));
      this.times.startMs = clock.now() - startedAt - this.times.setupMs;
      this.#ending.signal.throwIfAborted();
      this.#state = "running";
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Waits for the plugin's kinds, then runs the hooks `synced` and `leading`. Never rejects; ends when the plugin does. */
  async follow(): Promise<void> {
    try {
      if (this.#kinds.length > 0) {
        await this.#narrow().whenSynced(undefined, { signal: this.#ending.signal });
      }
    } catch {
      return; // stopped before
    }
    if (this.#state === "running" && !this.#isSynced) {
      this.#isSynced = true;
      await this.#callSynced();
    }
  }

  /** Runs the hook `leading` or `following` where that has changed. Never rejects; ends when the plugin does. */
  leadershipChanged(): Promise<void> {
    this.#leadTurn = this.#leadTurn.then(() => this.#tellLeadership());
    return this.#leadTurn;
  }

  /** True when all kinds of the plugin are complete. */
  seesAll(): boolean {
    const reader = this.#narrow();
    return this.#kinds.every((kind) => reader.status(kind).synced);
  }

  /** Complete means: with all fields that the plugin needs, which may come later than those of others. */
  #narrow(): StoreReader {
    this.#reader ??= narrowReader(this.#host.store.reader(), this.#kinds);
    return this.#reader;
  }

  /** Runs the hooks `following` and `stop`, and ends what the plugin runs. Never rejects: what did not stop is logged. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#host;
    const { stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS } = this.entry;
    const endsAt = clock.now() + stopTimeoutMs;
    const left = (): number => Math.max(LEAST_STOP_MS, endsAt - clock.now());
    const wasRunning = this.#state === "running";
    // While the plugin can still serve them.
    await Promise.all(this.#hosted.map((hosted) => hosted.stop(left())));
    const isFinal = this.#state === "failed" || this.#state === "disabled";
    if (!isFinal) {
      this.#state = "stopping";
    }
    const late = wasRunning ? await this.#callStop(left) : [];
    this.#ending.abort(new FairleadError("PLUGIN_STOPPED", `plugin "${this.name}" was stopped`));
    this.#site?.close();
    this.#reader?.close();
    try {
      await this.#runner?.stop(left());
    } catch (error) {
      late.push(messageOf(error));
    }
    await this.#events?.stop(LAST_EVENTS_MS);
    if (late.length > 0) {
      log.warn({ plugin: this.name, stopTimeoutMs, running: late }, "plugin did not stop in time");
    }
    if (!isFinal) {
      this.#state = "stopped";
    }
  }

  async #callStop(left: () => number): Promise<string[]> {
    const { board } = this.#host;
    const late: string[] = [];
    const wasLeading = this.#isLeading;
    this.#isLeading = false;
    for (const hook of wasLeading ? ["following", "stop"] : ["stop"]) {
      const outcome = await board.call(hook, "series", undefined, { only: this.name, deadlineMs: left() });
      late.push(...outcome.late.map(() => `its ${hook} hook`));
    }
    return late;
  }

  async #callStart(deadlineMs: number): Promise<void> {
    const { entry, name } = this;
    const { signal } = this.#ending;
    const outcome = await this.#host.board.call("start", "series", undefined, { only: name, deadlineMs, signal });
    signal.throwIfAborted();
    const [failure] = outcome.failures;
    if (failure !== undefined) {
      throw new FairleadError("PLUGIN_START_FAILED", `plugin "${name}" failed in start: ${messageOf(failure.error)}`, {
        cause: failure.error,
        facts: { plugin: name, reason: codeOf(failure.error) },
      });
    }
    if (outcome.late.length > 0) {
      throw setupTimeout(name, entry.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS);
    }
  }

  /** Without an election of a leader every process leads, as soon as it can see. */
  async #callSynced(): Promise<void> {
    const { signal } = this.#ending;
    const deadlineMs = this.entry.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS;
    await this.#host.board.call("synced", "series", undefined, { only: this.name, deadlineMs, signal });
    await this.leadershipChanged();
  }

  get #runOn(): RunOn {
    return this.entry.runOn ?? this.#declaration?.runOn ?? "leader";
  }

  /** Undefined where the plugin does not care who leads. */
  get #leadership(): WatchedLeadership | undefined {
    return this.#runOn === "leader" ? this.#host.leadership : undefined;
  }

  async #tellLeadership(): Promise<void> {
    const { entry, name } = this;
    const leadership = this.#leadership;
    const terms = termSignals(leadership);
    const leads = terms !== undefined && this.#isSynced && this.#state === "running";
    if (leads === this.#isLeading) {
      return;
    }
    this.#isLeading = leads;
    const { signal } = this.#ending;
    const { board } = this.#host;
    if (leads) {
      const until = AbortSignal.any([signal, ...terms]);
      const deadlineMs = entry.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS;
      await board.call("leading", "series", undefined, { only: name, deadlineMs, signal: until });
      return;
    }
    const stopMs = entry.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
    const deadlineMs = Math.min(stopMs, leadership?.handOverMs ?? stopMs);
    await board.call("following", "series", undefined, { only: name, deadlineMs, signal });
  }

  #loaded(): PluginRunner {
    this.#ending.signal.throwIfAborted();
    if (this.#runner === undefined) {
      throw new FairleadError("PLUGIN_STOPPED", `plugin "${this.name}" was not loaded`);
    }
    return this.#runner;
  }

  #openSite(): MainSite {
    const host = this.#host;
    const { entry, name: plugin } = this;
    const { permissions = [], kinds = [] } = this.#declaration ?? {};
    const dryRun = host.dryRun || entry.dryRun === true;
    const { rateLimit } = entry;
    const rules = [...permissions, ...watchRules(kinds)];
    const { log, clock } = host;
    const leadership = this.#leadership;
    // Events are Fairlead's own writes, made for the plugin: it need not ask for the right to report.
    const reporting = host.gate.open({ name: plugin, rules: undefined, dryRun, leadership });
    const recorder = new EventRecorder({ plugin, log, clock, send: reporting });
    this.#events = recorder;
    // What all processes see, one of them reports.
    const events: Pick<EventRecorder, "report"> = {
      report: (event) => {
        if (leadership?.isLeader !== false) {
          recorder.report(event);
        }
      },
    };
    const inline = (entry.isolation ?? "inline") === "inline";
    const kube = host.gate.open({ name: plugin, rules, dryRun, rateLimit, leadership });
    this.#site = createMainSite(host, { plugin, inline, kube, events });
    return this.#site;
  }

  #runnerParts(): RunnerParts {
    const { store, clock, log } = this.#host;
    return {
      entry: this.entry,
      store,
      clock,
      log,
      runController: (definition, site) => this.#runController(definition, site),
      crashed: (error) => {
        this.#isLeading = false; // who could be told is gone
        this.#state = "restarting";
        this.#error = error;
        this.#site?.reset();
        log.warn({ plugin: this.name, code: error.code, detail: error.message }, "plugin crashed, it is started anew");
      },
      restarted: () => this.#restarted(),
      gaveUp: (error) => {
        this.#isLeading = false;
        this.#state = "disabled";
        this.#error = error;
        this.#site?.reset();
        log.error({ plugin: this.name, code: error.code, detail: error.message }, "plugin crashed too often");
        this.#host.notices.tell("plugin-disabled", { plugin: this.name, error: noticed(error) });
      },
    };
  }

  async #runController(
    definition: ControllerDefinition,
    site: Omit<ControllerSite, "leadership">,
  ): Promise<HostedController> {
    const host = await this.#host.reconcile();
    if (this.#ending.signal.aborted || this.#stopped !== undefined) {
      throw stoppedError(this.name);
    }
    const leadership = definition.runOn === "leader" ? this.#leadership : undefined;
    const hosted = host.run(definition, { ...site, leadership });
    this.#hosted.push(hosted);
    return hosted;
  }

  async #restarted(): Promise<void> {
    if (this.#ending.signal.aborted) {
      return;
    }
    const { notices, log } = this.#host;
    try {
      await this.#callStart(this.entry.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS);
    } catch (error) {
      this.#fail(error);
      this.#host.log.error({ plugin: this.name, code: codeOf(error), detail: messageOf(error) }, "plugin failed");
      notices.tell("plugin-failed", { plugin: this.name, error: noticed(error) });
      return;
    }
    this.#state = "running";
    const restarts = this.#runner?.restarts ?? 0;
    log.info({ plugin: this.name, restarts }, "plugin runs again");
    notices.tell("plugin-restarted", { plugin: this.name, restarts });
    if (this.#isSynced) {
      await this.#callSynced();
    } else {
      void this.follow(); // never rejects
    }
  }

  #fail(error: unknown): void {
    if (!this.#ending.signal.aborted) {
      this.#state = "failed";
      this.#error = error;
    }
  }
}

/** An error as it is told. */
export function noticed(error: unknown): NoticedError {
  return { code: codeOf(error), message: messageOf(error) };
}

/** What ends the leading of this process: nothing without election; undefined when it does not lead. */
function termSignals(leadership: WatchedLeadership | undefined): readonly AbortSignal[] | undefined {
  if (leadership === undefined) {
    return [];
  }
  try {
    return leadership.isLeader ? [leadership.term().signal] : undefined;
  } catch {
    return undefined; // lost in this very moment
  }
}
