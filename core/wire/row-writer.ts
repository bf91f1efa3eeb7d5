import {
  ABSENT_INT,
  FLAG_UID_TEXT,
  FLAG_VERSION_TEXT,
  type Interner,
  ROW_FLAGS,
  ROW_UID,
  ROW_VERSION,
  type RowBuilder,
} from "../store/row.ts";
import { parseVersion } from "./version.ts";

const MAX_INT = 0x7fffffff;
/** The smallest value is what "absent" looks like, so numbers stop one above it. */
const MIN_INT = ABSENT_INT + 1;
const MAX_SECONDS = 0xffffffff;

/** How far back a map is searched for a key that came twice; the API server never sends one twice. */
const DUPLICATE_SEARCH = 64;

/** Puts values into the cells of the row that is being built; used by both wire formats. `at` counts from the row's start. */
export class RowWriter {
  readonly builder: RowBuilder;
  readonly interner: Interner;

  constructor(builder: RowBuilder, interner: Interner) {
    this.builder = builder;
    this.interner = interner;
  }

  text(at: number, bytes: Uint8Array, start: number, end: number): void {
    const offset = this.builder.text(bytes, start, end);
    this.builder.words[at] = offset;
  }

  name(at: number, bytes: Uint8Array, start: number, end: number): void {
    this.builder.words[at] = this.intern(bytes, start, end);
  }

  enum(at: number, values: readonly Uint8Array[], bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value.length === size && sameBytes(value, bytes, start)) {
        this.builder.words[at] = i + 1;
        return;
      }
    }
    this.builder.words[at] = -this.intern(bytes, start, end);
  }

  int(at: number, value: number): void {
    this.builder.words[at] = clamp(value);
  }

  /** Adds to what is there. */
  add(at: number, value: number): void {
    this.builder.words[at] = clamp(this.builder.words[at] + clamp(value));
  }

  bool(at: number, value: boolean): void {
    this.builder.words[at] = value ? 1 : 0;
  }

  optionalBool(at: number, value: boolean): void {
    this.builder.words[at] = value ? 2 : 1;
  }

  /** Two words, the low one first. */
  long(at: number, value: number): void {
    LONG[0] = value;
    this.builder.words[at] = LONG_WORDS[0];
    this.builder.words[at + 1] = LONG_WORDS[1];
  }

  time(at: number, seconds: number): void {
    this.builder.words[at] = clampSeconds(seconds) | 0;
  }

  microTime(at: number, seconds: number, micros: number): void {
    const whole = clampSeconds(seconds);
    this.builder.words[at] = whole | 0;
    this.builder.words[at + 1] = whole === 0 ? 0 : micros;
  }

  ip(at: number, bytes: Uint8Array, start: number, end: number): void {
    const words = this.builder.words;
    words[at + 1] = 0;
    if (start === end) {
      words[at] = 0;
      return;
    }
    if (parseIpv4(bytes, start, end, words, at + 1)) {
      words[at] = 4;
      return;
    }
    const offset = this.builder.text(bytes, start, end);
    this.builder.words[at] = looksLikeIpv6(bytes, start, end) ? 6 : 1;
    this.builder.words[at + 1] = offset;
  }

  /** `intOrText` holding a number. */
  intOf(at: number, value: number): void {
    this.builder.words[at] = 1;
    this.builder.words[at + 1] = clamp(value);
  }

  /** `intOrText` holding a string. */
  textOf(at: number, bytes: Uint8Array, start: number, end: number): void {
    const offset = this.builder.text(bytes, start, end);
    this.builder.words[at] = 2;
    this.builder.words[at + 1] = offset;
  }

  appendName(at: number, bytes: Uint8Array, start: number, end: number): void {
    const id = this.intern(bytes, start, end);
    const content = this.builder.link(at, 1);
    this.builder.words[content] = id;
  }

  appendText(at: number, bytes: Uint8Array, start: number, end: number): void {
    const content = this.builder.link(at, 1);
    const offset = this.builder.text(bytes, start, end);
    this.builder.words[content] = offset;
  }

  /** Gives the content of the entry with that key: a new one, or the one that had the key before. */
  entry(at: number, bytes: Uint8Array, start: number, end: number): number {
    const key = this.intern(bytes, start, end);
    let words = this.builder.words;
    let link = words[at];
    for (let i = 0; link !== 0 && i < DUPLICATE_SEARCH; i++) {
      if (words[link + 1] === key) {
        words[link + 2] = 0;
        return link + 1;
      }
      link = words[link];
    }
    const content = this.builder.link(at, 2);
    words = this.builder.words;
    words[content] = key;
    return content;
  }

  /** Interned id; 0 for an empty string. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    return end > start ? this.interner.intern(bytes, start, end) : 0;
  }

  uid(bytes: Uint8Array, start: number, end: number): void {
    const words = this.builder.words;
    words[ROW_FLAGS] &= ~FLAG_UID_TEXT;
    if (parseUuid(bytes, start, end, words)) {
      return;
    }
    words.fill(0, ROW_UID, ROW_UID + 4);
    const offset = this.builder.text(bytes, start, end);
    if (offset !== 0) {
      this.builder.words[ROW_UID] = offset;
      this.builder.words[ROW_FLAGS] |= FLAG_UID_TEXT;
    }
  }

  version(bytes: Uint8Array, start: number, end: number): void {
    const words = this.builder.words;
    words[ROW_FLAGS] &= ~FLAG_VERSION_TEXT;
    if (parseVersion(bytes, start, end, words, ROW_VERSION)) {
      return;
    }
    words[ROW_VERSION + 1] = 0;
    const offset = this.builder.text(bytes, start, end);
    this.builder.words[ROW_VERSION] = offset;
    if (offset !== 0) {
      this.builder.words[ROW_FLAGS] |= FLAG_VERSION_TEXT;
    }
  }
}

const LONG = new Float64Array(1);
const LONG_WORDS = new Int32Array(LONG.buffer);

/** True when `bytes` from `start` on begins with `value`; the caller has compared the lengths. */
export function sameBytes(value: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < value.length; i++) {
    if (value[i] !== bytes[start + i]) {
      return false;
    }
  }
  return true;
}

function clamp(value: number): number {
  return value > MAX_INT ? MAX_INT : value < MIN_INT ? MIN_INT : Math.trunc(value);
}

function clampSeconds(seconds: number): number {
  return seconds <= 0 ? 0 : seconds > MAX_SECONDS ? MAX_SECONDS : Math.trunc(seconds);
}

/** Canonical dotted form only, so that the text can be made again from the word. */
function parseIpv4(bytes: Uint8Array, start: number, end: number, words: Int32Array, at: number): boolean {
  if (end - start < 7 || end - start > 15) {
    return false;
  }
  let word = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = bytes[i];
    if (code === 0x2e) {
      if (digits === 0 || ++dots > 3) {
        return false;
      }
      word = (word << 8) | part;
      part = 0;
      digits = 0;
      continue;
    }
    const digit = code - 0x30;
    if (digit < 0 || digit > 9 || (digits > 0 && part === 0)) {
      return false;
    }
    part = part * 10 + digit;
    digits++;
    if (part > 255) {
      return false;
    }
  }
  if (dots !== 3 || digits === 0) {
    return false;
  }
  words[at] = (word << 8) | part;
  return true;
}

function looksLikeIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (bytes[i] === 0x3a) {
      return true;
    }
  }
  return false;
}

/** Lower-case 8-4-4-4-12 only, and not the nil UUID, whose words mean "none". */
function parseUuid(bytes: Uint8Array, start: number, end: number, words: Int32Array): boolean {
  if (end - start !== 36) {
    return false;
  }
  let word = 0;
  let nibbles = 0;
  let any = 0;
  for (let i = 0; i < 36; i++) {
    const code = bytes[start + i];
    if (i === 8 || i === 13 || i === 18 || i === 23) {
      if (code !== 0x2d) {
        return false;
      }
      continue;
    }
    const nibble = code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
    if (nibble < 0) {
      return false;
    }
    word = (word << 4) | nibble;
    any |= nibble;
    if ((++nibbles & 7) === 0) {
      words[ROW_UID + (nibbles >> 3) - 1] = word;
    }
  }
  return any !== 0;
}
