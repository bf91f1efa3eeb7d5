/** Bytes of a packet's header. */
export const HEADER_BYTES = 12;
const LONGEST_LABEL = 63;
const LONGEST_NAME = 255;
const POINTER = 0xc0;
const RECORD_HEAD = 10;
const OPTION_HEAD = 4;
const TYPE_OPT = 41;
/** OPT and TSIG. */
const MOST_ADDITIONALS = 2;

/** What is wrong with a packet: `Question.parse`, `Responder.malformed`. */
export const MALFORMED = {
  none: 0,
  short: 1,
  response: 2,
  opcode: 3,
  counts: 4,
  name: 5,
  question: 6,
  additional: 7,
} as const;

const LOWER = Uint8Array.from({ length: 256 }, (_, code) => (code >= 65 && code <= 90 ? code + 32 : code));

/** A name in lower case with the places of its labels. Made once and filled again for each name. */
export class NameBytes {
  readonly bytes = new Uint8Array(LONGEST_NAME + 1);
  /** Where each label starts, and after them the root. */
  readonly labels = new Uint8Array(LONGEST_NAME / 2 + 2);
  count = 0;
  /** With the root's byte. */
  length = 0;

  /** Reads an uncompressed name; false when it is none, or does not end before `end`. */
  read(from: Uint8Array, start: number, end: number): boolean {
    const { bytes, labels } = this;
    let count = 0;
    let at = 0;
    const most = Math.min(end - start, LONGEST_NAME);
    while (at < most) {
      const size = from[start + at];
      labels[count] = at;
      bytes[at] = size;
      at++;
      if (size === 0) {
        this.count = count;
        this.length = at;
        return true;
      }
      if (size > LONGEST_LABEL || at + size > most) {
        return false;
      }
      count++;
      for (const stop = at + size; at < stop; at++) {
        bytes[at] = LOWER[from[start + at]];
      }
    }
    return false;
  }

  /** True when it is `zone`, a lower-case wire name of so many labels, or below it. */
  isIn(zone: Uint8Array, zoneLabels: number): boolean {
    const start = this.length - zone.length;
    if (start < 0 || zoneLabels > this.count || this.labels[this.count - zoneLabels] !== start) {
      return false;
    }
    const { bytes } = this;
    for (let n = 0; n < zone.length; n++) {
      if (bytes[start + n] !== zone[n]) {
        return false;
      }
    }
    return true;
  }

  /** True when label `n` is `text`, a label with its length before it. */
  isLabel(n: number, text: Uint8Array): boolean {
    const start = this.labels[n];
    for (let at = 0; at < text.length; at++) {
      if (this.bytes[start + at] !== text[at]) {
        return false;
      }
    }
    return true;
  }
}

/** The parsed question of a packet. One for a thread, filled again for each packet; allocates nothing. */
export class Question {
  readonly name = new NameBytes();
  type = 0;
  class = 0;
  /** Where it ends in the packet; 0: it could not be read. */
  end = 0;
  hasOpt = false;
  /** Size that the client takes over UDP; 0 without OPT. */
  ednsBytes = 0;
  ednsVersion = 0;
  dnssecOk = false;

  /** Reads a packet whose header is complete. Gives what is wrong with it, 0 when nothing is. */
  parse(query: Uint8Array, length: number): number {
    this.end = 0;
    this.hasOpt = false;
    this.ednsBytes = 0;
    this.ednsVersion = 0;
    this.dnssecOk = false;
    this.type = 0;
    this.class = 0;
    this.name.length = 0;
    this.name.count = 0;
    // One question; no answers, no authorities.
    if (query[4] !== 0 || query[5] !== 1 || (query[6] | query[7] | query[8] | query[9] | query[10]) !== 0) {
      return MALFORMED.counts;
    }
    const additionals = query[11];
    if (additionals > MOST_ADDITIONALS) {
      return MALFORMED.counts;
    }
    if (!this.name.read(query, HEADER_BYTES, length)) {
      this.name.length = 0;
      return MALFORMED.name;
    }
    const at = HEADER_BYTES + this.name.length;
    if (at + 4 > length) {
      return MALFORMED.question;
    }
    this.type = (query[at] << 8) | query[at + 1];
    this.class = (query[at + 2] << 8) | query[at + 3];
    this.end = at + 4;
    return additionals === 0 ? MALFORMED.none : this.#additionals(query, length, additionals);
  }

  #additionals(query: Uint8Array, length: number, count: number): number {
    let at = this.end;
    for (let n = 0; n < count; n++) {
      const isRoot = query[at] === 0;
      at = afterName(query, at, length);
      const dataAt = at + RECORD_HEAD;
      if (at === 0 || dataAt > length) {
        return MALFORMED.additional;
      }
      const type = (query[at] << 8) | query[at + 1];
      const next = dataAt + ((query[at + 8] << 8) | query[at + 9]);
      if (next > length) {
        return MALFORMED.additional;
      }
      if (type === TYPE_OPT) {
        if (this.hasOpt || !isRoot || !areOptions(query, dataAt, next)) {
          return MALFORMED.additional;
        }
        this.hasOpt = true;
        this.ednsBytes = (query[at + 2] << 8) | query[at + 3];
        this.ednsVersion = query[at + 5];
        this.dnssecOk = (query[at + 6] & 0x80) !== 0;
      }
      at = next;
    }
    return MALFORMED.none;
  }
}

/** Where a name ends that may end in a pointer; 0: it does not. */
function afterName(query: Uint8Array, start: number, length: number): number {
  let at = start;
  while (at < length) {
    const size = query[at];
    if (size === 0) {
      return at + 1;
    }
    if (size >= POINTER) {
      return at + 2;
    }
    if (size > LONGEST_LABEL) {
      return 0;
    }
    at += size + 1;
  }
  return 0;
}

function areOptions(query: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    if (at + OPTION_HEAD > end) {
      return false;
    }
    at += OPTION_HEAD + ((query[at + 2] << 8) | query[at + 3]);
  }
  return at === end;
}
