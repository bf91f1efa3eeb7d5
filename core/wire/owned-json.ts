import { digestOf, type FieldsV1, isDigested, ownedSteps, projectOwned } from "../kinds/owned.ts";
import type { RowBuilder } from "../store/row.ts";
import { brokenFrame } from "./broken.ts";
import type { JsonCursor } from "./json-cursor.ts";
import { sameBytes } from "./row-writer.ts";

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const QUOTE = 0x22;
const COMMA = 0x2c;

const encoder = new TextEncoder();
const MANAGER = encoder.encode("manager");
const OPERATION = encoder.encode("operation");
const SUBRESOURCE = encoder.encode("subresource");
const FIELDS = encoder.encode("fieldsV1");
const APPLY = encoder.encode("Apply");

/** What one field manager owns of an object, written as JSON: see `OwnedNode`. Reads only what is owned. */
export class OwnedReader {
  readonly #cursor: JsonCursor;
  readonly #manager: Uint8Array;
  readonly #hidden: boolean;
  /** Of the object that is being read. */
  #bytes: Buffer = Buffer.alloc(0);
  #out = Buffer.alloc(4096);
  #size = 0;
  /** Where `fieldsV1` is. */
  #from = 0;
  #to = 0;

  /** `hidden`: see `isHidden`. */
  constructor(manager: string, hidden: boolean, cursor: JsonCursor) {
    this.#hidden = hidden;
    this.#manager = encoder.encode(manager);
    this.#cursor = cursor;
  }

  /**
   * Writes a text into the row and gives its offset, 0 when nothing is owned. The object is complete in `bytes` from `start` on,
   * its managedFields are at `managersAt`. Throws WIRE_BAD_FRAME.
   */
  read(bytes: Uint8Array, start: number, end: number, managersAt: number, builder: RowBuilder): number {
    if (bytes[managersAt] !== OPEN_LIST || !this.#find(bytes, managersAt, end)) {
      return 0;
    }
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#size = 0;
    try {
      // An object, as its brace says; what is no object below has no steps.
      const fields = JSON.parse(this.#bytes.toString("utf8", this.#from, this.#to)) as FieldsV1;
      this.#value(fields, start, end);
      // Values were only skipped until now: what readers cannot parse must not get into a row.
      JSON.parse(this.#out.toString("utf8", 0, this.#size));
    } catch (error) {
      throw error instanceof SyntaxError
        ? brokenFrame("managedFields, or a value that they name, are not JSON")
        : error;
    }
    const text = builder.text(this.#out, 0, this.#size);
    // A large object is not kept alive by the reader.
    this.#bytes = Buffer.alloc(0);
    return text;
  }

  /** Looks for the manager's entry; leaves where its `fieldsV1` are. */
  #find(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    let at = cursor.space(bytes, start + 1, end);
    while (bytes[at] === OPEN_OBJECT) {
      if (this.#entry(bytes, at, end)) {
        return true;
      }
      at = cursor.space(bytes, cursor.at, end);
      if (bytes[at] === COMMA) {
        at = cursor.space(bytes, at + 1, end);
      }
    }
    return false;
  }

  /** True when the entry is the wanted one; `cursor.at` is behind it. */
  #entry(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    let matches = 0;
    let isOfSubresource = false;
    this.#from = 0;
    let at = cursor.space(bytes, start + 1, end);
    while (bytes[at] === QUOTE) {
      cursor.string(bytes, at, end);
      const { source, from, to } = cursor;
      const isManager = isText(MANAGER, source, from, to);
      const isOperation = isText(OPERATION, source, from, to);
      const isSubresource = isText(SUBRESOURCE, source, from, to);
      const isFields = isText(FIELDS, source, from, to);
      // Behind the colon.
      at = cursor.space(bytes, cursor.space(bytes, cursor.at, end) + 1, end);
      const next = cursor.skip(bytes, at, end);
      if (isFields && bytes[at] === OPEN_OBJECT) {
        this.#from = at;
        this.#to = next;
      } else if ((isManager || isOperation || isSubresource) && bytes[at] === QUOTE) {
        cursor.string(bytes, at, end);
        const wanted = isManager ? this.#manager : APPLY;
        matches += Number(!isSubresource && isText(wanted, cursor.source, cursor.from, cursor.to));
        isOfSubresource ||= isSubresource && cursor.to > cursor.from;
      }
      at = cursor.space(bytes, next, end);
      if (bytes[at] === COMMA) {
        at = cursor.space(bytes, at + 1, end);
      }
    }
    cursor.at = at + 1;
    return matches === 2 && !isOfSubresource && this.#from !== 0;
  }

  /** Writes what is owned of the value at `start`. */
  #value(fields: FieldsV1, start: number, end: number): void {
    const steps = ownedSteps(fields);
    if (steps.length === 0) {
      this.#leaf(start, end);
      return;
    }
    if (this.#bytes[start] === OPEN_OBJECT && steps[0].startsWith("f:")) {
      this.#object(fields, steps, start, end);
      return;
    }
    // Lists of a few small objects: containers, ports, owners.
    const next = this.#cursor.skip(this.#bytes, start, end);
    this.#text(
      JSON.stringify(projectOwned(fields, JSON.parse(this.#bytes.toString("utf8", start, next)), this.#hidden)),
    );
  }

  #leaf(start: number, end: number): void {
    const cursor = this.#cursor;
    if (this.#bytes[start] === QUOTE) {
      cursor.string(this.#bytes, start, end);
      const { source, from, to } = cursor;
      if (isDigested(to - from, this.#hidden)) {
        this.#text(`[null,"${digestOf(source.subarray(from, to))}"]`);
        return;
      }
    }
    this.#put(OPEN_LIST);
    this.#copy(start, cursor.skip(this.#bytes, start, end));
    this.#put(CLOSE_LIST);
  }

  #object(fields: FieldsV1, steps: readonly string[], start: number, end: number): void {
    const cursor = this.#cursor;
    const bytes = this.#bytes;
    const left = new Set(steps);
    let opening = OPEN_OBJECT;
    let at = cursor.space(bytes, start + 1, end);
    while (bytes[at] === QUOTE) {
      cursor.string(bytes, at, end);
      const { source, from, to } = cursor;
      const key = cursor.at;
      const name =
        source === bytes ? bytes.toString("utf8", from, to) : Buffer.from(source.subarray(from, to)).toString();
      const step = `f:${name}`;
      at = cursor.space(bytes, cursor.space(bytes, key, end) + 1, end);
      if (left.delete(step)) {
        this.#put(opening);
        opening = COMMA;
        this.#text(`${JSON.stringify(step)}:`);
        this.#value(fields[step], at, end);
      }
      at = cursor.space(bytes, cursor.skip(bytes, at, end), end);
      if (bytes[at] === COMMA) {
        at = cursor.space(bytes, at + 1, end);
      }
    }
    for (const step of left) {
      this.#put(opening);
      opening = COMMA;
      this.#text(`${JSON.stringify(step)}:${JSON.stringify(projectOwned(fields[step], undefined))}`);
    }
    this.#put(CLOSE_OBJECT);
  }

  #put(code: number): void {
    this.#room(1);
    this.#out[this.#size++] = code;
  }

  #text(text: string): void {
    // A character takes three bytes at most.
    this.#room(text.length * 3);
    this.#size += this.#out.write(text, this.#size);
  }

  #copy(from: number, to: number): void {
    this.#room(to - from);
    this.#bytes.copy(this.#out, this.#size, from, to);
    this.#size += to - from;
  }

  #room(bytes: number): void {
    if (this.#size + bytes > this.#out.length) {
      const larger = Buffer.alloc(2 * (this.#size + bytes));
      this.#out.copy(larger, 0, 0, this.#size);
      this.#out = larger;
    }
  }
}

function isText(text: Uint8Array, source: Uint8Array, from: number, to: number): boolean {
  return to - from === text.length && sameBytes(text, source, from);
}
