import {
  ATTACHED,
  BUCKETS,
  EPOCH,
  HEADER_WORDS,
  KEY_HEADER,
  MAX_BUCKETS,
  NAMES,
  RECORD_HASH,
  RECORD_KEY,
  RECORD_SIZE,
  RECORD_VALUE,
  SEED,
  SPLITTING,
  WRITES,
} from "./name-index-layout.ts";
import { IndexSpace } from "./name-index-space.ts";

/**
 * The table of an index: chains of records in buckets, of which one more is split off as names are added. Records are named by
 * their offset in the memory. Everything that changes it is for the writing thread, which owns the space.
 */
export class NameTable {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #seed: number;

  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
    this.#seed = words[SEED];
  }

  /** The hash of a key. */
  hashOf(tag: number, key: Uint8Array, start: number, end: number): number {
    let hash = this.#seed ^ tag;
    for (let n = start; n < end; n++) {
      hash = Math.imul(hash ^ key[n], 0x85eb_ca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2_ae35);
    return hash ^ (hash >>> 16);
  }

  /** The record of a key, 0 when its chain has none. */
  walk(hash: number, tag: number, key: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    let record = Atomics.load(words, this.#bucketOf(hash));
    while (record !== 0) {
      const at = record >> 2;
      if (words[at + RECORD_HASH] === hash && isKeyAt(this.#bytes, record + RECORD_KEY, tag, key, start, end)) {
        return record;
      }
      record = Atomics.load(words, at);
    }
    return 0;
  }

  /** A value has no length of its own: records of the same size that agree as far as it goes are equal. */
  holds(record: number, value: Uint8Array, length: number): boolean {
    const at = this.#words[(record >> 2) + RECORD_VALUE];
    if (IndexSpace.sizeOf(at - record + length) !== this.#words[(record >> 2) + RECORD_SIZE]) {
      return false;
    }
    for (let n = 0; n < length; n++) {
      if (this.#bytes[at + n] !== value[n]) {
        return false;
      }
    }
    return true;
  }

  /** Writes a record that nobody sees yet; 0 when there is no room. */
  write(hash: number, tag: number, key: Uint8Array, value: Uint8Array, length: number, space: IndexSpace): number {
    const words = this.#words;
    const bytes = this.#bytes;
    const valueAt = (RECORD_KEY + KEY_HEADER + key.length + 3) & ~3;
    const size = IndexSpace.sizeOf(valueAt + length);
    const record = space.take(size);
    if (record === 0) {
      return 0;
    }
    const at = record >> 2;
    words[at + RECORD_HASH] = hash;
    words[at + RECORD_SIZE] = size;
    words[at + RECORD_VALUE] = record + valueAt;
    bytes[record + RECORD_KEY] = tag;
    bytes[record + RECORD_KEY + 1] = key.length;
    bytes.set(key, record + RECORD_KEY + KEY_HEADER);
    for (let n = 0; n < length; n++) {
      bytes[record + valueAt + n] = value[n];
    }
    return record;
  }

  /** Shows a record whose key has none yet. */
  add(record: number, hash: number, space: IndexSpace): void {
    const words = this.#words;
    words[record >> 2] = words[this.#bucketOf(hash)];
    Atomics.store(words, this.#bucketOf(hash), record);
    words[NAMES]++;
    words[WRITES] = (words[WRITES] + 1) | 0;
    this.#grow(space);
  }

  /** Shows a record in place of another of the same key. */
  replace(old: number, record: number, hash: number, space: IndexSpace): void {
    const words = this.#words;
    words[record >> 2] = words[old >> 2];
    Atomics.store(words, this.#linkTo(old, hash), record);
    words[WRITES] = (words[WRITES] + 1) | 0;
    this.#drop(old, space);
  }

  /** Takes a record out. */
  unlink(record: number, hash: number, space: IndexSpace): void {
    Atomics.store(this.#words, this.#linkTo(record, hash), this.#words[record >> 2]);
    this.#words[NAMES]--;
    this.#words[WRITES] = (this.#words[WRITES] + 1) | 0;
    this.#drop(record, space);
  }

  /** Calls back with each name: its tag, key and value, valid only in the call. */
  each(visit: (tag: number, key: Uint8Array, value: Uint8Array) => void): void {
    const words = this.#words;
    for (let bucket = 0; bucket < words[BUCKETS]; bucket++) {
      for (let record = words[HEADER_WORDS + bucket]; record !== 0; record = words[record >> 2]) {
        const keyAt = record + RECORD_KEY + KEY_HEADER;
        const key = this.#bytes.subarray(keyAt, keyAt + this.#bytes[keyAt - 1]);
        const value = this.#bytes.subarray(
          words[(record >> 2) + RECORD_VALUE],
          record + words[(record >> 2) + RECORD_SIZE],
        );
        visit(this.#bytes[keyAt - 2], key, value);
      }
    }
  }

  /** Word of the bucket of a hash. Linear hashing: buckets that were not split yet are found by one bit less. */
  #bucketOf(hash: number): number {
    const buckets = Atomics.load(this.#words, BUCKETS);
    const half = 1 << (31 - Math.clz32(buckets));
    const bucket = hash & (half * 2 - 1);
    return HEADER_WORDS + (bucket < buckets ? bucket : bucket & (half - 1));
  }

  /** Word that points to a record. */
  #linkTo(record: number, hash: number): number {
    let link = this.#bucketOf(hash);
    while (this.#words[link] !== record) {
      link = this.#words[link] >> 2;
    }
    return link;
  }

  #drop(record: number, space: IndexSpace): void {
    space.give(record, this.#words[(record >> 2) + RECORD_SIZE], this.#words[EPOCH]);
  }

  /** Splits one bucket when there is more than one name for each. */
  #grow(space: IndexSpace): void {
    const words = this.#words;
    const buckets = words[BUCKETS];
    if (words[NAMES] <= buckets || buckets >= words[MAX_BUCKETS]) {
      return;
    }
    const half = 1 << (31 - Math.clz32(buckets));
    const from = HEADER_WORDS + buckets - half;
    Atomics.store(words, SPLITTING, 1);
    if (Atomics.load(words, ATTACHED) === 0) {
      this.#splitAlone(from, half);
    } else {
      this.#splitShared(from, half, space);
    }
    Atomics.store(words, SPLITTING, 0);
  }

  /** No other thread reads. */
  #splitAlone(from: number, bit: number): void {
    const words = this.#words;
    const to = from + bit;
    let stay = 0;
    let move = 0;
    for (let record = words[from]; record !== 0; ) {
      const next = words[record >> 2];
      if ((words[(record >> 2) + RECORD_HASH] & bit) === 0) {
        words[record >> 2] = stay;
        stay = record;
      } else {
        words[record >> 2] = move;
        move = record;
      }
      record = next;
    }
    words[from] = stay;
    words[to] = move;
    Atomics.store(words, BUCKETS, to - HEADER_WORDS + 1);
  }

  /**
   * Names that move are copied, so that a reader finds each of them at every moment: in the old bucket until the new one can
   * be seen, then in the new one.
   */
  #splitShared(from: number, bit: number, space: IndexSpace): void {
    const words = this.#words;
    const to = from + bit;
    let moved = 0;
    for (let record = words[from]; record !== 0; record = words[record >> 2]) {
      if ((words[(record >> 2) + RECORD_HASH] & bit) !== 0) {
        const copy = this.#copy(record, space);
        if (copy === 0) {
          this.#dropChain(moved, space);
          return;
        }
        words[copy >> 2] = moved;
        moved = copy;
      }
    }
    Atomics.store(words, to, moved);
    Atomics.store(words, BUCKETS, to - HEADER_WORDS + 1);
    let link = from;
    for (let record = words[from]; record !== 0; record = words[record >> 2]) {
      if ((words[(record >> 2) + RECORD_HASH] & bit) === 0) {
        link = record >> 2;
      } else {
        Atomics.store(words, link, words[record >> 2]);
        this.#drop(record, space);
      }
    }
  }

  #copy(record: number, space: IndexSpace): number {
    const words = this.#words;
    const size = words[(record >> 2) + RECORD_SIZE];
    const copy = space.take(size);
    if (copy !== 0) {
      this.#bytes.copyWithin(copy, record, record + size);
      words[(copy >> 2) + RECORD_VALUE] += copy - record;
    }
    return copy;
  }

  /** Gives back records that nobody has seen. */
  #dropChain(first: number, space: IndexSpace): void {
    for (let record = first; record !== 0; record = this.#words[record >> 2]) {
      this.#drop(record, space);
    }
  }
}

function isKeyAt(bytes: Uint8Array, at: number, tag: number, key: Uint8Array, start: number, end: number): boolean {
  if (bytes[at] !== tag || bytes[at + 1] !== end - start) {
    return false;
  }
  for (let n = start, own = at + KEY_HEADER; n < end; n++, own++) {
    if (bytes[own] !== key[n]) {
      return false;
    }
  }
  return true;
}
