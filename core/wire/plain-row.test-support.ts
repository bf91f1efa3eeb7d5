import type { CellPlan, RowPlan } from "../kinds/plan.ts";
import {
  ABSENT_INT,
  FLAG_UID_TEXT,
  FLAG_VERSION_TEXT,
  type Interner,
  ROW_CREATED,
  ROW_DELETING,
  ROW_FLAGS,
  ROW_NAME,
  ROW_NAMESPACE,
  ROW_UID,
  ROW_VERSION,
} from "../store/row.ts";
import { versionText } from "./version.ts";

const decoder = new TextDecoder();

/** A dictionary as simple as can be. */
export class MapInterner implements Interner {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [""];

  intern(bytes: Uint8Array, start: number, end: number): number {
    const text = Buffer.from(bytes.subarray(start, end)).toString("latin1");
    const known = this.#ids.get(text);
    if (known !== undefined) {
      return known;
    }
    this.#ids.set(text, this.#texts.length);
    this.#texts.push(decoder.decode(bytes.subarray(start, end)));
    return this.#texts.length - 1;
  }

  text(id: number): string {
    return this.#texts[id];
  }
}

/** A finished row as a plain object: header and every cell by its field name. */
export function plainRow(plan: RowPlan, words: Int32Array, interner: MapInterner): Record<string, unknown> {
  const row = new PlainRow(words, interner);
  const flags = words[ROW_FLAGS];
  const uid = Array.from(words.subarray(ROW_UID, ROW_UID + 4), (word) => (word >>> 0).toString(16).padStart(8, "0"));
  const hasUid = words.subarray(ROW_UID, ROW_UID + 4).some((word) => word !== 0);
  return {
    namespace: interner.text(words[ROW_NAMESPACE]),
    name: row.text(words[ROW_NAME]),
    uid: flags & FLAG_UID_TEXT ? row.text(words[ROW_UID]) : hasUid ? uid.join("") : undefined,
    resourceVersion: flags & FLAG_VERSION_TEXT ? row.text(words[ROW_VERSION]) : versionText(words, ROW_VERSION),
    created: words[ROW_CREATED] >>> 0,
    deleting: words[ROW_DELETING] >>> 0,
    cells: row.cells(plan.cells, 0),
  };
}

class PlainRow {
  readonly #words: Int32Array;
  readonly #interner: MapInterner;

  constructor(words: Int32Array, interner: MapInterner) {
    this.#words = words;
    this.#interner = interner;
  }

  text(offset: number): string | undefined {
    if (offset === 0) {
      return undefined;
    }
    const bytes = new Uint8Array(this.#words.buffer, this.#words.byteOffset + (offset + 1) * 4, this.#words[offset]);
    return decoder.decode(bytes);
  }

  cells(cells: readonly CellPlan[], base: number): Record<string, unknown> {
    return Object.fromEntries(cells.map((cell) => [cell.field, this.#cell(cell, base + cell.at)]));
  }

  #links(at: number): number[] {
    const links: number[] = [];
    for (let link = this.#words[at]; link !== 0; link = this.#words[link]) {
      links.push(link);
    }
    return links;
  }

  #cell(cell: CellPlan, at: number): unknown {
    const words = this.#words;
    const word = words[at];
    switch (cell.type) {
      case "text":
      case "json":
        return this.text(word);
      case "owned":
        return word === 0 ? undefined : JSON.parse(this.text(word) ?? "");
      case "name":
      case "condition":
        return this.#interner.text(word);
      case "enum":
        return word > 0 ? cell.values?.[word - 1] : this.#interner.text(-word);
      case "int":
      case "sum":
      case "count":
      case "bool":
      case "optionalBool":
        return word;
      case "optionalInt":
        return word === ABSENT_INT ? undefined : word;
      case "long":
        return new Float64Array(Int32Array.of(word, words[at + 1]).buffer)[0];
      case "time":
        return word >>> 0;
      case "microTime":
        return [word >>> 0, words[at + 1]];
      case "ip":
        return [word, word === 4 || word === 0 ? words[at + 1] : this.text(words[at + 1])];
      case "intOrText":
        return [word, word === 2 ? this.text(words[at + 1]) : words[at + 1]];
      case "names":
        return this.#links(at).map((link) => this.#interner.text(words[link + 1]));
      case "texts":
        return this.#links(at).map((link) => this.text(words[link + 1]));
      case "nameMap":
        return Object.fromEntries(
          this.#links(at).map((link) => [this.#interner.text(words[link + 1]), this.#interner.text(words[link + 2])]),
        );
      case "textMap":
        return Object.fromEntries(
          this.#links(at).map((link) => [this.#interner.text(words[link + 1]), this.text(words[link + 2])]),
        );
      case "records":
        return this.#links(at).map((link) => this.cells(cell.element?.cells ?? [], link));
    }
  }
}

/** A dictionary that finds strings by a hash of their bytes, as the store's does: makes no strings. */
export class HashInterner implements Interner {
  #table = new Int32Array(1 << 16);
  #starts = new Int32Array(1 << 15);
  #bytes = new Uint8Array(1 << 22);
  #used = 0;
  #count = 0;

  intern(bytes: Uint8Array, start: number, end: number): number {
    let hash = 0x811c9dc5;
    for (let i = start; i < end; i++) {
      hash = Math.imul(hash ^ bytes[i], 0x01000193);
    }
    const mask = this.#table.length - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const id = this.#table[slot];
      if (id === 0) {
        return this.#add(slot, bytes, start, end);
      }
      if (this.#is(id, bytes, start, end)) {
        return id;
      }
    }
  }

  #is(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#starts[id];
    if (this.#starts[id + 1] - from !== end - start) {
      return false;
    }
    for (let i = start; i < end; i++) {
      if (this.#bytes[from + i - start] !== bytes[i]) {
        return false;
      }
    }
    return true;
  }

  #add(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const id = ++this.#count;
    this.#table[slot] = id;
    this.#bytes.set(bytes.subarray(start, end), this.#used);
    this.#used += end - start;
    this.#starts[id] = this.#used - (end - start);
    this.#starts[id + 1] = this.#used;
    return id;
  }
}
