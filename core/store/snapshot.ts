import { FairleadError } from "../errors.ts";
import { DictionaryReader } from "./dictionary.ts";
import {
  FLAG_DELETED,
  isAfter,
  MAX_READERS,
  READER_EPOCH,
  READER_HELD,
  READER_HIGH,
  READER_HOLD,
  READER_STATE,
  RECORD_HEADER,
  RECORD_PREVIOUS,
  RECORD_VERSION,
  readerAt,
  SLOT_WORDS,
  VERSION,
} from "./layout.ts";
import { Memory } from "./memory.ts";
import { ROW_FLAGS } from "./row.ts";

/**
 * One thread's place among the readers of a store, and the snapshot that it reads. While pinned, everything visible at
 * `version` stays where it is.
 */
export class Snapshot {
  readonly memory: Memory;
  readonly words: Int32Array;
  readonly dictionary: DictionaryReader;
  readonly readerId: number;
  /** The pinned version. */
  version = 0;
  /** Changes whenever a read ends: views remember the one in which they were made. */
  serial = 1;
  #depth = 0;
  #closed = false;

  /** Takes a place among the readers. Throws STORE_TOO_MANY_READERS, STORE_READER_TAKEN. */
  constructor(buffer: SharedArrayBuffer, readerId?: number) {
    this.memory = new Memory(buffer);
    this.words = this.memory.words;
    this.dictionary = new DictionaryReader(this.memory);
    this.readerId = claim(this.words, readerId);
  }

  get isOpen(): boolean {
    return this.#depth > 0;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Begins a read, or joins the one that is under way. */
  pin(): void {
    if (this.#closed) {
      throw new FairleadError("STORE_CLOSED", "this reader is closed; make another one");
    }
    if (this.#depth++ > 0) {
      return;
    }
    const { words } = this;
    const epoch = readerAt(this.readerId) + READER_EPOCH;
    let version = Atomics.load(words, VERSION);
    for (;;) {
      Atomics.store(words, epoch, version);
      const now = Atomics.load(words, VERSION);
      if (now === version) {
        break;
      }
      version = now;
    }
    this.version = version;
  }

  unpin(): void {
    if (--this.#depth === 0) {
      this.serial++;
      Atomics.store(this.words, readerAt(this.readerId) + READER_EPOCH, 0);
    }
  }

  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.serial++;
      freeReader(this.words, this.readerId);
    }
  }

  /** The record of a slot at the pinned version, 0 when there is none. `slots`: address of the slot table. */
  visible(slots: number, slot: number): number {
    const { words, version } = this;
    let record = Atomics.load(words, slots + slot * SLOT_WORDS);
    while (record > 0 && isAfter(words[record + RECORD_VERSION], version)) {
      record = words[record + RECORD_PREVIOUS];
    }
    return Math.max(record, 0);
  }

  /** The same at an older version, which must be held. */
  visibleAt(slots: number, slot: number, version: number): number {
    const { words } = this;
    let record = Atomics.load(words, slots + slot * SLOT_WORDS);
    while (record > 0 && isAfter(words[record + RECORD_VERSION], version)) {
      record = words[record + RECORD_PREVIOUS];
    }
    return Math.max(record, 0);
  }

  /** As `visible`, but goes on to earlier objects with the same key, until one is deleted or not, as wanted. */
  visibleOfKey(slots: number, slot: number, isDeleted: boolean): number {
    const { words, version } = this;
    let record = Atomics.load(words, slots + slot * SLOT_WORDS);
    while (record !== 0) {
      if (!isAfter(words[record + RECORD_VERSION], version)) {
        const found = this.isDeleted(record);
        if (found === isDeleted) {
          return record;
        }
        if (!isDeleted) {
          return 0;
        }
      }
      const previous = words[record + RECORD_PREVIOUS];
      record = previous < 0 ? Atomics.load(words, slots - previous * SLOT_WORDS) : previous;
    }
    return 0;
  }

  /** True when the record says that its object is gone. */
  isDeleted(record: number): boolean {
    return (this.words[record + RECORD_HEADER + ROW_FLAGS] & FLAG_DELETED) !== 0;
  }
}

function claim(words: Int32Array, wanted: number | undefined): number {
  if (wanted !== undefined) {
    if (!Number.isInteger(wanted) || wanted < 0 || wanted >= MAX_READERS || !tryClaim(words, wanted)) {
      throw new FairleadError("STORE_READER_TAKEN", `reader ${wanted} of the store is in use or does not exist`);
    }
    return wanted;
  }
  for (let id = 0; id < MAX_READERS; id++) {
    if (tryClaim(words, id)) {
      return id;
    }
  }
  throw new FairleadError(
    "STORE_TOO_MANY_READERS",
    `a store has at most ${MAX_READERS} readers; close those that are not used, and release those of threads that ended`,
  );
}

function tryClaim(words: Int32Array, id: number): boolean {
  if (Atomics.compareExchange(words, readerAt(id) + READER_STATE, 0, 1) !== 0) {
    return false;
  }
  for (;;) {
    const high = Atomics.load(words, READER_HIGH);
    if (high > id || Atomics.compareExchange(words, READER_HIGH, high, id + 1) === high) {
      return true;
    }
  }
}

/** Gives a reader's place free; for a reader whose thread ended, by any thread. */
export function freeReader(words: Int32Array, id: number): void {
  const at = readerAt(id);
  Atomics.store(words, at + READER_HOLD, 0);
  Atomics.store(words, at + READER_HELD, 0);
  Atomics.store(words, at + READER_EPOCH, 0);
  Atomics.store(words, at + READER_STATE, 0);
}
