import { HEADER_BYTES, lowerName, OPT_BYTES, type Question, TYPE } from "./resolve-question.ts";
import type { WireRecord } from "./resolve-records.ts";

/** An answer ready to be copied: one whole message without OPT, and where its parts are. */
export interface PackedAnswer {
  readonly rcode: number;
  /** Its source had more. */
  readonly truncated: boolean;
  readonly bytes: Uint8Array;
  /** Start of each record, and after them the end of the last. */
  readonly starts: readonly number[];
  /** Where the TTL of each record is. */
  readonly ttls: readonly number[];
  readonly answers: number;
  readonly authority: number;
  /** Records of one name and type that may change places: first and count, by turns. */
  readonly groups: readonly number[];
}

/** Sections of an answer. */
export interface Sections {
  readonly rcode: number;
  readonly truncated?: boolean;
  readonly answers: readonly WireRecord[];
  readonly authority: readonly WireRecord[];
  readonly additional: readonly WireRecord[];
}

/** How an answer goes out. */
export interface Serving {
  /** Bytes that it may have. */
  readonly limit: number;
  /** Seconds, for all records; undefined: each its own. */
  readonly ttl: number | undefined;
  /** Any number: where groups begin. */
  readonly turn: number;
  /** The size that our OPT names. */
  readonly udpSize: number;
  readonly authoritative: boolean;
  readonly recursion: boolean;
}

/** Types whose order says nothing. */
const TURNING: readonly number[] = [TYPE.A, TYPE.AAAA, TYPE.MX];
/** Types in whose data names may be compressed; MX records change places, so nothing may point into them. */
const COMPRESSED: readonly number[] = [TYPE.NS, TYPE.CNAME, TYPE.SOA, TYPE.PTR];
const FARTHEST_POINTER = 0x3fff;
const MAX_MESSAGE_BYTES = 65_535;
const NOTHING = new Uint8Array(0);

/** Packs records into a message about `name` (wire). Records that do not fit into 65,535 bytes are left out, and it counts as truncated. */
export function packAnswer(name: string, type: number, sections: Sections): PackedAnswer {
  const all = [...sections.answers, ...sections.authority, ...sections.additional];
  const most = all.reduce((sum, record) => sum + longest(record), HEADER_BYTES + name.length + 4);
  const writer = new Writer(name, type, Math.min(most, MAX_MESSAGE_BYTES));
  const starts: number[] = [];
  const ttls: number[] = [];
  const groups: number[] = [];
  let truncated = sections.truncated === true;
  const counts = [0, 0, 0];
  for (const [section, records] of [sections.answers, sections.authority, sections.additional].entries()) {
    for (const [at, record] of records.entries()) {
      if (writer.end + longest(record) > MAX_MESSAGE_BYTES) {
        truncated = true;
        break;
      }
      if (section === 0) {
        group(groups, starts.length, record, records[at - 1]);
      }
      starts.push(writer.end);
      ttls.push(writer.record(record));
      counts[section]++;
    }
  }
  starts.push(writer.end);
  const [answers, authority] = counts;
  return { rcode: sections.rcode, truncated, bytes: writer.taken(counts), starts, ttls, answers, authority, groups };
}

/**
 * Writes the answer to `question` into `out` and gives its length. What does not fit is left out whole records at a time; the
 * truncation bit is set unless only additional records are missing. Allocates nothing.
 */
export function serveAnswer(packed: PackedAnswer, question: Question, out: Uint8Array, serving: Serving): number {
  const room = Math.min(serving.limit, out.length) - (question.edns ? OPT_BYTES : 0);
  const { starts, groups } = packed;
  const count = starts.length - 1;
  let end = writeQuestion(question, out);
  let taken = 0;
  let nextGroup = 0;
  let first = 0;
  let size = 0;
  for (; taken < count; taken++) {
    if (taken === first + size && nextGroup < groups.length && groups[nextGroup] === taken) {
      first = groups[nextGroup];
      size = groups[nextGroup + 1];
      nextGroup += 2;
    } else if (taken >= first + size) {
      first = taken;
      size = 1;
    }
    const from = size === 1 ? taken : first + ((taken - first + serving.turn) % size);
    const start = starts[from];
    const length = starts[from + 1] - start;
    if (end + length > room) {
      break;
    }
    for (let i = 0; i < length; i++) {
      out[end + i] = packed.bytes[start + i];
    }
    if (serving.ttl !== undefined) {
      writeLong(out, end + packed.ttls[from] - start, serving.ttl);
    }
    end += length;
  }
  const truncated = packed.truncated || taken < packed.answers + packed.authority;
  out[2] = 0x80 | (serving.authoritative ? 0x04 : 0) | (truncated ? 0x02 : 0) | (question.recursionDesired ? 1 : 0);
  out[3] = (serving.recursion ? 0x80 : 0) | (question.checkingDisabled ? 0x10 : 0) | packed.rcode;
  const inAnswers = Math.min(taken, packed.answers);
  const inAuthority = Math.min(taken - inAnswers, packed.authority);
  writeWord(out, 6, inAnswers);
  writeWord(out, 8, inAuthority);
  writeWord(out, 10, taken - inAnswers - inAuthority + (question.edns ? 1 : 0));
  return question.edns ? writeOpt(out, end, serving.udpSize, question.dnssec) : end;
}

/** An answer without records, to be served like any other. */
export function emptyAnswer(rcode: number, truncated = false): PackedAnswer {
  return { rcode, truncated, bytes: NOTHING, starts: [0], ttls: [], answers: 0, authority: 0, groups: [] };
}

/** Header without flags and counts of records, and the question as it was asked; gives its end. */
function writeQuestion(question: Question, out: Uint8Array): number {
  const { bytes } = question;
  const end = question.nameEnd + 4;
  for (let i = HEADER_BYTES; i < end; i++) {
    out[i] = bytes[i];
  }
  out[0] = bytes[0];
  out[1] = bytes[1];
  writeWord(out, 4, 1);
  return end;
}

function writeOpt(out: Uint8Array, at: number, udpSize: number, dnssec: boolean): number {
  out[at] = 0;
  writeWord(out, at + 1, TYPE.OPT);
  writeWord(out, at + 3, udpSize);
  writeLong(out, at + 5, dnssec ? 0x8000 : 0);
  writeWord(out, at + 9, 0);
  return at + OPT_BYTES;
}

/** Bytes of a record when no name is compressed. */
function longest(record: WireRecord): number {
  const names = record.names.reduce((sum, name) => sum + name.length, 0);
  return record.owner.length + 10 + record.head.length + names + record.tail.length;
}

function group(groups: number[], index: number, record: WireRecord, before: WireRecord | undefined): void {
  if (!TURNING.includes(record.type) || before?.type !== record.type || before.owner !== record.owner) {
    return;
  }
  const last = groups.length - 2;
  if (last >= 0 && groups[last] + groups[last + 1] === index) {
    groups[last + 1]++;
    return;
  }
  groups.push(index - 1, 2);
}

/** Writes names and records, with pointers to names that are there already. */
class Writer {
  end = HEADER_BYTES;
  readonly #bytes: Buffer;
  /** Names and what they end with -> their place. */
  readonly #places = new Map<string, number>();

  constructor(name: string, type: number, size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
    this.#bytes.fill(0, 0, HEADER_BYTES);
    this.#bytes[5] = 1;
    this.#name(name, true);
    writeWord(this.#bytes, this.end, type);
    writeWord(this.#bytes, this.end + 2, 1);
    this.end += 4;
  }

  /** Gives where its TTL is. */
  record(record: WireRecord): number {
    const bytes = this.#bytes;
    this.#name(record.owner, !TURNING.includes(record.type));
    const at = this.end;
    writeWord(bytes, at, record.type);
    writeWord(bytes, at + 2, record.klass);
    writeLong(bytes, at + 4, record.ttl);
    this.end = at + 10;
    this.#raw(record.head);
    for (const name of record.names) {
      if (COMPRESSED.includes(record.type)) {
        this.#name(name, true);
      } else {
        this.end += bytes.write(name, this.end, "latin1");
      }
    }
    this.#raw(record.tail);
    writeWord(bytes, at + 8, this.end - at - 10);
    return at + 4;
  }

  /** The message with its counts of records. */
  taken(counts: readonly number[]): Uint8Array {
    for (const [section, count] of counts.entries()) {
      writeWord(this.#bytes, 6 + 2 * section, count);
    }
    return new Uint8Array(this.#bytes.subarray(0, this.end));
  }

  #raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  /** `remembered`: later names may point here. */
  #name(name: string, remembered: boolean): void {
    const bytes = this.#bytes;
    for (let at = 0; ; at += name.charCodeAt(at) + 1) {
      const size = name.charCodeAt(at);
      if (size === 0) {
        bytes[this.end++] = 0;
        return;
      }
      const rest = lowerName(name.slice(at));
      const place = this.#places.get(rest);
      if (place !== undefined) {
        writeWord(bytes, this.end, 0xc000 | place);
        this.end += 2;
        return;
      }
      if (remembered && this.end <= FARTHEST_POINTER) {
        this.#places.set(rest, this.end);
      }
      this.end += bytes.write(name.slice(at, at + size + 1), this.end, "latin1");
    }
  }
}

function writeWord(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 8;
  out[at + 1] = value;
}

function writeLong(out: Uint8Array, at: number, value: number): void {
  writeWord(out, at, value >>> 16);
  writeWord(out, at + 2, value & 0xffff);
}
