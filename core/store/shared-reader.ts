import { FairleadError } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { Attachment } from "./attachment.ts";
import { type AnyListener, ChangeReader } from "./changes.ts";
import { giveBackLater } from "./give-back.ts";
import type { StoreHandle } from "./handle.ts";
import type { KindEntry } from "./kind-entry.ts";
import type { KindView } from "./kind-view.ts";
import { KindWaiters } from "./kind-waiters.ts";
import { NOTIFY, SWITCHED } from "./layout.ts";
import type {
  ChangeListener,
  DumpOptions,
  ObjectData,
  StoreReader,
  StoreStats,
  StoreView,
  Subscription,
  WaitOptions,
} from "./reader.ts";
import { statsOf } from "./stats.ts";
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
  readonly #waiters = new KindWaiters(() => this.#rest());
  readonly #view: Readonly<Record<string, unknown>>;
  /** Each kind that was seen, by its name, with the plan that it had last. */
  readonly #known = new Map<string, RowPlan>();
  /** The memory that reads are served from. */
  #memory: Attachment;
  #waker: Waker;
  #pending: Pending | undefined;
  /** What the known kinds were taken from. */
  #learnt: ReadonlyMap<string, KindEntry> | undefined;
  #learntNext: ReadonlyMap<string, KindEntry> | undefined;
  #isClosed = false;
  #callOffGiveBack = (): void => {};

  constructor(handle: StoreHandle, options: ReaderOptions = {}) {
    this.#options = options;
    this.#memory = new Attachment(handle, options.readerId);
    this.#changes = new ChangeReader(this.#memory, options.onError ?? warn);
    this.#waker = this.#wakerOf(this.#memory);
    this.#view = { kind: (name: string) => this.#objects(this.#nameOf(name)) };
    this.#learnKinds();
  }

  get readerId(): number {
    return (this.#pending?.memory ?? this.#memory).snapshot.readerId;
  }

  get kinds(): readonly string[] {
    this.#learnKinds();
    return [...new Set([...this.#memory.kinds.keys(), ...(this.#pending?.memory.kinds.keys() ?? [])])];
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
    return this.#subscribe(this.#nameOf(kind), listener as AnyListener);
  }

  /** The same for a part of a kind that need not be there yet. */
  changesOf(need: RowPlan, listener: AnyListener): Subscription {
    this.#checkOpen();
    return this.#subscribe(need.name, listener, need);
  }

  #subscribe(name: string, listener: AnyListener, need?: RowPlan): Subscription {
    const subscription = this.#changes.add(name, listener, need);
    this.#waker.start();
    const stop = (): void => {
      subscription.stop();
      this.#rest();
    };
    return { stop, [Symbol.dispose]: stop };
  }

  whenSynced(kinds?: readonly KindName[], options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    const names = kinds?.map((kind) => this.#nameOf(kind));
    return this.until(() => (names ?? this.kinds).filter((name) => !this.#memory.kinds.get(name)?.isSynced), options);
  }

  /**
   * Resolves when `missing` gives no kinds any more, and listeners have been told of them; asked whenever something changed.
   * Rejects as `whenSynced` does.
   */
  async until(missing: () => readonly string[], options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    this.#waker.start();
    await this.#waiters.wait(missing, options);
    if (!this.#isClosed) {
      // The kinds may have become complete since the last turn.
      this.#changes.deliver();
    }
  }

  status(kind: KindName): KindStatus {
    return this.statusOf(this.#nameOf(kind));
  }

  /** The same for a kind that need not be there. */
  statusOf(name: string): KindStatus {
    const { memory } = this.#pending ?? {};
    const entry = this.#memory.kinds.get(name);
    if (entry !== undefined) {
      return this.#memory.status(entry);
    }
    const next = memory?.kinds.get(name);
    // Nothing of it can be read before this reader goes over to the memory that has it.
    return next === undefined || memory === undefined ? NO_STATUS : { ...memory.status(next), synced: false };
  }

  /** What someone who needs this part of a kind sees of it; nothing while it is not there, or has not all of that. */
  objectsOf(need: RowPlan): KindView<unknown> {
    return this.#memory.kinds.get(need.name)?.viewFor(need) ?? this.#memory.emptyView(need);
  }

  /** Asks again only when other kinds are shown than the last time. For use inside of a read, which looks for them. */
  perMoment<T>(ask: () => T): () => T {
    let asked: { readonly shown: object | undefined; readonly answer: T } | undefined;
    return () => {
      if (asked === undefined || asked.shown !== this.#learnt) {
        asked = { shown: this.#learnt, answer: ask() };
      }
      return asked.answer;
    };
  }

  /** The initial set of a part of a kind can be read. */
  isSyncedFor(need: RowPlan): boolean {
    const entry = this.#memory.kinds.get(need.name);
    return entry?.isSynced === true && entry.viewFor(need) !== undefined;
  }

  staleness(kind: KindName, nowMs: number = Date.now()): number {
    const { currentAtMs } = this.status(kind);
    return currentAtMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, (nowMs - currentAtMs) / 1000);
  }

  stats(): StoreStats {
    return statsOf(this.#memory, this.#pending === undefined ? 1 : 2);
  }

  dump(kind: KindName, options: DumpOptions = {}): ObjectData[] {
    const name = this.#nameOf(kind);
    return this.dumpOf(() => this.#objects(name), options);
  }

  /** Plain copies of the objects of a view. */
  dumpOf(objects: () => Iterable<unknown>, options: DumpOptions): ObjectData[] {
    const { limit = Number.POSITIVE_INFINITY, namespace } = options;
    const found: ObjectData[] = [];
    this.read(() => {
      for (const view of objects()) {
        if (found.length >= limit) {
          break;
        }
        if (isDumpable(view) && (namespace === undefined || view.metadata.namespace === namespace)) {
          found.push(view.toJSON());
        }
      }
    });
    return found;
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
    this.#waiters.close();
    this.#memory.snapshot.close();
  }

  #renew(handle: StoreHandle, options: TakeOverOptions, isOwner: boolean): void {
    this.#checkOpen();
    if (handle.buffer === (this.#pending?.memory ?? this.#memory).handle.buffer) {
      return;
    }
    if (handle.store !== this.#memory.handle.store) {
      throw new FairleadError(
        "STORE_BAD_PLAN",
        "a reader cannot go over to another store; pass the handle that the same store has after renew()",
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
    this.#waiters.check();
    this.#changes.deliver();
  }

  #rest(): void {
    if (!this.#changes.hasSubscribers && this.#waiters.size === 0) {
      this.#waker.stop();
    }
  }

  #objects(name: string): KindView<unknown> {
    const entry = this.#memory.kinds.get(name);
    return entry === undefined ? this.#memory.emptyView(this.#planOf(name)) : entry.view;
  }

  #nameOf(kind: KindName): string {
    const name = typeof kind === "string" ? kind : kind.name;
    this.#planOf(name);
    return name;
  }

  /** The plan that a kind has, or had. */
  #planOf(name: string): RowPlan {
    this.#learnKinds();
    const plan = this.#known.get(name);
    if (plan === undefined) {
      throw new FairleadError(
        "STORE_UNKNOWN_KIND",
        `"${name}" is not in the store; it has ${this.kinds.join(", ") || "no kinds"}`,
        { facts: { kind: name } },
      );
    }
    return plan;
  }

  /** Looks for kinds that came since the last look. */
  #learnKinds(): void {
    const { kinds } = this.#memory;
    const pending = this.#pending?.memory.kinds;
    if (kinds === this.#learnt && pending === this.#learntNext) {
      return;
    }
    this.#learnt = kinds;
    this.#learntNext = pending;
    for (const { plan } of [...(pending?.values() ?? []), ...kinds.values()]) {
      const { name } = plan;
      if (!this.#known.has(name)) {
        Object.defineProperty(this.#view, name, {
          enumerable: true,
          get: this.perMoment(() => this.#objects(name)),
        });
      }
      this.#known.set(name, plan);
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) {
      throw new FairleadError("STORE_CLOSED", "this reader is closed; make another one");
    }
  }
}

/** Of a kind that is not there. */
const NO_STATUS: KindStatus = {
  synced: false,
  currentAtMs: 0,
  objects: 0,
  events: 0,
  bytes: 0,
  lists: 0,
  watches: 0,
  reconnects: 0,
  relists: 0,
  errors: 0,
  refused: 0,
  drift: 0,
  audits: 0,
  brokenFrames: 0,
  resourceVersion: "",
  phase: 7,
};

interface Dumpable {
  readonly metadata: { readonly namespace?: string };
  toJSON(): ObjectData;
}

/** Every view has these; the type is lost where the kind is not known. */
function isDumpable(view: unknown): view is Dumpable {
  return typeof view === "object" && view !== null && "toJSON" in view;
}

/** Tells of what a listener threw by a process warning. */
export function warn(error: unknown, kind: string): void {
  process.emitWarning(error instanceof Error ? error : String(error), { detail: `a listener of "${kind}" failed` });
}
