import { type Clock, realClock, type Timer } from "../watch/clock.ts";
import { type Delayed, DelayHeap } from "./delay-heap.ts";
import { Histogram } from "./histogram.ts";
import { Lane, type Waiting } from "./lane.ts";
import { controllerLimiter, type RateLimiter } from "./rate-limiter.ts";

/** Priority of what nobody waits for: the initial list, a resync. What has just changed has 0. */
export const LOW_PRIORITY = -100;

/** How a queue works. */
export interface WorkQueueOptions {
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** For `add` with `limited`. Default: each key 5 ms to 1000 s, all together 10 a second with 100 at once. */
  readonly limiter?: RateLimiter;
  /** Who take turns with each other. Default: the namespace of the key. */
  readonly tenantOf?: (key: string) => string;
  /** After so long a lower priority gets every fifth turn, milliseconds. Default 10000. */
  readonly ageMs?: number;
  /** Called when `take` has something that it did not have before. Do not take inside of it. */
  readonly onReady?: () => void;
}

/** How to add a key. */
export interface AddOptions {
  /** Higher comes first. Default 0; a key that is there already keeps the highest that it was given. */
  readonly priority?: number;
  /** Not before so many milliseconds; a key that is there already keeps the earliest time. Default 0. */
  readonly afterMs?: number;
  /** Not before its limiter says so: it failed. With `afterMs` the earlier of both. */
  readonly limited?: boolean;
}

/** A key that is to be worked on until `done`. */
export interface Taken {
  readonly key: string;
  readonly priority: number;
}

/** What a queue has done and has to do. */
export interface QueueFigures {
  /** Ready keys by priority, those included that wait for the end of their own work. */
  readonly depth: ReadonlyMap<number, number>;
  readonly adds: number;
  readonly retries: number;
  /** Seconds between ready and taken. */
  readonly queueSeconds: Histogram;
  /** Seconds between taken and done. */
  readonly workSeconds: Histogram;
  /** Seconds that all keys together have been worked on which are not done. */
  readonly unfinishedSeconds: number;
  readonly longestRunningSeconds: number;
}

/** 10 ns to 1000 s: the buckets of controller-runtime. */
const DURATION_BUCKETS: readonly number[] = Array.from({ length: 12 }, (_, power) => Number(`1e${power - 8}`));
const AGED_TURN = 5;
/** Timers of the machine take no more than 24 days. */
const LONGEST_TIMER_MS = 3_600_000;

/** A key that is in the queue: delayed (in the heap), ready (in a lane), or held until its own work is done (in neither). */
class Entry implements Waiting, Delayed {
  readonly key: string;
  readonly tenant: string;
  priority: number;
  readySinceMs = 0;
  isReady = false;
  dueMs = 0;
  heapAt = -1;
  inLane: Waiting["inLane"] = undefined;
  inTenant: Waiting["inTenant"] = undefined;
  readonly order: number;

  constructor(key: string, tenant: string, priority: number, order: number) {
    this.key = key;
    this.tenant = tenant;
    this.priority = priority;
    this.order = order;
  }
}

/**
 * Keys that are to be worked on: each at most once in the queue and never twice at once, whatever is added meanwhile. Higher
 * priorities first; namespaces take turns, and what waits for long gets a share, so that nobody starves. Belongs to one thread.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #limiter: RateLimiter;
  readonly #tenantOf: (key: string) => string;
  readonly #ageMs: number;
  readonly #onReady: () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #delayed = new DelayHeap<Entry>();
  /** Highest priority first; none is empty. */
  readonly #lanes: Lane<Entry>[] = [];
  /** Keys that are being worked on, and since when. */
  readonly #processing = new Map<string, number>();
  readonly #depth = new Map<number, number>();
  readonly #queueSeconds = new Histogram(DURATION_BUCKETS);
  readonly #workSeconds = new Histogram(DURATION_BUCKETS);
  #lastOrder = 0;
  #ready = 0;
  #adds = 0;
  #retries = 0;
  #passedOver = 0;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isShutDown = false;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(options: WorkQueueOptions = {}) {
    const { clock = realClock } = options;
    this.#clock = clock;
    this.#limiter = options.limiter ?? controllerLimiter(() => clock.now());
    this.#tenantOf = options.tenantOf ?? namespaceOf;
    this.#ageMs = options.ageMs ?? 10_000;
    this.#onReady = options.onReady ?? (() => {});
  }

  /** Keys that are ready, those included that wait for the end of their own work. */
  get size(): number {
    return this.#ready;
  }

  /** True when `take` has something. */
  get hasReady(): boolean {
    return this.#lanes.length > 0;
  }

  /** Keys that wait for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Keys that are being worked on. */
  get processing(): number {
    return this.#processing.size;
  }

  /** Adds a key; one that is being worked on comes again after `done`. Nothing is added after `shutDown`. */
  add(key: string, options: AddOptions = {}): void {
    if (this.#isShutDown) {
      return;
    }
    const { priority = 0, limited = false } = options;
    if (limited) {
      this.#retries++;
    }
    const afterMs = Math.min(
      limited ? this.#limiter.when(key) : Number.POSITIVE_INFINITY,
      options.afterMs ?? (limited ? Number.POSITIVE_INFINITY : 0),
    );
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#addNew(key, priority, afterMs);
      return;
    }
    if (priority > entry.priority) {
      this.#raise(entry, priority);
    }
    if (!entry.isReady) {
      this.#hurry(entry, afterMs);
    }
  }

  /** The next key, until `done`; undefined when none is ready. */
  take(): Taken | undefined {
    const lane = this.#nextLane();
    const entry = lane?.take();
    if (lane === undefined || entry === undefined) {
      return undefined;
    }
    this.#dropIfEmpty(lane);
    const now = this.#clock.now();
    this.#entries.delete(entry.key);
    this.#count(entry, -1);
    this.#queueSeconds.observe((now - entry.readySinceMs) / 1000);
    this.#processing.set(entry.key, now);
    return { key: entry.key, priority: entry.priority };
  }

  /** The work on a key that was taken is over. */
  done(key: string): void {
    const startedMs = this.#processing.get(key);
    if (startedMs === undefined) {
      return;
    }
    this.#processing.delete(key);
    this.#workSeconds.observe((this.#clock.now() - startedMs) / 1000);
    const held = this.#entries.get(key);
    if (held?.isReady === true) {
      this.#intoLane(held);
    }
    this.#tellDrained();
  }

  /** The key has succeeded: its next failure is its first. */
  forget(key: string): void {
    this.#limiter.forget(key);
  }

  /** How often the key has failed since `forget`. */
  retries(key: string): number {
    return this.#limiter.retries(key);
  }

  /** From now on nothing is added and what is delayed is dropped; what is ready can be taken. Ends a `drain` that waits. */
  shutDown(): void {
    this.#close();
    this.#drained?.resolve();
  }

  /** As `shutDown`; resolves when what is ready was taken and all work is done. */
  drain(): Promise<void> {
    this.#close();
    this.#drained ??= Promise.withResolvers();
    this.#tellDrained();
    return this.#drained.promise;
  }

  figures(): QueueFigures {
    const now = this.#clock.now();
    const running = [...this.#processing.values()].map((startedMs) => (now - startedMs) / 1000);
    return {
      depth: this.#depth,
      adds: this.#adds,
      retries: this.#retries,
      queueSeconds: this.#queueSeconds,
      workSeconds: this.#workSeconds,
      unfinishedSeconds: running.reduce((total, seconds) => total + seconds, 0),
      longestRunningSeconds: running.reduce((longest, seconds) => Math.max(longest, seconds), 0),
    };
  }

  #addNew(key: string, priority: number, afterMs: number): void {
    const entry = new Entry(key, this.#tenantOf(key), priority, this.#lastOrder++);
    this.#entries.set(key, entry);
    if (afterMs > 0) {
      entry.dueMs = this.#clock.now() + afterMs;
      this.#delayed.add(entry);
      this.#setTimer();
    } else {
      this.#makeReady(entry);
    }
  }

  #raise(entry: Entry, priority: number): void {
    const lane = entry.inLane === undefined ? undefined : this.#lanes.find((one) => one.priority === entry.priority);
    if (entry.isReady) {
      this.#count(entry, -1);
    }
    lane?.remove(entry);
    entry.priority = priority;
    if (entry.isReady) {
      this.#count(entry, 1);
    }
    if (lane !== undefined) {
      this.#dropIfEmpty(lane);
      this.#lane(priority).add(entry);
    }
  }

  #hurry(entry: Entry, afterMs: number): void {
    const dueMs = this.#clock.now() + afterMs;
    if (afterMs <= 0) {
      this.#delayed.remove(entry);
      this.#makeReady(entry);
    } else if (dueMs < entry.dueMs) {
      this.#delayed.move(entry, dueMs);
    }
    this.#setTimer();
  }

  #makeReady(entry: Entry): void {
    entry.isReady = true;
    entry.readySinceMs = this.#clock.now();
    this.#adds++;
    this.#count(entry, 1);
    if (!this.#processing.has(entry.key)) {
      this.#intoLane(entry);
    }
  }

  #intoLane(entry: Entry): void {
    this.#lane(entry.priority).add(entry);
    this.#onReady();
  }

  #lane(priority: number): Lane<Entry> {
    let at = 0;
    while (at < this.#lanes.length && this.#lanes[at].priority > priority) {
      at++;
    }
    const there = this.#lanes[at];
    if (there?.priority === priority) {
      return there;
    }
    const lane = new Lane<Entry>(priority);
    this.#lanes.splice(at, 0, lane);
    return lane;
  }

  #dropIfEmpty(lane: Lane<Entry>): void {
    if (lane.isEmpty) {
      this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    }
  }

  /** The highest one; now and then that one below it which has waited too long. */
  #nextLane(): Lane<Entry> | undefined {
    const [highest] = this.#lanes;
    if (this.#lanes.length < 2) {
      return highest;
    }
    let aged: Lane<Entry> | undefined;
    for (const lane of this.#lanes) {
      if (lane !== highest && (aged === undefined || lane.oldestMs < aged.oldestMs)) {
        aged = lane;
      }
    }
    if (aged === undefined || this.#clock.now() - aged.oldestMs < this.#ageMs) {
      return highest;
    }
    this.#passedOver = (this.#passedOver + 1) % AGED_TURN;
    return this.#passedOver === 0 ? aged : highest;
  }

  #count(entry: Entry, change: 1 | -1): void {
    this.#ready += change;
    this.#depth.set(entry.priority, (this.#depth.get(entry.priority) ?? 0) + change);
  }

  #setTimer(): void {
    const first = this.#delayed.first;
    const dueMs = first?.dueMs ?? Number.POSITIVE_INFINITY;
    if (dueMs === this.#timerAtMs) {
      return;
    }
    this.#timer?.clear();
    this.#timer = undefined;
    this.#timerAtMs = dueMs;
    if (first !== undefined) {
      const ms = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(dueMs - this.#clock.now())));
      this.#timer = this.#clock.setTimer(ms, () => this.#onTime(), true);
    }
  }

  #onTime(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    for (let first = this.#delayed.first; first !== undefined && first.dueMs <= now; first = this.#delayed.first) {
      this.#delayed.remove(first);
      this.#makeReady(first);
    }
    this.#setTimer();
  }

  #close(): void {
    this.#isShutDown = true;
    this.#timer?.clear();
    while (this.#delayed.first !== undefined) {
      this.#entries.delete(this.#delayed.first.key);
      this.#delayed.remove(this.#delayed.first);
    }
  }

  #tellDrained(): void {
    if (this.#drained !== undefined && this.#processing.size === 0 && this.#ready === 0) {
      this.#drained.resolve();
    }
  }
}

/** The part before the slash; of a key that has none, "". */
function namespaceOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}
