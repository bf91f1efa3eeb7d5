import { FLAG_VERSION_TEXT, type Interner, ROW_FLAGS, ROW_NAME, ROW_VERSION, type RowBuilder } from "../store/row.ts";
import { versionText } from "../wire/version.ts";

const decoder = new TextDecoder();

/** The text at a word offset of the row being built. */
function textAt(row: RowBuilder, at: number): string {
  if (at === 0) {
    return "";
  }
  const start = (at + 1) << 2;
  return decoder.decode(row.bytes.subarray(start, start + row.words[at]));
}

/** metadata.name of the row. Makes a string: not for hot paths. */
export function nameOf(row: RowBuilder): string {
  return textAt(row, row.words[ROW_NAME]);
}

/** metadata.resourceVersion of the row. Makes a string: not for hot paths. */
export function versionOf(row: RowBuilder): string {
  if ((row.words[ROW_FLAGS] & FLAG_VERSION_TEXT) !== 0) {
    return textAt(row, row.words[ROW_VERSION]);
  }
  return versionText(row.words, ROW_VERSION);
}

/** An interner of its own for rows that never enter a store; gives the texts back. */
export class TextInterner implements Interner {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [""];

  intern(bytes: Uint8Array, start: number, end: number): number {
    const text = decoder.decode(bytes.subarray(start, end));
    const known = this.#ids.get(text);
    if (known !== undefined) {
      return known;
    }
    const id = this.#texts.length;
    this.#texts.push(text);
    this.#ids.set(text, id);
    return id;
  }

  /** The text of an id that `intern` gave; "" for 0. */
  text(id: number): string {
    return this.#texts[id] ?? "";
  }
}
