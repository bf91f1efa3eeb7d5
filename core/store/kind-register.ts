import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { KindTable, type TableHost } from "./kind-table.ts";
import {
  HOLD_NONE,
  isAfter,
  KIND_COUNT,
  KIND_FROM,
  KIND_PLAN,
  KIND_SERIAL,
  KIND_UNTIL,
  KIND_WORDS,
  KINDS_CHANGED,
  kindAt,
  MAX_KINDS,
  READER_EPOCH,
  READER_HELD,
  READER_HIGH,
  READER_HOLD,
  readerAt,
  SEGMENT_WORDS,
  VERSION,
} from "./layout.ts";

/** What the register needs of the whole store, besides what each kind needs. */
export interface RegisterHost extends TableHost {
  /** The next commit shows other kinds than the last one. */
  kindsChanged(): void;
  /** A kind's number is free: nothing may refer to its slots any more. */
  forgotten(number: number): void;
}

/**
 * The kinds of a store as its writer sees them. A kind is seen by readers from one version until another; then its number
 * and its memory are kept until no reader can look back, or wants to be told what it was shown. Writer thread only.
 */
export class KindRegister {
  readonly #host: RegisterHost;
  readonly #words: Int32Array;
  readonly #declared: readonly RowPlan[];
  /** Kinds that readers see since the store was made and which were not opened. */
  readonly #unopened = new Map<string, number>();
  /** By number. */
  readonly #tables: (KindTable | undefined)[] = [];
  /** Numbers of kinds that are not seen any more, and wait for readers. */
  readonly #leaving = new Set<number>();
  #serial = 0;
  /** Record segments that will be free once replaced and dropped kinds are forgotten. */
  leavingSegments = 0;

  constructor(host: RegisterHost, declared: readonly RowPlan[]) {
    this.#host = host;
    this.#words = host.memory.words;
    this.#declared = declared;
    for (const [number, { name }] of declared.entries()) {
      this.#unopened.set(name, number);
    }
  }

  /** By number. */
  get tables(): readonly (KindTable | undefined)[] {
    return this.#tables;
  }

  /** Adds a kind that readers see at once. Throws STORE_KIND_EXISTS, STORE_BAD_PLAN, STORE_TOO_MANY_KINDS. */
  open(plan: RowPlan): KindTable {
    if (this.#shown(plan.name) !== undefined) {
      throw new FairleadError("STORE_KIND_EXISTS", `"${plan.name}" is in the store already; a kind is opened once`);
    }
    const declared = this.#unopened.get(plan.name);
    if (declared === undefined) {
      return this.#add(plan, this.#isSeen(plan.name) ? this.#host.version : this.#words[VERSION]);
    }
    if (JSON.stringify(this.#declared[declared]) !== JSON.stringify(plan)) {
      throw new FairleadError("STORE_BAD_PLAN", `"${plan.name}" was declared with other fields than it is opened with`);
    }
    this.#unopened.delete(plan.name);
    return this.#make(plan, declared);
  }

  /** Begins to fill a kind under another plan, unseen until `show`. A kind that is not there yet is opened. */
  replace(plan: RowPlan): KindTable {
    const declared = this.#unopened.get(plan.name);
    if (declared !== undefined && JSON.stringify(this.#declared[declared]) !== JSON.stringify(plan)) {
      this.#unopened.delete(plan.name);
      this.#leave(declared);
      return this.#add(plan, this.#host.version);
    }
    if (this.#shown(plan.name) === undefined) {
      return this.open(plan);
    }
    if (this.#tables.some((table, number) => table?.plan.name === plan.name && this.#from(number) === 0)) {
      throw new FairleadError("STORE_KIND_EXISTS", `"${plan.name}" is being replaced already`);
    }
    const table = this.#add(plan, 0);
    this.#countLeaving();
    return table;
  }

  /** With the next commit readers see this kind instead of the one of the same name. Its counters go on. */
  show(table: KindTable): void {
    const number = this.#tables.indexOf(table);
    if (number < 0 || this.#from(number) !== 0) {
      return;
    }
    const before = this.#shown(table.plan.name);
    if (before !== undefined) {
      table.status.addAll(before.status);
      this.#leave(this.#tables.indexOf(before));
    }
    this.#see(number, this.#host.version);
  }

  /** With the next commit the kind is gone; one that nobody saw is gone at once. */
  drop(table: KindTable): void {
    const number = this.#tables.indexOf(table);
    if (number >= 0) {
      if (this.#from(number) === 0) {
        this.#forget(number);
        this.#countLeaving();
      } else {
        this.#leave(number);
      }
    }
  }

  /** Gives the memory of kinds back that no reader can look at any more. */
  forgetGone(): void {
    for (const number of this.#leaving) {
      if (!this.#isNeeded(number)) {
        this.#leaving.delete(number);
        this.#forget(number);
        this.#countLeaving();
      }
    }
  }

  /** Keeps versions comparable for ever: those before `floor` become `floor`. */
  raiseVersions(floor: number): void {
    for (let number = 0; number < this.#words[KIND_COUNT]; number++) {
      this.#tables[number]?.raiseVersions(floor);
      for (const at of [kindAt(number) + KIND_FROM, kindAt(number) + KIND_UNTIL]) {
        if (this.#words[at] !== 0 && isAfter(floor, this.#words[at])) {
          Atomics.store(this.#words, at, floor);
        }
      }
    }
  }

  #from(number: number): number {
    return this.#words[kindAt(number) + KIND_FROM];
  }

  /** The kind that readers see, or will see with the next commit. */
  #shown(name: string): KindTable | undefined {
    return this.#tables.find(
      (table, number) => table?.plan.name === name && this.#from(number) !== 0 && !this.#leaving.has(number),
    );
  }

  /** True when readers of the last commit see a kind of that name, which is leaving. */
  #isSeen(name: string): boolean {
    const version = this.#words[VERSION];
    return [...this.#leaving].some((number) => {
      const plan = this.#tables[number]?.plan ?? this.#declared[number];
      return plan.name === name && isAfter(this.#words[kindAt(number) + KIND_UNTIL], version);
    });
  }

  #add(plan: RowPlan, from: number): KindTable {
    const number = this.#takeNumber();
    const { allocator, memory } = this.#host;
    const words = this.#words;
    const base = kindAt(number);
    words.fill(0, base, base + KIND_WORDS);
    const text = Buffer.from(JSON.stringify(plan));
    const address = allocator.block(1 + Math.ceil(text.length / 4));
    words[address] = text.length;
    memory.bytes.set(text, (address + 1) * 4);
    words[base + KIND_PLAN] = address;
    Atomics.store(words, base + KIND_SERIAL, ++this.#serial);
    const table = this.#make(plan, number);
    if (number === words[KIND_COUNT]) {
      Atomics.store(words, KIND_COUNT, number + 1);
    }
    if (from !== 0) {
      this.#see(number, from);
    }
    return table;
  }

  #make(plan: RowPlan, number: number): KindTable {
    const table = new KindTable(this.#host, plan, number);
    this.#tables[number] = table;
    return table;
  }

  #takeNumber(): number {
    for (let attempt = 0; attempt < 2; attempt++) {
      const unopened = new Set(this.#unopened.values());
      for (let number = 0; number < MAX_KINDS; number++) {
        if (this.#tables[number] === undefined && !unopened.has(number) && !this.#leaving.has(number)) {
          return number;
        }
      }
      this.forgetGone();
    }
    throw new FairleadError("STORE_TOO_MANY_KINDS", `a store cannot hold more than ${MAX_KINDS} kinds`);
  }

  #see(number: number, from: number): void {
    Atomics.store(this.#words, kindAt(number) + KIND_FROM, from);
    this.#changed();
  }

  #leave(number: number): void {
    if (!this.#leaving.has(number)) {
      this.#leaving.add(number);
      Atomics.store(this.#words, kindAt(number) + KIND_UNTIL, this.#host.version);
      this.#countLeaving();
      this.#changed();
    }
  }

  #changed(): void {
    Atomics.add(this.#words, KINDS_CHANGED, 1);
    this.#host.kindsChanged();
  }

  /** True while a reader reads, or holds, a version at which the kind is seen; the last committed one counts as read. */
  #isNeeded(number: number): boolean {
    const words = this.#words;
    const from = this.#from(number);
    const until = words[kindAt(number) + KIND_UNTIL];
    const isSeenAt = (version: number): boolean => !isAfter(from, version) && isAfter(until, version);
    if (isAfter(until, words[VERSION])) {
      return true;
    }
    const high = Atomics.load(words, READER_HIGH);
    for (let id = 0; id < high; id++) {
      const at = readerAt(id);
      const epoch = Atomics.load(words, at + READER_EPOCH);
      if (epoch !== 0 && isSeenAt(epoch)) {
        return true;
      }
      if (Atomics.load(words, at + READER_HOLD) !== HOLD_NONE && isSeenAt(Atomics.load(words, at + READER_HELD))) {
        return true;
      }
    }
    return false;
  }

  #forget(number: number): void {
    const words = this.#words;
    const base = kindAt(number);
    // First: a reader that looks for kinds meanwhile passes it over.
    Atomics.store(words, base + KIND_FROM, 0);
    Atomics.store(words, base + KIND_UNTIL, 0);
    Atomics.add(words, KINDS_CHANGED, 1);
    this.#tables[number]?.release();
    this.#tables[number] = undefined;
    const address = words[base + KIND_PLAN];
    if (address !== 0) {
      this.#host.allocator.dropBlock(address, 1 + Math.ceil(words[address] / 4));
    }
    words[base + KIND_PLAN] = 0;
    this.#host.forgotten(number);
  }

  #countLeaving(): void {
    let leaving = 0;
    for (const [number, table] of this.#tables.entries()) {
      const isReplaced =
        table !== undefined &&
        this.#from(number) !== 0 &&
        this.#tables.some((other, at) => other?.plan.name === table.plan.name && this.#from(at) === 0);
      if (table !== undefined && (this.#leaving.has(number) || isReplaced)) {
        leaving += table.liveWords;
      }
    }
    this.leavingSegments = Math.ceil(leaving / SEGMENT_WORDS);
  }
}
