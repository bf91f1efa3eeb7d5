import { isHidden } from "../kinds/owned.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { ABSENT_INT, ELEMENT_HEADER, type Interner, ROW_NAME, ROW_VERSION, type RowBuilder } from "../store/row.ts";
import { badObject, brokenFrame } from "./broken.ts";
import type { KindCheck } from "./envelope.ts";
import type { JsonCursor } from "./json-cursor.ts";
import { compileJson, conditionCell, find, JSON_OP, type JsonNode, type JsonStep } from "./json-tree.ts";
import { keepJson } from "./kept-json.ts";
import { OwnedReader } from "./owned-json.ts";
import { parseTime } from "./rfc3339.ts";
import { RowWriter, sameBytes } from "./row-writer.ts";
import { OP } from "./tree.ts";

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;

const TYPE = new TextEncoder().encode("type");
const STATUS = new TextEncoder().encode("status");

/** Reads objects of one plan from JSON into rows: takes the declared fields, skips everything else by its structure. */
export class JsonRowReader {
  readonly #plan: RowPlan;
  readonly #root: JsonNode;
  readonly #writer: RowWriter;
  readonly #builder: RowBuilder;
  readonly #cursor: JsonCursor;
  readonly #check: KindCheck;
  readonly #jsonAt: number;
  readonly #typePrefix: Uint8Array;
  readonly #time = { seconds: 0, micros: 0 };
  #base = 0;
  /** Quote of the key whose value is being read. */
  #keyAt = 0;
  /** What is left out of the kept JSON. */
  #cutFrom = 0;
  #cutTo = 0;
  #sawKind = false;
  /** Cells of what field managers own. */
  readonly #owned: readonly { readonly at: number; readonly reader: OwnedReader }[];
  /** Where managedFields are; 0: not seen. */
  #managersAt = 0;

  constructor(plan: RowPlan, interner: Interner, builder: RowBuilder, cursor: JsonCursor, check: KindCheck) {
    this.#plan = plan;
    this.#root = compileJson(plan);
    this.#writer = new RowWriter(builder, interner);
    this.#builder = builder;
    this.#cursor = cursor;
    this.#check = check;
    this.#jsonAt = plan.cells.find((cell) => cell.type === "json")?.at ?? 0;
    this.#owned = plan.cells
      .filter((cell) => cell.type === "owned")
      .map((cell) => ({ at: cell.at, reader: new OwnedReader(cell.manager ?? "", isHidden(plan), cursor) }));
    const { kind, apiVersion } = plan;
    this.#typePrefix = new TextEncoder().encode(
      `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`,
    );
  }

  /**
   * Leaves a finished row of the object whose brace is at `start` in the builder; gives the position behind it. Throws
   * NEED_MORE, WIRE_BAD_FRAME, WIRE_BAD_OBJECT, WIRE_WRONG_KIND, STORE_ROW_TOO_LARGE.
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    const builder = this.#builder;
    if (bytes[start] !== OPEN_OBJECT) {
      throw brokenFrame("an object does not begin with a brace");
    }
    builder.begin(this.#plan.fixedWords);
    this.#base = 0;
    this.#cutFrom = 0;
    this.#cutTo = 0;
    this.#sawKind = false;
    this.#managersAt = 0;
    this.#presets(this.#root);
    const next = this.#object(this.#root, bytes, start, end);
    if (builder.words[ROW_NAME] === 0) {
      throw badObject(this.#plan, "a name");
    }
    if (builder.words[ROW_VERSION] === 0 && builder.words[ROW_VERSION + 1] === 0) {
      throw badObject(this.#plan, "a resourceVersion");
    }
    if (this.#jsonAt !== 0) {
      const prefix = this.#sawKind ? undefined : this.#typePrefix;
      // First the text, which may move the words.
      const text = keepJson(builder, prefix, bytes, start, next, this.#cutFrom, this.#cutTo);
      builder.words[this.#jsonAt] = text;
    }
    if (this.#managersAt !== 0) {
      for (const { at, reader } of this.#owned) {
        const text = reader.read(bytes, start, next, this.#managersAt, builder);
        builder.words[at] = text;
      }
    }
    builder.finish();
    return next;
  }

  #presets(node: JsonNode): void {
    const absent = node.absentInts;
    for (let i = 0; i < absent.length; i++) {
      this.#builder.words[this.#base + absent[i]] = ABSENT_INT;
    }
  }

  /** Reads the object whose brace is at `start`. */
  #object(node: JsonNode, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    let at = cursor.space(bytes, start + 1, end);
    if (bytes[at] === CLOSE_OBJECT) {
      return at + 1;
    }
    for (;;) {
      if (bytes[at] !== QUOTE) {
        throw brokenFrame("a JSON object has no key where one should be");
      }
      const keyAt = at;
      cursor.string(bytes, at, end);
      const step = find(node, cursor.source, cursor.from, cursor.to);
      at = this.#colon(bytes, cursor.at, end);
      if (step === undefined) {
        at = cursor.skip(bytes, at, end);
      } else {
        this.#keyAt = keyAt;
        at = this.#value(step, bytes, at, end);
      }
      at = cursor.space(bytes, at, end);
      if (bytes[at] === CLOSE_OBJECT) {
        return at + 1;
      }
      at = this.#comma(bytes, at, end);
    }
  }

  #colon(bytes: Uint8Array, start: number, end: number): number {
    const at = this.#cursor.space(bytes, start, end);
    if (bytes[at] !== COLON) {
      throw brokenFrame("a JSON key has no value");
    }
    return this.#cursor.space(bytes, at + 1, end);
  }

  #comma(bytes: Uint8Array, at: number, end: number): number {
    if (bytes[at] !== COMMA) {
      throw brokenFrame("a JSON value is followed by neither comma nor bracket");
    }
    return this.#cursor.space(bytes, at + 1, end);
  }

  /** Reads the value at `start` for a step and all others of the same key. */
  #value(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    let next = start;
    for (let each: JsonStep | undefined = step; each !== undefined; each = each.next) {
      const code = bytes[start];
      if (code === QUOTE) {
        next = this.#string(each, bytes, start, end);
      } else if (code === OPEN_OBJECT) {
        next = this.#inObject(each, bytes, start, end);
      } else if (code === OPEN_LIST) {
        next = this.#inList(each, bytes, start, end);
      } else {
        next = this.#literal(each, bytes, start, end);
      }
    }
    return next;
  }

  #string(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    cursor.string(bytes, start, end);
    const { source, from, to } = cursor;
    const writer = this.#writer;
    const at = this.#base + step.at;
    switch (step.op) {
      case OP.text:
        writer.text(at, source, from, to);
        break;
      case OP.name:
        writer.name(at, source, from, to);
        break;
      case OP.enum:
        writer.enum(at, step.values, source, from, to);
        break;
      case OP.ip:
        writer.ip(at, source, from, to);
        break;
      case OP.intOrText:
        writer.textOf(at, source, from, to);
        break;
      case OP.time:
      case OP.microTime:
        this.#timeValue(step, at, source, from, to);
        break;
      case OP.uid:
        writer.uid(source, from, to);
        break;
      case OP.version:
        writer.version(source, from, to);
        break;
      case JSON_OP.kind:
        this.#check.kind(source, from, to);
        this.#sawKind = true;
        break;
      case JSON_OP.apiVersion:
        this.#check.apiVersion(source, from, to);
        break;
    }
    return cursor.at;
  }

  #timeValue(step: JsonStep, at: number, source: Uint8Array, from: number, to: number): void {
    const time = this.#time;
    if (!parseTime(source, from, to, time)) {
      return;
    }
    if (step.op === OP.time) {
      this.#writer.time(at, time.seconds);
    } else {
      this.#writer.microTime(at, time.seconds, time.micros);
    }
  }

  /** Numbers, booleans and null. */
  #literal(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    const writer = this.#writer;
    const at = this.#base + step.at;
    const code = bytes[start];
    const value = cursor.number(bytes, start, end);
    const next = cursor.at;
    if (Number.isNaN(value)) {
      if (code !== 0x6e && step.op === OP.bool) {
        writer.bool(at, code === 0x74);
      } else if (code !== 0x6e && step.op === OP.optionalBool) {
        writer.optionalBool(at, code === 0x74);
      }
      return next;
    }
    switch (step.op) {
      case OP.int:
      case OP.optionalInt:
        writer.int(at, value);
        break;
      case OP.long:
        writer.long(at, value);
        break;
      case OP.intOrText:
        writer.intOf(at, value);
        break;
      case OP.sum:
        writer.add(step.at, value);
        break;
      case OP.text:
        writer.text(at, bytes, start, next);
        break;
    }
    return next;
  }

  #inObject(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    switch (step.op) {
      case OP.enter:
        return step.node === undefined
          ? this.#cursor.skip(bytes, start, end)
          : this.#object(step.node, bytes, start, end);
      case OP.nameMap:
      case OP.textMap:
        return this.#map(step, bytes, start, end);
      default:
        return this.#whole(step, bytes, start, end);
    }
  }

  /** A value that is skipped, or kept as its JSON text by a `text` field. */
  #whole(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    const keyAt = this.#keyAt;
    const next = this.#cursor.skip(bytes, start, end);
    if (step.op === OP.text) {
      this.#writer.text(this.#base + step.at, bytes, start, next);
    } else if (step.op === JSON_OP.cut) {
      this.#cutFrom = keyAt;
      this.#cutTo = next;
    } else if (step.op === JSON_OP.managedFields) {
      this.#managersAt = start;
    }
    return next;
  }

  #map(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    const writer = this.#writer;
    const cell = this.#base + step.at;
    let at = cursor.space(bytes, start + 1, end);
    if (bytes[at] === CLOSE_OBJECT) {
      return at + 1;
    }
    for (;;) {
      if (bytes[at] !== QUOTE) {
        throw brokenFrame("a JSON object has no key where one should be");
      }
      cursor.string(bytes, at, end);
      const next = cursor.at;
      const content = writer.entry(cell, cursor.source, cursor.from, cursor.to);
      at = this.#colon(bytes, next, end);
      if (bytes[at] === QUOTE) {
        cursor.string(bytes, at, end);
        at = cursor.at;
        if (step.op === OP.nameMap) {
          writer.name(content + 1, cursor.source, cursor.from, cursor.to);
        } else {
          writer.text(content + 1, cursor.source, cursor.from, cursor.to);
        }
      } else {
        const from = at;
        at = cursor.skip(bytes, at, end);
        if (bytes[from] !== 0x6e && step.op === OP.nameMap) {
          writer.name(content + 1, bytes, from, at);
        } else if (bytes[from] !== 0x6e) {
          writer.text(content + 1, bytes, from, at);
        }
      }
      at = cursor.space(bytes, at, end);
      if (bytes[at] === CLOSE_OBJECT) {
        return at + 1;
      }
      at = this.#comma(bytes, at, end);
    }
  }

  #inList(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    if (!LIST_OPS.has(step.op)) {
      return this.#whole(step, bytes, start, end);
    }
    const cursor = this.#cursor;
    let at = cursor.space(bytes, start + 1, end);
    if (bytes[at] === CLOSE_LIST) {
      return at + 1;
    }
    for (;;) {
      at = cursor.space(bytes, this.#element(step, bytes, at, end), end);
      if (bytes[at] === CLOSE_LIST) {
        return at + 1;
      }
      at = this.#comma(bytes, at, end);
    }
  }

  #element(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    const code = bytes[start];
    const cell = this.#base + step.at;
    if (step.op === OP.count) {
      this.#writer.add(step.at, 1);
    } else if (code === QUOTE && (step.op === OP.names || step.op === OP.texts)) {
      const cursor = this.#cursor;
      cursor.string(bytes, start, end);
      if (step.op === OP.names) {
        this.#writer.appendName(cell, cursor.source, cursor.from, cursor.to);
      } else {
        this.#writer.appendText(cell, cursor.source, cursor.from, cursor.to);
      }
      return cursor.at;
    } else if (code === OPEN_OBJECT && step.op === OP.condition) {
      return this.#condition(step, bytes, start, end);
    } else if (code === OPEN_OBJECT && step.node !== undefined) {
      return this.#recordOrEnter(step, step.node, bytes, start, end);
    }
    return this.#cursor.skip(bytes, start, end);
  }

  #recordOrEnter(step: JsonStep, node: JsonNode, bytes: Uint8Array, start: number, end: number): number {
    if (step.op === OP.enter) {
      return this.#object(node, bytes, start, end);
    }
    const outer = this.#base;
    this.#base = this.#builder.link(outer + step.at, step.words) - ELEMENT_HEADER;
    this.#presets(node);
    const next = this.#object(node, bytes, start, end);
    this.#base = outer;
    return next;
  }

  /** An object with `type` and `status`; both may come in any order. */
  #condition(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    let wantedAt = 0;
    let statusAt = 0;
    let at = cursor.space(bytes, start + 1, end);
    while (bytes[at] !== CLOSE_OBJECT) {
      if (bytes[at] !== QUOTE) {
        throw brokenFrame("a JSON object has no key where one should be");
      }
      cursor.string(bytes, at, end);
      const { source, from, to } = cursor;
      const size = to - from;
      const isType = size === TYPE.length && sameBytes(TYPE, source, from);
      const isStatus = size === STATUS.length && sameBytes(STATUS, source, from);
      at = this.#colon(bytes, cursor.at, end);
      if (isType && bytes[at] === QUOTE) {
        cursor.string(bytes, at, end);
        wantedAt = conditionCell(step, cursor.source, cursor.from, cursor.to);
      } else if (isStatus && bytes[at] === QUOTE) {
        statusAt = at;
      }
      at = cursor.space(bytes, cursor.skip(bytes, at, end), end);
      if (bytes[at] !== CLOSE_OBJECT) {
        at = this.#comma(bytes, at, end);
      }
    }
    if (wantedAt !== 0 && statusAt !== 0) {
      cursor.string(bytes, statusAt, end);
      this.#writer.name(wantedAt, cursor.source, cursor.from, cursor.to);
    }
    return at + 1;
  }
}

const LIST_OPS: ReadonlySet<number> = new Set([OP.names, OP.texts, OP.records, OP.enter, OP.count, OP.condition]);
