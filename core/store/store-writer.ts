import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { Allocator } from "./allocator.ts";
import { DictionaryWriter } from "./dictionary.ts";
import type { StoreHandle } from "./handle.ts";
import { KindRegister, type RegisterHost } from "./kind-register.ts";
import { KindTable } from "./kind-table.ts";
import {
  FLAG_KIND_SHIFT,
  HOLD_ALL,
  HOLD_BUSY,
  HOLD_DELETED,
  isAfter,
  KIND_FROM,
  kindAt,
  NOTIFY,
  PENDING_RECORDS,
  READER_EPOCH,
  READER_HELD,
  READER_HIGH,
  READER_HOLD,
  RECORD_HEADER,
  RECORD_SLOT,
  RING,
  RING_ENTRIES,
  RING_HEAD,
  RING_WRITTEN,
  readerAt,
  SEGMENT_WORDS,
  SLOT_BITS,
  SLOT_MASK,
  VERSION,
  WRITER_TAKEN,
} from "./layout.ts";
import { Memory } from "./memory.ts";
import { ROW_FLAGS, ROW_SIZE } from "./row.ts";
import type { KindWriter, StoreWriter } from "./store.ts";
import { WordQueue } from "./word-queue.ts";

/** Segments that are kept free so that tables can grow and objects can be updated and deleted. */
const RESERVE_SEGMENTS = 16;
/** Old states that one commit looks at; the rest waits for `maintain`. */
const PRUNE_PER_COMMIT = 256;
/** Words that one `maintain` copies at most. */
const COMPACT_WORDS = 1 << 18;
/** Segments used less than this are compacted. */
const COMPACT_BELOW = 0.6;
const FORGET_PER_CALL = 4096;
/** Versions are raised after this many, long before they wrap. */
const RAISE_AFTER = 1 << 29;
const RAISE_KEEP = 1 << 28;

/** The one writer of a store. Make it in the thread that writes. */
export class SharedStoreWriter implements StoreWriter, RegisterHost {
  readonly memory: Memory;
  readonly allocator: Allocator;
  readonly interner: DictionaryWriter;
  version: number;
  readonly #words: Int32Array;
  readonly #maxSegments: number;
  readonly #keepSeconds: number;
  readonly #holdWords: number;
  readonly #kinds: KindRegister;
  readonly #dirty: KindTable[] = [];
  /** (version, kind and slot, words) of records that are not the newest any more. */
  readonly #superseded = new WordQueue(3);
  #supersededWords = 0;
  /** (kind and slot, seconds since the first `maintain`) of deleted objects; -1 = not stamped yet. */
  readonly #deleted = new WordQueue(2);
  #unstamped = 0;
  #firstMs = -1;
  #ringAt: number;
  #raisedAt: number;
  #changed = false;
  #haveKindsChanged = false;

  /** Throws STORE_HAS_WRITER. */
  constructor(handle: StoreHandle) {
    this.memory = new Memory(handle.buffer);
    const { words } = this.memory;
    if (Atomics.exchange(words, WRITER_TAKEN, 1) === 1) {
      throw new FairleadError(
        "STORE_HAS_WRITER",
        "the store has a writer already; renew() the store to give it another one",
      );
    }
    this.#words = words;
    this.#maxSegments = Math.ceil(handle.maxBytes / (SEGMENT_WORDS * 4));
    this.#holdWords = Math.max(1 << 16, handle.maxBytes >> 5);
    this.#keepSeconds = handle.keepDeletedMs / 1000;
    this.allocator = new Allocator(this.memory);
    this.version = following(words[VERSION]);
    this.#raisedAt = this.version;
    this.allocator.version = this.version;
    this.interner = new DictionaryWriter(this.memory, this.allocator);
    this.#ringAt = words[RING_HEAD];
    this.#kinds = new KindRegister(this, handle.plans);
  }

  open(plan: RowPlan): KindWriter {
    return this.#kinds.open(plan);
  }

  replace(plan: RowPlan): KindWriter {
    return this.#kinds.replace(plan);
  }

  show(kind: KindWriter): void {
    this.#kinds.show(asTable(kind));
  }

  drop(kind: KindWriter): void {
    const table = asTable(kind);
    const at = this.#dirty.indexOf(table);
    if (at >= 0) {
      this.#dirty.splice(at, 1);
    }
    this.#kinds.drop(table);
  }

  kindsChanged(): void {
    this.#changed = true;
    this.#haveKindsChanged = true;
  }

  forgotten(number: number): void {
    const isOther = (place: number): boolean => place >>> SLOT_BITS !== number;
    this.#superseded.filter((index) => isOther(this.#superseded.at(index, 1)));
    this.#supersededWords = 0;
    for (let i = 0; i < this.#superseded.length; i++) {
      this.#supersededWords += this.#superseded.at(i, 2);
    }
    this.#deleted.filter((index) => isOther(this.#deleted.at(index, 0)));
    this.#unstamped = 0;
    while (
      this.#unstamped < this.#deleted.length &&
      this.#deleted.at(this.#deleted.length - 1 - this.#unstamped, 1) === -1
    ) {
      this.#unstamped++;
    }
  }

  commit(): void {
    if (!this.#changed) {
      return;
    }
    const words = this.#words;
    let isHeard = this.#haveKindsChanged;
    this.#haveKindsChanged = false;
    for (const table of this.#dirty) {
      table.publish(this.version);
      isHeard ||= table.isHeard;
    }
    this.#dirty.length = 0;
    this.#changed = false;
    words[PENDING_RECORDS] = this.#superseded.length;
    this.allocator.publish();
    Atomics.store(words, RING_HEAD, this.#ringAt);
    Atomics.store(words, VERSION, this.version);
    if (isHeard) {
      // While a kind loads nobody is told of it: its first batch comes when it is complete, which wakes readers by itself.
      Atomics.add(words, NOTIFY, 1);
      Atomics.notify(words, NOTIFY);
    }
    this.version = following(this.version);
    this.allocator.version = this.version;
    this.#prune(PRUNE_PER_COMMIT);
  }

  maintain(nowMs: number): void {
    if (this.#firstMs < 0) {
      this.#firstMs = nowMs;
    }
    const seconds = Math.floor((nowMs - this.#firstMs) / 1000);
    for (; this.#unstamped > 0; this.#unstamped--) {
      this.#deleted.set(this.#deleted.length - this.#unstamped, 1, seconds);
    }
    this.#kinds.forgetGone();
    this.#prune(Number.POSITIVE_INFINITY);
    this.#forget(seconds);
    this.#compact();
    if (((this.version - this.#raisedAt) | 0) > RAISE_AFTER) {
      this.#raise();
    }
    this.allocator.publish();
    for (const table of this.#kinds.tables) {
      table?.publishFigures();
    }
    this.#words[PENDING_RECORDS] = this.#superseded.length;
  }

  textOf(id: number): string {
    return this.interner.textOf(id);
  }

  hasRoom(words: number, isNew: boolean): boolean {
    const { allocator } = this;
    if (!isNew) {
      return allocator.fitsRecord(words) || allocator.freeSegments * SEGMENT_WORDS >= words + 2 * SEGMENT_WORDS;
    }
    const segments = Math.ceil(words / SEGMENT_WORDS);
    if (allocator.freeSegments < segments + RESERVE_SEGMENTS + allocator.tableSegments) {
      return false;
    }
    const taken = allocator.fitsRecord(words) ? 0 : segments;
    return allocator.recordSegments + taken - this.#kinds.leavingSegments <= this.#maxSegments;
  }

  changed(kind: number, slot: number): void {
    const words = this.#words;
    const table = this.#kinds.tables[kind];
    if (table !== undefined && !this.#dirty.includes(table)) {
      this.#dirty.push(table);
    }
    this.#changed = true;
    if (words[kindAt(kind) + KIND_FROM] === 0) {
      // Nobody is shown it: listeners go over to it as a whole.
      return;
    }
    const at = RING + (this.#ringAt & (RING_ENTRIES - 1)) * 2;
    this.#ringAt = (this.#ringAt + 1) | 0;
    Atomics.store(words, RING_WRITTEN, this.#ringAt);
    Atomics.store(words, at, (kind << SLOT_BITS) | slot);
    Atomics.store(words, at + 1, this.version);
  }

  superseded(kind: number, slot: number, words: number): void {
    this.#superseded.push(this.version, (kind << SLOT_BITS) | slot, words);
    this.#supersededWords += words;
  }

  deleted(kind: number, slot: number): void {
    this.#deleted.push((kind << SLOT_BITS) | slot, -1);
    this.#unstamped++;
  }

  /** Drops what no reader needs any more, the oldest first. */
  #prune(limit: number): void {
    if (this.#supersededWords > this.#holdWords) {
      this.#loosenHolds();
    }
    const queue = this.#superseded;
    const read = this.#lowest(false);
    const needed = this.#lowest(true);
    for (let done = 0; done < limit && queue.length > 0 && !isAfter(queue.at(0, 0), needed); done++) {
      const place = queue.at(0, 1);
      this.#supersededWords -= queue.at(0, 2);
      queue.shift();
      this.#kinds.tables[place >>> SLOT_BITS]?.prune(place & SLOT_MASK, needed);
    }
    this.allocator.reclaim(read);
  }

  /** The lowest version that a reader reads, or, with holds, that one of its subscribers was last shown. */
  #lowest(withHolds: boolean): number {
    const words = this.#words;
    let lowest = words[VERSION];
    const high = Atomics.load(words, READER_HIGH);
    for (let id = 0; id < high; id++) {
      const at = readerAt(id);
      const epoch = Atomics.load(words, at + READER_EPOCH);
      if (epoch !== 0 && isAfter(lowest, epoch)) {
        lowest = epoch;
      }
      const hold = withHolds ? Atomics.load(words, at + READER_HOLD) : 0;
      if (hold === HOLD_ALL || hold === HOLD_BUSY) {
        const held = Atomics.load(words, at + READER_HELD);
        if (isAfter(lowest, held)) {
          lowest = held;
        }
      }
    }
    return lowest;
  }

  /** Readers that fell far behind lose the old states; what was deleted since stays for them. */
  #loosenHolds(): void {
    const words = this.#words;
    const high = Atomics.load(words, READER_HIGH);
    const lowest = this.#lowest(true);
    for (let id = 0; id < high; id++) {
      const at = readerAt(id);
      if (Atomics.load(words, at + READER_HELD) === lowest) {
        Atomics.compareExchange(words, at + READER_HOLD, HOLD_ALL, HOLD_DELETED);
      }
    }
  }

  /** Forgets deleted objects that are older than asked for, or more than there is sense in keeping. */
  #forget(seconds: number): void {
    const queue = this.#deleted;
    const needed = this.#lowest(true);
    let size = 0;
    for (const table of this.#kinds.tables) {
      size += table?.size ?? 0;
    }
    const most = Math.max(4096, size);
    const todo = Math.min(queue.length, FORGET_PER_CALL);
    for (let i = 0; i < todo; i++) {
      const place = queue.at(0, 0);
      const stamp = queue.at(0, 1);
      if (seconds - stamp < this.#keepSeconds && queue.length <= most) {
        return;
      }
      queue.shift();
      const table = this.#kinds.tables[place >>> SLOT_BITS];
      const slot = place & SLOT_MASK;
      const [deletedAt, bornAt] = table?.deletedAt(slot) ?? [0, 0];
      if (table !== undefined && deletedAt !== 0) {
        if (isAfter(deletedAt, needed) || this.#isAwaited(deletedAt, bornAt)) {
          queue.push(place, stamp);
        } else {
          table.prune(slot, needed);
          table.forget(slot);
        }
      }
    }
  }

  /** True when a subscriber was shown the object and was not told of its deletion. */
  #isAwaited(deletedAt: number, bornAt: number): boolean {
    const words = this.#words;
    const high = Atomics.load(words, READER_HIGH);
    for (let id = 0; id < high; id++) {
      const at = readerAt(id);
      if (Atomics.load(words, at + READER_HOLD) !== 0) {
        const held = Atomics.load(words, at + READER_HELD);
        if (!isAfter(bornAt, held) && isAfter(deletedAt, held)) {
          return true;
        }
      }
    }
    return false;
  }

  /** Copies what is left of badly used segments together. */
  #compact(): void {
    const { allocator } = this;
    let budget = COMPACT_WORDS;
    for (let segment = 1; segment < allocator.highestSegment && budget > 0; segment++) {
      const use = allocator.useOf(segment);
      if (use < COMPACT_BELOW && this.hasRoom(SEGMENT_WORDS, false)) {
        budget -= this.#empty(segment);
      }
    }
  }

  #empty(segment: number): number {
    const words = this.#words;
    const { allocator } = this;
    const end = allocator.endOf(segment);
    let copied = 0;
    for (let from = segment * SEGMENT_WORDS; from < end; ) {
      const row = from + RECORD_HEADER;
      const size = RECORD_HEADER + words[row + ROW_SIZE];
      const slot = words[from + RECORD_SLOT];
      const table = this.#kinds.tables[words[row + ROW_FLAGS] >>> FLAG_KIND_SHIFT];
      if (table?.relocate(slot, from, 0)) {
        const to = allocator.record(size);
        words.copyWithin(to, from, from + size);
        table.relocate(slot, from, to);
        copied += size;
      }
      from += size;
    }
    allocator.retireSegment(segment);
    return copied;
  }

  #raise(): void {
    this.#kinds.raiseVersions((this.#lowest(true) - RAISE_KEEP) | 0);
    this.#raisedAt = this.version;
  }
}

function asTable(kind: KindWriter): KindTable {
  if (!(kind instanceof KindTable)) {
    throw new FairleadError("STORE_BAD_OPTION", `"${kind.plan.name}" was not opened by this writer`);
  }
  return kind;
}

/** The version after this one; 0 is not used. */
function following(version: number): number {
  return (version + 1) | 0 || 1;
}
