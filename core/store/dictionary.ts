import { FairleadError } from "../errors.ts";
import type { Allocator } from "./allocator.ts";
import { hashBytes, sameStretch } from "./hash.ts";
import { DICTIONARY_BYTES, DICTIONARY_COUNT, DICTIONARY_HASH, DICTIONARY_IDS, SLOT_MASK } from "./layout.ts";
import type { Memory } from "./memory.ts";
import type { Interner } from "./row.ts";
import { findTagged, type TagMatcher, TagTable } from "./tag-table.ts";

const FIRST_IDS = 255;

/** A stretch of bytes that is looked for among the strings of the store. */
class StringMatcher implements TagMatcher {
  readonly #memory: Memory;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  size = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  matches(id: number): boolean {
    const { words, bytes } = this.#memory;
    const at = words[words[DICTIONARY_IDS] + id];
    return words[at] === this.size && sameStretch(bytes, (at + 1) * 4, this.bytes, this.start, this.size);
  }
}

/** Gives ids to strings; they stay for the life of the store. Writer thread only. */
export class DictionaryWriter implements Interner {
  readonly #memory: Memory;
  readonly #allocator: Allocator;
  readonly #table: TagTable;
  readonly #matcher: StringMatcher;
  #count = 0;
  #sizeBytes = 0;

  constructor(memory: Memory, allocator: Allocator) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.#matcher = new StringMatcher(memory);
    this.#table = new TagTable(memory, allocator, DICTIONARY_HASH, (id) => this.#hashOf(id));
    const ids = allocator.block(1 + FIRST_IDS);
    memory.words[ids] = allocator.blockSize(1 + FIRST_IDS) - 1;
    memory.words[DICTIONARY_IDS] = ids;
  }

  get count(): number {
    return this.#count;
  }

  intern(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end);
    const matcher = this.#matcher;
    matcher.bytes = bytes;
    matcher.start = start;
    matcher.size = end - start;
    return findTagged(this.#memory, DICTIONARY_HASH, hash, matcher) || this.#add(hash, bytes, start, end);
  }

  /** The string of an id; "" for 0. Not for hot paths. */
  textOf(id: number): string {
    const { words, text } = this.#memory;
    const at = words[words[DICTIONARY_IDS] + id];
    return id === 0 ? "" : text.toString("utf8", (at + 1) * 4, (at + 1) * 4 + words[at]);
  }

  #add(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const { words } = this.#memory;
    if (this.#count === words[words[DICTIONARY_IDS]]) {
      this.#grow();
    }
    const id = this.#count + 1;
    if (id > SLOT_MASK) {
      throw new FairleadError(
        "STORE_FULL",
        `more than ${SLOT_MASK} different strings; keep them as texts, not as names`,
      );
    }
    const at = this.#allocator.block(1 + ((end - start + 3) >> 2));
    words[at] = end - start;
    this.#memory.bytes.set(bytes.subarray(start, end), (at + 1) * 4);
    words[words[DICTIONARY_IDS] + id] = at;
    this.#table.add(hash, id);
    this.#count = id;
    this.#sizeBytes += end - start;
    words[DICTIONARY_COUNT] = id;
    words[DICTIONARY_BYTES] = this.#sizeBytes;
    return id;
  }

  #grow(): void {
    const { words } = this.#memory;
    const old = words[DICTIONARY_IDS];
    const capacity = words[old];
    const wanted = 1 + capacity + (capacity >> 1);
    const ids = this.#allocator.block(wanted);
    words.copyWithin(ids + 1, old + 1, old + 1 + capacity);
    words[ids] = this.#allocator.blockSize(wanted) - 1;
    Atomics.store(words, DICTIONARY_IDS, ids);
    this.#allocator.dropBlock(old, 1 + capacity);
  }

  #hashOf(id: number): number {
    const { words, bytes } = this.#memory;
    const at = words[words[DICTIONARY_IDS] + id];
    return hashBytes(bytes, (at + 1) * 4, (at + 1) * 4 + words[at]);
  }
}

/** Longest string whose id is remembered by its text. */
const REMEMBER_CHARS = 64;
const REMEMBER = 4096;

/** Reads strings by id and finds ids by string; remembers both. Call only while a snapshot is pinned. One per thread. */
export class DictionaryReader {
  readonly #memory: Memory;
  readonly #matcher: StringMatcher;
  readonly #texts: (string | undefined)[] = [""];
  readonly #ids = new Map<string, number>();
  #scratch = new Uint8Array(256);

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#matcher = new StringMatcher(memory);
  }

  /** The string of an id; "" for 0. */
  text(id: number): string {
    return this.#texts[id] ?? this.#decode(id);
  }

  /** The id of a string; 0 for "", -1 when no object has it. */
  id(text: string): number {
    if (text === "") {
      return 0;
    }
    const known = this.#ids.get(text);
    if (known !== undefined) {
      return known;
    }
    const size = this.encode(text);
    const matcher = this.#matcher;
    matcher.bytes = this.#scratch;
    matcher.start = 0;
    matcher.size = size;
    const id = findTagged(this.#memory, DICTIONARY_HASH, hashBytes(this.#scratch, 0, size), matcher);
    if (id === 0) {
      return -1;
    }
    if (text.length <= REMEMBER_CHARS) {
      if (this.#ids.size >= REMEMBER) {
        this.#ids.clear();
      }
      this.#ids.set(text, id);
    }
    return id;
  }

  /** Bytes of the last `encode`. */
  get encoded(): Uint8Array {
    return this.#scratch;
  }

  /** Writes a string's UTF-8 into `encoded`; gives its size in bytes. */
  encode(text: string): number {
    if (text.length * 3 > this.#scratch.length) {
      this.#scratch = new Uint8Array(text.length * 3);
    }
    const { length } = text;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        return ENCODER.encodeInto(text, this.#scratch).written;
      }
      this.#scratch[i] = code;
    }
    return length;
  }

  #decode(id: number): string {
    const { words, text } = this.#memory;
    const at = words[words[DICTIONARY_IDS] + id];
    const decoded = text.toString("utf8", (at + 1) * 4, (at + 1) * 4 + words[at]);
    // Ids come in order, nearly: holes are filled so that the array stays a plain one.
    while (this.#texts.length < id) {
      this.#texts.push(undefined);
    }
    this.#texts[id] = decoded;
    return decoded;
  }
}

const ENCODER = new TextEncoder();
