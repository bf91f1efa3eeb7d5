import { type AddressBytes, type AliasName, reverseName } from "./alias-names.ts";
import { emptyAnswer, type PackedAnswer, packAnswer } from "./resolve-answer.ts";
import { CLASS_IN, RCODE, TYPE } from "./resolve-question.ts";
import type { WireRecord } from "./resolve-records.ts";

interface Slot {
  /** On the wire, lower case. */
  readonly name: Uint8Array;
  readonly answers: ReadonlyMap<number, PackedAnswer>;
}

const NODATA = emptyAnswer(RCODE.NOERROR);
const NONE = new Uint8Array(0);

/**
 * Names and their ready answers. A look-up reads bytes and allocates nothing. Built once, replaced as a whole: a table is never
 * changed.
 */
export class AliasTable {
  readonly #exact: ByteTable;
  readonly #wild: ByteTable;
  readonly size: number;

  /** `ttl` in seconds. Names that come more than once have all their addresses. */
  constructor(aliases: readonly AliasName[], ttl: number) {
    const exact = new Map<string, Set<AddressBytes>>();
    const wild = new Map<string, Set<AddressBytes>>();
    const owners = new Map<string, Set<string>>();
    for (const alias of aliases) {
      const addresses = madeIn(alias.isWildcard ? wild : exact, alias.name);
      for (const address of alias.addresses) {
        addresses.add(address);
        if (!alias.isWildcard) {
          madeIn(owners, reverseName(address)).add(alias.name);
        }
      }
    }
    const records = new Map<string, WireRecord[]>();
    const into = (name: string, record: WireRecord): void => {
      const others = records.get(name);
      if (others === undefined) {
        records.set(name, [record]);
      } else {
        others.push(record);
      }
    };
    for (const [name, addresses] of exact) {
      for (const address of addresses) {
        into(name, addressRecord(name, address, ttl));
      }
    }
    for (const [name, targets] of owners) {
      for (const target of targets) {
        into(name, { owner: name, type: TYPE.PTR, klass: CLASS_IN, ttl, head: NONE, names: [target], tail: NONE });
      }
    }
    const stars = [...wild].map(([name, addresses]): Slot => {
      const owner = `\x01*${name}`;
      return slot(
        name,
        owner,
        [...addresses].map((address) => addressRecord(owner, address, ttl)),
      );
    });
    this.#exact = new ByteTable([...records].map(([name, own]) => slot(name, name, own)));
    this.#wild = new ByteTable(stars);
    this.size = exact.size + wild.size;
  }

  /**
   * The answer for a name (on the wire, lower case, its first `length` bytes) and type; "no such type" when there is such a
   * name without it; undefined when there is no such name. What is written out wins over wildcards.
   */
  find(name: Uint8Array, length: number, type: number): PackedAnswer | "no such type" | undefined {
    // A wildcard stands for one label: the name without its first label.
    const found = this.#exact.find(name, 0, length) ?? this.#wild.find(name, name[0] + 1, length);
    return found === undefined ? undefined : (found.answers.get(type) ?? "no such type");
  }

  /** What a name gets for types that it does not have. */
  get nodata(): PackedAnswer {
    return NODATA;
  }
}

function slot(name: string, owner: string, records: readonly WireRecord[]): Slot {
  const answers = new Map<number, PackedAnswer>();
  const sections = (answer: readonly WireRecord[]) => ({ rcode: 0, answers: answer, authority: [], additional: [] });
  for (const type of [TYPE.A, TYPE.AAAA, TYPE.PTR]) {
    const own = records.filter((record) => record.type === type);
    if (own.length > 0) {
      answers.set(type, packAnswer(owner, type, sections(own)));
    }
  }
  answers.set(TYPE.ANY, packAnswer(owner, TYPE.ANY, sections(records)));
  return { name: Buffer.from(name, "latin1"), answers };
}

function addressRecord(owner: string, address: AddressBytes, ttl: number): WireRecord {
  const type = address.length === 4 ? TYPE.A : TYPE.AAAA;
  return { owner, type, klass: CLASS_IN, ttl, head: Buffer.from(address, "latin1"), names: [], tail: NONE };
}

/** Open addressing by the bytes of names. */
class ByteTable {
  readonly #slots: readonly Slot[];
  /** Number of the slot and one; 0: free. */
  readonly #index: Int32Array;
  readonly #mask: number;

  constructor(slots: readonly Slot[]) {
    this.#slots = slots;
    this.#index = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1, slots.length) * 2)));
    this.#mask = this.#index.length - 1;
    for (const [at, { name }] of slots.entries()) {
      let place = hash(name, 0, name.length) & this.#mask;
      while (this.#index[place] !== 0) {
        place = (place + 1) & this.#mask;
      }
      this.#index[place] = at + 1;
    }
  }

  find(name: Uint8Array, from: number, to: number): Slot | undefined {
    if (this.#slots.length === 0) {
      return undefined;
    }
    let place = hash(name, from, to) & this.#mask;
    for (; this.#index[place] !== 0; place = (place + 1) & this.#mask) {
      const found = this.#slots[this.#index[place] - 1];
      if (isSame(found.name, name, from, to)) {
        return found;
      }
    }
    return undefined;
  }
}

function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let at = from; at < to; at++) {
    value = Math.imul(value ^ bytes[at], 0x01000193);
  }
  return value ^ (value >>> 15);
}

function isSame(known: Uint8Array, name: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) {
    return false;
  }
  for (let at = 0; at < known.length; at++) {
    if (known[at] !== name[from + at]) {
      return false;
    }
  }
  return true;
}

function madeIn<Value>(map: Map<string, Set<Value>>, key: string): Set<Value> {
  const found = map.get(key) ?? new Set<Value>();
  map.set(key, found);
  return found;
}
