import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook } from "tapable";
import type { TapMeter } from "./tap-meter.ts";

/** One tap. */
export interface TapRecord {
  readonly plugin: string;
  /** Tells taps of one plugin apart where they have names: health votes. */
  readonly label: string;
  readonly stage: number;
  readonly sequence: number;
  readonly callback: (given: unknown) => unknown;
  readonly meter: TapMeter;
  removed: boolean;
}

/** One call of a hook: what is given, and what has come back so far. */
export interface TapRun {
  readonly given: unknown;
  /** Only the taps of this plugin. */
  readonly only: string | undefined;
  /** All taps but those of this plugin. */
  readonly except: string | undefined;
  readonly answers: TapAnswer[];
  readonly failures: TapFailure[];
  /** Taps that were called and have not answered. */
  readonly waiting: Set<TapRecord>;
  /** The caller does not wait any more: later answers are dropped, further taps are not called. */
  over: boolean;
}

export interface TapAnswer {
  readonly plugin: string;
  readonly label: string;
  readonly answer: unknown;
}

export interface TapFailure {
  readonly plugin: string;
  readonly label: string;
  readonly error: unknown;
}

/** In which way the taps are called. `bail`: one after the other until one answers; `syncBail`: at once. */
export type CallMode = "series" | "bail" | "parallel" | "syncBail";

/** What a list of taps tells of each call of a tap. */
export interface TapWatcher {
  now(): number;
  failed(record: TapRecord, error: unknown): void;
  /** The call is over; it took so long. */
  called(record: TapRecord, ms: number): void;
}

type Callable = (run: TapRun) => unknown;

/**
 * The taps of one hook. tapable calls them; since it cannot take a tap away, its hook is made anew from the list when the
 * list has changed, and a call that is under way goes on with the old one, in which removed taps do nothing.
 */
export class TapList {
  readonly #watcher: TapWatcher;
  readonly #orderOf: (plugin: string) => number;
  readonly #compiled = new Map<CallMode, Callable>();
  #records: TapRecord[] = [];
  #isSorted = true;

  constructor(watcher: TapWatcher, orderOf: (plugin: string) => number) {
    this.#watcher = watcher;
    this.#orderOf = orderOf;
  }

  get size(): number {
    return this.#records.length;
  }

  hasPlugin(plugin: string): boolean {
    return this.#records.some((record) => record.plugin === plugin);
  }

  add(record: TapRecord): void {
    this.#records.push(record);
    this.changed();
  }

  remove(record: TapRecord): void {
    record.removed = true;
    this.#records = this.#records.filter((other) => other !== record);
    this.#compiled.clear();
  }

  /** The order of plugins, or the taps, are not what they were. */
  changed(): void {
    this.#isSorted = false;
    this.#compiled.clear();
  }

  /** Calls the taps. Never throws or rejects: failures are in the run. */
  call(mode: CallMode, run: TapRun): unknown {
    let callable = this.#compiled.get(mode);
    if (callable === undefined) {
      callable = this.#compile(mode);
      this.#compiled.set(mode, callable);
    }
    return callable(run);
  }

  #sorted(): readonly TapRecord[] {
    if (!this.#isSorted) {
      this.#records.sort(
        (a, b) => a.stage - b.stage || this.#orderOf(a.plugin) - this.#orderOf(b.plugin) || a.sequence - b.sequence,
      );
      this.#isSorted = true;
    }
    return this.#records;
  }

  #compile(mode: CallMode): Callable {
    const watcher = this.#watcher;
    const records = this.#sorted();
    if (mode === "syncBail") {
      const hook = new SyncBailHook<[TapRun], unknown, { record: TapRecord }>(["run"]);
      hook.intercept({ register: (tap) => ({ ...tap, fn: (run: TapRun) => callSync(tap.record, run, watcher) }) });
      for (const record of records) {
        hook.tap({ name: record.plugin, record }, () => undefined); // the interceptor puts the guarded call in its place
      }
      return (run) => hook.call(run);
    }
    const hook = asyncHook(mode);
    hook.intercept({ register: (tap) => ({ ...tap, fn: (run: TapRun) => callAsync(tap.record, run, watcher) }) });
    for (const record of records) {
      hook.tapPromise({ name: record.plugin, record }, async () => undefined);
    }
    return (run) => hook.promise(run);
  }
}

type Extra = { record: TapRecord };

function asyncHook(
  mode: Exclude<CallMode, "syncBail">,
):
  | AsyncSeriesHook<[TapRun], Extra>
  | AsyncSeriesBailHook<[TapRun], unknown, Extra>
  | AsyncParallelHook<[TapRun], Extra> {
  switch (mode) {
    case "series":
      return new AsyncSeriesHook(["run"]);
    case "bail":
      return new AsyncSeriesBailHook(["run"]);
    case "parallel":
      return new AsyncParallelHook(["run"]);
    default:
      return mode satisfies never;
  }
}

function isLeftOut(record: TapRecord, run: TapRun): boolean {
  const isMeant = run.only === undefined || run.only === record.plugin;
  return record.removed || run.over || !isMeant || run.except === record.plugin;
}

function callSync(record: TapRecord, run: TapRun, watcher: TapWatcher): unknown {
  if (isLeftOut(record, run)) {
    return undefined;
  }
  const startedAt = watcher.now();
  let answer: unknown;
  try {
    answer = record.callback(run.given);
    if (answer instanceof Promise) {
      answer.catch(() => {}); // told below: a promise is no answer here
      answer = undefined;
      throw new TypeError("the tap gave a promise where an answer is needed at once");
    }
  } catch (error) {
    run.failures.push({ plugin: record.plugin, label: record.label, error });
    watcher.failed(record, error);
  }
  watcher.called(record, watcher.now() - startedAt);
  return answer;
}

async function callAsync(record: TapRecord, run: TapRun, watcher: TapWatcher): Promise<unknown> {
  if (isLeftOut(record, run)) {
    return undefined;
  }
  const { plugin, label } = record;
  const startedAt = watcher.now();
  run.waiting.add(record);
  try {
    const answer = await record.callback(run.given);
    if (run.over) {
      return undefined;
    }
    if (answer !== undefined) {
      run.answers.push({ plugin, label, answer });
    }
    return answer;
  } catch (error) {
    if (!run.over) {
      // After the end it was counted as late.
      run.failures.push({ plugin, label, error });
      watcher.failed(record, error);
    }
    return undefined;
  } finally {
    run.waiting.delete(record);
    watcher.called(record, watcher.now() - startedAt);
  }
}
