import { hashBytes, sameStretch } from "./hash.ts";
import { KIND_SLOTS, RECORD_HEADER, SLOT_WORDS } from "./layout.ts";
import { FLAG_UID_TEXT, ROW_FLAGS, ROW_NAME, ROW_NAMESPACE, ROW_UID } from "./row.ts";
import { uidWordsHash, uuidWords } from "./row-text.ts";
import type { Snapshot } from "./snapshot.ts";
import type { TagMatcher } from "./tag-table.ts";

/** Compares objects with a wanted key. */
export class KeyMatcher implements TagMatcher {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #base = 0;
  slots = 0;
  #namespace = 0;
  #name: Uint8Array = new Uint8Array(0);
  #size = 0;

  constructor(snapshot: Snapshot) {
    this.#words = snapshot.words;
    this.#bytes = snapshot.memory.bytes;
  }

  /** `base`: address of the kind's words. */
  set(base: number, namespace: number, name: Uint8Array, size: number): void {
    this.#base = base;
    this.slots = Atomics.load(this.#words, this.#base + KIND_SLOTS);
    this.#namespace = namespace;
    this.#name = name;
    this.#size = size;
  }

  matches(slot: number): boolean {
    const words = this.#words;
    if (slot > words[this.slots]) {
      this.slots = Atomics.load(words, this.#base + KIND_SLOTS);
    }
    const record = Atomics.load(words, this.slots + slot * SLOT_WORDS);
    const row = record + RECORD_HEADER;
    if (record === 0 || words[row + ROW_NAMESPACE] !== this.#namespace) {
      return false;
    }
    const name = row + words[row + ROW_NAME];
    return words[name] === this.#size && sameStretch(this.#bytes, (name + 1) * 4, this.#name, 0, this.#size);
  }
}

/** Compares visible objects with a wanted uid. */
export class UidMatcher implements TagMatcher {
  readonly #snapshot: Snapshot;
  #base = 0;
  /** The record that matched. */
  record = 0;
  #isDeleted = false;
  #words: readonly number[] | undefined;
  #text: Uint8Array = new Uint8Array(0);

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Gives the hash to look for. `base`: address of the kind's words. */
  set(base: number, uid: string, isDeleted: boolean): number {
    this.#base = base;
    this.#isDeleted = isDeleted;
    this.#words = uuidWords(uid);
    if (this.#words !== undefined) {
      const [a, b, c, d] = this.#words;
      return uidWordsHash(a, b, c, d);
    }
    const { dictionary } = this.#snapshot;
    const size = dictionary.encode(uid);
    this.#text = dictionary.encoded.slice(0, size);
    return size === 0 ? 0 : hashBytes(this.#text, 0, size) || 1;
  }

  matches(slot: number): boolean {
    const { words, memory } = this.#snapshot;
    const slots = Atomics.load(words, this.#base + KIND_SLOTS);
    const record = this.#snapshot.visible(slots, slot);
    if (record === 0 || this.#snapshot.isDeleted(record) !== this.#isDeleted) {
      return false;
    }
    this.record = record;
    const row = record + RECORD_HEADER;
    const uid = row + ROW_UID;
    const isText = (words[row + ROW_FLAGS] & FLAG_UID_TEXT) !== 0;
    if (this.#words !== undefined) {
      return !isText && this.#words.every((word, i) => words[uid + i] === word);
    }
    const at = row + words[uid];
    return (
      isText &&
      words[at] === this.#text.length &&
      sameStretch(memory.bytes, (at + 1) * 4, this.#text, 0, this.#text.length)
    );
  }
}
