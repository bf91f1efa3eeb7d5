import { FairleadError } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { type AnyListener, ChangeReader } from "./changes.ts";
import type { StoreHandle } from "./handle.ts";
import { readStatus } from "./kind-status.ts";
import { KindView } from "./kind-view.ts";
import {
  DICTIONARY_BYTES,
  DICTIONARY_COUNT,
  FLOATS,
  FREE_SEGMENTS,
  KIND_COUNT,
  KIND_FLOATS,
  KIND_PLAN,
  KIND_SYNCED,
  kindAt,
  LIVE_WORDS,
  MAX_READERS,
  NOTIFY,
  PENDING_RECORDS,
  READER_STATE,
  RECORD_SEGMENTS,
  readerAt,
  SEGMENT_WORDS,
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
import { Snapshot } from "./snapshot.ts";
import type { KindStatus } from "./store.ts";
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

/** Reads a store from the thread that made it. */
export class SharedStoreReader<Kinds extends readonly Kind[]> implements StoreReader<Kinds> {
  /** The reader's place; `releaseReader` wants it when this thread ends without `close`. */
  readonly readerId: number;
  readonly #snapshot: Snapshot;
  readonly #plans: RowPlan[];
  readonly #declared: number;
  readonly #views: (KindView<unknown> | undefined)[] = [];
  readonly #changes: ChangeReader;
  readonly #waker: Waker;
  readonly #waiters = new Set<Waiter>();
  readonly #view: Readonly<Record<string, unknown>>;
  #isClosed = false;

  constructor(handle: StoreHandle, options: ReaderOptions = {}) {
    this.#snapshot = new Snapshot(handle.buffer, options.readerId);
    this.readerId = this.#snapshot.readerId;
    this.#plans = [...handle.plans];
    this.#declared = handle.plans.length;
    const onError = options.onError ?? warn;
    this.#changes = new ChangeReader(this.#snapshot, {
      kindView: (number) => this.#kindView(number),
      isSynced: (number) => Atomics.load(this.#snapshot.words, kindAt(number) + KIND_SYNCED) === 1,
      onError: (error, kind) => onError(error, kind),
    });
    this.#waker = new Waker(this.#snapshot.words, NOTIFY, () => this.#onWake());
    this.#view = { kind: (name: string) => this.#kindView(this.#number(name)) };
    for (const [number, plan] of this.#plans.entries()) {
      this.#show(plan.name, number);
    }
  }

  get kinds(): readonly string[] {
    this.#learnKinds();
    return this.#plans.map((plan) => plan.name);
  }

  read<T>(callback: (view: StoreView<Kinds>) => T extends PromiseLike<unknown> ? never : T): T {
    this.#snapshot.pin();
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
      this.#snapshot.unpin();
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
        numbers.filter((number) => !this.#isSynced(number)).map((number) => this.#plans[number].name);
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
    return readStatus(this.#snapshot.memory, this.#number(kind));
  }

  staleness(kind: KindName, nowMs: number = Date.now()): number {
    const { currentAtMs } = this.status(kind);
    return currentAtMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, (nowMs - currentAtMs) / 1000);
  }

  stats(): StoreStats {
    this.#learnKinds();
    const { words } = this.#snapshot;
    const segment = SEGMENT_WORDS * 4;
    let readers = 0;
    for (let id = 0; id < MAX_READERS; id++) {
      readers += words[readerAt(id) + READER_STATE];
    }
    return {
      version: Atomics.load(words, VERSION),
      kinds: Object.fromEntries(this.#plans.map((plan, number) => [plan.name, this.#kindStats(number)])),
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
    };
  }

  dump(kind: KindName, options: { readonly limit?: number; readonly namespace?: string } = {}): ObjectData[] {
    const number = this.#number(kind);
    const { limit = Number.POSITIVE_INFINITY, namespace } = options;
    const objects: ObjectData[] = [];
    this.read(() => {
      for (const view of this.#kindView(number)) {
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

  flush(): void {
    this.#changes.deliver();
  }

  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#changes.stopAll();
    this.#waker.stop();
    for (const waiter of [...this.#waiters]) {
      waiter.check();
    }
    this.#snapshot.close();
  }

  #onWake(): void {
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

  #isSynced(number: number): boolean {
    return Atomics.load(this.#snapshot.words, kindAt(number) + KIND_SYNCED) === 1;
  }

  #kindStats(number: number): KindStats {
    const { floats } = this.#snapshot.memory;
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
    const number = this.#plans.findIndex((plan) => plan.name === name);
    if (number < 0) {
      throw new FairleadError(
        "STORE_UNKNOWN_KIND",
        `"${name}" is not in the store; it has ${this.#plans.map((plan) => plan.name).join(", ") || "no kinds"}`,
        { facts: { kind: name } },
      );
    }
    return number;
  }

  #kindView(number: number): KindView<unknown> {
    let view = this.#views[number];
    if (view === undefined) {
      view = new KindView<unknown>(this.#snapshot, this.#plans[number], number);
      this.#views[number] = view;
    }
    return view;
  }

  /** Looks for kinds that the writer announced. */
  #learnKinds(): void {
    const { words, memory } = this.#snapshot;
    const count = Atomics.load(words, KIND_COUNT);
    for (let number = Math.max(this.#plans.length, this.#declared); number < count; number++) {
      const at = words[kindAt(number) + KIND_PLAN];
      const plan: unknown = JSON.parse(memory.text.toString("utf8", (at + 1) * 4, (at + 1) * 4 + words[at]));
      // Written by the store's writer as the JSON of a plan.
      this.#plans.push(plan as RowPlan);
      this.#show(this.#plans[number].name, number);
    }
  }

  #show(name: string, number: number): void {
    Object.defineProperty(this.#view, name, { enumerable: true, get: () => this.#kindView(number) });
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
