import { COUNTER_BYTES, Counters } from "./counters.ts";

/** Words of one thread: how often it was started, and what it is. */
const LIVES = 0;
const IS_SYNCED = 1;
const IS_FULL = 2;
const WORDS = 4;
/** Words of all threads together. */
const IS_TAPPED = 0;
const HEAD_WORDS = 8;
const WORD_BYTES = 4;

/** What the main thread and the threads that answer know of each other without a message. In shared memory. */
export class SharedFigures {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #countersAt: number;

  private constructor(memory: SharedArrayBuffer, workers: number) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, headWords(workers));
    this.#countersAt = headWords(workers) * WORD_BYTES;
  }

  static create(workers: number): SharedFigures {
    const bytes = headWords(workers) * WORD_BYTES + workers * COUNTER_BYTES;
    return new SharedFigures(new SharedArrayBuffer(bytes), workers);
  }

  static attach(memory: SharedArrayBuffer, workers: number): SharedFigures {
    return new SharedFigures(memory, workers);
  }

  counters(worker: number): Counters {
    return new Counters(this.memory, this.#countersAt + worker * COUNTER_BYTES);
  }

  /** Somebody has tapped `dns.query`. */
  get isTapped(): boolean {
    return Atomics.load(this.#words, IS_TAPPED) === 1;
  }

  set isTapped(isTapped: boolean) {
    Atomics.store(this.#words, IS_TAPPED, isTapped ? 1 : 0);
  }

  /** Counts a life of the thread; 1 is the first. */
  begin(worker: number): number {
    return Atomics.add(this.#words, this.#at(worker, LIVES), 1) + 1;
  }

  /** The names of the cluster are complete in this thread. */
  isSynced(worker: number): boolean {
    return Atomics.load(this.#words, this.#at(worker, IS_SYNCED)) === 1;
  }

  setSynced(worker: number, isSynced: boolean): void {
    Atomics.store(this.#words, this.#at(worker, IS_SYNCED), isSynced ? 1 : 0);
  }

  /** Names were refused since the index may not grow further. */
  isFull(worker: number): boolean {
    return Atomics.load(this.#words, this.#at(worker, IS_FULL)) === 1;
  }

  setFull(worker: number, isFull: boolean): void {
    Atomics.store(this.#words, this.#at(worker, IS_FULL), isFull ? 1 : 0);
  }

  #at(worker: number, word: number): number {
    return HEAD_WORDS + worker * WORDS + word;
  }
}

/** An even number, since doubles come after them. */
function headWords(workers: number): number {
  return HEAD_WORDS + workers * WORDS;
}
