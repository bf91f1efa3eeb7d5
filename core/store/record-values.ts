import type { Allocator } from "./allocator.ts";
import { type IndexSpec, RowHashes } from "./index-plan.ts";
import { RECORD_HEADER, RECORD_PREVIOUS } from "./layout.ts";
import type { Memory } from "./memory.ts";
import type { RowBuilder } from "./row.ts";
import { type ValidEntries, ValueIndex } from "./value-index.ts";

/** What the values of a kind's records need of it. */
export interface RecordValuesOptions {
  readonly memory: Memory;
  readonly allocator: Allocator;
  readonly specs: readonly IndexSpec[];
  /** Address of the kind's words. */
  readonly base: number;
  /** Address of a slot's newest record, or 0. */
  readonly headOf: (slot: number) => number;
}

/** Keeps the index of one kind in step with its records: a value is in it while any state that a reader may see has it. */
export class RecordValues implements ValidEntries {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #headOf: (slot: number) => number;
  readonly #values: ValueIndex;
  readonly #before: RowHashes;
  readonly #after: RowHashes;
  readonly #probed: RowHashes;

  constructor({ memory, allocator, specs, base, headOf }: RecordValuesOptions) {
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#headOf = headOf;
    this.#before = new RowHashes(specs);
    this.#after = new RowHashes(specs);
    this.#probed = new RowHashes(specs);
    this.#values = new ValueIndex(memory, allocator, base, this);
  }

  /** Words of the table and its lists. */
  get words(): number {
    return this.#values.words;
  }

  isValid(slot: number, hash: number): boolean {
    return this.#inChain(this.#headOf(slot), hash);
  }

  /** Adds the values of a new object. Throws STORE_FULL. */
  addAll(slot: number, row: RowBuilder): void {
    this.#after.read(row.words, row.bytes, 0);
    for (let i = 0; i < this.#after.count; i++) {
      this.#values.add(this.#after.hashes[i], slot);
    }
  }

  /** True when a row has the values of the record that it replaces. `addNew` goes on from here. */
  compare(old: number, row: RowBuilder): boolean {
    this.#before.read(this.#words, this.#bytes, old + RECORD_HEADER);
    this.#after.read(row.words, row.bytes, 0);
    return this.#before.equals(this.#after);
  }

  /** Adds the values that the compared row has and no older state. `older`: the record before the compared one. */
  addNew(slot: number, older: number): void {
    for (let i = 0; i < this.#after.count; i++) {
      const hash = this.#after.hashes[i];
      if (!this.#before.has(hash) && !this.#inChain(older, hash)) {
        this.#values.add(hash, slot);
      }
    }
  }

  /** Takes the values of a state that is dropped out, unless another state of the object has them. */
  drop(slot: number, record: number, newerGone: readonly number[]): void {
    const before = this.#before;
    before.read(this.#words, this.#bytes, record + RECORD_HEADER);
    for (let i = 0; i < before.count; i++) {
      const hash = before.hashes[i];
      if (!this.#inChain(this.#headOf(slot), hash) && !newerGone.some((gone) => this.#has(gone, hash))) {
        this.#values.remove(hash, slot);
      }
    }
  }

  /** Takes the values of an object's last state out, when the slot does not refer to it any more. `row`: its address. */
  removeAll(slot: number, row: number): void {
    const before = this.#before;
    before.read(this.#words, this.#bytes, row);
    for (let i = 0; i < before.count; i++) {
      this.#values.remove(before.hashes[i], slot);
    }
  }

  /** Gives the memory back; it is not to be used any more. */
  release(): void {
    this.#values.release();
  }

  /** True when the record or an older state of the same object has the value. */
  #inChain(first: number, hash: number): boolean {
    for (let record = first; record > 0; record = this.#words[record + RECORD_PREVIOUS]) {
      if (this.#has(record, hash)) {
        return true;
      }
    }
    return false;
  }

  #has(record: number, hash: number): boolean {
    this.#probed.read(this.#words, this.#bytes, record + RECORD_HEADER);
    return this.#probed.has(hash);
  }
}
