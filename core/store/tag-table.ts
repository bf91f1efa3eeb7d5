import type { Allocator } from "./allocator.ts";
import { SLOT_BITS, SLOT_MASK } from "./layout.ts";
import type { Memory } from "./memory.ts";

/** Smallest table. */
const FIRST_CAPACITY = 16;
const GONE = -1;

/** Tells what the numbers in a table stand for. */
export interface TagMatcher {
  /** True when this number is what is looked for. */
  matches(value: number): boolean;
}

/**
 * Looks up a number (slot, string id) by a hash, in an open-addressed table that the word `pointer` points at. The block is
 * [capacity, entries]; an entry has 8 bits of the hash above the number. 0 when nothing matches. Any thread.
 */
export function findTagged(memory: Memory, pointer: number, hash: number, matcher: TagMatcher): number {
  const { words } = memory;
  const table = Atomics.load(words, pointer);
  if (table === 0) {
    return 0;
  }
  const first = table + 1;
  const end = first + words[table];
  const tag = hash & 0xff;
  for (let at = placeOf(hash, table, words[table]); ; at = at + 1 === end ? first : at + 1) {
    const entry = Atomics.load(words, at);
    if (entry === 0) {
      return 0;
    }
    if (entry > 0 && entry >>> SLOT_BITS === tag && matcher.matches(entry & SLOT_MASK)) {
      return entry & SLOT_MASK;
    }
  }
}

/** The writer's side of such a table: fills it, and replaces it by a larger one when it is full. */
export class TagTable {
  readonly #memory: Memory;
  readonly #allocator: Allocator;
  readonly #pointer: number;
  readonly #hashOf: (value: number) => number;
  #used = 0;
  #present = 0;

  /** `hashOf` gives a present number's hash again, for moving it to a larger table. */
  constructor(memory: Memory, allocator: Allocator, pointer: number, hashOf: (value: number) => number) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.#pointer = pointer;
    this.#hashOf = hashOf;
    Atomics.store(memory.words, pointer, this.#make(FIRST_CAPACITY));
  }

  get capacity(): number {
    return this.#memory.words[this.#memory.words[this.#pointer]];
  }

  get used(): number {
    return this.#used;
  }

  /** Adds a number that is not in the table. Throws STORE_FULL. */
  add(hash: number, value: number): void {
    if ((this.#used + 1) * 5 > this.capacity * 4) {
      this.#rebuild();
    }
    this.#place(this.#memory.words[this.#pointer], hash, value);
    this.#present++;
  }

  /** Puts `value` in the place of `before`, which has the same hash. */
  replace(hash: number, before: number, value: number): void {
    const at = this.#find(hash, before);
    if (at !== 0) {
      Atomics.store(this.#memory.words, at, tagged(hash, value));
    }
  }

  remove(hash: number, value: number): void {
    const at = this.#find(hash, value);
    if (at !== 0) {
      Atomics.store(this.#memory.words, at, GONE);
      this.#present--;
    }
  }

  /** Gives the table's memory back; it is not to be used any more. */
  release(): void {
    this.#allocator.dropBlock(this.#memory.words[this.#pointer], 1 + this.capacity);
    Atomics.store(this.#memory.words, this.#pointer, 0);
  }

  #find(hash: number, value: number): number {
    const { words } = this.#memory;
    const table = words[this.#pointer];
    const first = table + 1;
    const end = first + words[table];
    const wanted = tagged(hash, value);
    for (let at = placeOf(hash, table, words[table]); words[at] !== 0; at = at + 1 === end ? first : at + 1) {
      if (words[at] === wanted) {
        return at;
      }
    }
    return 0;
  }

  #place(table: number, hash: number, value: number): void {
    const { words } = this.#memory;
    const first = table + 1;
    const end = first + words[table];
    let at = placeOf(hash, table, words[table]);
    while (words[at] > 0) {
      at = at + 1 === end ? first : at + 1;
    }
    this.#used += words[at] === 0 ? 1 : 0;
    Atomics.store(words, at, tagged(hash, value));
  }

  #make(atLeast: number): number {
    const table = this.#allocator.block(1 + atLeast);
    this.#memory.words[table] = this.#allocator.blockSize(1 + atLeast) - 1;
    return table;
  }

  #rebuild(): void {
    const { words } = this.#memory;
    const old = words[this.#pointer];
    const capacity = words[old];
    const table = this.#make(Math.max(FIRST_CAPACITY, Math.ceil(this.#present * 1.6)));
    this.#used = 0;
    for (let at = old + 1; at <= old + capacity; at++) {
      const entry = words[at];
      if (entry > 0) {
        this.#place(table, this.#hashOf(entry & SLOT_MASK), entry & SLOT_MASK);
      }
    }
    Atomics.store(words, this.#pointer, table);
    this.#allocator.dropBlock(old, 1 + capacity);
  }
}

/** Address of the entry where the search for a hash begins. */
function placeOf(hash: number, table: number, capacity: number): number {
  return table + 1 + Math.floor((hash >>> 0) * capacity * 2 ** -32);
}

function tagged(hash: number, value: number): number {
  return ((hash & 0xff) << SLOT_BITS) | value;
}
