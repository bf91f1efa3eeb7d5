import { brokenFrame } from "./broken.ts";

const BASE64 = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/**
 * Reads the elements of protobuf. Every call leaves in `at` where it stopped, so that nothing is allocated. All of them throw
 * WIRE_BAD_FRAME rather than read behind `end`.
 */
export class ProtobufCursor {
  /** Position behind what was read; for `content` and `find` the end of the content. */
  at = 0;
  #scratch = new Uint8Array(0);

  /** A tag or a length: an unsigned number below 2^31. */
  length(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start];
    if (first < 0x80 && start < end) {
      this.at = start + 1;
      return first;
    }
    if (start + 1 < end && bytes[start + 1] < 0x80) {
      this.at = start + 2;
      return (first & 0x7f) | (bytes[start + 1] << 7);
    }
    return this.#longLength(bytes, start, end);
  }

  #longLength(bytes: Uint8Array, start: number, end: number): number {
    let value = 0;
    let at = start;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= end) {
        throw brokenFrame("a number ends behind its message");
      }
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0x7fffffff) {
          break;
        }
        this.at = at;
        return value;
      }
    }
    throw brokenFrame("a tag or length is too large");
  }

  /** A signed 64-bit number, rounded beyond 2^53. */
  varint(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start];
    if (first < 0x80 && start < end) {
      this.at = start + 1;
      return first;
    }
    let low = 0;
    let high = 0;
    let at = start;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) {
        throw brokenFrame("a number ends behind its message");
      }
      const byte = bytes[at++];
      const bits = byte & 0x7f;
      if (shift < 28) {
        low += bits * 2 ** shift;
      } else {
        high += bits * 2 ** (shift - 28);
      }
      if (byte < 0x80) {
        this.at = at;
        const top = high % 2 ** 36;
        // Bit 63 is the sign; subtracting before scaling keeps small negative numbers exact.
        return (top >= 2 ** 35 ? top - 2 ** 36 : top) * 2 ** 28 + low;
      }
    }
    throw brokenFrame("a number is longer than ten bytes");
  }

  /** A little-endian float64. */
  double(bytes: Uint8Array, start: number, end: number): number {
    if (start + 8 > end) {
      throw brokenFrame("a number ends behind its message");
    }
    this.at = start + 8;
    return new DataView(bytes.buffer, bytes.byteOffset + start, 8).getFloat64(0, true);
  }

  /** The content of a length-delimited field whose length begins at `start`: gives where it begins, `at` is where it ends. */
  content(bytes: Uint8Array, start: number, end: number): number {
    const size = this.length(bytes, start, end);
    const from = this.at;
    if (size > end - from) {
      throw brokenFrame("a field ends behind its message");
    }
    this.at = from + size;
    return from;
  }

  /** Skips the value that follows `tag`; gives the position behind it. */
  skip(bytes: Uint8Array, start: number, end: number, tag: number): number {
    if (tag >>> 3 === 0) {
      throw brokenFrame("field number 0");
    }
    switch (tag & 7) {
      case 0:
        this.#skipVarint(bytes, start, end);
        return this.at;
      case 1:
        return this.#advance(start, 8, end);
      case 2:
        this.content(bytes, start, end);
        return this.at;
      case 5:
        return this.#advance(start, 4, end);
      default:
        throw brokenFrame(`wire type ${tag & 7}`);
    }
  }

  #advance(start: number, size: number, end: number): number {
    if (size > end - start) {
      throw brokenFrame("a field ends behind its message");
    }
    this.at = start + size;
    return this.at;
  }

  #skipVarint(bytes: Uint8Array, start: number, end: number): void {
    const limit = Math.min(end, start + 10);
    for (let at = start; at < limit; at++) {
      if (bytes[at] < 0x80) {
        this.at = at + 1;
        return;
      }
    }
    throw brokenFrame("a number does not end");
  }

  /** The last length-delimited field of that number in a small message; an empty range when there is none. */
  find(bytes: Uint8Array, start: number, end: number, number: number): number {
    const wanted = number * 8 + 2;
    let from = start;
    let to = start;
    let at = start;
    while (at < end) {
      const tag = this.length(bytes, at, end);
      if (tag === wanted) {
        from = this.content(bytes, this.at, end);
        to = this.at;
        at = to;
      } else {
        at = this.skip(bytes, this.at, end, tag);
      }
    }
    this.at = to;
    return from;
  }

  /** The last varint field of that number in a small message; 0 when there is none. */
  findVarint(bytes: Uint8Array, start: number, end: number, number: number): number {
    const wanted = number * 8;
    let value = 0;
    let at = start;
    while (at < end) {
      const tag = this.length(bytes, at, end);
      if (tag === wanted) {
        value = this.varint(bytes, this.at, end);
        at = this.at;
      } else {
        at = this.skip(bytes, this.at, end, tag);
      }
    }
    return value;
  }

  /** Encodes into a buffer that the next call uses again; `at` is the length of the result. */
  base64(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const size = Math.ceil((end - start) / 3) * 4;
    if (this.#scratch.length < size) {
      this.#scratch = new Uint8Array(size);
    }
    const out = this.#scratch;
    let to = 0;
    for (let i = start; i < end; i += 3) {
      const b = i + 1 < end ? bytes[i + 1] : 0;
      const c = i + 2 < end ? bytes[i + 2] : 0;
      out[to] = BASE64[bytes[i] >> 2];
      out[to + 1] = BASE64[((bytes[i] & 3) << 4) | (b >> 4)];
      out[to + 2] = i + 1 < end ? BASE64[((b & 15) << 2) | (c >> 6)] : 0x3d;
      out[to + 3] = i + 2 < end ? BASE64[c & 63] : 0x3d;
      to += 4;
    }
    this.at = to;
    return out;
  }
}
