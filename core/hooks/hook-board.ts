import { placeOf } from "../../sandbox/place.ts";
import type { DeclaredHookOptions, Tap } from "../api/hooks.ts";
import { FairleadError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import { type CallMode, type TapAnswer, type TapFailure, TapList, type TapRecord, type TapRun } from "./tap-list.ts";
import { type HookFigure, TapMeter } from "./tap-meter.ts";

/** How a hook is called. */
export interface HookCall {
  /** Only the taps of this plugin. */
  readonly only?: string;
  /** All taps but those of this plugin. */
  readonly except?: string;
  /** After so many milliseconds the call is over; no time limit when left out. */
  readonly deadlineMs?: number;
  /** Ends the call like the deadline. */
  readonly signal?: AbortSignal;
}

/** What came of a call. */
export interface HookOutcome {
  /** In the order in which they came. */
  readonly answers: readonly TapAnswer[];
  readonly failures: readonly TapFailure[];
  /** Taps that had not answered when the call was over. */
  readonly late: readonly { readonly plugin: string; readonly label: string }[];
}

/** A hook that a plugin declared. */
export interface BoardDeclaredHook {
  readonly tapped: boolean;
  onTapped(listener: (tapped: boolean) => void): void;
  /** Never rejects. */
  call(given: unknown): Promise<unknown>;
}

/** A declared hook, for `fairlead plugins`. */
export interface HookDeclaration extends DeclaredHookOptions {
  /** "dns.query". */
  readonly name: string;
  readonly plugin: string;
}

/** One tap, to be asked by itself. */
export interface HookAsk {
  readonly plugin: string;
  /** What tells it from other taps of its plugin. */
  readonly name: string;
  /** Rejects with what the tap throws; no deadline. */
  ask(): Promise<unknown>;
}

const DECLARED_DEADLINE_MS = 50;
const SLOW_SYNC_MS = 50;
const SLOW_ASYNC_MS = 500;
/** At most one line in this time for each hook and plugin. */
const TOLD_EVERY_MS = 10_000;
const NAME = /^[a-z][a-zA-Z0-9-]*$/;

/** Hooks that may take their time: they have deadlines of their own, far above what is slow elsewhere. */
const LIFE_CYCLE: ReadonlySet<string> = new Set(["start", "synced", "leading", "following", "stop"]);

interface DeclaredState {
  readonly declaration: HookDeclaration;
  readonly listeners: ((tapped: boolean) => void)[];
}

/** All hooks of one controller and who tapped them. Main thread. */
export class HookBoard {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #lists = new Map<string, TapList>();
  readonly #records = new Map<string, Set<{ readonly hook: string; readonly record: TapRecord }>>();
  readonly #meters = new Map<string, TapMeter>();
  readonly #declared = new Map<string, DeclaredState>();
  #order = new Map<string, number>();
  #sequence = 0;

  constructor(options: { readonly log: Logger; readonly clock: Clock }) {
    this.#log = options.log;
    this.#clock = options.clock;
  }

  /** The order in which plugins are called within a stage. */
  setOrder(plugins: readonly string[]): void {
    this.#order = new Map(plugins.map((plugin, at) => [plugin, at]));
    for (const list of this.#lists.values()) {
      list.changed();
    }
  }

  /** Taps a hook, which need not exist yet. `label` tells taps of one plugin apart. */
  tap(
    plugin: string,
    hook: string,
    callback: (given: unknown) => unknown,
    options: { readonly stage?: number; readonly label?: string } = {},
  ): Tap {
    if (typeof callback !== "function") {
      throw new FairleadError("HOOK_BAD_TAP", `plugin "${plugin}" taps "${hook}" with something that is no function`, {
        facts: { plugin, hook },
      });
    }
    const record: TapRecord = {
      plugin,
      label: options.label ?? "",
      stage: options.stage ?? 0,
      sequence: this.#sequence++,
      callback,
      meter: this.meter(plugin, hook),
      removed: false,
    };
    const list = this.#list(hook);
    list.add(record);
    const entry = { hook, record };
    const own = this.#records.get(plugin) ?? new Set();
    own.add(entry);
    this.#records.set(plugin, own);
    if (list.size === 1) {
      this.#tellTapped(hook, true);
    }
    const remove = (): void => {
      if (!record.removed) {
        own.delete(entry);
        this.#remove(hook, record);
      }
    };
    return { remove, [Symbol.dispose]: remove };
  }

  isTapped(hook: string, plugin?: string): boolean {
    const list = this.#lists.get(hook);
    return list !== undefined && (plugin === undefined ? list.size > 0 : list.hasPlugin(plugin));
  }

  /** Names of the hooks that a plugin taps at this moment. */
  tapsOf(plugin: string): readonly string[] {
    return [...new Set([...(this.#records.get(plugin) ?? [])].map(({ hook }) => hook))].sort();
  }

  /** Calls the taps of a hook. Never rejects; a tap that throws is counted, told to the log and passed over. */
  async call(
    hook: string,
    mode: Exclude<CallMode, "syncBail">,
    given: unknown,
    how: HookCall = {},
  ): Promise<HookOutcome> {
    const list = this.#lists.get(hook);
    if (list === undefined || list.size === 0) {
      return { answers: [], failures: [], late: [] };
    }
    const run: TapRun = {
      given,
      only: how.only,
      except: how.except,
      answers: [],
      failures: [],
      waiting: new Set(),
      over: false,
    };
    await this.#untilOver(Promise.resolve(list.call(mode, run)), how);
    run.over = true;
    const late = [...run.waiting].map(({ plugin, label, meter }) => {
      meter.errors++;
      this.#tell(meter, { deadlineMs: how.deadlineMs }, "a tap did not answer in time");
      return { plugin, label };
    });
    return { answers: run.answers, failures: run.failures, late };
  }

  /** The taps of a hook, each to be asked by itself. */
  asks(hook: string): readonly HookAsk[] {
    const records = [...this.#records.values()].flatMap((own) => [...own]).filter((entry) => entry.hook === hook);
    return records.map(({ record }) => ({
      plugin: record.plugin,
      name: record.label,
      ask: async () => {
        const startedAt = this.#clock.now();
        try {
          return await record.callback(undefined);
        } catch (error) {
          record.meter.errors++;
          throw error;
        } finally {
          this.called(record.meter, this.#clock.now() - startedAt, SLOW_ASYNC_MS);
        }
      },
    }));
  }

  /** Calls the taps one after the other until one answers, at once. Never throws. */
  callSync(hook: string, given: unknown): unknown {
    const list = this.#lists.get(hook);
    if (list === undefined || list.size === 0) {
      return undefined;
    }
    const run: TapRun = {
      given,
      only: undefined,
      except: undefined,
      answers: [],
      failures: [],
      waiting: new Set(),
      over: false,
    };
    return list.call("syncBail", run);
  }

  /** Declares the hook `<plugin>.<name>`. Throws HOOK_BAD_NAME, HOOK_DUPLICATE. */
  declare(plugin: string, name: string, options: DeclaredHookOptions): BoardDeclaredHook {
    const hook = `${plugin}.${name}`;
    if (!NAME.test(name)) {
      throw new FairleadError(
        "HOOK_BAD_NAME",
        `plugin "${plugin}" declares the hook "${name}"; use letters, digits and "-"`,
        {
          facts: { plugin, hook },
        },
      );
    }
    if (this.#declared.has(hook)) {
      throw new FairleadError("HOOK_DUPLICATE", `the hook "${hook}" is declared already`, { facts: { plugin, hook } });
    }
    const { kind, fallback, deadlineMs = DECLARED_DEADLINE_MS } = options;
    const modes = { observe: "series", decide: "bail", collect: "parallel" } as const;
    const mode = modes[kind];
    if (mode === undefined) {
      throw new FairleadError("HOOK_BAD_NAME", `the hook "${hook}" must be of kind "observe", "decide" or "collect"`, {
        facts: { plugin, hook },
      });
    }
    const state: DeclaredState = { declaration: { ...options, name: hook, plugin, deadlineMs }, listeners: [] };
    this.#declared.set(hook, state);
    const list = this.#list(hook);
    return {
      get tapped() {
        return list.size > 0;
      },
      onTapped: (listener) => void state.listeners.push(listener),
      call: async (given) => {
        const { answers } = await this.call(hook, mode, given, { deadlineMs });
        if (kind === "collect") {
          return answers.map(({ answer }) => answer);
        }
        return kind === "decide" && answers.length > 0 ? answers[0].answer : fallback;
      },
    };
  }

  /** All hooks that plugins declared. */
  declared(): readonly HookDeclaration[] {
    return [...this.#declared.values()].map(({ declaration }) => declaration);
  }

  /** Takes away what a plugin tapped and declared; its figures stay. */
  removePlugin(plugin: string): void {
    const own = this.#records.get(plugin);
    this.#records.delete(plugin);
    for (const { hook, record } of own ?? []) {
      this.#remove(hook, record);
    }
    for (const [hook, { declaration }] of this.#declared) {
      if (declaration.plugin === plugin) {
        this.#declared.delete(hook);
      }
    }
  }

  /** Forgets the figures of a plugin that is not configured any more. */
  forget(plugin: string): void {
    for (const [key, meter] of this.#meters) {
      if (meter.plugin === plugin) {
        this.#meters.delete(key);
      }
    }
  }

  /** What counts the calls of a plugin's taps on a hook; also for hooks that are called elsewhere, such as `changes`. */
  meter(plugin: string, hook: string): TapMeter {
    const key = `${plugin}\n${hook}`;
    let meter = this.#meters.get(key);
    if (meter === undefined) {
      meter = new TapMeter(hook, plugin);
      this.#meters.set(key, meter);
    }
    return meter;
  }

  /** A call that was made elsewhere is over. */
  called(meter: TapMeter, ms: number, slowMs: number = SLOW_SYNC_MS): void {
    meter.record(ms);
    if (ms > slowMs) {
      this.#tell(meter, { ms: Math.round(ms) }, "a tap is slow");
    }
  }

  hookFigures(): readonly HookFigure[] {
    return [...this.#meters.values()].map((meter) => meter.figure());
  }

  #list(hook: string): TapList {
    let list = this.#lists.get(hook);
    if (list === undefined) {
      const slowMs = hook === "workloadRoot" ? SLOW_SYNC_MS : SLOW_ASYNC_MS;
      list = new TapList(
        {
          now: () => this.#clock.now(),
          failed: ({ meter }, error) => {
            meter.errors++;
            this.#tell(meter, { detail: messageOf(error), at: placeOf(error) }, "a tap failed");
          },
          called: ({ meter }, ms) => {
            meter.record(ms);
            if (ms > slowMs && !LIFE_CYCLE.has(hook)) {
              this.#tell(meter, { ms: Math.round(ms) }, "a tap is slow");
            }
          },
        },
        (plugin) => this.#order.get(plugin) ?? this.#order.size,
      );
      this.#lists.set(hook, list);
    }
    return list;
  }

  #remove(hook: string, record: TapRecord): void {
    const list = this.#list(hook);
    list.remove(record);
    if (list.size === 0) {
      this.#tellTapped(hook, false);
    }
  }

  #tellTapped(hook: string, tapped: boolean): void {
    for (const listener of this.#declared.get(hook)?.listeners ?? []) {
      listener(tapped);
    }
  }

  /** At most one line in ten seconds for each hook and plugin, with the number of those that were not told. */
  #tell(meter: TapMeter, fields: Readonly<Record<string, unknown>>, message: string): void {
    const now = this.#clock.now();
    if (now - meter.toldAtMs < TOLD_EVERY_MS) {
      meter.untold++;
      return;
    }
    const more = meter.untold > 0 ? { untold: meter.untold } : {};
    meter.toldAtMs = now;
    meter.untold = 0;
    this.#log.warn({ plugin: meter.plugin, hook: meter.hook, ...fields, ...more }, message);
  }

  async #untilOver(calls: Promise<unknown>, { deadlineMs, signal }: HookCall): Promise<void> {
    if (deadlineMs === undefined && signal === undefined) {
      await calls;
      return;
    }
    await new Promise<void>((resolve) => {
      const over = (): void => {
        timer?.clear();
        signal?.removeEventListener("abort", over);
        resolve();
      };
      const timer = deadlineMs === undefined ? undefined : this.#clock.setTimer(deadlineMs, over);
      signal?.addEventListener("abort", over, { once: true });
      calls.then(over, over);
      if (signal?.aborted === true) {
        over();
      }
    });
  }
}
