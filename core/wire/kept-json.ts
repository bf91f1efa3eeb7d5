import { MAX_ROW_WORDS, type RowBuilder } from "../store/row.ts";
import { tooLarge } from "./broken.ts";

const COMMA = 0x2c;

/**
 * Writes the JSON of the object in `bytes[start, end)` into the row as a text and gives its offset. `prefix` replaces the
 * opening brace (items of a list come without apiVersion and kind); the member in `[cutFrom, cutTo)` is left out, unless
 * `cutTo` is 0. Throws WIRE_FRAME_TOO_LARGE.
 */
export function keepJson(
  builder: RowBuilder,
  prefix: Uint8Array | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
  cutFrom: number,
  cutTo: number,
): number {
  const from = prefix === undefined ? start : start + 1;
  const [headEnd, tailStart] = cutTo === 0 ? [end, end] : withComma(bytes, cutFrom, cutTo);
  const size = (prefix?.length ?? 0) + headEnd - from + end - tailStart;
  if (size > MAX_ROW_WORDS * 4) {
    throw tooLarge(size, MAX_ROW_WORDS * 4);
  }
  const at = builder.reserve(1 + ((size + 3) >> 2));
  builder.words[at] = size;
  let to = (at + 1) * 4;
  if (prefix !== undefined) {
    builder.bytes.set(prefix, to);
    to += prefix.length;
  }
  builder.bytes.set(bytes.subarray(from, headEnd), to);
  builder.bytes.set(bytes.subarray(tailStart, end), to + headEnd - from);
  return at;
}

/** A key with its value and one comma beside it: the one before, or for a first key the one behind. */
function withComma(bytes: Uint8Array, from: number, to: number): [from: number, to: number] {
  let before = from - 1;
  while (isSpace(bytes[before])) {
    before--;
  }
  if (bytes[before] === COMMA) {
    return [before, to];
  }
  let behind = to;
  while (isSpace(bytes[behind])) {
    behind++;
  }
  return [from, bytes[behind] === COMMA ? behind + 1 : to];
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
