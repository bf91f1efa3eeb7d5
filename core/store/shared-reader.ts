import { FairleadError } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import { Attachment } from "./attachment.ts";
import { type AnyListener, ChangeReader } from "./changes.ts";
import { giveBackLater } from "./give-back.ts";
import type { StoreHandle } from "./handle.ts";
import {
  DICTIONARY_BYTES,
  DICTIONARY_COUNT,
  FLOATS,
  FREE_SEGMENTS,
  KIND_FLOATS,
  kindAt,
  LIVE_WORDS,
  MAX_READERS,
  NOTIFY,
  PENDING_RECORDS,
  READER_STATE,
  RECORD_SEGMENTS,
  readerAt,
  SEGMENT_WORDS,
  SWITCHED,
  TABLE_SEGMENTS,
  VERSION,
} from "./layout.ts";
import type {
  ChangeListener,
  KindStats,
  ObjectData,
  StoreReader,
  StoreStats,
  StoreView,
  Subscription,
  WaitOptions,
} from "./reader.ts";
import type { KindStatus } from "./store.ts";
import { TakeOver, type TakeOverOptions } from "./take-over.ts";
import { Waker } from "./waker.ts";

type KindName = string | { readonly name: string };

/** How to make a reader. */
export interface ReaderOptions {
  /** Told of what listeners throw. Default: a process warning. */
  readonly onError?: (error: unknown, kind: string) => void;
  /** A place among the readers that was agreed on, so that another thread can free it. Default: the first free one. */
  readonly readerId?: number;
}

interface Waiter {
  check(): void;
}

/** A renewed memory that is being filled. */
interface Pending {
  readonly memory: Attachment;
  readonly waker: Waker;
  readonly takeOver: TakeOver;
  /** Other readers are told when this one goes over. */
  readonly isOwner: boolean;
}

/** Reads a store from the thread that made it. */
export class SharedStoreReader<Kinds extends readonly Kind[]> implements StoreReader<Kinds> {
  readonly #options: ReaderOptions;
  readonly #changes: ChangeReader;
  readonly #waiters = new Set<Waiter>();
  readonly #view: Readonly<Record<string, unknown>>;
  /** The memory that reads are served from. */
  #memory: Attachment;
  #waker: Waker;
  #pending: Pending | undefined;
  /** Kinds that the view has. */
  #shown = 0;
  #isClosed = false;
  #callOffGiveBack = (): void => {};

  constructor(handle: StoreHandle, options: ReaderOptions = {}) {
    this.#options = options;
    this.#memory = new Attachment(handle, options.readerId);
    this.#changes = new ChangeReader(this.#memory, options.onError ?? warn);
    this.#waker = this.#wakerOf(this.#memory);
    this.#view = { kind: (name: string) => this.#memory.kindView(this.#number(name)) };
    this.#learnKinds();
  }

  get readerId(): number {
    return (this.#pending?.memory ?? this.#memory).snapshot.readerId;
  }

  get kinds(): readonly string[] {
    this.#learnKinds();
    return this.#memory.plans.map((plan) => plan.name);
  }

  read<T>(callback: (view: StoreView<Kinds>) => T extends PromiseLike<unknown> ? never : T): T {
    const { snapshot } = this.#memory;
    snapshot.pin();
    try {
      this.#learnKinds();
      // The view has a property for each kind; the types of the kinds are known to the caller only.
      const result: T = callback(this.#view as StoreView<Kinds>);
      if (result instanceof Promise) {
        result.catch(() => {});
        throw new FairleadError(
          "STORE_ASYNC_READ",
          "the callback of read() gave a promise; read synchronously, copy what you need, then wait outside",
        );
      }
      return result;
    } finally {
      snapshot.unpin();
    }
  }

  changes<K extends Kind>(kind: K, listener: ChangeListener<K>): Subscription {
    this.#checkOpen();
    // The listener gets views of this kind; that their type is K's is known to the caller only.
    const subscription = this.#changes.add(this.#number(kind), listener as AnyListener);
    this.#waker.start();
    const stop = (): void => {
      subscription.stop();
      this.#rest();
    };
    return { stop, [Symbol.dispose]: stop };
  }

  whenSynced(kinds?: readonly KindName[], options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    const numbers = (kinds ?? this.kinds).map((kind) => this.#number(kind));
    const { signal, timeoutMs } = options;
    return new Promise((resolve, reject) => {
      const missing = (): string[] =>
        numbers.filter((number) => !this.#memory.isSynced(number)).map((number) => this.#memory.plans[number].name);
      const end = (): void => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#rest();
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => fail(signal?.reason);
      const waiter: Waiter = {
        check: () => {
          if (this.#isClosed) {
            fail(new FairleadError("STORE_CLOSED", "the reader was closed while it waited for its kinds"));
          } else if (missing().length === 0) {
            end();
            resolve();
          }
        },
      };
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              const names = missing();
              const message = `not complete after ${timeoutMs} ms: ${names.join(", ")}; see status() of each`;
              fail(new FairleadError("STORE_NOT_SYNCED", message, { facts: { kinds: names } }));
            }, timeoutMs);
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
      this.#waker.start();
      waiter.check();
    });
  }

  status(kind: KindName): KindStatus {
    return this.#memory.status(this.#number(kind));
  }

  staleness(kind: KindName, nowMs: number = Date.now()): number {
    const { currentAtMs } = this.status(kind);
    return currentAtMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, (nowMs - currentAtMs) / 1000);
  }

  stats(): StoreStats {
    this.#learnKinds();
    const { plans, snapshot } = this.#memory;
    const { words } = snapshot;
    const segment = SEGMENT_WORDS * 4;
    let readers = 0;
    for (let id = 0; id < MAX_READERS; id++) {
      readers += words[readerAt(id) + READER_STATE];
    }
    return {
      version: Atomics.load(words, VERSION),
      kinds: Object.fromEntries(plans.map((plan, number) => [plan.name, this.#kindStats(number)])),
      segments: {
        records: words[RECORD_SEGMENTS],
        tables: words[TABLE_SEGMENTS],
        free: words[FREE_SEGMENTS],
        bytes: (words[RECORD_SEGMENTS] + words[TABLE_SEGMENTS]) * segment,
      },
      liveBytes: words[LIVE_WORDS] * 4,
      pendingRecords: words[PENDING_RECORDS],
      dictionary: { strings: words[DICTIONARY_COUNT], bytes: words[DICTIONARY_BYTES] },
      readers,
      memories: this.#pending === undefined ? 1 : 2,
    };
  }

  dump(kind: KindName, options: { readonly limit?: number; readonly namespace?: string } = {}): ObjectData[] {
    const number = this.#number(kind);
    const { limit = Number.POSITIVE_INFINITY, namespace } = options;
    const objects: ObjectData[] = [];
    this.read(() => {
      for (const view of this.#memory.kindView(number)) {
        if (objects.length >= limit) {
          break;
        }
        if (isDumpable(view) && (namespace === undefined || view.metadata.namespace === namespace)) {
          objects.push(view.toJSON());
        }
      }
    });
    return objects;
  }

  renew(handle: StoreHandle): void {
    this.#renew(handle, {}, false);
  }

  /** The same for the store's own reader: the readers of other threads go over when it does, at the latest. */
  renewAsOwner(handle: StoreHandle, options: TakeOverOptions): void {
    this.#renew(handle, options, true);
  }

  flush(): void {
    this.#goOver();
    this.#changes.deliver();
  }

  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#dropPending();
    this.#callOffGiveBack();
    this.#changes.stopAll();
    this.#waker.stop();
    for (const waiter of [...this.#waiters]) {
      waiter.check();
    }
    this.#memory.snapshot.close();
  }

  #renew(handle: StoreHandle, options: TakeOverOptions, isOwner: boolean): void {
    this.#checkOpen();
    this.#learnKinds();
    if (handle.buffer === (this.#pending?.memory ?? this.#memory).handle.buffer) {
      return;
    }
    const missing = this.#memory.plans.find((plan, number) => handle.plans[number]?.name !== plan.name);
    if (missing !== undefined) {
      throw new FairleadError(
        "STORE_BAD_PLAN",
        `"${missing.name}" is not where it was in the store that this reader should go over to; pass the handle that the ` +
          "same store has after renew()",
      );
    }
    this.#dropPending();
    const memory = new Attachment(handle, this.#options.readerId);
    const takeOver = new TakeOver(this.#memory, memory, options);
    this.#pending = { memory, waker: this.#wakerOf(memory), takeOver, isOwner };
    this.#pending.waker.start();
  }

  #dropPending(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) {
      pending.waker.stop();
      this.#release(pending.memory);
    }
  }

  /** Nothing refers to the memory any more, once its place and the sleeper on it are gone. */
  #release({ snapshot }: Attachment): void {
    snapshot.close();
    Atomics.notify(snapshot.words, NOTIFY);
    this.#callOffGiveBack();
    if (!this.#isClosed) {
      this.#callOffGiveBack = giveBackLater();
    }
  }

  /** Goes over to the renewed memory when that is complete and nobody reads the old one. */
  #goOver(): void {
    const pending = this.#pending;
    const old = this.#memory;
    if (pending === undefined || old.snapshot.isOpen || !pending.takeOver.isReady(performance.now())) {
      return;
    }
    this.#waker.stop();
    this.#changes.goOver(pending.memory, () => {
      this.#pending = undefined;
      this.#memory = pending.memory;
      this.#waker = pending.waker;
      this.#learnKinds();
    });
    this.#release(old);
    if (pending.isOwner) {
      const { words } = pending.memory.snapshot;
      Atomics.store(words, SWITCHED, 1);
      Atomics.add(words, NOTIFY, 1);
      Atomics.notify(words, NOTIFY);
    }
    this.#rest();
  }

  #wakerOf(memory: Attachment): Waker {
    return new Waker(memory.snapshot.words, NOTIFY, () => this.#onWake());
  }

  #onWake(): void {
    this.#goOver();
    for (const waiter of [...this.#waiters]) {
      waiter.check();
    }
    this.#changes.deliver();
  }

  #rest(): void {
    if (!this.#changes.hasSubscribers && this.#waiters.size === 0) {
      this.#waker.stop();
    }
  }

  #kindStats(number: number): KindStats {
    const { floats } = this.#memory.snapshot.memory;
    const at = (kindAt(number) + KIND_FLOATS) / 2;
    return {
      objects: floats[at + FLOATS.objects],
      bytes: floats[at + FLOATS.liveWords] * 4,
      indexBytes: floats[at + FLOATS.tableWords] * 4,
      deleted: floats[at + FLOATS.deleted],
    };
  }

  #number(kind: KindName): number {
    this.#learnKinds();
    const name = typeof kind === "string" ? kind : kind.name;
    const { plans } = this.#memory;
    const number = plans.findIndex((plan) => plan.name === name);
    if (number < 0) {
      throw new FairleadError(
        "STORE_UNKNOWN_KIND",
        `"${name}" is not in the store; it has ${plans.map((plan) => plan.name).join(", ") || "no kinds"}`,
        { facts: { kind: name } },
      );
    }
    return number;
  }

  /** Looks for kinds that the writer announced. */
  #learnKinds(): void {
    const memory = this.#memory;
    memory.learnKinds();
    for (; this.#shown < memory.plans.length; this.#shown++) {
      const number = this.#shown;
      Object.defineProperty(this.#view, memory.plans[number].name, {
        enumerable: true,
        get: () => this.#memory.kindView(number),
      });
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) {
      throw new FairleadError("STORE_CLOSED", "this reader is closed; make another one");
    }
  }
}

interface Dumpable {
  readonly metadata: { readonly namespace?: string };
  toJSON(): ObjectData;
}

/** Every view has these; the type is lost where the kind is not known. */
function isDumpable(view: unknown): view is Dumpable {
  return typeof view === "object" && view !== null && "toJSON" in view;
}

function warn(error: unknown, kind: string): void {
  process.emitWarning(error instanceof Error ? error : String(error), { detail: `a listener of "${kind}" failed` });
}
