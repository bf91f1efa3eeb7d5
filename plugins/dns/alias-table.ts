import { type AddressBytes, type AliasName, reverseName } from "./alias-names.ts";
import { RCODE } from "./codes.ts";
import { emptyAnswer, type PackedAnswer, packAnswer } from "./resolve-answer.ts";
import { CLASS_IN, TYPE } from "./resolve-question.ts";
import type { WireRecord } from "./resolve-records.ts";

/** What a name has. Its answers are made when they are asked for first. */
interface Entry {
  readonly addresses: AddressBytes[];
  /** Names that its PTR records lead to, on the wire. */
  readonly targets: string[];
  answers: ReadonlyMap<number, PackedAnswer> | undefined;
}

const NODATA = emptyAnswer(RCODE.NOERROR);
const NONE = new Uint8Array(0);
/** Lists that block names give thousands of them one address; nobody wants them all back. */
const MOST_TARGETS = 100;
/** So many names keep their answers; those of others are made anew each time. */
const MOST_KEPT = 10_000;
/** After so many names others get their turn. */
const NAMES_A_TURN = 500;

/**
 * Names and their answers. A look-up reads bytes and allocates nothing once an answer was made. Built once, replaced as a
 * whole.
 */
export class AliasTable {
  readonly size: number;
  readonly #exact: ByteTable;
  readonly #wild: ByteTable;
  readonly #ttl: number;
  #kept = 0;

  /** `ttl` in seconds. */
  constructor(names: { readonly exact: NameMap; readonly wild: NameMap; readonly size: number }, ttl: number) {
    this.#exact = new ByteTable(names.exact);
    this.#wild = new ByteTable(names.wild);
    this.#ttl = ttl;
    this.size = names.size;
  }

  /**
   * The answer for a name (on the wire, lower case, its first `length` bytes) and type; "no such type" when there is such a
   * name without it; undefined when there is no such name. What is written out wins over wildcards.
   */
  find(name: Uint8Array, length: number, type: number): PackedAnswer | "no such type" | undefined {
    const exact = this.#exact.find(name, 0, length);
    // A wildcard stands for one label: the name without its first label.
    const found = exact ?? this.#wild.find(name, name[0] + 1, length);
    if (found === undefined) {
      return undefined;
    }
    const answers = found.answers ?? this.#answersOf(found, exact === undefined ? WILD_OWNER : name, length);
    return answers.get(type) ?? "no such type";
  }

  /** What a name gets for types that it does not have. */
  get nodata(): PackedAnswer {
    return NODATA;
  }

  #answersOf(entry: Entry, name: Uint8Array, length: number): ReadonlyMap<number, PackedAnswer> {
    const owner = name === WILD_OWNER ? WILD_NAME : Buffer.from(name.subarray(0, length)).toString("latin1");
    const answers = packed(owner, entry, this.#ttl);
    if (this.#kept < MOST_KEPT) {
      this.#kept++;
      entry.answers = answers;
    }
    return answers;
  }
}

/** Names on the wire and what they have. */
export type NameMap = ReadonlyMap<string, Entry>;

/**
 * Sorts aliases into names that are written out, with those that their addresses lead back to, and wildcards. Names that come
 * more than once have all their addresses. Yields now and then, so that a long list need not hold up anything else.
 */
export function* aliasNames(
  aliases: Iterable<AliasName>,
): Generator<void, { readonly exact: NameMap; readonly wild: NameMap; readonly size: number }> {
  const exact = new Map<string, Entry>();
  const wild = new Map<string, Entry>();
  const reverse = new Map<AddressBytes, Entry>();
  const ownersOf = (address: AddressBytes): Entry => {
    const entry = reverse.get(address) ?? entryOf(exact, reverseName(address));
    reverse.set(address, entry);
    return entry;
  };
  let size = 0;
  let sinceTurn = 0;
  for (const alias of aliases) {
    const names = alias.isWildcard ? wild : exact;
    const entry = entryOf(names, alias.name);
    size += entry.addresses.length === 0 ? 1 : 0;
    for (const address of alias.addresses) {
      if (!entry.addresses.includes(address)) {
        entry.addresses.push(address);
      }
      if (!alias.isWildcard) {
        const { targets } = ownersOf(address);
        if (targets.length < MOST_TARGETS && !targets.includes(alias.name)) {
          targets.push(alias.name);
        }
      }
    }
    sinceTurn++;
    if (sinceTurn === NAMES_A_TURN) {
      sinceTurn = 0;
      yield;
    }
  }
  return { exact, wild, size };
}

function entryOf(names: Map<string, Entry>, name: string): Entry {
  let entry = names.get(name);
  if (entry === undefined) {
    entry = { addresses: [], targets: [], answers: undefined };
    names.set(name, entry);
  }
  return entry;
}

/** Any name may own a wildcard's answer: in it the owner is a pointer to the question. */
const WILD_NAME = "\x01*\0";
const WILD_OWNER = Buffer.from(WILD_NAME, "latin1");

function packed(owner: string, entry: Entry, ttl: number): ReadonlyMap<number, PackedAnswer> {
  const base = { owner, klass: CLASS_IN, ttl, tail: NONE };
  const records: WireRecord[] = [
    ...entry.addresses.map((address) => ({
      ...base,
      type: address.length === 4 ? TYPE.A : TYPE.AAAA,
      head: Buffer.from(address, "latin1"),
      names: [],
    })),
    ...entry.targets.map((target) => ({ ...base, type: TYPE.PTR, head: NONE, names: [target] })),
  ];
  const answers = new Map<number, PackedAnswer>();
  const add = (type: number, answer: readonly WireRecord[]): void => {
    const sections = { rcode: RCODE.NOERROR, answers: answer, authority: [], additional: [] };
    answers.set(type, packAnswer(owner, type, sections));
  };
  for (const type of [TYPE.A, TYPE.AAAA, TYPE.PTR]) {
    const own = records.filter((record) => record.type === type);
    if (own.length > 0) {
      add(type, own);
    }
  }
  add(TYPE.ANY, records);
  return answers;
}

/** Open addressing by the bytes of names, all in one piece of memory. */
class ByteTable {
  readonly #entries: readonly Entry[];
  readonly #names: Uint8Array;
  /** Where each name starts in it, and after the last its end. */
  readonly #starts: Int32Array;
  /** Number of the entry and one; 0: free. */
  readonly #index: Int32Array;
  readonly #mask: number;

  constructor(names: NameMap) {
    this.#entries = [...names.values()];
    this.#starts = new Int32Array(names.size + 1);
    this.#index = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1, names.size) * 2)));
    this.#mask = this.#index.length - 1;
    let end = 0;
    let at = 0;
    for (const name of names.keys()) {
      end += name.length;
      this.#starts[++at] = end;
    }
    const bytes = Buffer.alloc(end);
    this.#names = bytes;
    at = 0;
    for (const name of names.keys()) {
      const start = this.#starts[at];
      bytes.write(name, start, "latin1");
      let place = hash(bytes, start, start + name.length) & this.#mask;
      while (this.#index[place] !== 0) {
        place = (place + 1) & this.#mask;
      }
      this.#index[place] = ++at;
    }
  }

  find(name: Uint8Array, from: number, to: number): Entry | undefined {
    if (this.#entries.length === 0) {
      return undefined;
    }
    let place = hash(name, from, to) & this.#mask;
    for (; this.#index[place] !== 0; place = (place + 1) & this.#mask) {
      const at = this.#index[place] - 1;
      if (this.#isName(at, name, from, to)) {
        return this.#entries[at];
      }
    }
    return undefined;
  }

  #isName(at: number, name: Uint8Array, from: number, to: number): boolean {
    const start = this.#starts[at];
    if (this.#starts[at + 1] - start !== to - from) {
      return false;
    }
    for (let i = from; i < to; i++) {
      if (this.#names[start + i - from] !== name[i]) {
        return false;
      }
    }
    return true;
  }
}

function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let at = from; at < to; at++) {
    value = Math.imul(value ^ bytes[at], 0x01000193);
  }
  return value ^ (value >>> 15);
}
