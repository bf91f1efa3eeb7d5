import { HEADER_BYTES, type Question } from "./answer-question.ts";

/** Types of records. */
export const TYPE = {
  a: 1,
  ns: 2,
  cname: 5,
  soa: 6,
  ptr: 12,
  txt: 16,
  aaaa: 28,
  srv: 33,
  opt: 41,
  ixfr: 251,
  axfr: 252,
} as const;

/** Bytes of an OPT record without options. */
const OPT_BYTES = 11;
const RECORD_HEAD = 12;
const POINTER = 0xc000;
/** Offsets from here on cannot be pointed to. */
const POINTER_END = 0x4000;
/** A pointer to the name in the question. */
export const QUESTION_NAME = POINTER | HEADER_BYTES;

const QR = 0x80;
const AA = 0x04;
const TC = 0x02;
const RD = 0x01;
const OPCODE = 0x78;
const CD = 0x10;
const RA = 0x80;

/** What all replies of a thread have in common. */
export interface ReplyRules {
  /** Size in our OPT. */
  readonly maxUdp: number;
  readonly recursionAvailable: boolean;
}

/** The reply that is being written. One for a thread; allocates nothing. Records that do not fit are not begun. */
export class Reply {
  out: Uint8Array = new Uint8Array(0);
  at = 0;
  answers = 0;
  authorities = 0;
  additionals = 0;
  isCut = false;
  #limit = 0;
  readonly #maxUdp: number;
  readonly #ra: number;

  constructor({ maxUdp, recursionAvailable }: ReplyRules) {
    this.#maxUdp = maxUdp;
    this.#ra = recursionAvailable ? RA : 0;
  }

  /** Copies the question; `limit`: the most bytes that the reply may have. */
  begin(query: Uint8Array, { end, hasOpt }: Question, out: Uint8Array, limit: number): void {
    this.out = out;
    this.#limit = limit - (hasOpt ? OPT_BYTES : 0);
    this.#clear();
    for (let n = HEADER_BYTES; n < end; n++) {
      out[n] = query[n];
    }
    this.at = end;
  }

  /** Forgets all records. */
  rewind({ end }: Question): void {
    this.#clear();
    this.at = end;
  }

  #clear(): void {
    this.answers = 0;
    this.authorities = 0;
    this.additionals = 0;
    this.isCut = false;
  }

  /** Writes the header, and OPT when the question had one. Gives the length. */
  finish(query: Uint8Array, question: Question, rcode: number, isAuthority: boolean): number {
    const { out } = this;
    const hasQuestion = question.end > 0;
    if (question.hasOpt) {
      this.#opt(question, rcode);
    }
    out[0] = query[0];
    out[1] = query[1];
    out[2] = QR | (query[2] & (OPCODE | RD)) | (isAuthority ? AA : 0) | (this.isCut ? TC : 0);
    out[3] = this.#ra | (query[3] & CD) | (rcode & 15);
    out[4] = 0;
    out[5] = hasQuestion ? 1 : 0;
    out[6] = this.answers >> 8;
    out[7] = this.answers;
    out[8] = this.authorities >> 8;
    out[9] = this.authorities;
    out[10] = this.additionals >> 8;
    out[11] = this.additionals;
    return this.at;
  }

  /** Writes a header alone. */
  bare(query: Uint8Array, out: Uint8Array, rcode: number): number {
    out[0] = query[0];
    out[1] = query[1];
    out[2] = QR | (query[2] & (OPCODE | RD));
    out[3] = this.#ra | (query[3] & CD) | rcode;
    for (let n = 4; n < HEADER_BYTES; n++) {
      out[n] = 0;
    }
    return HEADER_BYTES;
  }

  hasRoom(bytes: number): boolean {
    return this.at + bytes <= this.#limit;
  }

  /** Owner (a pointer), type, class IN, TTL and length of a record whose data follows. */
  head(owner: number, type: number, ttl: number, length: number): void {
    const { out, at } = this;
    out[at] = owner >> 8;
    out[at + 1] = owner;
    out[at + 2] = type >> 8;
    out[at + 3] = type;
    out[at + 4] = 0;
    out[at + 5] = 1;
    out[at + 6] = ttl >>> 24;
    out[at + 7] = ttl >> 16;
    out[at + 8] = ttl >> 8;
    out[at + 9] = ttl;
    out[at + 10] = length >> 8;
    out[at + 11] = length;
    this.at = at + RECORD_HEAD;
  }

  /** As `head`, with the data; false when there is no room. */
  record(owner: number, type: number, ttl: number, from: Uint8Array, start: number, length: number): boolean {
    if (!this.hasRoom(RECORD_HEAD + length)) {
      return false;
    }
    this.head(owner, type, ttl, length);
    this.bytes(from, start, start + length);
    return true;
  }

  bytes(from: Uint8Array, start: number, end: number): void {
    const { out } = this;
    let { at } = this;
    for (let n = start; n < end; n++) {
      out[at++] = from[n];
    }
    this.at = at;
  }

  short(value: number): void {
    this.out[this.at++] = value >> 8;
    this.out[this.at++] = value;
  }

  long(value: number): void {
    this.short(value >>> 16);
    this.short(value & 0xffff);
  }

  /** Sets the length of the data of a record that began at `start` and ends here. */
  close(start: number): void {
    const length = this.at - start - RECORD_HEAD;
    this.out[start + 10] = length >> 8;
    this.out[start + 11] = length;
  }

  #opt({ dnssecOk }: Question, rcode: number): void {
    const { out, at } = this;
    // Nothing is said of sizes to who speaks another version.
    const size = rcode > 15 ? 0 : this.#maxUdp;
    out[at] = 0;
    out[at + 1] = 0;
    out[at + 2] = TYPE.opt;
    out[at + 3] = size >> 8;
    out[at + 4] = size;
    out[at + 5] = rcode >> 4;
    out[at + 6] = 0;
    out[at + 7] = dnssecOk && rcode <= 15 ? 0x80 : 0;
    out[at + 8] = 0;
    out[at + 9] = 0;
    out[at + 10] = 0;
    this.at = at + OPT_BYTES;
    this.additionals++;
  }
}

/** A pointer to a name that was written at `at`, or 0 when it is too far from the start. */
export function pointerTo(at: number): number {
  return at < POINTER_END ? POINTER | at : 0;
}
