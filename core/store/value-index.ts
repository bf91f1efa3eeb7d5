import type { Allocator } from "./allocator.ts";
import { KIND_VALUES, LIST_CAPACITY, LIST_COUNT, LIST_HEADER, LIST_STALE } from "./layout.ts";
import type { Memory } from "./memory.ts";

const FIRST_ENTRIES = 16;
const FIRST_LIST = 3;
/** A list is written anew when this many of its entries, or half of them, are not valid any more. */
const STALE_AT_LEAST = 8;

/** What the index needs to know of the objects. */
export interface ValidEntries {
  /** True when some state of the slot that a reader may see has the value. */
  isValid(slot: number, hash: number): boolean;
}

/**
 * From (index, value), by hash, to slots. The block is [capacity, pairs (hash, head)]; head is one slot, or minus the
 * address of a posting list, or 0. Entries are added at the end of a list and never taken out of it, so that readers need no
 * care; those that are not valid any more are counted, and in time the list is written anew. Readers check what they find.
 */
export class ValueIndex {
  readonly #memory: Memory;
  readonly #allocator: Allocator;
  readonly #pointer: number;
  readonly #entries: ValidEntries;
  #used = 0;
  #present = 0;
  #seen = new Set<number>();
  /** Words of all posting lists. */
  listWords = 0;

  constructor(memory: Memory, allocator: Allocator, kind: number, entries: ValidEntries) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.#pointer = kind + KIND_VALUES;
    this.#entries = entries;
    Atomics.store(memory.words, this.#pointer, this.#make(FIRST_ENTRIES));
  }

  get words(): number {
    return this.#memory.words[this.#memory.words[this.#pointer]] * 2 + this.listWords;
  }

  /** Adds a value that no visible state of the slot had. Throws STORE_FULL. */
  add(hash: number, slot: number): void {
    const { words } = this.#memory;
    if ((this.#used + 1) * 5 > words[words[this.#pointer]] * 4) {
      this.#rebuild();
    }
    const entry = this.#place(words[this.#pointer], hash);
    const head = words[entry + 1];
    if (head === 0) {
      this.#present++;
      Atomics.store(words, entry + 1, slot);
    } else if (head > 0) {
      if (head !== slot) {
        const list = this.#makeList(FIRST_LIST);
        words[list + LIST_HEADER] = head;
        words[list + LIST_HEADER + 1] = slot;
        words[list + LIST_COUNT] = 2;
        Atomics.store(words, entry + 1, -list);
      }
    } else {
      this.#append(entry, -head, slot);
    }
  }

  /** No visible state of the slot has the value any more. */
  remove(hash: number, slot: number): void {
    const { words } = this.#memory;
    const entry = findValue(words, this.#pointer, hash);
    if (entry === 0) {
      return;
    }
    const head = words[entry + 1];
    if (head === slot) {
      Atomics.store(words, entry + 1, 0);
      this.#present--;
    } else if (head < 0) {
      const list = -head;
      const stale = words[list + LIST_STALE] + 1;
      Atomics.store(words, list + LIST_STALE, stale);
      if (stale >= STALE_AT_LEAST ? stale * 2 > words[list + LIST_COUNT] : stale >= words[list + LIST_COUNT] - 1) {
        this.#rewrite(entry, list, 0);
      }
    }
  }

  /** Gives the memory of the table and its lists back; it is not to be used any more. */
  release(): void {
    const { words } = this.#memory;
    const table = words[this.#pointer];
    const capacity = words[table];
    for (let at = table + 1; at < table + 1 + capacity * 2; at += 2) {
      if (words[at + 1] < 0) {
        this.#dropList(-words[at + 1]);
      }
    }
    Atomics.store(words, this.#pointer, 0);
    this.#allocator.dropBlock(table, 1 + capacity * 2);
  }

  #append(entry: number, list: number, slot: number): void {
    const { words } = this.#memory;
    const count = words[list + LIST_COUNT];
    if (count < words[list + LIST_CAPACITY]) {
      words[list + LIST_HEADER + count] = slot;
      Atomics.store(words, list + LIST_COUNT, count + 1);
      return;
    }
    if (words[list + LIST_STALE] * 4 >= count) {
      this.#rewrite(entry, list, slot);
      return;
    }
    const larger = this.#makeList(count + (count >> 1) + 1);
    words.copyWithin(larger + LIST_HEADER, list + LIST_HEADER, list + LIST_HEADER + count);
    words[larger + LIST_HEADER + count] = slot;
    words[larger + LIST_COUNT] = count + 1;
    words[larger + LIST_STALE] = words[list + LIST_STALE];
    Atomics.store(words, entry + 1, -larger);
    this.#dropList(list);
  }

  /** Writes a list without what is not valid any more; `added` (or 0) is appended. */
  #rewrite(entry: number, list: number, added: number): void {
    const { words } = this.#memory;
    const hash = words[entry];
    const count = words[list + LIST_COUNT];
    const seen = this.#seen;
    seen.clear();
    for (let i = 0; i < count; i++) {
      const slot = words[list + LIST_HEADER + i];
      if (slot !== added && this.#entries.isValid(slot, hash)) {
        seen.add(slot);
      }
    }
    if (added !== 0) {
      seen.add(added);
    }
    if (seen.size <= 1) {
      const [only = 0] = seen;
      this.#present -= only === 0 ? 1 : 0;
      Atomics.store(words, entry + 1, only);
    } else {
      const fresh = this.#makeList(seen.size + (seen.size >> 2) + 1);
      let at = fresh + LIST_HEADER;
      for (const slot of seen) {
        words[at++] = slot;
      }
      words[fresh + LIST_COUNT] = seen.size;
      Atomics.store(words, entry + 1, -fresh);
    }
    seen.clear();
    this.#dropList(list);
  }

  #makeList(capacity: number): number {
    const list = this.#allocator.block(LIST_HEADER + capacity);
    const size = this.#allocator.blockSize(LIST_HEADER + capacity);
    this.#memory.words[list + LIST_CAPACITY] = size - LIST_HEADER;
    this.listWords += size;
    return list;
  }

  #dropList(list: number): void {
    const size = this.#memory.words[list + LIST_CAPACITY] + LIST_HEADER;
    this.listWords -= size;
    this.#allocator.dropBlock(list, size);
  }

  /** Address of the pair for a hash, which is made when it is not there. */
  #place(table: number, hash: number): number {
    const { words } = this.#memory;
    const first = table + 1;
    const end = first + words[table] * 2;
    let free = 0;
    let at = pairOf(hash, table, words[table]);
    for (; words[at] !== 0; at = at + 2 === end ? first : at + 2) {
      if (words[at] === hash) {
        return at;
      }
      if (free === 0 && words[at + 1] === 0) {
        free = at;
      }
    }
    if (free !== 0) {
      words[free] = hash;
      return free;
    }
    this.#used++;
    words[at] = hash;
    return at;
  }

  #make(entries: number): number {
    const table = this.#allocator.block(1 + entries * 2);
    this.#memory.words[table] = (this.#allocator.blockSize(1 + entries * 2) - 1) >> 1;
    return table;
  }

  #rebuild(): void {
    const { words } = this.#memory;
    const old = words[this.#pointer];
    const capacity = words[old];
    const table = this.#make(Math.max(FIRST_ENTRIES, Math.ceil(this.#present * 1.6)));
    this.#used = 0;
    for (let at = old + 1; at < old + 1 + capacity * 2; at += 2) {
      if (words[at + 1] !== 0) {
        words[this.#place(table, words[at]) + 1] = words[at + 1];
      }
    }
    Atomics.store(words, this.#pointer, table);
    this.#allocator.dropBlock(old, 1 + capacity * 2);
  }
}

/** Address of the pair for a hash in the table that `pointer` points at, or 0. Any thread. */
export function findValue(words: Int32Array, pointer: number, hash: number): number {
  const table = Atomics.load(words, pointer);
  if (table === 0) {
    return 0;
  }
  const first = table + 1;
  const end = first + words[table] * 2;
  for (let at = pairOf(hash, table, words[table]); ; at = at + 2 === end ? first : at + 2) {
    const found = Atomics.load(words, at);
    if (found === hash) {
      return at;
    }
    if (found === 0) {
      return 0;
    }
  }
}

function pairOf(hash: number, table: number, capacity: number): number {
  return table + 1 + Math.floor((hash >>> 0) * capacity * 2 ** -32) * 2;
}
