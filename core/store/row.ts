import { FairleadError } from "../errors.ts";

/**
 * The row: one object as position-independent 32-bit words. Header, then the plan's cells, then a tail with inline
 * strings and list links. Offsets count words from the row's start. Little endian. `core/kinds/plan.ts` lists the cells.
 */

/** Row words in all, tail included. */
export const ROW_SIZE = 0;
export const ROW_FLAGS = 1;
/** Interned namespace, 0 for cluster-scoped objects. */
export const ROW_NAMESPACE = 2;
/** Offset of the name's inline text. */
export const ROW_NAME = 3;
/** Four words of uid, the first hex digit highest; all 0 = no uid; with FLAG_UID_TEXT the first is the offset of a text. */
export const ROW_UID = 4;
/** resourceVersion: low and high word; with FLAG_VERSION_TEXT the first is the offset of a text. */
export const ROW_VERSION = 8;
/** creationTimestamp, unsigned seconds. */
export const ROW_CREATED = 10;
/** deletionTimestamp, unsigned seconds; 0 while the object is not being deleted. */
export const ROW_DELETING = 11;
/** First cell. */
export const ROW_HEADER = 12;

/** The uid is not a UUID and is kept as text. */
export const FLAG_UID_TEXT = 1;
/** The resourceVersion does not fit 64 bits and is kept as text. */
export const FLAG_VERSION_TEXT = 2;

/** Every link of a list begins with the offset of the next one (0 = last). Element cells and map entries follow it. */
export const ELEMENT_HEADER = 1;

/** What `optionalInt` holds when absent. */
export const ABSENT_INT = -0x80000000;

/** An object whose row would be larger than this is refused: 4 MiB, above etcd's own limit. */
export const MAX_ROW_WORDS = 1 << 20;

/** Gives small numbers (1, 2, …) for byte strings; the same bytes always give the same number. Writer thread only. */
export interface Interner {
  intern(bytes: Uint8Array, start: number, end: number): number;
}

/**
 * Builds one row at a time in scratch memory that is used again for the next. Owned by the ingest side; the store copies
 * `words.subarray(0, length)` when it accepts the row.
 */
export class RowBuilder {
  words: Int32Array;
  bytes: Uint8Array;
  /** Words in use. */
  length = 0;

  constructor(initialWords = 4096) {
    this.words = new Int32Array(initialWords);
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Starts a row of `fixedWords` zeroed words. */
  begin(fixedWords: number): void {
    this.length = 0;
    this.reserve(fixedWords);
  }

  /** Sets the size word; the row is complete. */
  finish(): void {
    this.words[ROW_SIZE] = this.length;
  }

  /** Takes `count` zeroed words at the end and gives their offset. Throws STORE_ROW_TOO_LARGE. */
  reserve(count: number): number {
    const at = this.length;
    const end = at + count;
    if (end > this.words.length) {
      this.#grow(end);
    }
    // For the few words that most calls want, a loop is cheaper than a call.
    if (count > 24) {
      this.words.fill(0, at, end);
    } else {
      const words = this.words;
      for (let i = at; i < end; i++) {
        words[i] = 0;
      }
    }
    this.length = end;
    return at;
  }

  /** Copies bytes into the tail as a text and gives its offset; an empty string gives 0. Layout: byte length, bytes, zero padding. */
  text(source: Uint8Array, start: number, end: number): number {
    const size = end - start;
    if (size <= 0) {
      return 0;
    }
    const at = this.reserve(1 + ((size + 3) >> 2));
    this.words[at] = size;
    const to = (at + 1) << 2;
    if (size < 48) {
      for (let i = 0; i < size; i++) {
        this.bytes[to + i] = source[start + i];
      }
    } else {
      this.bytes.set(source.subarray(start, end), to);
    }
    return at;
  }

  /** Appends a link of `1 + count` words to the list whose two-word cell is at `cell`; gives the offset of its content. */
  link(cell: number, count: number): number {
    const at = this.reserve(ELEMENT_HEADER + count);
    const last = this.words[cell + 1];
    if (last === 0) {
      this.words[cell] = at;
    } else {
      this.words[last] = at;
    }
    this.words[cell + 1] = at;
    return at + ELEMENT_HEADER;
  }

  #grow(needed: number): void {
    if (needed > MAX_ROW_WORDS) {
      throw new FairleadError("STORE_ROW_TOO_LARGE", `an object needs more than ${MAX_ROW_WORDS * 4} bytes as a row`);
    }
    const words = new Int32Array(Math.min(MAX_ROW_WORDS, Math.max(needed, this.words.length * 2)));
    words.set(this.words.subarray(0, this.length));
    this.words = words;
    this.bytes = new Uint8Array(words.buffer);
  }
}
