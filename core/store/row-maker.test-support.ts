import type { CellPlan, RowPlan } from "../kinds/plan.ts";
import { parseVersion } from "../wire/version.ts";
import { ipv4Word } from "./index-plan.ts";
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
  RowBuilder,
} from "./row.ts";
import { uuidWords } from "./row-text.ts";

/** For tests: an object by its fields, as far as they matter. */
export interface RowInput {
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly created?: number;
  readonly deleting?: number;
  /** Values by the plan's field names. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

type Item = Readonly<Record<string, unknown>>;

const encoder = new TextEncoder();

/** For tests: makes rows from plain values, the way the decoders do from bytes. */
export class RowMaker {
  readonly builder = new RowBuilder();
  readonly #plan: RowPlan;
  readonly #interner: Interner;

  constructor(plan: RowPlan, interner: Interner) {
    this.#plan = plan;
    this.#interner = interner;
  }

  make(input: RowInput): RowBuilder {
    const { builder } = this;
    builder.begin(this.#plan.fixedWords);
    this.#set(ROW_NAMESPACE, this.#name(input.namespace ?? ""));
    this.#set(ROW_NAME, this.#text(input.name));
    this.#uid(input.uid ?? "");
    this.#version(input.resourceVersion ?? "");
    this.#set(ROW_CREATED, input.created ?? 0);
    this.#set(ROW_DELETING, input.deleting ?? 0);
    this.#cells(this.#plan.cells, 0, input.fields ?? {});
    builder.finish();
    return builder;
  }

  #cells(cells: readonly CellPlan[], base: number, values: Item): void {
    for (const cell of cells) {
      this.#cell(cell, base + cell.at, values[cell.field]);
    }
  }

  #cell(cell: CellPlan, at: number, value: unknown): void {
    if (value === undefined) {
      if (cell.type === "optionalInt") {
        this.#set(at, ABSENT_INT);
      }
      return;
    }
    switch (cell.type) {
      case "text":
      case "json":
      case "owned":
        this.#set(at, this.#text(String(value)));
        return;
      case "name":
      case "condition":
        this.#set(at, this.#name(String(value)));
        return;
      case "enum": {
        const known = (cell.values ?? []).indexOf(String(value));
        this.#set(at, known >= 0 ? known + 1 : -this.#name(String(value)));
        return;
      }
      case "bool":
        this.#set(at, value === true ? 1 : 0);
        return;
      case "optionalBool":
        this.#set(at, value === true ? 2 : 1);
        return;
      case "ip": {
        const word = ipv4Word(String(value));
        const offset = word === undefined ? this.#text(String(value)) : 0;
        this.#set(at, word === undefined ? 6 : 4);
        this.#set(at + 1, word ?? offset);
        return;
      }
      case "intOrText": {
        const offset = typeof value === "string" ? this.#text(value) : 0;
        this.#set(at, typeof value === "string" ? 2 : 1);
        this.#set(at + 1, typeof value === "number" ? value : offset);
        return;
      }
      case "long": {
        const words = new Int32Array(Float64Array.of(Number(value)).buffer);
        this.#set(at, words[0]);
        this.#set(at + 1, words[1]);
        return;
      }
      case "microTime":
        this.#set(at, Math.floor(Number(value)));
        this.#set(at + 1, Math.round((Number(value) % 1) * 1e6));
        return;
      case "names":
      case "texts":
      case "nameMap":
      case "textMap":
      case "records":
        this.#list(cell, at, value);
        return;
      default:
        this.#set(at, Number(value));
    }
  }

  #list(cell: CellPlan, at: number, value: unknown): void {
    const { builder } = this;
    if (cell.type === "nameMap" || cell.type === "textMap") {
      for (const [key, text] of Object.entries(value as Item)) {
        const content = builder.link(at, 2);
        this.#set(content, this.#name(key));
        this.#set(content + 1, cell.type === "nameMap" ? this.#name(String(text)) : this.#text(String(text)));
      }
      return;
    }
    for (const item of value as readonly unknown[]) {
      if (cell.type === "records") {
        const content = builder.link(at, cell.element?.words ?? 0);
        this.#cells(cell.element?.cells ?? [], content - 1, item as Item);
      } else {
        const content = builder.link(at, 1);
        this.#set(content, cell.type === "names" ? this.#name(String(item)) : this.#text(String(item)));
      }
    }
  }

  #uid(uid: string): void {
    const words = uuidWords(uid);
    if (words !== undefined) {
      this.builder.words.set(words, ROW_UID);
    } else if (uid !== "") {
      this.#set(ROW_UID, this.#text(uid));
      this.builder.words[ROW_FLAGS] |= FLAG_UID_TEXT;
    }
  }

  #version(version: string): void {
    const bytes = encoder.encode(version);
    if (version !== "" && !parseVersion(bytes, 0, bytes.length, this.builder.words, ROW_VERSION)) {
      const offset = this.#text(version);
      this.builder.words[ROW_VERSION] = offset;
      this.builder.words[ROW_VERSION + 1] = 0;
      this.builder.words[ROW_FLAGS] |= FLAG_VERSION_TEXT;
    }
  }

  #name(value: string): number {
    const bytes = encoder.encode(value);
    return bytes.length === 0 ? 0 : this.#interner.intern(bytes, 0, bytes.length);
  }

  #text(value: string): number {
    const bytes = encoder.encode(value);
    return this.builder.text(bytes, 0, bytes.length);
  }

  #set(at: number, value: number): void {
    this.builder.words[at] = value;
  }
}
