/** Numbers of the types that the resolver treats in a way of their own. */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  RRSIG: 46,
  NSEC: 47,
  NSEC3: 50,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** The Internet's class, the only one that is answered. */
export const CLASS_IN = 1;
/** Bytes before the question. */
export const HEADER_BYTES = 12;
/** Bytes of an OPT record without options. */
export const OPT_BYTES = 11;
/** Longest name on the wire. */
export const MAX_NAME_BYTES = 255;

/**
 * A question as it came in. One object may be used for all packets, so that reading allocates nothing. The name is in `bytes`
 * from 12 to `nameEnd`; they are not copied.
 */
export class Question {
  bytes: Uint8Array = new Uint8Array(0);
  length = 0;
  nameEnd = 0;
  type = 0;
  klass = 0;
  /** The client sent an OPT record. */
  edns = false;
  /** The size that it names; 0 without it. */
  udpSize = 0;
  /** The client wants DNSSEC records. */
  dnssec = false;
  recursionDesired = false;
  checkingDisabled = false;
  /** Lower case, as it is on the wire. */
  readonly lower = Buffer.allocUnsafe(MAX_NAME_BYTES);
  /** Bytes of `lower` in use. */
  lowerLength = 0;

  /** Reads a packet. False for all that is not one ordinary question: such a packet gets no answer from here. */
  read(bytes: Uint8Array, length: number): boolean {
    this.bytes = bytes;
    this.length = length;
    // A query, opcode 0, one question, no answers, no authority, at most one more record (OPT).
    if (length < 17 || length > bytes.length || (bytes[2] & 0xf8) !== 0) {
      return false;
    }
    if (bytes[4] !== 0 || bytes[5] !== 1 || bytes[6] !== 0 || bytes[7] !== 0 || bytes[8] !== 0 || bytes[9] !== 0) {
      return false;
    }
    if (bytes[10] !== 0 || bytes[11] > 1 || !this.#readName()) {
      return false;
    }
    const at = this.nameEnd;
    this.type = (bytes[at] << 8) | bytes[at + 1];
    this.klass = (bytes[at + 2] << 8) | bytes[at + 3];
    this.recursionDesired = (bytes[2] & 0x01) !== 0;
    this.checkingDisabled = (bytes[3] & 0x10) !== 0;
    this.edns = false;
    this.udpSize = 0;
    this.dnssec = false;
    return bytes[11] === 0 || this.#readOpt(at + 4);
  }

  /** What answers are kept under: name in lower case, type, and what the client wants of DNSSEC. */
  key(): string {
    const flags = (this.dnssec ? 1 : 0) | (this.checkingDisabled ? 2 : 0);
    return `${this.lower.toString("latin1", 0, this.lowerLength)}${String.fromCharCode(this.type)}${flags}`;
  }

  /** The name in lower case, as it is on the wire, one character a byte. */
  name(): string {
    return this.lower.toString("latin1", 0, this.lowerLength);
  }

  #readName(): boolean {
    const { bytes, length, lower } = this;
    let at = HEADER_BYTES;
    let used = 0;
    for (;;) {
      const size = bytes[at];
      if (size > 63 || at + size + 5 > length || used + size + 1 > MAX_NAME_BYTES) {
        return false;
      }
      lower[used++] = size;
      at++;
      if (size === 0) {
        this.nameEnd = at;
        this.lowerLength = used;
        return at + 4 <= length;
      }
      for (const end = at + size; at < end; at++) {
        const byte = bytes[at];
        lower[used++] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
      }
    }
  }

  #readOpt(at: number): boolean {
    const { bytes, length } = this;
    if (at + OPT_BYTES > length || bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== TYPE.OPT) {
      return false;
    }
    const isVersionZero = bytes[at + 6] === 0;
    const optionBytes = (bytes[at + 9] << 8) | bytes[at + 10];
    this.edns = true;
    this.udpSize = (bytes[at + 3] << 8) | bytes[at + 4];
    this.dnssec = (bytes[at + 7] & 0x80) !== 0;
    return isVersionZero && at + OPT_BYTES + optionBytes <= length;
  }
}

/** A name on the wire, one character a byte, from text: "a.example.org", with or without a dot at its end. Lower case. Undefined: not a name. */
export function wireName(text: string): string | undefined {
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  if (bare === "") {
    return "\0";
  }
  const labels = lowerName(Buffer.from(bare, "utf8").toString("latin1")).split(".");
  if (labels.some((label) => label.length === 0 || label.length > 63)) {
    return undefined;
  }
  const wire = `${labels.map((label) => String.fromCharCode(label.length) + label).join("")}\0`;
  return wire.length > MAX_NAME_BYTES ? undefined : wire;
}

/** Names are compared like this: A to Z become small, all other bytes stay. */
export function lowerName(wire: string): string {
  return /[A-Z]/.test(wire) ? wire.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : wire;
}

/** A name on the wire as people write it, with a dot at its end; bytes that are no printable ASCII as \ddd. */
export function nameText(wire: string): string {
  let text = "";
  for (let at = 0; at < wire.length && wire.charCodeAt(at) > 0; at += wire.charCodeAt(at) + 1) {
    for (const character of wire.slice(at + 1, at + 1 + wire.charCodeAt(at))) {
      const code = character.charCodeAt(0);
      const isPlain = code > 0x20 && code < 0x7f && character !== "." && character !== "\\";
      text += isPlain ? character : `\\${String(code).padStart(3, "0")}`;
    }
    text += ".";
  }
  return text === "" ? "." : text;
}

/** Whether a name (wire, lower case) is the zone or below it. */
export function isUnder(name: string, zone: string): boolean {
  if (!name.endsWith(zone)) {
    return false;
  }
  // The zone must begin at a label of the name, not inside of one.
  const start = name.length - zone.length;
  let at = 0;
  while (at < start) {
    at += name.charCodeAt(at) + 1;
  }
  return at === start;
}
