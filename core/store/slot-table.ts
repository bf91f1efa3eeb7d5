import type { Allocator } from "./allocator.ts";
import { KIND_HIGH, KIND_SLOTS, SLOT_MASK, SLOT_WORDS } from "./layout.ts";
import type { Memory } from "./memory.ts";

const FIRST_SLOTS = 31;

/**
 * The writer's side of a kind's slots: (address of the newest record, version in which the object was born), from slot 1 on.
 * Readers look at the kind from the moment on when this was made.
 */
export class SlotTable {
  readonly #words: Int32Array;
  readonly #allocator: Allocator;
  readonly #base: number;
  #high = 0;
  #free = new Int32Array(16);
  #freeCount = 0;

  /** `base`: address of the kind's words. */
  constructor(memory: Memory, allocator: Allocator, base: number) {
    this.#words = memory.words;
    this.#allocator = allocator;
    this.#base = base;
    this.#grow(FIRST_SLOTS);
  }

  /** Highest slot that was ever taken. */
  get high(): number {
    return this.#high;
  }

  get capacity(): number {
    return this.#words[this.#words[this.#base + KIND_SLOTS]];
  }

  /** Address of the slot's two words. */
  at(slot: number): number {
    return this.#words[this.#base + KIND_SLOTS] + slot * SLOT_WORDS;
  }

  /** Address of the slot's newest record, or 0. */
  head(slot: number): number {
    return this.#words[this.at(slot)];
  }

  /** A slot that nobody uses. Throws STORE_FULL. */
  take(): number {
    if (this.#freeCount > 0) {
      return this.#free[--this.#freeCount];
    }
    if (this.#high === this.capacity) {
      this.#grow(this.#high + (this.#high >> 1) + 1);
    }
    this.#high++;
    this.#words[this.#base + KIND_HIGH] = this.#high;
    return this.#high;
  }

  giveBack(slot: number): void {
    if (this.#freeCount === this.#free.length) {
      const grown = new Int32Array(this.#freeCount * 2);
      grown.set(this.#free);
      this.#free = grown;
    }
    this.#free[this.#freeCount++] = slot;
  }

  /** Gives the memory back: there are no slots any more. */
  release(): void {
    const words = this.#words;
    const table = words[this.#base + KIND_SLOTS];
    this.#high = 0;
    this.#freeCount = 0;
    Atomics.store(words, this.#base + KIND_SLOTS, 0);
    this.#allocator.dropBlock(table, (words[table] + 1) * SLOT_WORDS);
  }

  #grow(capacity: number): void {
    const words = this.#words;
    const old = words[this.#base + KIND_SLOTS];
    const wanted = (capacity + 1) * SLOT_WORDS;
    const table = this.#allocator.block(wanted);
    words[table] = Math.min(SLOT_MASK, this.#allocator.blockSize(wanted) / SLOT_WORDS - 1);
    if (old !== 0) {
      const oldWords = (words[old] + 1) * SLOT_WORDS;
      words.copyWithin(table + SLOT_WORDS, old + SLOT_WORDS, old + oldWords);
      this.#allocator.dropBlock(old, oldWords);
    }
    Atomics.store(words, this.#base + KIND_SLOTS, table);
  }
}
