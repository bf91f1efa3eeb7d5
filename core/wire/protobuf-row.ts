import type { RowPlan } from "../kinds/plan.ts";
import { ABSENT_INT, ELEMENT_HEADER, type Interner, ROW_NAME, ROW_VERSION, type RowBuilder } from "../store/row.ts";
import { badObject, brokenFrame } from "./broken.ts";
import type { ProtobufCursor } from "./protobuf-cursor.ts";
import { compileProtobuf, FORM, type ProtobufNode, type ProtobufStep } from "./protobuf-tree.ts";
import { RowWriter, sameBytes } from "./row-writer.ts";
import { OP } from "./tree.ts";

/** Reads objects of one plan from protobuf into rows: takes the declared fields, skips everything else by its length. */
export class ProtobufRowReader {
  readonly #plan: RowPlan;
  readonly #root: ProtobufNode;
  readonly #writer: RowWriter;
  readonly #builder: RowBuilder;
  readonly #cursor: ProtobufCursor;
  /** Where the cells of the element (0: of the row) begin that is being read. */
  #base = 0;

  constructor(plan: RowPlan, interner: Interner, builder: RowBuilder, cursor: ProtobufCursor) {
    this.#plan = plan;
    this.#root = compileProtobuf(plan);
    this.#writer = new RowWriter(builder, interner);
    this.#builder = builder;
    this.#cursor = cursor;
  }

  /** Leaves a finished row in the builder. Throws WIRE_BAD_FRAME, WIRE_BAD_OBJECT, STORE_ROW_TOO_LARGE. */
  read(bytes: Uint8Array, start: number, end: number): void {
    const builder = this.#builder;
    builder.begin(this.#plan.fixedWords);
    this.#base = 0;
    this.#presets(this.#root);
    this.#message(this.#root, bytes, start, end);
    if (builder.words[ROW_NAME] === 0) {
      throw badObject(this.#plan, "a name");
    }
    if (builder.words[ROW_VERSION] === 0 && builder.words[ROW_VERSION + 1] === 0) {
      throw badObject(this.#plan, "a resourceVersion");
    }
    builder.finish();
  }

  #presets(node: ProtobufNode): void {
    const absent = node.absentInts;
    for (let i = 0; i < absent.length; i++) {
      this.#builder.words[this.#base + absent[i]] = ABSENT_INT;
    }
  }

  /**
   * Walks the fields of a message. The hot loop of the whole library: tags and lengths of one or two bytes, which are nearly
   * all, are read right here.
   */
  #message(node: ProtobufNode, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    const byNumber = node.byNumber;
    const known = byNumber.length;
    let at = start;
    while (at < end) {
      let tag = bytes[at++];
      if (tag >= 0x80) {
        const second = at < end ? bytes[at] : 0x80;
        if (second < 0x80) {
          tag = (tag & 0x7f) | (second << 7);
          at++;
        } else {
          tag = cursor.length(bytes, at - 1, end);
          at = cursor.at;
        }
      }
      const number = tag >>> 3;
      const step = number < known ? byNumber[number] : undefined;
      if ((tag & 7) !== 2) {
        at = step === undefined ? cursor.skip(bytes, at, end, tag) : this.#scalar(step, tag & 7, bytes, at, end);
        continue;
      }
      let size = at < end ? bytes[at++] : 0x80;
      if (size >= 0x80) {
        const second = at < end ? bytes[at] : 0x80;
        if (second < 0x80) {
          size = (size & 0x7f) | (second << 7);
          at++;
        } else {
          size = cursor.length(bytes, at - 1, end);
          at = cursor.at;
        }
      }
      const from = at;
      at += size;
      if (at > end || number === 0) {
        throw brokenFrame("a field ends behind its message");
      }
      for (let each = step; each !== undefined; each = each.next) {
        this.#bytes(each, bytes, from, at);
      }
    }
  }

  #scalar(step: ProtobufStep, wire: number, bytes: Uint8Array, at: number, end: number): number {
    const cursor = this.#cursor;
    let value = 0;
    if (wire === 0 && step.varint) {
      value = cursor.varint(bytes, at, end);
    } else if (wire === 1 && step.form === FORM.double) {
      value = cursor.double(bytes, at, end);
    } else {
      throw brokenFrame(`field "${step.field}" has wire type ${wire}`);
    }
    const next = cursor.at;
    for (let each: ProtobufStep | undefined = step; each !== undefined; each = each.next) {
      this.#number(each, value);
    }
    return next;
  }

  #number(step: ProtobufStep, value: number): void {
    const writer = this.#writer;
    const at = this.#base + step.at;
    switch (step.op) {
      case OP.int:
      case OP.optionalInt:
        writer.int(at, value);
        return;
      case OP.long:
        writer.long(at, value);
        return;
      case OP.bool:
        writer.bool(at, value !== 0);
        return;
      case OP.optionalBool:
        writer.optionalBool(at, value !== 0);
        return;
      case OP.sum:
        writer.add(step.at, value);
        return;
    }
  }

  /** A length-delimited value between `start` and `end`. */
  #bytes(step: ProtobufStep, bytes: Uint8Array, start: number, end: number): void {
    const at = this.#base + step.at;
    switch (step.op) {
      case OP.enter:
        if (step.node !== undefined) {
          this.#message(step.node, bytes, start, end);
        }
        return;
      case OP.records:
        this.#element(step, at, bytes, start, end);
        return;
      case OP.nameMap:
      case OP.textMap:
        this.#entry(step, at, bytes, start, end);
        return;
      case OP.time:
      case OP.microTime:
        this.#time(step, at, bytes, start, end);
        return;
      case OP.intOrText:
        this.#intOrText(at, bytes, start, end);
        return;
      case OP.count:
        this.#writer.add(step.at, 1);
        return;
      case OP.condition:
        this.#condition(step, bytes, start, end);
        return;
    }
    if (step.varint || step.form === FORM.double) {
      throw brokenFrame(`field "${step.field}" has wire type 2`);
    }
    if (step.form === FORM.plain) {
      this.#string(step, at, bytes, start, end);
    } else if (step.form === FORM.wrapped) {
      const from = this.#cursor.find(bytes, start, end, 1);
      this.#string(step, at, bytes, from, this.#cursor.at);
    } else {
      const encoded = this.#cursor.base64(bytes, start, end);
      this.#string(step, at, encoded, 0, this.#cursor.at);
    }
  }

  #string(step: ProtobufStep, at: number, bytes: Uint8Array, start: number, end: number): void {
    const writer = this.#writer;
    switch (step.op) {
      case OP.text:
        writer.text(at, bytes, start, end);
        return;
      case OP.name:
        writer.name(at, bytes, start, end);
        return;
      case OP.enum:
        writer.enum(at, step.values, bytes, start, end);
        return;
      case OP.ip:
        writer.ip(at, bytes, start, end);
        return;
      case OP.names:
        writer.appendName(at, bytes, start, end);
        return;
      case OP.texts:
        writer.appendText(at, bytes, start, end);
        return;
      case OP.uid:
        writer.uid(bytes, start, end);
        return;
      case OP.version:
        writer.version(bytes, start, end);
        return;
    }
  }

  #element(step: ProtobufStep, at: number, bytes: Uint8Array, start: number, end: number): void {
    const outer = this.#base;
    this.#base = this.#builder.link(at, step.words) - ELEMENT_HEADER;
    if (step.node !== undefined) {
      this.#presets(step.node);
      this.#message(step.node, bytes, start, end);
    }
    this.#base = outer;
  }

  #entry(step: ProtobufStep, at: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    const keyStart = cursor.find(bytes, start, end, 1);
    const content = this.#writer.entry(at, bytes, keyStart, cursor.at);
    let from = cursor.find(bytes, start, end, 2);
    let to = cursor.at;
    let source = bytes;
    if (step.form === FORM.wrapped) {
      from = cursor.find(bytes, from, to, 1);
      to = cursor.at;
    } else if (step.form === FORM.base64) {
      source = cursor.base64(bytes, from, to);
      from = 0;
      to = cursor.at;
    }
    if (step.op === OP.nameMap) {
      this.#writer.name(content + 1, source, from, to);
    } else {
      this.#writer.text(content + 1, source, from, to);
    }
  }

  #time(step: ProtobufStep, at: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    const seconds = cursor.findVarint(bytes, start, end, 1);
    if (step.op === OP.time) {
      this.#writer.time(at, seconds);
      return;
    }
    const nanos = cursor.findVarint(bytes, start, end, 2);
    this.#writer.microTime(at, seconds, Math.floor(Math.min(Math.max(nanos, 0), 999_999_999) / 1000));
  }

  #intOrText(at: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    if (cursor.findVarint(bytes, start, end, 1) === 0) {
      this.#writer.intOf(at, cursor.findVarint(bytes, start, end, 2));
      return;
    }
    const from = cursor.find(bytes, start, end, 3);
    this.#writer.textOf(at, bytes, from, cursor.at);
  }

  #condition(step: ProtobufStep, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    const typeStart = cursor.find(bytes, start, end, step.typeNumber);
    const size = cursor.at - typeStart;
    const wanted = step.conditions;
    for (let i = 0; i < wanted.length; i++) {
      if (wanted[i].type.length === size && sameBytes(wanted[i].type, bytes, typeStart)) {
        const statusStart = cursor.find(bytes, start, end, step.statusNumber);
        this.#writer.name(wanted[i].at, bytes, statusStart, cursor.at);
      }
    }
  }
}
