import { FairleadError } from "../errors.ts";
import { FREE_SEGMENTS, LIVE_WORDS, RECORD_SEGMENTS, SEGMENT_WORDS, TABLE_SEGMENTS } from "./layout.ts";
import type { Memory } from "./memory.ts";
import { WordQueue } from "./word-queue.ts";

const FREE = 0;
const RECORDS = 1;
const BLOCKS = 2;
/** Second and later segments of a record that is larger than one. */
const CONTINUED = 3;
/** Freed, but a reader may still look at it. */
const RETIRED = 4;
const RESERVED = 5;

/** Blocks above this get segments of their own. */
const LARGE_BLOCK = SEGMENT_WORDS / 4;
const SMALLEST_BLOCK = 4;

/**
 * Gives out memory: records from segments filled one after the other, blocks (tables, posting lists, strings) by size
 * class. What is freed is given out again only when no reader can hold an address in it. Writer thread only.
 */
export class Allocator {
  readonly #memory: Memory;
  readonly #state: Uint8Array;
  /** 1 for segments that were written to before and may hold old words. */
  readonly #used: Uint8Array;
  /** Words in use in each record segment. */
  readonly #live: Int32Array;
  /** How far each record segment is filled. */
  readonly #filled: Int32Array;
  readonly #classes: number[] = [];
  readonly #freeBlocks: Int32Array;
  /** (version, address, words) of freed blocks; for segments the first one's number and minus how many. */
  readonly #retired = new WordQueue(3);
  #filling = -1;
  #blockAt = 0;
  #blockEnd = 0;
  #free: number;
  #recordSegments = 0;
  #tableSegments = 0;
  #liveWords = 0;
  #highest = 0;
  /** The version that is being written: what is freed now may be seen by readers of the ones before. */
  version = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#state = new Uint8Array(memory.segments);
    this.#used = new Uint8Array(memory.segments);
    this.#live = new Int32Array(memory.segments);
    this.#filled = new Int32Array(memory.segments);
    this.#state[0] = RESERVED;
    this.#free = memory.segments - 1;
    for (let size = SMALLEST_BLOCK; size <= LARGE_BLOCK; size *= 2) {
      this.#classes.push(size, size + size / 2);
    }
    this.#freeBlocks = new Int32Array(this.#classes.length);
  }

  get freeSegments(): number {
    return this.#free;
  }

  get recordSegments(): number {
    return this.#recordSegments;
  }

  get tableSegments(): number {
    return this.#tableSegments;
  }

  get liveWords(): number {
    return this.#liveWords;
  }

  /** Segments below this were given out at some time. */
  get highestSegment(): number {
    return this.#highest;
  }

  /** True when `words` fit into the record segment that is being filled. */
  fitsRecord(words: number): boolean {
    return this.#filling >= 0 && this.#filled[this.#filling] + words <= SEGMENT_WORDS;
  }

  /** Memory for a record. Throws STORE_FULL. */
  record(words: number): number {
    let segment = this.#filling;
    if (words > SEGMENT_WORDS) {
      segment = this.#take(Math.ceil(words / SEGMENT_WORDS), RECORDS);
    } else if (!this.fitsRecord(words)) {
      segment = this.#take(1, RECORDS);
      const before = this.#filling;
      this.#filling = segment;
      if (before >= 0 && this.#live[before] === 0) {
        this.retireSegment(before);
      }
    }
    const address = segment * SEGMENT_WORDS + this.#filled[segment];
    this.#filled[segment] += words;
    this.#live[segment] += words;
    this.#liveWords += words;
    return address;
  }

  /** A record is not needed any more; its segment is freed when it was the last one in it. */
  dropRecord(address: number, words: number): void {
    const segment = Math.floor(address / SEGMENT_WORDS);
    this.#live[segment] -= words;
    this.#liveWords -= words;
    if (this.#live[segment] === 0 && segment !== this.#filling) {
      this.retireSegment(segment);
    }
  }

  /** Share of a full record segment that is in use; 1 for all other segments and for those that cannot be compacted. */
  useOf(segment: number): number {
    const filled = this.#filled[segment];
    if (this.#state[segment] !== RECORDS || segment === this.#filling || filled > SEGMENT_WORDS) {
      return 1;
    }
    return this.#live[segment] / SEGMENT_WORDS;
  }

  /** Position behind a segment's last record. */
  endOf(segment: number): number {
    return segment * SEGMENT_WORDS + this.#filled[segment];
  }

  /** Gives a record segment (and those that continue it) back once no reader can look at it. */
  retireSegment(segment: number): void {
    let end = segment;
    do {
      this.#state[end++] = RETIRED;
    } while (this.#state[end] === CONTINUED);
    this.#recordSegments -= end - segment;
    this.#liveWords -= this.#live[segment];
    this.#live[segment] = 0;
    this.#retired.push(this.version, segment, segment - end);
  }

  /** Zeroed memory for a table. Throws STORE_FULL. */
  block(words: number): number {
    if (words > LARGE_BLOCK) {
      const count = Math.ceil(words / SEGMENT_WORDS);
      return this.#cleared(this.#take(count, BLOCKS), words);
    }
    const kind = this.#classOf(words);
    const size = this.#classes[kind];
    let address = this.#freeBlocks[kind];
    if (address !== 0) {
      this.#freeBlocks[kind] = this.#memory.words[address];
      this.#memory.words.fill(0, address, address + size);
      return address;
    }
    if (this.#blockEnd - this.#blockAt < size) {
      this.#blockAt = this.#cleared(this.#take(1, BLOCKS), SEGMENT_WORDS);
      this.#blockEnd = this.#blockAt + SEGMENT_WORDS;
    }
    address = this.#blockAt;
    this.#blockAt += size;
    return address;
  }

  /** Words that a block of at least `words` really has. */
  blockSize(words: number): number {
    return words > LARGE_BLOCK ? Math.ceil(words / SEGMENT_WORDS) * SEGMENT_WORDS : this.#classes[this.#classOf(words)];
  }

  /** Frees a block of `words` (as it was asked for) once no reader can look at it. */
  dropBlock(address: number, words: number): void {
    this.#retired.push(this.version, address, words);
  }

  /** Makes free what was freed in versions up to `safe`, which all readers have passed. */
  reclaim(safe: number): void {
    const queue = this.#retired;
    while (queue.length > 0 && ((queue.at(0, 0) - safe) | 0) <= 0) {
      this.#reclaim(queue.at(0, 1), queue.at(0, 2));
      queue.shift();
    }
  }

  /** Writes the figures that `stats()` shows. */
  publish(): void {
    const { words } = this.#memory;
    words[RECORD_SEGMENTS] = this.#recordSegments;
    words[TABLE_SEGMENTS] = this.#tableSegments;
    words[FREE_SEGMENTS] = this.#free;
    words[LIVE_WORDS] = this.#liveWords;
  }

  #reclaim(address: number, words: number): void {
    if (words < 0) {
      this.#release(address, -words);
      return;
    }
    if (words > LARGE_BLOCK) {
      const count = Math.ceil(words / SEGMENT_WORDS);
      this.#release(address / SEGMENT_WORDS, count);
      this.#tableSegments -= count;
      return;
    }
    const kind = this.#classOf(words);
    this.#memory.words[address] = this.#freeBlocks[kind];
    this.#freeBlocks[kind] = address;
  }

  #release(first: number, count: number): void {
    this.#state.fill(FREE, first, first + count);
    this.#free += count;
  }

  /** The lowest free run of segments. */
  #take(count: number, state: number): number {
    const first = this.#find(count);
    if (first < 0) {
      throw new FairleadError("STORE_FULL", "the store's memory is used up; raise maxBytes");
    }
    this.#state.fill(state === RECORDS ? CONTINUED : state, first, first + count);
    this.#state[first] = state;
    this.#free -= count;
    this.#highest = Math.max(this.#highest, first + count);
    if (state === RECORDS) {
      this.#recordSegments += count;
      this.#filled[first] = 0;
      this.#used.fill(1, first, first + count);
    } else {
      this.#tableSegments += count;
    }
    return first;
  }

  #find(count: number): number {
    let found = 0;
    for (let i = 1; i < this.#state.length; i++) {
      found = this.#state[i] === FREE ? found + 1 : 0;
      if (found === count) {
        return i - count + 1;
      }
    }
    return -1;
  }

  #cleared(segment: number, words: number): number {
    const address = segment * SEGMENT_WORDS;
    const count = Math.ceil(words / SEGMENT_WORDS);
    for (let i = segment; i < segment + count; i++) {
      if (this.#used[i] === 1) {
        this.#memory.words.fill(0, i * SEGMENT_WORDS, (i + 1) * SEGMENT_WORDS);
      }
      this.#used[i] = 1;
    }
    return address;
  }

  #classOf(words: number): number {
    let kind = 0;
    while (this.#classes[kind] < words) {
      kind++;
    }
    return kind;
  }
}
