import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { Batch } from "./batch.ts";
import { ADDED, changesBetween, DELETED, deletionOf, initialSet, RESYNC, UPDATED } from "./comparison.ts";
import type { KindEntry } from "./kind-entry.ts";
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
import type { ChangeBatch, Subscription } from "./reader.ts";
import type { Snapshot } from "./snapshot.ts";

/** Hears of changes; the view type is known only to who subscribed. */
export type AnyListener = (batch: ChangeBatch<unknown>) => unknown;

interface Subscriber {
  /** Name of the kind. */
  readonly name: string;
  readonly listener: AnyListener;
  /** What it may see: the plan of what it asked for. Undefined: everything. */
  readonly need: RowPlan | undefined;
  /** False until it was given the initial set. */
  isShown: boolean;
  /** What it was shown at the held version; undefined when the kind was not there. */
  entry: KindEntry | undefined;
  isStopped: boolean;
}

/** The memory that changes are read from. */
export interface ChangeSource {
  readonly snapshot: Snapshot;
  /** At the pinned version. */
  readonly kinds: ReadonlyMap<string, KindEntry>;
}

/** Subscribers that go from the same kind, as it was opened, to the same. */
interface Step {
  readonly from: KindEntry | undefined;
  readonly to: KindEntry | undefined;
  readonly subscribers: Subscriber[];
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

  /** `need`: shows only this part of the kind, and nothing before the kind has all of it. */
  add(name: string, listener: AnyListener, need?: RowPlan): Subscription {
    if (typeof listener !== "function") {
      throw new FairleadError(
        "STORE_BAD_VALUE",
        `changes of "${name}" need a listener, a function, not ${typeof listener}`,
      );
    }
    const subscriber: Subscriber = { name, listener, need, isShown: false, entry: undefined, isStopped: false };
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
      const isWhole = this.#readHeld();
      const steps = this.#steps(({ name, need, entry: before }) => {
        const entry = next.kinds.get(name);
        // What was shown goes on, complete or not: that was decided by who went over.
        const isReady = before !== undefined || entry?.isSynced === true;
        return isReady && entry?.viewFor(need) !== undefined ? entry : undefined;
      });
      const changes = steps.map((step) => this.#between(step, next.snapshot, isWhole));
      this.#source = next;
      this.#cursor = this.#skipTo(Atomics.load(next.snapshot.words, RING_HEAD));
      begin();
      for (const [i, step] of steps.entries()) {
        this.#tell(step, isWhole ? "changes" : "resync", changes[i]);
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

  /** Keeps the writer from dropping the states that were shown; false when it did so before. */
  #readHeld(): boolean {
    const { words, readerId } = this.#snapshot;
    const hold = readerAt(readerId) + READER_HOLD;
    return Atomics.compareExchange(words, hold, HOLD_ALL, HOLD_BUSY) === HOLD_ALL;
  }

  #deliver(): void {
    const snapshot = this.#snapshot;
    if (this.#held !== 0 && this.#held !== snapshot.version) {
      this.#deliverChanges(this.#readHeld());
    }
    for (const subscriber of this.#subscribers) {
      const entry = subscriber.isShown || subscriber.isStopped ? undefined : this.#target(subscriber);
      if (entry !== undefined) {
        subscriber.isShown = true;
        this.#tell(
          { from: undefined, to: entry, subscribers: [subscriber] },
          "synced",
          initialSet({ snapshot, kind: entry }),
        );
      }
    }
    if (this.#held === 0) {
      // Nothing was shown before: changes up to here are in the initial sets.
      this.#cursor = this.#skipTo(Atomics.load(snapshot.words, RING_HEAD));
    }
  }

  /** What a subscriber is shown at the pinned version: nothing of a kind that is not complete, or has not all it needs. */
  #target({ name, need, entry }: Subscriber): KindEntry | undefined {
    const current = this.#source.kinds.get(name);
    const isReady = current === entry || current?.isSynced === true;
    return isReady && current?.viewFor(need) !== undefined ? current : undefined;
  }

  #deliverChanges(isWhole: boolean): void {
    const steps = this.#steps((subscriber) => this.#target(subscriber));
    const numbers = steps.flatMap(({ from, to }) => (from !== undefined && from === to ? [from.number] : []));
    const slots = this.#changedSlots(new Set(numbers));
    for (const step of steps) {
      const { from, to } = step;
      const changes =
        from !== undefined && from === to
          ? this.#changesOf(from, slots?.get(from.number) ?? (slots === undefined ? undefined : []), isWhole)
          : this.#between(step, this.#snapshot, isWhole);
      this.#tell(step, isWhole ? "changes" : "resync", changes);
    }
  }

  /** Those that were shown something, by what they were shown and by what they are shown now. */
  #steps(target: (subscriber: Subscriber) => KindEntry | undefined): Step[] {
    const steps: Step[] = [];
    for (const subscriber of this.#subscribers) {
      if (subscriber.isShown) {
        const from = subscriber.entry;
        const to = target(subscriber);
        const step = steps.find((other) => other.from === from && other.to === to && (from ?? to) !== undefined);
        if (step !== undefined) {
          step.subscribers.push(subscriber);
        } else if ((from ?? to) !== undefined) {
          steps.push({ from, to, subscribers: [subscriber] });
        }
      }
    }
    return steps;
  }

  /** The changes of a kind that came, went, or got another plan or memory. */
  #between({ from, to }: Step, next: Snapshot, isWhole: boolean): number[] {
    const after = to && { snapshot: next, kind: to };
    if (from === undefined) {
      return after === undefined ? [] : initialSet(after);
    }
    const shown = { side: { snapshot: this.#snapshot, kind: from }, held: this.#held, isWhole };
    return after === undefined ? deletionOf(shown) : changesBetween(shown, after);
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
  #changesOf(kind: KindEntry, slots: readonly number[] | undefined, isWhole: boolean): number[] {
    const { table, high } = kind.slots;
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

  /** Tells the subscribers of a step, which have been shown `step.to` then. */
  #tell({ from, to, subscribers }: Step, kind: ChangeBatch<unknown>["kind"], changes: readonly number[]): void {
    for (const subscriber of subscribers) {
      subscriber.entry = to;
      const before = (from ?? to)?.viewFor(subscriber.need);
      const after = (to ?? from)?.viewFor(subscriber.need);
      // Both cover the need, or it would not have been shown them.
      if (before !== undefined && after !== undefined && !subscriber.isStopped) {
        if (changes.length > 0 || kind === "synced") {
          this.#call(subscriber, new Batch(kind, changes, { before, after }));
        }
      }
    }
  }

  #call(subscriber: Subscriber, batch: Batch): void {
    const fail = (error: unknown): void => this.#onError(error, subscriber.name);
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
