import { hashBytes, mixIn, sameStretch } from "./hash.ts";
import type { KindEntry } from "./kind-entry.ts";
import {
  isAfter,
  KIND_PRIMARY,
  KIND_SLOTS,
  kindAt,
  RECORD_HEADER,
  RECORD_SLOT,
  RECORD_VERSION,
  SLOT_WORDS,
} from "./layout.ts";
import { ROW_NAME, ROW_NAMESPACE } from "./row.ts";
import { sameUid, sameVersion } from "./row-text.ts";
import type { Snapshot } from "./snapshot.ts";
import { findTagged, type TagMatcher } from "./tag-table.ts";

/** The operations in lists of changes: triples of operation, old record, new record. */
export const ADDED = 1;
export const UPDATED = 2;
export const DELETED = 3;
export const RESYNC = 4;

/** An opened kind in its memory, which is pinned. */
export interface Side {
  readonly snapshot: Snapshot;
  readonly kind: KindEntry;
}

/** What listeners were shown: all that was visible of a kind at a version. */
export interface Shown {
  readonly side: Side;
  readonly held: number;
  /** False when the old states were dropped: then only what was not touched since is there as it was shown. */
  readonly isWhole: boolean;
}

/**
 * The changes that lead from what was shown to what is in another memory, or under another plan, now, by key, uid and
 * resourceVersion: what was deleted first, then what changed, then what is new.
 */
export function changesBetween({ side, held, isWhole }: Shown, next: Side): number[] {
  const { table, high } = side.kind.slots;
  const after = next.kind.slots;
  const lookup = new KeyLookup(side.snapshot, next);
  const kept = new Uint8Array(after.high + 1);
  const from = { words: side.snapshot.words, bytes: side.snapshot.memory.bytes, at: 0 };
  const to = { words: next.snapshot.words, bytes: next.snapshot.memory.bytes, at: 0 };
  const changes: number[] = [];
  const changed: number[] = [];
  for (let slot = 1; slot <= high; slot++) {
    const shown = shownRecord(side.snapshot, table, slot, held, isWhole);
    if (shown === 0) {
      continue;
    }
    const record = lookup.find(shown);
    from.at = shown + RECORD_HEADER;
    to.at = record + RECORD_HEADER;
    if (record === 0 || !sameUid(from, to)) {
      changes.push(DELETED, shown, 0);
      continue;
    }
    kept[to.words[record + RECORD_SLOT]] = 1;
    const isExact = isWhole || !isAfter(from.words[shown + RECORD_VERSION], held);
    if (!isExact) {
      changed.push(RESYNC, 0, record);
    } else if (!sameVersion(from, to)) {
      changed.push(UPDATED, shown, record);
    }
  }
  for (let slot = 1; slot <= after.high; slot++) {
    const record = kept[slot] === 1 ? 0 : next.snapshot.visible(after.table, slot);
    if (record !== 0 && !next.snapshot.isDeleted(record)) {
      changed.push(ADDED, 0, record);
    }
  }
  return changes.concat(changed);
}

/** All that was shown, as deleted. */
export function deletionOf({ side, held, isWhole }: Shown): number[] {
  const { table, high } = side.kind.slots;
  const changes: number[] = [];
  for (let slot = 1; slot <= high; slot++) {
    const shown = shownRecord(side.snapshot, table, slot, held, isWhole);
    if (shown !== 0) {
      changes.push(DELETED, shown, 0);
    }
  }
  return changes;
}

/** All that is there, as added. */
export function initialSet({ snapshot, kind }: Side): number[] {
  const { table, high } = kind.slots;
  const changes: number[] = [];
  for (let slot = 1; slot <= high; slot++) {
    const record = snapshot.visible(table, slot);
    if (record !== 0 && !snapshot.isDeleted(record)) {
      changes.push(ADDED, 0, record);
    }
  }
  return changes;
}

/** The record of an object that was shown: as it was then, or, when that is lost, its last one. 0: it was not shown. */
function shownRecord(snapshot: Snapshot, table: number, slot: number, held: number, isWhole: boolean): number {
  const { words } = snapshot;
  if (isAfter(words[table + slot * SLOT_WORDS + 1], held)) {
    return 0;
  }
  const record = isWhole ? snapshot.visibleAt(table, slot, held) : snapshot.visible(table, slot);
  if (record === 0 || !snapshot.isDeleted(record)) {
    return record;
  }
  return isAfter(words[record + RECORD_VERSION], held) ? record : 0;
}

/** Finds the object with the key of a record that is in another memory. */
class KeyLookup implements TagMatcher {
  readonly #from: Snapshot;
  readonly #to: Snapshot;
  readonly #base: number;
  /** Ids of namespaces there, by those here. */
  readonly #namespaces = new Map<number, number>();
  #slots: number;
  #namespace = 0;
  #name = 0;

  constructor(from: Snapshot, { snapshot, kind }: Side) {
    this.#from = from;
    this.#to = snapshot;
    this.#base = kindAt(kind.number);
    this.#slots = Atomics.load(snapshot.words, this.#base + KIND_SLOTS);
  }

  /** Its record there; 0 for none. */
  find(record: number): number {
    const { words, memory } = this.#from;
    const row = record + RECORD_HEADER;
    this.#namespace = this.#namespaceOf(words[row + ROW_NAMESPACE]);
    if (this.#namespace < 0 || this.#slots === 0) {
      return 0;
    }
    this.#name = row + words[row + ROW_NAME];
    const start = (this.#name + 1) * 4;
    const hash = mixIn(hashBytes(memory.bytes, start, start + words[this.#name]), this.#namespace);
    const slot = findTagged(this.#to.memory, this.#base + KIND_PRIMARY, hash, this);
    return slot === 0 ? 0 : this.#to.visibleOfKey(this.#slots, slot, false);
  }

  matches(slot: number): boolean {
    const { words, memory } = this.#to;
    if (slot > words[this.#slots]) {
      this.#slots = Atomics.load(words, this.#base + KIND_SLOTS);
    }
    const record = Atomics.load(words, this.#slots + slot * SLOT_WORDS);
    const row = record + RECORD_HEADER;
    if (record === 0 || words[row + ROW_NAMESPACE] !== this.#namespace) {
      return false;
    }
    const size = this.#from.words[this.#name];
    const name = row + words[row + ROW_NAME];
    const { bytes } = this.#from.memory;
    return words[name] === size && sameStretch(memory.bytes, (name + 1) * 4, bytes, (this.#name + 1) * 4, size);
  }

  #namespaceOf(id: number): number {
    let known = this.#namespaces.get(id);
    if (known === undefined) {
      known = this.#to.dictionary.id(this.#from.dictionary.text(id));
      this.#namespaces.set(id, known);
    }
    return known;
  }
}
