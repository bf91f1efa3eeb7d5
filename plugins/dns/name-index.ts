import {
  ATTACHED,
  BUCKETS,
  EPOCH,
  FLAG_FULL,
  FLAG_SYNCED,
  FLAGS,
  FREE,
  HEADER_WORDS,
  MAGIC,
  MAGIC_WORD,
  MAX_BUCKETS,
  MAX_READERS,
  NAMES,
  READERS,
  RECORD_VALUE,
  REFUSED,
  SEED,
  SERIAL,
  SPLITTING,
  USED,
  WRITES,
} from "./name-index-layout.ts";
import { IndexSpace } from "./name-index-space.ts";
import { NameTable } from "./name-table.ts";
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
  readonly #table: NameTable;
  /** WRITES at the last commit. */
  #committed = 0;

  private constructor(buffer: SharedArrayBuffer, space: IndexSpace | undefined, reader: number) {
    this.handle = { buffer };
    this.bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#space = space;
    this.#reader = reader;
    this.#table = new NameTable(this.#words, this.bytes);
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
    const buffer = reserve(size);
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
    const words = this.#words;
    const hash = this.#table.hashOf(tag, key, start, end);
    for (;;) {
      const buckets = Atomics.load(words, BUCKETS);
      const record = this.#table.walk(hash, tag, key, start, end);
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
    const table = this.#table;
    const space = this.#owned();
    const hash = table.hashOf(tag, key, 0, key.length);
    const old = table.walk(hash, tag, key, 0, key.length);
    if (old !== 0 && table.holds(old, value, length)) {
      return true;
    }
    const record = table.write(hash, tag, key, value, length, space);
    if (record === 0) {
      this.#refuse(old, hash, space);
      return false;
    }
    if (old === 0) {
      table.add(record, hash, space);
    } else {
      table.replace(old, record, hash, space);
    }
    return true;
  }

  /** True when a key has this very value. The writing thread only. */
  holds(tag: number, key: Uint8Array, value: Uint8Array, length: number): boolean {
    const record = this.#table.walk(this.#table.hashOf(tag, key, 0, key.length), tag, key, 0, key.length);
    return record !== 0 && this.#table.holds(record, value, length);
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
    const space = this.#owned();
    const hash = this.#table.hashOf(tag, key, 0, key.length);
    const old = this.#table.walk(hash, tag, key, 0, key.length);
    if (old !== 0) {
      this.#table.unlink(old, hash, space);
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
    return space.takeFreed();
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
    this.#table.each(visit);
  }

  /** A name that could not be written must not go on with what it was. */
  #refuse(old: number, hash: number, space: IndexSpace): void {
    if (old !== 0) {
      this.#table.unlink(old, hash, space);
    }
    this.#words[REFUSED]++;
    this.#mark(FLAG_FULL, true);
  }

  #mark(flag: number, isSet: boolean): void {
    const flags = this.#words[FLAGS];
    Atomics.store(this.#words, FLAGS, isSet ? flags | flag : flags & ~flag);
  }

  #owned(): IndexSpace {
    if (this.#space === undefined) {
      throw new Error("only the thread that made an index of names may write to it");
    }
    return this.#space;
  }
}

/** Address space; pages are taken when they are written to. */
function reserve(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    throw new RangeError(
      `${bytes} bytes of address space for the index of names could not be reserved; lower limits.indexBytes, or raise the limit on virtual memory`,
      { cause },
    );
  }
}
