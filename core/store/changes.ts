import { ADDED, changesBetween, DELETED, RESYNC, type Side, UPDATED } from "./comparison.ts";
import type { KindView } from "./kind-view.ts";
import {
  HOLD_ALL,
  HOLD_BUSY,
  HOLD_NONE,
  isAfter,
  READER_HELD,
  READER_HOLD,
  RECORD_VERSION,
  RING,
  RING_ENTRIES,
  RING_HEAD,
  RING_WRITTEN,
  readerAt,
  SLOT_BITS,
  SLOT_MASK,
  SLOT_WORDS,
} from "./layout.ts";
import type { Change, ChangeBatch, Subscription } from "./reader.ts";
import type { Snapshot } from "./snapshot.ts";

/** Hears of changes; the view type is known only to who subscribed. */
export type AnyListener = (batch: ChangeBatch<unknown>) => unknown;

interface Subscriber {
  readonly kind: number;
  readonly listener: AnyListener;
  /** False until it was given the initial set. */
  isShown: boolean;
  isStopped: boolean;
}

/** The memory that changes are read from. */
export interface ChangeSource extends Side {
  isSynced(number: number): boolean;
}

/**
 * Finds out what changed between the version that this thread's listeners were last shown (held, so that its states stay)
 * and the newest one, and tells them. All listeners of a thread are at the same version.
 */
export class ChangeReader {
  readonly #onError: (error: unknown, kind: string) => void;
  #source: ChangeSource;
  #subscribers: Subscriber[] = [];
  #held = 0;
  /** Change up to which the ring was read. */
  #cursor = 0;
  #isDelivering = false;

  constructor(source: ChangeSource, onError: (error: unknown, kind: string) => void) {
    this.#source = source;
    this.#onError = onError;
  }

  get #snapshot(): Snapshot {
    return this.#source.snapshot;
  }

  get hasSubscribers(): boolean {
    return this.#subscribers.length > 0;
  }

  add(kind: number, listener: AnyListener): Subscription {
    const subscriber: Subscriber = { kind, listener, isShown: false, isStopped: false };
    this.#subscribers.push(subscriber);
    const stop = (): void => {
      subscriber.isStopped = true;
      this.#subscribers = this.#subscribers.filter((other) => other !== subscriber);
      if (!this.#isDelivering && !this.#subscribers.some((other) => other.isShown)) {
        this.#release();
      }
    };
    return { stop, [Symbol.dispose]: stop };
  }

  stopAll(): void {
    for (const subscriber of this.#subscribers) {
      subscriber.isStopped = true;
    }
    this.#subscribers = [];
    this.#release();
  }

  /** Brings all listeners to the newest version. Does nothing when called from a listener. */
  deliver(): void {
    if (this.#isDelivering || this.#subscribers.length === 0) {
      return;
    }
    this.#isDelivering = true;
    const snapshot = this.#snapshot;
    snapshot.pin();
    try {
      this.#deliver();
    } finally {
      this.#isDelivering = false;
      if (this.#subscribers.some((subscriber) => subscriber.isShown)) {
        this.#hold(snapshot.version);
      } else {
        this.#release();
      }
      snapshot.unpin();
    }
  }

  /**
   * Goes on with another memory: listeners are told in one batch what differs from what they were shown. `begin` is called
   * before, with both memories pinned. Not to be called from a listener.
   */
  goOver(next: ChangeSource, begin: () => void): void {
    const old = this.#source;
    this.#isDelivering = true;
    old.snapshot.pin();
    next.snapshot.pin();
    try {
      const shown = this.#subscribers.filter((subscriber) => subscriber.isShown);
      const batches = this.#differences(new Set(shown.map((subscriber) => subscriber.kind)), next);
      this.#source = next;
      this.#cursor = this.#skipTo(Atomics.load(next.snapshot.words, RING_HEAD));
      begin();
      for (const [kind, batch] of batches) {
        for (const subscriber of shown) {
          if (subscriber.kind === kind && !subscriber.isStopped) {
            this.#call(subscriber, batch);
          }
        }
      }
    } finally {
      this.#isDelivering = false;
      if (this.#subscribers.some((subscriber) => subscriber.isShown)) {
        this.#hold(next.snapshot.version);
      } else {
        this.#release();
      }
      next.snapshot.unpin();
      old.snapshot.unpin();
    }
  }

  /** A batch for each kind in which the other memory differs from what was shown. */
  #differences(kinds: ReadonlySet<number>, next: ChangeSource): Map<number, Batch> {
    const old = this.#source;
    const hold = readerAt(old.snapshot.readerId) + READER_HOLD;
    const isWhole = Atomics.compareExchange(old.snapshot.words, hold, HOLD_ALL, HOLD_BUSY) === HOLD_ALL;
    const batches = new Map<number, Batch>();
    for (const kind of kinds) {
      const changes = changesBetween({ side: old, held: this.#held, isWhole }, next, kind);
      if (changes.length > 0) {
        const views = { before: old.kindView(kind), after: next.kindView(kind) };
        batches.set(kind, new Batch(isWhole ? "changes" : "resync", changes, views));
      }
    }
    return batches;
  }

  #deliver(): void {
    const snapshot = this.#snapshot;
    const shown = this.#subscribers.filter((subscriber) => subscriber.isShown);
    if (this.#held !== 0 && this.#held !== snapshot.version) {
      const { words } = snapshot;
      const hold = readerAt(snapshot.readerId) + READER_HOLD;
      const isWhole = Atomics.compareExchange(words, hold, HOLD_ALL, HOLD_BUSY) === HOLD_ALL;
      this.#deliverChanges(shown, isWhole);
    }
    for (const subscriber of this.#subscribers) {
      if (!subscriber.isShown && !subscriber.isStopped && this.#source.isSynced(subscriber.kind)) {
        subscriber.isShown = true;
        this.#tell(subscriber, "synced", this.#initialSet(subscriber.kind));
      }
    }
    if (this.#held === 0) {
      // Nothing was shown before: changes up to here are in the initial sets.
      this.#cursor = this.#skipTo(Atomics.load(snapshot.words, RING_HEAD));
    }
  }

  #deliverChanges(shown: readonly Subscriber[], isWhole: boolean): void {
    const kinds = new Set(shown.map((subscriber) => subscriber.kind));
    const slots = this.#changedSlots(kinds);
    for (const kind of kinds) {
      const changes = this.#changesOf(kind, slots?.get(kind) ?? (slots === undefined ? undefined : []), isWhole);
      if (changes.length > 0) {
        for (const subscriber of shown) {
          if (subscriber.kind === kind && !subscriber.isStopped) {
            this.#tell(subscriber, isWhole ? "changes" : "resync", changes);
          }
        }
      }
    }
  }

  /** Slots by kind in the order of their last change, out of the ring; undefined when the ring does not reach back. */
  #changedSlots(kinds: ReadonlySet<number>): Map<number, number[]> | undefined {
    const { words, version } = this.#snapshot;
    const head = Atomics.load(words, RING_HEAD);
    const from = this.#cursor;
    const count = (head - from) | 0;
    if (count > RING_ENTRIES) {
      this.#cursor = this.#skipTo(head);
      return undefined;
    }
    const places = new Set<number>();
    let read = 0;
    for (; read < count; read++) {
      const at = RING + ((from + read) & (RING_ENTRIES - 1)) * 2;
      const place = Atomics.load(words, at);
      if (isAfter(Atomics.load(words, at + 1), version)) {
        break;
      }
      if (kinds.has(place >>> SLOT_BITS)) {
        places.delete(place);
        places.add(place);
      }
    }
    if (((Atomics.load(words, RING_WRITTEN) - from) | 0) > RING_ENTRIES) {
      this.#cursor = this.#skipTo(head);
      return undefined;
    }
    this.#cursor = (from + read) | 0;
    const slots = new Map<number, number[]>();
    for (const place of places) {
      const kind = place >>> SLOT_BITS;
      const list = slots.get(kind) ?? [];
      slots.set(kind, list);
      list.push(place & SLOT_MASK);
    }
    return slots;
  }

  /** The place in the ring before the first change after the pinned version, looking back from `head`. */
  #skipTo(head: number): number {
    const { words, version } = this.#snapshot;
    let at = head;
    for (let i = 0; i < RING_ENTRIES; i++) {
      const before = (at - 1) | 0;
      if (!isAfter(Atomics.load(words, RING + (before & (RING_ENTRIES - 1)) * 2 + 1), version)) {
        return at;
      }
      at = before;
    }
    return at;
  }

  /** Triples: operation, old record, new record. Without `slots` all are compared, what was deleted comes first. */
  #changesOf(kind: number, slots: readonly number[] | undefined, isWhole: boolean): number[] {
    const { table, high } = this.#source.kindView(kind).slots;
    const changes: number[] = [];
    if (table === 0) {
      return changes;
    }
    if (slots !== undefined) {
      for (const slot of slots) {
        this.#compare(changes, table, slot, isWhole);
      }
      return changes;
    }
    const others: number[] = [];
    for (let slot = 1; slot <= high; slot++) {
      this.#compare(others, table, slot, isWhole);
      if (others[others.length - 3] === DELETED) {
        changes.push(...others.splice(-3));
      }
    }
    return changes.concat(others);
  }

  #compare(changes: number[], table: number, slot: number, isWhole: boolean): void {
    const snapshot = this.#snapshot;
    const { words } = snapshot;
    const record = snapshot.visible(table, slot);
    if (record === 0 || !isAfter(words[record + RECORD_VERSION], this.#held)) {
      return;
    }
    const isNew = isAfter(words[table + slot * SLOT_WORDS + 1], this.#held);
    if (snapshot.isDeleted(record)) {
      if (!isNew) {
        changes.push(DELETED, isWhole ? snapshot.visibleAt(table, slot, this.#held) : record, 0);
      }
    } else if (isNew) {
      changes.push(ADDED, 0, record);
    } else if (isWhole) {
      changes.push(UPDATED, snapshot.visibleAt(table, slot, this.#held), record);
    } else {
      changes.push(RESYNC, 0, record);
    }
  }

  #initialSet(kind: number): number[] {
    const snapshot = this.#snapshot;
    const { table, high } = this.#source.kindView(kind).slots;
    const changes: number[] = [];
    for (let slot = 1; slot <= high; slot++) {
      const record = snapshot.visible(table, slot);
      if (record !== 0 && !snapshot.isDeleted(record)) {
        changes.push(ADDED, 0, record);
      }
    }
    return changes;
  }

  #tell(subscriber: Subscriber, kind: ChangeBatch<unknown>["kind"], changes: readonly number[]): void {
    const view = this.#source.kindView(subscriber.kind);
    this.#call(subscriber, new Batch(kind, changes, { before: view, after: view }));
  }

  #call(subscriber: Subscriber, batch: Batch): void {
    const fail = (error: unknown): void => this.#onError(error, this.#source.kindView(subscriber.kind).plan.name);
    try {
      const result = subscriber.listener(batch);
      if (result instanceof Promise) {
        result.catch(fail);
      }
    } catch (error) {
      fail(error);
    }
  }

  #hold(version: number): void {
    const { words } = this.#snapshot;
    const at = readerAt(this.#snapshot.readerId);
    this.#held = version;
    Atomics.store(words, at + READER_HELD, version);
    Atomics.store(words, at + READER_HOLD, HOLD_ALL);
  }

  #release(): void {
    this.#held = 0;
    Atomics.store(this.#snapshot.words, readerAt(this.#snapshot.readerId) + READER_HOLD, HOLD_NONE);
  }
}

/** Views of a kind's old and new states: of two memories when the store was renewed. */
interface BatchViews {
  readonly before: KindView<unknown>;
  readonly after: KindView<unknown>;
}

/** A batch as the listener sees it: views are made while it is walked. */
class Batch implements ChangeBatch<unknown> {
  readonly kind: ChangeBatch<unknown>["kind"];
  readonly #changes: readonly number[];
  readonly #views: BatchViews;

  constructor(kind: ChangeBatch<unknown>["kind"], changes: readonly number[], views: BatchViews) {
    this.kind = kind;
    this.#changes = changes;
    this.#views = views;
  }

  get size(): number {
    return this.#changes.length / 3;
  }

  *[Symbol.iterator](): IterableIterator<Change<unknown>> {
    for (let i = 0; i < this.#changes.length; i += 3) {
      yield this.#change(this.#changes[i], this.#changes[i + 1], this.#changes[i + 2]);
    }
  }

  #change(op: number, old: number, now: number): Change<unknown> {
    const { before, after } = this.#views;
    switch (op) {
      case ADDED:
        return { op: "added", old: undefined, new: after.viewOf(now) };
      case UPDATED:
        return { op: "updated", old: before.viewOf(old), new: after.viewOf(now) };
      case DELETED:
        return { op: "deleted", old: before.viewOf(old), new: undefined };
      default:
        return { op: "resync", old: undefined, new: after.viewOf(now) };
    }
  }
}
