import type { RowPlan } from "../kinds/plan.ts";
import type { Allocator } from "./allocator.ts";
import { indexSpecs } from "./index-plan.ts";
import { KindStatusCells } from "./kind-status.ts";
import {
  FLAG_DELETED,
  FLAG_KIND_SHIFT,
  FLAG_REINDEXED,
  FLOATS,
  isAfter,
  KIND_COUNTS,
  KIND_FLOATS,
  KIND_PRIMARY,
  KIND_SYNCED,
  KIND_UIDS,
  kindAt,
  RECORD_HEADER,
  RECORD_PREVIOUS,
  RECORD_SLOT,
  RECORD_VERSION,
  SEGMENT_WORDS,
  SLOT_WORDS,
} from "./layout.ts";
import type { Memory } from "./memory.ts";
import { RecordValues } from "./record-values.ts";
import { type Interner, ROW_FLAGS, ROW_NAME, ROW_NAMESPACE, ROW_SIZE, type RowBuilder } from "./row.ts";
import { keyHash, resourceVersionText, sameKey, sameUid, sameVersion, textAt, uidHash, uidText } from "./row-text.ts";
import { SlotTable } from "./slot-table.ts";
import type { KindWriter, PutResult } from "./store.ts";
import { findTagged, type TagMatcher, TagTable } from "./tag-table.ts";

/** Words that must be free before refused objects are asked for again. */
const ROOM_TO_RELIST = SEGMENT_WORDS;

/** What one kind needs of the whole store. */
export interface TableHost {
  readonly memory: Memory;
  readonly allocator: Allocator;
  readonly interner: Interner;
  /** The version that is being written. */
  readonly version: number;
  /** The string of an id. */
  textOf(id: number): string;
  /** True when a record may be made; `isNew`: for an object that is not in the store yet. */
  hasRoom(words: number, isNew: boolean): boolean;
  /** A record was written for this slot. */
  changed(kind: number, slot: number): void;
  /** A record is not the newest any more and is dropped once no reader needs it. */
  superseded(kind: number, slot: number, words: number): void;
  /** An object is gone; its last state is kept for a while. */
  deleted(kind: number, slot: number): void;
}

/** A row that moves: set before every comparison. */
class MovingPlace {
  words: Int32Array;
  bytes: Uint8Array;
  at = 0;

  constructor(words: Int32Array, bytes: Uint8Array) {
    this.words = words;
    this.bytes = bytes;
  }
}

/** All objects of one kind, as the writer sees them. */
export class KindTable implements KindWriter, TagMatcher {
  readonly plan: RowPlan;
  readonly interner: Interner;
  readonly status: KindStatusCells;
  readonly #host: TableHost;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #number: number;
  readonly #base: number;
  readonly #slots: SlotTable;
  readonly #primary: TagTable;
  readonly #uids: TagTable;
  readonly #values: RecordValues;
  readonly #wanted: MovingPlace;
  readonly #stored: MovingPlace;
  #wasSynced = false;
  #size = 0;
  #liveWords = 0;
  #deleted = 0;
  #refused = 0;
  /** While a relist runs: 1 for each slot that was put. */
  #seen: Uint8Array | undefined;
  #replacing: { readonly namespace: string } | undefined;

  constructor(host: TableHost, plan: RowPlan, number: number) {
    const { memory, allocator } = host;
    this.plan = plan;
    this.interner = host.interner;
    this.#host = host;
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#number = number;
    this.#base = kindAt(number);
    const specs = indexSpecs(plan);
    this.#wanted = new MovingPlace(memory.words, memory.bytes);
    this.#stored = new MovingPlace(memory.words, memory.bytes);
    this.status = new KindStatusCells(memory, number);
    this.#primary = new TagTable(memory, allocator, this.#base + KIND_PRIMARY, (slot) => this.#keyHashOf(slot));
    this.#uids = new TagTable(memory, allocator, this.#base + KIND_UIDS, (slot) => this.#uidHashOf(slot));
    this.#values = new RecordValues({
      memory,
      allocator,
      specs,
      base: this.#base,
      headOf: (slot) => this.#slots.head(slot),
    });
    // Last: from here on readers look at the kind.
    this.#slots = new SlotTable(memory, allocator, this.#base);
  }

  get size(): number {
    return this.#size;
  }

  /** Words of all its records. */
  get liveWords(): number {
    return this.#liveWords;
  }

  /** The initial set is, or was, complete: listeners hear of what changes. */
  get isHeard(): boolean {
    this.#wasSynced ||= this.#words[this.#base + KIND_SYNCED] === 1;
    return this.#wasSynced;
  }

  put(row: RowBuilder): PutResult {
    const length = row.length;
    const hash = keyHash(row.words, row.bytes, 0);
    const slot = this.#find(row, hash);
    const head = slot === 0 ? 0 : this.#slots.head(slot);
    if (head !== 0 && !this.#isDeleted(head)) {
      this.#stored.at = head + RECORD_HEADER;
      if (sameUid(this.#wanted, this.#stored)) {
        if (this.#seen !== undefined) {
          this.#seen[slot] = 1;
        }
        return sameVersion(this.#wanted, this.#stored) ? "unchanged" : this.#update(row, slot, head);
      }
      if (!this.#host.hasRoom(RECORD_HEADER + length + this.#recordWords(head), true)) {
        return this.#refuse();
      }
      this.#bury(slot, head);
    } else if (!this.#host.hasRoom(RECORD_HEADER + length, true)) {
      return this.#refuse();
    }
    this.#add(row, hash, slot);
    return "added";
  }

  remove(row: RowBuilder): boolean {
    const slot = this.#find(row, keyHash(row.words, row.bytes, 0));
    const head = slot === 0 ? 0 : this.#slots.head(slot);
    if (head === 0 || this.#isDeleted(head)) {
      return false;
    }
    this.#bury(slot, head);
    return true;
  }

  beginReplace(scope?: { readonly namespace: string }): void {
    this.#replacing = scope;
    this.#refused = 0;
    this.#seen = new Uint8Array(this.#slots.capacity + 1);
  }

  endReplace(): number {
    const seen = this.#seen;
    this.#seen = undefined;
    return seen === undefined ? 0 : this.#buryWhere(this.#replacing, (slot) => seen[slot] === 0);
  }

  cancelReplace(): void {
    this.#seen = undefined;
  }

  clear(scope?: { readonly namespace: string }): number {
    return this.#buryWhere(scope, () => true);
  }

  needsRelist(): boolean {
    if (this.#refused === 0 || !this.#host.hasRoom(ROOM_TO_RELIST, true)) {
      return false;
    }
    this.#refused = 0;
    return true;
  }

  forEachIdentity(visit: (namespace: string, name: string, uid: string, resourceVersion: string) => void): void {
    const words = this.#words;
    const { text } = this.#host.memory;
    for (let slot = 1; slot <= this.#slots.high; slot++) {
      const head = this.#slots.head(slot);
      if (head !== 0 && !this.#isDeleted(head)) {
        const row = head + RECORD_HEADER;
        visit(
          this.#host.textOf(words[row + ROW_NAMESPACE]),
          textAt(words, text, row, words[row + ROW_NAME]),
          uidText(words, text, row),
          resourceVersionText(words, text, row),
        );
      }
    }
  }

  /** Writes the figures that belong to the version that is being committed. */
  publish(version: number): void {
    const words = this.#words;
    const counts = this.#base + KIND_COUNTS;
    const older = words[counts] === 0 || (words[counts + 2] !== 0 && isAfter(words[counts + 2], words[counts])) ? 0 : 2;
    // A reader that sees 0 counts for itself.
    Atomics.store(words, counts + older, 0);
    Atomics.store(words, counts + older + 1, this.#size);
    Atomics.store(words, counts + older, version);
    this.publishFigures();
  }

  /** Writes the figures that `stats()` shows. */
  publishFigures(): void {
    const floats = this.#host.memory.floats;
    const at = (this.#base + KIND_FLOATS) / 2;
    floats[at + FLOATS.objects] = this.#size;
    floats[at + FLOATS.liveWords] = this.#liveWords;
    floats[at + FLOATS.deleted] = this.#deleted;
    floats[at + FLOATS.tableWords] =
      this.#primary.capacity + this.#uids.capacity + this.#values.words + SLOT_WORDS * this.#slots.capacity;
  }

  /** Drops the states of an object that are older than what the reader with the lowest version sees. Gives their words. */
  prune(slot: number, lowest: number): void {
    const words = this.#words;
    let base = this.#slots.head(slot);
    while (base > 0 && isAfter(words[base + RECORD_VERSION], lowest)) {
      base = words[base + RECORD_PREVIOUS];
    }
    let dead = base > 0 ? words[base + RECORD_PREVIOUS] : 0;
    if (dead <= 0) {
      return;
    }
    const gone: number[] = [];
    for (; dead > 0; dead = words[dead + RECORD_PREVIOUS]) {
      gone.push(dead);
    }
    // What is left is 0 or the earlier object with the same key.
    Atomics.store(words, base + RECORD_PREVIOUS, dead);
    let above = base;
    for (const [i, record] of gone.entries()) {
      if ((words[above + RECORD_HEADER + ROW_FLAGS] & FLAG_REINDEXED) !== 0) {
        this.#values.drop(slot, record, gone.slice(0, i));
      }
      above = record;
    }
    for (const record of gone) {
      this.#drop(record);
    }
  }

  /** Forgets a deleted object for good. */
  forget(slot: number): void {
    const words = this.#words;
    const head = this.#slots.head(slot);
    const row = head + RECORD_HEADER;
    const hash = keyHash(words, this.#bytes, row);
    this.#wanted.words = words;
    this.#wanted.bytes = this.#bytes;
    this.#wanted.at = row;
    const current = findTagged(this.#host.memory, this.#base + KIND_PRIMARY, hash, this);
    if (current === slot) {
      const earlier = words[head + RECORD_PREVIOUS];
      if (earlier < 0) {
        this.#primary.replace(hash, slot, -earlier);
      } else {
        this.#primary.remove(hash, slot);
      }
    } else {
      this.#unlink(current, slot, words[head + RECORD_PREVIOUS]);
    }
    const uid = uidHash(words, this.#bytes, row);
    if (uid !== 0) {
      this.#uids.remove(uid, slot);
    }
    Atomics.store(words, this.#slots.at(slot), 0);
    this.#values.removeAll(slot, row);
    this.#drop(head);
    this.#deleted--;
    this.#slots.giveBack(slot);
  }

  /** Version of the deletion and of the birth of a deleted object; 0, 0 when the slot is not one. */
  deletedAt(slot: number): readonly [deleted: number, born: number] {
    const head = this.#slots.head(slot);
    return head !== 0 && this.#isDeleted(head)
      ? [this.#words[head + RECORD_VERSION], this.#words[this.#slots.at(slot) + 1]]
      : [0, 0];
  }

  /** True when a record is still the newest or an older state of its object. Then `to` takes its place, if not 0. */
  relocate(slot: number, from: number, to: number): boolean {
    if (slot > this.#slots.high) {
      // Of a kind that had this number before.
      return false;
    }
    const words = this.#words;
    let pointer = this.#slots.at(slot);
    while (words[pointer] > 0) {
      if (words[pointer] === from) {
        if (to !== 0) {
          Atomics.store(words, pointer, to);
        }
        return true;
      }
      pointer = words[pointer] + RECORD_PREVIOUS;
    }
    return false;
  }

  /** Keeps versions comparable for ever: those before `floor` become `floor`. */
  raiseVersions(floor: number): void {
    const words = this.#words;
    for (let slot = 1; slot <= this.#slots.high; slot++) {
      const at = this.#slots.at(slot);
      if (isAfter(floor, words[at + 1])) {
        words[at + 1] = floor;
      }
      for (let record = words[at]; record > 0; record = words[record + RECORD_PREVIOUS]) {
        if (isAfter(floor, words[record + RECORD_VERSION])) {
          words[record + RECORD_VERSION] = floor;
        }
      }
    }
  }

  /** Gives all memory back: no reader looks at the kind any more. From now on it is empty and takes nothing. */
  release(): void {
    const words = this.#words;
    for (let slot = 1; slot <= this.#slots.high; slot++) {
      for (let record = this.#slots.head(slot); record > 0; ) {
        const older = words[record + RECORD_PREVIOUS];
        this.#drop(record);
        record = older;
      }
    }
    this.#size = 0;
    this.#refused = 0;
    this.#seen = undefined;
    this.#primary.release();
    this.#uids.release();
    this.#values.release();
    this.#slots.release();
  }

  /** For the table of keys: is this slot's object the wanted one? */
  matches(slot: number): boolean {
    this.#stored.at = this.#slots.head(slot) + RECORD_HEADER;
    return sameKey(this.#wanted, this.#stored);
  }

  #find(row: RowBuilder, hash: number): number {
    this.#wanted.words = row.words;
    this.#wanted.bytes = row.bytes;
    this.#wanted.at = 0;
    return findTagged(this.#host.memory, this.#base + KIND_PRIMARY, hash, this);
  }

  #refuse(): PutResult {
    this.#refused++;
    this.status.add("refused", 1);
    return "refused";
  }

  #update(row: RowBuilder, slot: number, old: number): PutResult {
    const words = this.#words;
    if (!this.#host.hasRoom(RECORD_HEADER + row.length, false)) {
      return this.#refuse();
    }
    const isUncommitted = words[old + RECORD_VERSION] === this.#host.version;
    let flags = this.#values.compare(old, row) ? 0 : FLAG_REINDEXED;
    if (isUncommitted) {
      flags |= words[old + RECORD_HEADER + ROW_FLAGS] & FLAG_REINDEXED;
    }
    const older = words[old + RECORD_PREVIOUS];
    const record = this.#write(row, slot, isUncommitted ? older : old, flags);
    Atomics.store(words, this.#slots.at(slot), record);
    if ((flags & FLAG_REINDEXED) !== 0) {
      this.#values.addNew(slot, older);
    }
    if (isUncommitted) {
      if ((flags & FLAG_REINDEXED) !== 0) {
        this.#values.drop(slot, old, []);
      }
      this.#drop(old);
    } else {
      this.#host.superseded(this.#number, slot, this.#recordWords(old));
    }
    this.#host.changed(this.#number, slot);
    return "updated";
  }

  #add(row: RowBuilder, hash: number, earlier: number): void {
    const words = this.#words;
    const slot = this.#takeSlot();
    const record = this.#write(row, slot, -earlier, 0);
    words[this.#slots.at(slot) + 1] = this.#host.version;
    Atomics.store(words, this.#slots.at(slot), record);
    if (earlier === 0) {
      this.#primary.add(hash, slot);
    } else {
      this.#primary.replace(hash, earlier, slot);
    }
    const uid = uidHash(row.words, row.bytes, 0);
    if (uid !== 0) {
      this.#uids.add(uid, slot);
    }
    this.#values.addAll(slot, row);
    if (this.#seen !== undefined) {
      this.#seen[slot] = 1;
    }
    this.#size++;
    this.#host.changed(this.#number, slot);
  }

  /** Replaces the newest record by one that says "deleted" and keeps the last state. */
  #bury(slot: number, head: number): void {
    const words = this.#words;
    const size = this.#recordWords(head);
    const isUncommitted = words[head + RECORD_VERSION] === this.#host.version;
    const record = this.#host.allocator.record(size);
    words.copyWithin(record, head, head + size);
    words[record + RECORD_VERSION] = this.#host.version;
    words[record + RECORD_HEADER + ROW_FLAGS] |= FLAG_DELETED;
    this.#liveWords += size;
    if (!isUncommitted) {
      words[record + RECORD_PREVIOUS] = head;
      words[record + RECORD_HEADER + ROW_FLAGS] &= ~FLAG_REINDEXED;
    }
    Atomics.store(words, this.#slots.at(slot), record);
    if (isUncommitted) {
      this.#drop(head);
    } else {
      this.#host.superseded(this.#number, slot, size);
    }
    this.#size--;
    this.#deleted++;
    this.#host.deleted(this.#number, slot);
    this.#host.changed(this.#number, slot);
  }

  #buryWhere(scope: { readonly namespace: string } | undefined, isWanted: (slot: number) => boolean): number {
    const words = this.#words;
    const before = this.#size;
    let namespace = 0;
    if (scope !== undefined) {
      const bytes = Buffer.from(scope.namespace);
      namespace = this.interner.intern(bytes, 0, bytes.length);
    }
    for (let slot = 1; slot <= this.#slots.high; slot++) {
      const head = this.#slots.head(slot);
      if (
        head !== 0 &&
        !this.#isDeleted(head) &&
        (scope === undefined || words[head + RECORD_HEADER + ROW_NAMESPACE] === namespace) &&
        isWanted(slot)
      ) {
        this.#bury(slot, head);
      }
    }
    return before - this.#size;
  }

  #write(row: RowBuilder, slot: number, previous: number, flags: number): number {
    const words = this.#words;
    const size = RECORD_HEADER + row.length;
    const record = this.#host.allocator.record(size);
    words[record + RECORD_SLOT] = slot;
    words[record + RECORD_VERSION] = this.#host.version;
    words[record + RECORD_PREVIOUS] = previous;
    words.set(row.words.subarray(0, row.length), record + RECORD_HEADER);
    words[record + RECORD_HEADER + ROW_FLAGS] |= flags | (this.#number << FLAG_KIND_SHIFT);
    this.#liveWords += size;
    return record;
  }

  #drop(record: number): void {
    const size = this.#recordWords(record);
    this.#liveWords -= size;
    this.#host.allocator.dropRecord(record, size);
  }

  /** The object that came after a forgotten one with the same key does not point back at it any more. */
  #unlink(current: number, slot: number, earlier: number): void {
    const words = this.#words;
    for (let at = this.#slots.at(current); words[at] !== 0; ) {
      if (words[at] === -slot) {
        Atomics.store(words, at, Math.min(earlier, 0));
        return;
      }
      at = (words[at] < 0 ? this.#slots.head(-words[at]) : words[at]) + RECORD_PREVIOUS;
    }
  }

  #isDeleted(record: number): boolean {
    return (this.#words[record + RECORD_HEADER + ROW_FLAGS] & FLAG_DELETED) !== 0;
  }

  #recordWords(record: number): number {
    return RECORD_HEADER + this.#words[record + RECORD_HEADER + ROW_SIZE];
  }

  #takeSlot(): number {
    const slot = this.#slots.take();
    if (this.#seen !== undefined && slot >= this.#seen.length) {
      const seen = new Uint8Array(this.#slots.capacity + 1);
      seen.set(this.#seen);
      this.#seen = seen;
    }
    return slot;
  }

  #keyHashOf(slot: number): number {
    return keyHash(this.#words, this.#bytes, this.#slots.head(slot) + RECORD_HEADER);
  }

  #uidHashOf(slot: number): number {
    return uidHash(this.#words, this.#bytes, this.#slots.head(slot) + RECORD_HEADER);
  }
}
