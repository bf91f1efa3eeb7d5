import { HEADER_BYTES, MAX_NAME_BYTES, TYPE } from "./resolve-question.ts";

/** A record with all its names written out, so that it stands by itself. */
export interface WireRecord {
  /** On the wire, one character a byte, case as it came. */
  owner: string;
  readonly type: number;
  readonly klass: number;
  readonly ttl: number;
  /** What is before the names in the data, the names, and what is after them. Types without names: all in `head`. */
  readonly head: Uint8Array;
  readonly names: readonly string[];
  readonly tail: Uint8Array;
}

/** A reply taken apart. */
export interface Message {
  /** Of the question, on the wire. */
  readonly name: string;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly answers: WireRecord[];
  readonly authority: WireRecord[];
  readonly additional: WireRecord[];
  /** The reply had an OPT record. */
  readonly edns: boolean;
  /** Upper bits of the code, from OPT. */
  readonly extendedRcode: number;
}

/** Names in the data of a record: bytes before them, and how many. Types that are not here have none that may be compressed. */
const NAMES: Readonly<Record<number, readonly [before: number, count: number]>> = {
  2: [0, 1], // NS
  3: [0, 1], // MD
  4: [0, 1], // MF
  5: [0, 1], // CNAME
  6: [0, 2], // SOA
  7: [0, 1], // MB
  8: [0, 1], // MG
  9: [0, 1], // MR
  12: [0, 1], // PTR
  14: [0, 2], // MINFO
  15: [2, 1], // MX
  17: [0, 2], // RP
  18: [2, 1], // AFSDB
  21: [2, 1], // RT
  33: [6, 1], // SRV
  36: [2, 1], // KX
  39: [0, 1], // DNAME
};

const NONE = new Uint8Array(0);
const SOA_TAIL_BYTES = 20;
/** A name has 127 labels at most, and nobody needs a pointer for each. */
const MOST_JUMPS = 128;

/** Takes a packet with one question apart. Undefined: it is broken. Costs what the packet is long; a name may point backwards only. */
export function readMessage(bytes: Uint8Array, length: number): Message | undefined {
  const reader = new Reader(bytes, length);
  if (length < HEADER_BYTES + 5) {
    return undefined;
  }
  const name = reader.question();
  const answers = reader.records(word(bytes, 6));
  const authority = reader.records(word(bytes, 8));
  const additional = reader.records(word(bytes, 10));
  if (reader.isBroken) {
    return undefined;
  }
  const options = additional.filter((record) => record.type === TYPE.OPT);
  if (options.length > 1) {
    return undefined;
  }
  return {
    name,
    rcode: bytes[3] & 0x0f,
    truncated: (bytes[2] & 0x02) !== 0,
    answers,
    authority,
    additional: additional.filter((record) => record.type !== TYPE.OPT),
    edns: options.length === 1,
    extendedRcode: options.length === 1 ? Math.floor(options[0].ttl / 0x1000000) : 0,
  };
}

/** The name of the record's data: where a CNAME leads to. */
export function targetOf(record: WireRecord): string {
  return record.names[0] ?? "";
}

/** Reads records one after the other; after the first mistake it is broken and reads nothing more. */
class Reader {
  isBroken = false;
  #at = HEADER_BYTES;
  readonly #bytes: Buffer;
  readonly #length: number;

  constructor(bytes: Uint8Array, length: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, length);
    this.#length = length;
  }

  /** Gives its name. */
  question(): string {
    const name = this.#name();
    this.#at += 4;
    return name;
  }

  records(count: number): WireRecord[] {
    const records: WireRecord[] = [];
    for (let i = 0; i < count && !this.isBroken; i++) {
      const record = this.#record();
      if (record !== undefined) {
        records.push(record);
      }
    }
    return records;
  }

  #record(): WireRecord | undefined {
    const owner = this.#name();
    const at = this.#at;
    if (this.isBroken || at + 10 > this.#length) {
      this.isBroken = true;
      return undefined;
    }
    const bytes = this.#bytes;
    const type = word(bytes, at);
    const end = at + 10 + word(bytes, at + 8);
    // The topmost bit of a TTL makes it 0 (RFC 2181, 8); in OPT it is part of the code.
    const seconds = word(bytes, at + 4) * 0x10000 + word(bytes, at + 6);
    const ttl = type !== TYPE.OPT && seconds > 0x7fffffff ? 0 : seconds;
    this.#at = at + 10;
    const data = this.#data(type, end);
    if (data === undefined) {
      this.isBroken = true;
      return undefined;
    }
    return { owner, type, klass: word(bytes, at + 2), ttl, ...data };
  }

  #data(type: number, end: number): Pick<WireRecord, "head" | "names" | "tail"> | undefined {
    if (end > this.#length) {
      return undefined;
    }
    const size = end - this.#at;
    if ((type === TYPE.A && size !== 4) || (type === TYPE.AAAA && size !== 16)) {
      return undefined;
    }
    const [before, count] = NAMES[type] ?? [size, 0];
    if (before > size) {
      return undefined;
    }
    const head = Uint8Array.prototype.slice.call(this.#bytes, this.#at, this.#at + before);
    this.#at += before;
    const names: string[] = [];
    for (let i = 0; i < count; i++) {
      names.push(this.#name());
    }
    const rest = end - this.#at;
    if (this.isBroken || rest !== (type === TYPE.SOA ? SOA_TAIL_BYTES : 0)) {
      return undefined;
    }
    const tail = rest === 0 ? NONE : Uint8Array.prototype.slice.call(this.#bytes, this.#at, end);
    this.#at = end;
    return { head, names, tail };
  }

  /** The name at the place where the reader is, written out. */
  #name(): string {
    const bytes = this.#bytes;
    let name = "";
    let at = this.#at;
    let lowest = at;
    let jumps = 0;
    for (;;) {
      const size = at < this.#length ? bytes[at] : 0x80;
      if (size >= 0xc0) {
        const target = at + 1 < this.#length ? ((size & 0x3f) << 8) | bytes[at + 1] : lowest;
        jumps++;
        // Only backwards, never into the header, and not from pointer to pointer without end.
        if (target >= lowest || target < HEADER_BYTES || jumps > MOST_JUMPS) {
          return this.#broken();
        }
        if (jumps === 1) {
          this.#at = at + 2;
        }
        lowest = target;
        at = target;
        continue;
      }
      if (size > 63 || at + 1 + size > this.#length || name.length + size + 1 > MAX_NAME_BYTES) {
        return this.#broken();
      }
      name += bytes.toString("latin1", at, at + 1 + size);
      at += size + 1;
      if (size === 0) {
        if (jumps === 0) {
          this.#at = at;
        }
        return name;
      }
    }
  }

  #broken(): string {
    this.isBroken = true;
    return "";
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}
