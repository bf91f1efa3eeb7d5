import { brokenFrame } from "./broken.ts";

/** Thrown when the bytes end inside a value; the reader waits for more, or calls the frame broken. */
export const NEED_MORE = Symbol("need more bytes");

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Reads the tokens of JSON without making strings or objects. Every call leaves in `at` where it stopped. Throws NEED_MORE
 * when `end` comes first, and WIRE_BAD_FRAME for anything that is not JSON (what is skipped is checked only for its strings
 * and brackets).
 */
export class JsonCursor {
  at = 0;
  /** Content of the last `string`: in `source` from `from` to `to`. */
  source: Uint8Array = new Uint8Array(0);
  from = 0;
  to = 0;
  #scratch = new Uint8Array(256);

  /** Position of the next byte that is no white space. */
  space(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const code = bytes[at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) {
        return at;
      }
    }
    throw NEED_MORE;
  }

  /** Reads the string whose quote is at `start`. */
  string(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start + 1; at < end; at++) {
      const code = bytes[at];
      if (code === QUOTE) {
        this.source = bytes;
        this.from = start + 1;
        this.to = at;
        this.at = at + 1;
        return;
      }
      if (code === BACKSLASH) {
        this.#escaped(bytes, start + 1, at, end);
        return;
      }
    }
    throw NEED_MORE;
  }

  /** Skips the string whose quote is at `start`. */
  skipString(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start + 1; at < end; at++) {
      const code = bytes[at];
      if (code === QUOTE) {
        return at + 1;
      }
      if (code === BACKSLASH) {
        at++;
      }
    }
    throw NEED_MORE;
  }

  /** Skips the value that begins at `start`; gives the position behind it. */
  skip(bytes: Uint8Array, start: number, end: number): number {
    const code = bytes[start];
    if (code === QUOTE) {
      return this.skipString(bytes, start, end);
    }
    if (code !== 0x7b && code !== 0x5b) {
      return this.literal(bytes, start, end);
    }
    let depth = 0;
    let at = start;
    while (at < end) {
      switch (bytes[at++]) {
        case QUOTE:
          at = this.skipString(bytes, at - 1, end);
          break;
        case 0x7b:
        case 0x5b:
          depth++;
          break;
        case 0x7d:
        case 0x5d:
          if (--depth === 0) {
            return at;
          }
          break;
      }
    }
    throw NEED_MORE;
  }

  /** The end of a number, true, false or null that begins at `start`. */
  literal(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const code = bytes[at];
      const part =
        (code >= 0x30 && code <= 0x39) ||
        (code >= 0x61 && code <= 0x7a) ||
        code === 0x2d ||
        code === 0x2b ||
        code === 0x2e ||
        code === 0x45;
      if (!part) {
        break;
      }
      at++;
    }
    if (at === end) {
      throw NEED_MORE;
    }
    if (at === start || !isLiteral(bytes, start, at)) {
      throw brokenFrame("a JSON value cannot be read");
    }
    return at;
  }

  /** The number that begins at `start`; NaN for another literal. `at` is behind it. */
  number(bytes: Uint8Array, start: number, end: number): number {
    const to = this.literal(bytes, start, end);
    this.at = to;
    const negative = bytes[start] === 0x2d;
    let value = 0;
    for (let i = negative ? start + 1 : start; i < to; i++) {
      const digit = bytes[i] - 0x30;
      if (digit < 0 || digit > 9) {
        return Number(String.fromCharCode(...bytes.subarray(start, Math.min(to, start + 400))));
      }
      value = value * 10 + digit;
    }
    return negative ? -value : value;
  }

  /** A string with escapes, from `start` to its quote; the first backslash is at `first`. */
  #escaped(bytes: Uint8Array, start: number, first: number, end: number): void {
    const close = this.skipString(bytes, first - 1, end) - 1;
    if (this.#scratch.length < close - start) {
      this.#scratch = new Uint8Array((close - start) * 2);
    }
    const out = this.#scratch;
    out.set(bytes.subarray(start, first));
    let to = first - start;
    let at = first;
    while (at < close) {
      const code = bytes[at];
      if (code !== BACKSLASH) {
        out[to++] = code;
        at++;
        continue;
      }
      if (bytes[at + 1] === 0x75) {
        const point = codePoint(bytes, at, close);
        to = writeUtf8(out, to, point);
        at += point > 0xffff ? 12 : 6;
        continue;
      }
      out[to++] = simpleEscape(bytes[at + 1]);
      at += 2;
    }
    this.source = out;
    this.from = 0;
    this.to = to;
    this.at = close + 1;
  }
}

function isLiteral(bytes: Uint8Array, start: number, end: number): boolean {
  const code = bytes[start];
  if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
    return bytes[end - 1] >= 0x30 && bytes[end - 1] <= 0x39;
  }
  const size = end - start;
  const known = code === 0x74 ? "true" : code === 0x66 ? "false" : "null";
  if (size !== known.length) {
    return false;
  }
  for (let i = 0; i < size; i++) {
    if (bytes[start + i] !== known.charCodeAt(i)) {
      return false;
    }
  }
  return true;
}

function simpleEscape(code: number): number {
  switch (code) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
      return code;
    case 0x62:
      return 8;
    case 0x66:
      return 12;
    case 0x6e:
      return 10;
    case 0x72:
      return 13;
    case 0x74:
      return 9;
    default:
      throw brokenFrame("a JSON string has an unknown escape");
  }
}

/** The code point of the \u escape at `at`, of both where two of them are a surrogate pair; a lone surrogate is U+FFFD. */
function codePoint(bytes: Uint8Array, at: number, end: number): number {
  const unit = hex4(bytes, at + 2, end);
  if (unit < 0xd800 || unit > 0xdfff) {
    return unit;
  }
  if (unit < 0xdc00 && at + 12 <= end && bytes[at + 6] === BACKSLASH && bytes[at + 7] === 0x75) {
    const low = hex4(bytes, at + 8, end);
    if (low >= 0xdc00 && low <= 0xdfff) {
      return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  return 0xfffd;
}

function hex4(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const code = i < end ? bytes[i] | 0x20 : 0;
    const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
    if (digit < 0) {
      throw brokenFrame("a JSON string has a bad \\u escape");
    }
    value = value * 16 + digit;
  }
  return value;
}

function writeUtf8(out: Uint8Array, to: number, point: number): number {
  if (point < 0x80) {
    out[to] = point;
    return to + 1;
  }
  if (point < 0x800) {
    out[to] = 0xc0 | (point >> 6);
    out[to + 1] = 0x80 | (point & 0x3f);
    return to + 2;
  }
  if (point < 0x10000) {
    out[to] = 0xe0 | (point >> 12);
    out[to + 1] = 0x80 | ((point >> 6) & 0x3f);
    out[to + 2] = 0x80 | (point & 0x3f);
    return to + 3;
  }
  out[to] = 0xf0 | (point >> 18);
  out[to + 1] = 0x80 | ((point >> 12) & 0x3f);
  out[to + 2] = 0x80 | ((point >> 6) & 0x3f);
  out[to + 3] = 0x80 | (point & 0x3f);
  return to + 4;
}
