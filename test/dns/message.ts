import { isIPv6 } from "node:net";

/** A DNS message as the cases write it: names without the last dot, one text for each record. */
export interface Message {
  readonly id: number;
  readonly opcode: number;
  readonly rcode: string;
  /** Of aa, tc, rd, ra, z, ad, cd those that are set; "qr" is not told. */
  readonly flags: readonly string[];
  readonly isReply: boolean;
  /** Questions, answers, authorities, additionals, as the header says. */
  readonly counts: readonly number[];
  readonly questions: readonly string[];
  readonly an: readonly string[];
  readonly ns: readonly string[];
  readonly ar: readonly string[];
  /** Size in bytes. */
  readonly len: number;
}

/** What is asked. */
export interface Query {
  readonly name: string;
  /** "A", "TYPE65280" … */
  readonly type: string;
  readonly id?: number;
  /** The second half of the header's flags. Default: 0x0100, recursion desired. */
  readonly flags?: number;
  readonly edns?: { readonly size: number; readonly do?: boolean };
}

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
const FLAG_BITS = [
  ["aa", 0x400],
  ["tc", 0x200],
  ["rd", 0x100],
  ["ra", 0x80],
  ["z", 0x40],
  ["ad", 0x20],
  ["cd", 0x10],
] as const;
const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DS: 43,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
};
const TYPE_NAMES = new Map(Object.entries(TYPES).map(([name, code]) => [code, name]));
const HEADER_BYTES = 12;
const LONGEST_NAME = 255;
const ID = 0x1234;

/** Bytes of a query. */
export function encodeQuery(query: Query): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.id ?? ID, 0);
  header.writeUInt16BE(query.flags ?? 0x0100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(query.edns === undefined ? 0 : 1, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(typeCode(query.type), 0);
  tail.writeUInt16BE(1, 2);
  const parts = [header, encodeName(query.name), tail];
  if (query.edns !== undefined) {
    const opt = Buffer.alloc(11);
    opt.writeUInt16BE(TYPES.OPT, 1);
    opt.writeUInt16BE(query.edns.size, 3);
    opt.writeUInt16BE(query.edns.do === true ? 0x8000 : 0, 7);
    parts.push(opt);
  }
  return Buffer.concat(parts);
}

/** Reads a message strictly: every byte is accounted for, and pointers lead backwards only. Throws RangeError for what is broken. */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes);
  const id = reader.word();
  const bits = reader.word();
  const counts = [reader.word(), reader.word(), reader.word(), reader.word()];
  const questions: string[] = [];
  for (let i = 0; i < counts[0]; i++) {
    const name = reader.name();
    const type = typeName(reader.word());
    const kind = reader.word();
    questions.push(`${name} ${type}${kind === 1 ? "" : ` CLASS${kind}`}`);
  }
  const [an, ns, ar] = counts.slice(1).map((count) => Array.from({ length: count }, () => reader.record()));
  reader.end();
  return {
    id,
    opcode: (bits >> 11) & 15,
    rcode: RCODES[bits & 15] ?? `RCODE${bits & 15}`,
    flags: FLAG_BITS.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name),
    isReply: (bits & 0x8000) !== 0,
    counts,
    questions,
    an,
    ns,
    ar,
    len: bytes.length,
  };
}

function typeCode(type: string): number {
  const code = TYPES[type] ?? Number(/^TYPE(\d+)$/.exec(type)?.[1]);
  if (Number.isNaN(code)) {
    throw new RangeError(`no type "${type}"`);
  }
  return code;
}

function typeName(code: number): string {
  return TYPE_NAMES.get(code) ?? `TYPE${code}`;
}

/** A name on the wire, uncompressed. */
export function encodeName(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([Buffer.byteLength(label, "latin1")]), Buffer.from(label, "latin1")]),
    Buffer.from([0]),
  ]);
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#byteAt(this.#at++);
  }

  word(): number {
    return this.byte() * 256 + this.byte();
  }

  long(): number {
    return this.word() * 65_536 + this.word();
  }

  name(): string {
    const labels: string[] = [];
    let at = this.#at;
    let after = -1;
    let size = 1;
    for (;;) {
      const length = this.#byteAt(at);
      if (length === 0) {
        this.#at = after < 0 ? at + 1 : after;
        return labels.join(".");
      }
      if (length >= 0xc0) {
        const target = (length & 0x3f) * 256 + this.#byteAt(at + 1);
        if (target >= at || target < HEADER_BYTES) {
          throw new RangeError(`pointer at ${at} leads to ${target}`);
        }
        after = after < 0 ? at + 2 : after;
        at = target;
        continue;
      }
      if (length > 63) {
        throw new RangeError(`label type ${length} at ${at}`);
      }
      size += length + 1;
      if (size > LONGEST_NAME) {
        throw new RangeError(`name of more than ${LONGEST_NAME} bytes at ${at}`);
      }
      this.#byteAt(at + length);
      labels.push(Buffer.from(this.#bytes.subarray(at + 1, at + 1 + length)).toString("latin1"));
      at += length + 1;
    }
  }

  record(): string {
    const owner = this.name();
    const type = this.word();
    const kind = this.word();
    const ttl = this.long();
    const length = this.word();
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      throw new RangeError(`record data runs to ${end} of ${this.#bytes.length} bytes`);
    }
    if (type === TYPES.OPT) {
      const said = `OPT size=${kind} ver=${(ttl >>> 16) & 255} ext=${ttl >>> 24} do=${(ttl >>> 15) & 1}`;
      const options = length === 0 ? "" : ` options=${this.#hex(end)}`;
      this.#at = end;
      return (owner === "" ? "" : `${owner} `) + said + options;
    }
    const data = this.#data(type, end);
    if (this.#at !== end) {
      throw new RangeError(`${typeName(type)} data ends at ${this.#at}, not ${end}`);
    }
    return `${owner === "" ? "." : owner} ${ttl} ${kind === 1 ? "" : `CLASS${kind} `}${typeName(type)} ${data}`;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) {
      throw new RangeError(`${this.#bytes.length - this.#at} bytes after the last record`);
    }
  }

  #data(type: number, end: number): string {
    switch (typeName(type)) {
      case "A":
        return [this.byte(), this.byte(), this.byte(), this.byte()].join(".");
      case "AAAA":
        return ipv6Text(Array.from({ length: 8 }, () => this.word()));
      case "NS":
      case "CNAME":
      case "PTR":
        return this.name();
      case "MX":
        return `${this.word()} ${this.name()}`;
      case "SRV":
        return `${this.word()} ${this.word()} ${this.word()} ${this.name()}`;
      case "SOA":
        return this.#soa();
      case "TXT":
        return this.#texts(end);
      default:
        return this.#hex(end);
    }
  }

  /** All but the serial, which is a time. */
  #soa(): string {
    const names = `${this.name()} ${this.name()}`;
    this.long();
    return `${names} ${[this.long(), this.long(), this.long(), this.long()].join(" ")}`;
  }

  #texts(end: number): string {
    const texts: string[] = [];
    while (this.#at < end) {
      const length = this.byte();
      texts.push(Buffer.from(this.#bytes.subarray(this.#at, this.#at + length)).toString("latin1"));
      this.#at += length;
    }
    return texts.join(" ");
  }

  #hex(end: number): string {
    const from = this.#at;
    this.#at = end;
    return Buffer.from(this.#bytes.subarray(from, end)).toString("hex");
  }

  #byteAt(at: number): number {
    if (at >= this.#bytes.length) {
      throw new RangeError(`the message ends at ${this.#bytes.length}`);
    }
    return this.#bytes[at];
  }
}

/** The shortest text of an address, as RFC 5952 wants it. */
function ipv6Text(words: readonly number[]): string {
  const text = new URL(`http://[${words.map((word) => word.toString(16)).join(":")}]`).hostname.slice(1, -1);
  return isIPv6(text) ? text : words.join(":");
}
