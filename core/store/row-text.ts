import { versionText } from "../wire/version.ts";
import { hashBytes, mixIn, sameStretch } from "./hash.ts";
import { FLAG_UID_TEXT, FLAG_VERSION_TEXT, ROW_FLAGS, ROW_NAME, ROW_NAMESPACE, ROW_UID, ROW_VERSION } from "./row.ts";

/** A row somewhere in memory: in the store, or in the builder. */
export interface RowPlace {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Position of the row's first word. */
  readonly at: number;
}

/** Hash of an object's key. */
export function keyHash(words: Int32Array, bytes: Uint8Array, row: number): number {
  const name = row + words[row + ROW_NAME];
  const start = (name + 1) * 4;
  return mixIn(hashBytes(bytes, start, start + words[name]), words[row + ROW_NAMESPACE]);
}

/** Hash of the uid, 0 when there is none. */
export function uidHash(words: Int32Array, bytes: Uint8Array, row: number): number {
  const uid = row + ROW_UID;
  if ((words[row + ROW_FLAGS] & FLAG_UID_TEXT) !== 0) {
    const text = row + words[uid];
    return hashBytes(bytes, (text + 1) * 4, (text + 1) * 4 + words[text]) || 1;
  }
  return uidWordsHash(words[uid], words[uid + 1], words[uid + 2], words[uid + 3]);
}

/** Hash of a UUID, 0 for none. */
export function uidWordsHash(a: number, b: number, c: number, d: number): number {
  return (a | b | c | d) === 0 ? 0 : mixIn(mixIn(mixIn(mixIn(0, a), b), c), d) || 1;
}

/** True when the texts at two word positions are the same; 0 in place of an offset means absent. */
function sameText(a: RowPlace, aOffset: number, b: RowPlace, bOffset: number): boolean {
  if (aOffset === 0 || bOffset === 0) {
    return aOffset === bOffset;
  }
  const from = a.at + aOffset;
  const to = b.at + bOffset;
  const size = a.words[from];
  return size === b.words[to] && sameStretch(a.bytes, (from + 1) * 4, b.bytes, (to + 1) * 4, size);
}

/** Same namespace and name. */
export function sameKey(a: RowPlace, b: RowPlace): boolean {
  return (
    a.words[a.at + ROW_NAMESPACE] === b.words[b.at + ROW_NAMESPACE] &&
    sameText(a, a.words[a.at + ROW_NAME], b, b.words[b.at + ROW_NAME])
  );
}

/** Same uid, or both without. */
export function sameUid(a: RowPlace, b: RowPlace): boolean {
  const from = a.at + ROW_UID;
  const to = b.at + ROW_UID;
  const flag = a.words[a.at + ROW_FLAGS] & FLAG_UID_TEXT;
  if (flag !== (b.words[b.at + ROW_FLAGS] & FLAG_UID_TEXT)) {
    return false;
  }
  if (flag !== 0) {
    return sameText(a, a.words[from], b, b.words[to]);
  }
  return (
    a.words[from] === b.words[to] &&
    a.words[from + 1] === b.words[to + 1] &&
    a.words[from + 2] === b.words[to + 2] &&
    a.words[from + 3] === b.words[to + 3]
  );
}

/** Same resourceVersion. Two rows without one are not the same. */
export function sameVersion(a: RowPlace, b: RowPlace): boolean {
  const from = a.at + ROW_VERSION;
  const to = b.at + ROW_VERSION;
  const flag = a.words[a.at + ROW_FLAGS] & FLAG_VERSION_TEXT;
  if (flag !== (b.words[b.at + ROW_FLAGS] & FLAG_VERSION_TEXT)) {
    return false;
  }
  if (flag !== 0) {
    return sameText(a, a.words[from], b, b.words[to]);
  }
  const low = a.words[from];
  const high = a.words[from + 1];
  return (low | high) !== 0 && low === b.words[to] && high === b.words[to + 1];
}

/** The text at an offset of the row, "" for none. */
export function textAt(words: Int32Array, text: Buffer, row: number, offset: number): string {
  if (offset === 0) {
    return "";
  }
  const at = row + offset;
  return text.toString("utf8", (at + 1) * 4, (at + 1) * 4 + words[at]);
}

/** metadata.uid, "" for none. */
export function uidText(words: Int32Array, text: Buffer, row: number): string {
  const uid = row + ROW_UID;
  if ((words[row + ROW_FLAGS] & FLAG_UID_TEXT) !== 0) {
    return textAt(words, text, row, words[uid]);
  }
  if ((words[uid] | words[uid + 1] | words[uid + 2] | words[uid + 3]) === 0) {
    return "";
  }
  const b = hex(words[uid + 1]);
  const c = hex(words[uid + 2]);
  return `${hex(words[uid])}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${hex(words[uid + 3])}`;
}

/** metadata.resourceVersion, "" for none. */
export function resourceVersionText(words: Int32Array, text: Buffer, row: number): string {
  const version = row + ROW_VERSION;
  if ((words[row + ROW_FLAGS] & FLAG_VERSION_TEXT) !== 0) {
    return textAt(words, text, row, words[version]);
  }
  return (words[version] | words[version + 1]) === 0 ? "" : versionText(words, version);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

/** The four words of a UUID in its canonical form, or undefined. */
export function uuidWords(uid: string): readonly [number, number, number, number] | undefined {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uid)) {
    return undefined;
  }
  const digits = uid.replaceAll("-", "");
  const word = (i: number): number => Number.parseInt(digits.slice(i * 8, i * 8 + 8), 16) | 0;
  return [word(0), word(1), word(2), word(3)];
}
