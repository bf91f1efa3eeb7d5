import {
  ATTACHED,
  BUCKETS,
  EPOCH,
  FLAG_FULL,
  FLAG_SYNCED,
  FLAGS,
  FREE,
  HEADER_WORDS,
  KEY_HEADER,
  MAGIC,
  MAGIC_WORD,
  MAX_BUCKETS,
  MAX_READERS,
  NAMES,
  READERS,
  RECORD_HASH,
  RECORD_KEY,
  RECORD_SIZE,
  RECORD_VALUE,
  REFUSED,
  SEED,
  SERIAL,
  SPLITTING,
  USED,
  WRITES,
} from "./name-index-layout.ts";
import { IndexSpace } from "./name-index-space.ts";
import { randomSeed } from "./random-seed.ts";

/** What other threads need to read an index: plain data, for `NameIndex.attach`. */
export interface NameIndexHandle {
  readonly buffer: SharedArrayBuffer;
}

/** What an index holds. */
export interface NameIndexStats {
  readonly names: number;
  /** Bytes of records and their table. */
  readonly bytes: number;
  /** Bytes of records that can be used again. */
  readonly free: number;
  /** Names that found no room, since it was made. */
  readonly refused: number;
  /** Names written and removed, since it was made. */
  readonly writes: number;
}

/** How to make an index. */
export interface NameIndexOptions {
  /** Bytes of the table and all records; memory is reserved, and taken only when it is used. Default 268435456. */
  readonly maxBytes?: number;
  /** Start of the hash; tests set it. Default: random, so that nobody can make names that collide. */
  readonly seed?: number;
}

const FIRST_BUCKETS = 256;
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
/** Bytes of memory for each bucket of the table. */
const BYTES_PER_BUCKET = 128;
/** Milliseconds that a reader waits for a writer, which may have died. */
const ATTACH_WAITS = 100;
/**
 * Names and their records as bytes in shared memory: a table that grows by one bucket at a time, with chains of records.
 * One thread writes, others read without locks: a record is never changed, its successor takes its place by one store, and
 * its bytes are used again when no reader can still see them. No cost depends on how many names there are.
 */
export class NameIndex {
  readonly handle: NameIndexHandle;
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #space: IndexSpace | undefined;
  readonly #reader: number;
  readonly #seed: number;
  #freed = false;
  /** WRITES at the last commit. */
  #committed = 0;

  private constructor(buffer: SharedArrayBuffer, space: IndexSpace | undefined, reader: number) {
    this.handle = { buffer };
    this.bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#space = space;
    this.#reader = reader;
    this.#seed = this.#words[SEED];
  }

  /** An empty index with this thread as its writer. Throws RangeError when there is no such memory. */
  static create(options: NameIndexOptions = {}): NameIndex {
    const { maxBytes = DEFAULT_MAX_BYTES, seed = randomSeed() } = options;
    const maxBuckets = 2 ** Math.max(8, Math.floor(Math.log2(maxBytes / BYTES_PER_BUCKET)));
    const start = (HEADER_WORDS + maxBuckets) * 4;
    const size = Math.ceil(maxBytes / 16) * 16;
    if (!Number.isSafeInteger(maxBytes) || size < start * 2 || size >= 2 ** 31) {
      throw new RangeError(`an index of names cannot have ${maxBytes} bytes; give it 65536 to 2147483632`);
    }
    const buffer = new SharedArrayBuffer(size);
    const words = new Int32Array(buffer);
    words[SEED] = seed;
    words[BUCKETS] = FIRST_BUCKETS;
    words[EPOCH] = 1;
    words[MAX_BUCKETS] = maxBuckets;
    Atomics.store(words, MAGIC, MAGIC_WORD);
    return new NameIndex(buffer, new IndexSpace(start, size), -1);
  }

  /** Reads the index of another thread. `reader`: 0 to 63, this thread's own; the same number again after it was restarted. */
  static attach(handle: NameIndexHandle, reader: number): NameIndex {
    const words = new Int32Array(handle.buffer);
    if (Atomics.load(words, MAGIC) !== MAGIC_WORD || !(reader >= 0 && reader < MAX_READERS)) {
      throw new RangeError(
        `reader ${reader} cannot attach: numbers are 0 to ${MAX_READERS - 1}, and the handle an index's`,
      );
    }
    Atomics.store(words, READERS + reader, 0);
    Atomics.store(words, ATTACHED, 1);
    // The writer sees from now on that it is not alone; it may be in the middle of what only who is alone may do.
    for (let n = 0; n < ATTACH_WAITS && Atomics.load(words, SPLITTING) !== 0; n++) {
      Atomics.wait(words, SPLITTING, 1, 1);
    }
    return new NameIndex(handle.buffer, undefined, reader);
  }

  /** All names have been written once. */
  get isSynced(): boolean {
    return (Atomics.load(this.#words, FLAGS) & FLAG_SYNCED) !== 0;
  }

  /** A name was refused for want of room, and has not been written since. */
  get isFull(): boolean {
    return (Atomics.load(this.#words, FLAGS) & FLAG_FULL) !== 0;
  }

  /** Unix time of the last change, seconds: the zone's serial. */
  get serial(): number {
    return this.#words[SERIAL] >>> 0;
  }

  get stats(): NameIndexStats {
    const words = this.#words;
    return {
      names: words[NAMES],
      bytes: words[USED] + words[BUCKETS] * 4,
      free: words[FREE],
      refused: words[REFUSED],
      writes: words[WRITES],
    };
  }

  /** Offset of the value that belongs to the key, 0 when there is none. Between `enter` and `leave` in a reading thread. */
  find(tag: number, key: Uint8Array, start: number, end: number): number {
    const hash = this.#hash(tag, key, start, end);
    const words = this.#words;
    for (;;) {
      const buckets = Atomics.load(words, BUCKETS);
      const record = this.#walk(hash, tag, key, start, end);
      if (record !== 0) {
        return words[(record >> 2) + RECORD_VALUE];
      }
      // A name may have moved to the bucket that was added meanwhile; each further look wants one more to be added.
      if (Atomics.load(words, BUCKETS) === buckets) {
        return 0;
      }
    }
  }

  /** A reading thread is about to look: what it finds stays as it is until `leave`. */
  enter(): void {
    if (this.#reader >= 0) {
      Atomics.store(this.#words, READERS + this.#reader, Atomics.load(this.#words, EPOCH));
    }
  }

  leave(): void {
    if (this.#reader >= 0) {
      Atomics.store(this.#words, READERS + this.#reader, 0);
    }
  }

  /**
   * Writes the value of a key; nothing happens when it is the same already. False: there is no room, and the name has no
   * value now. The writing thread only.
   */
  put(tag: number, key: Uint8Array, value: Uint8Array, length: number): boolean {
    const words = this.#words;
    const hash = this.#hash(tag, key, 0, key.length);
    const old = this.#walk(hash, tag, key, 0, key.length);
    if (old !== 0 && this.#holds(old, value, length)) {
      return true;
    }
    const valueAt = (RECORD_KEY + KEY_HEADER + key.length + 3) & ~3;
    const size = IndexSpace.sizeOf(valueAt + length);
    const record = this.#owned().take(size);
    if (record === 0) {
      this.#refuse(old, hash);
      return false;
    }
    const at = record >> 2;
    words[at + RECORD_HASH] = hash;
    words[at + RECORD_SIZE] = size;
    words[at + RECORD_VALUE] = record + valueAt;
    this.bytes[record + RECORD_KEY] = tag;
    this.bytes[record + RECORD_KEY + 1] = key.length;
    this.bytes.set(key, record + RECORD_KEY + KEY_HEADER);
    for (let n = 0; n < length; n++) {
      this.bytes[record + valueAt + n] = value[n];
    }
    words[WRITES] = (words[WRITES] + 1) | 0;
    if (old === 0) {
      words[at] = words[this.#bucketOf(hash)];
      Atomics.store(words, this.#bucketOf(hash), record);
      words[NAMES]++;
      this.#grow();
    } else {
      words[at] = words[old >> 2];
      Atomics.store(words, this.#linkTo(old, hash), record);
      this.#drop(old);
    }
    return true;
  }

  /** True when a key has this very value. The writing thread only. */
  holds(tag: number, key: Uint8Array, value: Uint8Array, length: number): boolean {
    const record = this.#walk(this.#hash(tag, key, 0, key.length), tag, key, 0, key.length);
    return record !== 0 && this.#holds(record, value, length);
  }

  /** A copy without free bytes between its records, to be read in place of this one. The writing thread only. */
  compact(): NameIndex {
    const copy = NameIndex.create({ maxBytes: this.bytes.length });
    this.each((tag, key, value) => copy.put(tag, key, value, value.length));
    copy.commit(this.serial);
    copy.markSynced(this.isSynced);
    return copy;
  }

  /** Removes a key; false when it was not there. The writing thread only. */
  remove(tag: number, key: Uint8Array): boolean {
    const hash = this.#hash(tag, key, 0, key.length);
    const old = this.#walk(hash, tag, key, 0, key.length);
    if (old !== 0) {
      this.#unlink(old, hash);
    }
    return old !== 0;
  }

  /**
   * Ends a run of changes: bytes that no reader can see any more are free again. `serial`: the time now, Unix seconds; the
   * zone has it when something has changed. Gives true when room was made. The writing thread only.
   */
  commit(serial: number): boolean {
    const words = this.#words;
    const space = this.#owned();
    // 0 says that a reader is not reading.
    Atomics.store(words, EPOCH, words[EPOCH] === -1 ? 1 : words[EPOCH] + 1);
    let oldest = words[EPOCH];
    for (let reader = 0; reader < MAX_READERS; reader++) {
      const epoch = Atomics.load(words, READERS + reader);
      if (epoch !== 0 && ((epoch - oldest) | 0) < 0) {
        oldest = epoch;
      }
    }
    space.reclaim(oldest);
    if (words[WRITES] !== this.#committed || words[SERIAL] === 0) {
      this.#committed = words[WRITES];
      words[SERIAL] = Math.max(this.serial, serial);
    }
    words[USED] = space.used;
    words[FREE] = space.free;
    const freed = this.#freed;
    this.#freed = false;
    return freed;
  }

  /** The writing thread only. */
  markSynced(isSynced: boolean): void {
    this.#mark(FLAG_SYNCED, isSynced);
  }

  /** Everything fits again. The writing thread only. */
  markRoom(): void {
    this.#mark(FLAG_FULL, false);
  }

  /** Calls back with each name: its tag, key and value, valid only in the call. For copies and tests; the writing thread only. */
  each(visit: (tag: number, key: Uint8Array, value: Uint8Array) => void): void {
    const words = this.#words;
    for (let bucket = 0; bucket < words[BUCKETS]; bucket++) {
      for (let record = words[HEADER_WORDS + bucket]; record !== 0; record = words[record >> 2]) {
        const keyAt = record + RECORD_KEY + KEY_HEADER;
        const key = this.bytes.subarray(keyAt, keyAt + this.bytes[keyAt - 1]);
        const value = this.bytes.subarray(
          words[(record >> 2) + RECORD_VALUE],
          record + words[(record >> 2) + RECORD_SIZE],
        );
        visit(this.bytes[keyAt - 2], key, value);
      }
    }
  }

  #hash(tag: number, key: Uint8Array, start: number, end: number): number {
    let hash = this.#seed ^ tag;
    for (let n = start; n < end; n++) {
      hash = Math.imul(hash ^ key[n], 0x85eb_ca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2_ae35);
    return hash ^ (hash >>> 16);
  }

  /** Word of the bucket of a hash. Linear hashing: buckets that were not split yet are found by one bit less. */
  #bucketOf(hash: number): number {
    const buckets = Atomics.load(this.#words, BUCKETS);
    const half = 1 << (31 - Math.clz32(buckets));
    const bucket = hash & (half * 2 - 1);
    return HEADER_WORDS + (bucket < buckets ? bucket : bucket & (half - 1));
  }

  #walk(hash: number, tag: number, key: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    let record = Atomics.load(words, this.#bucketOf(hash));
    while (record !== 0) {
      const at = record >> 2;
      if (words[at + RECORD_HASH] === hash && this.#isKey(record + RECORD_KEY, tag, key, start, end)) {
        return record;
      }
      record = Atomics.load(words, at);
    }
    return 0;
  }

  #isKey(at: number, tag: number, key: Uint8Array, start: number, end: number): boolean {
    const { bytes } = this;
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

  /** A value has no length of its own: records of the same size that agree as far as it goes are equal. */
  #holds(record: number, value: Uint8Array, length: number): boolean {
    const at = this.#words[(record >> 2) + RECORD_VALUE];
    if (IndexSpace.sizeOf(at - record + length) !== this.#words[(record >> 2) + RECORD_SIZE]) {
      return false;
    }
    for (let n = 0; n < length; n++) {
      if (this.bytes[at + n] !== value[n]) {
        return false;
      }
    }
    return true;
  }

  /** Word that points to a record. */
  #linkTo(record: number, hash: number): number {
    let link = this.#bucketOf(hash);
    while (this.#words[link] !== record) {
      link = this.#words[link] >> 2;
    }
    return link;
  }

  #unlink(record: number, hash: number): void {
    Atomics.store(this.#words, this.#linkTo(record, hash), this.#words[record >> 2]);
    this.#words[NAMES]--;
    this.#words[WRITES] = (this.#words[WRITES] + 1) | 0;
    this.#drop(record);
  }

  #drop(record: number): void {
    this.#owned().give(record, this.#words[(record >> 2) + RECORD_SIZE], this.#words[EPOCH]);
    this.#freed = true;
  }

  /** A name that could not be written must not go on with what it was. */
  #refuse(old: number, hash: number): void {
    if (old !== 0) {
      this.#unlink(old, hash);
    }
    this.#words[REFUSED]++;
    this.#mark(FLAG_FULL, true);
  }

  #mark(flag: number, isSet: boolean): void {
    const flags = this.#words[FLAGS];
    Atomics.store(this.#words, FLAGS, isSet ? flags | flag : flags & ~flag);
  }

  /** Splits one bucket when there is more than one name for each. */
  #grow(): void {
    const words = this.#words;
    const buckets = words[BUCKETS];
    if (words[NAMES] <= buckets || buckets >= words[MAX_BUCKETS]) {
      return;
    }
    const half = 1 << (31 - Math.clz32(buckets));
    const from = HEADER_WORDS + buckets - half;
    Atomics.store(words, SPLITTING, 1);
    if (Atomics.load(words, ATTACHED) === 0) {
      this.#splitAlone(from, HEADER_WORDS + buckets, half);
    } else {
      this.#splitShared(from, HEADER_WORDS + buckets, half);
    }
    Atomics.store(words, SPLITTING, 0);
  }

  /** No other thread reads. */
  #splitAlone(from: number, to: number, bit: number): void {
    const words = this.#words;
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
  #splitShared(from: number, to: number, bit: number): void {
    const words = this.#words;
    let moved = 0;
    for (let record = words[from]; record !== 0; record = words[record >> 2]) {
      if ((words[(record >> 2) + RECORD_HASH] & bit) !== 0) {
        const copy = this.#copy(record);
        if (copy === 0) {
          this.#dropChain(moved);
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
        this.#drop(record);
      }
    }
  }

  #copy(record: number): number {
    const words = this.#words;
    const size = words[(record >> 2) + RECORD_SIZE];
    const copy = this.#owned().take(size);
    if (copy !== 0) {
      this.bytes.copyWithin(copy, record, record + size);
      words[(copy >> 2) + RECORD_VALUE] += copy - record;
    }
    return copy;
  }

  /** Gives back records that nobody has seen. */
  #dropChain(first: number): void {
    for (let record = first; record !== 0; record = this.#words[record >> 2]) {
      this.#drop(record);
    }
  }

  #owned(): IndexSpace {
    if (this.#space === undefined) {
      throw new Error("only the thread that made an index of names may write to it");
    }
    return this.#space;
  }
}
