import type { RowPlan } from "../kinds/plan.ts";
import type { Interner, RowBuilder } from "../store/row.ts";
import { Assembler, type UnitReader } from "./assembler.ts";
import { brokenFrame, tooLarge, truncated } from "./broken.ts";
import type { ListDecoder, ListEnd, ListSink, WatchDecoder, WatchSink } from "./contract.ts";
import { isStatus, KindCheck, MAGIC, text, unwrap } from "./envelope.ts";
import { ProtobufCursor } from "./protobuf-cursor.ts";
import { ProtobufRowReader } from "./protobuf-row.ts";
import { sameBytes } from "./row-writer.ts";
import { readProtobufStatus } from "./status.ts";

const ADDED = 0x41;
const BOOKMARK = 0x42;
const DELETED = 0x44;
const ERROR = 0x45;
const MODIFIED = 0x4d;

/** Field tags of the envelope messages: number * 8 + wire type 2. */
const FIELD_1 = 10;
const FIELD_2 = 18;

/** Frames of a 4-byte big-endian length and a `WatchEvent` {1 type, 2 {1 object}}. */
export class ProtobufWatchDecoder implements WatchDecoder, UnitReader {
  needed = 4;
  readonly #assembler = new Assembler(this);
  readonly #cursor = new ProtobufCursor();
  readonly #rows: ProtobufRowReader;
  readonly #check: KindCheck;
  readonly #builder: RowBuilder;
  readonly #sink: WatchSink;
  readonly #maxFrameBytes: number;

  constructor(plan: RowPlan, interner: Interner, builder: RowBuilder, sink: WatchSink, maxFrameBytes: number) {
    this.#rows = new ProtobufRowReader(plan, interner, builder, this.#cursor);
    this.#check = new KindCheck(plan, false);
    this.#builder = builder;
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  get pendingBytes(): number {
    return this.#assembler.held;
  }

  push(chunk: Uint8Array): void {
    this.#assembler.push(chunk);
  }

  end(): void {
    if (this.#assembler.held > 0) {
      throw truncated("a watch event");
    }
  }

  take(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    for (;;) {
      if (end - at < 4) {
        this.needed = 4;
        return at;
      }
      const size = ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
      if (size > this.#maxFrameBytes) {
        throw tooLarge(size, this.#maxFrameBytes);
      }
      if (end - at < 4 + size) {
        this.needed = 4 + size;
        return at;
      }
      this.#event(bytes, at + 4, at + 4 + size);
      at += 4 + size;
    }
  }

  #event(bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    const typeStart = cursor.find(bytes, start, end, 1);
    const typeEnd = cursor.at;
    const raw = cursor.find(bytes, start, end, 2);
    const rawEnd = cursor.at;
    const object = cursor.find(bytes, raw, rawEnd, 1);
    const objectEnd = cursor.at;
    const type = eventType(bytes, typeStart, typeEnd);
    if (type === ERROR) {
      if (!isStatus(cursor, bytes, object, objectEnd)) {
        throw brokenFrame("an ERROR event has no Status");
      }
      const status = unwrap(cursor, undefined, bytes, object, objectEnd);
      this.#sink.error(readProtobufStatus(cursor, bytes, status, cursor.at));
      return;
    }
    const from = unwrap(cursor, this.#check, bytes, object, objectEnd);
    if (type === BOOKMARK) {
      this.#bookmark(bytes, from, cursor.at);
      return;
    }
    this.#rows.read(bytes, from, cursor.at);
    this.#sink.event(type === ADDED ? "ADDED" : type === MODIFIED ? "MODIFIED" : "DELETED", this.#builder);
  }

  #bookmark(bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    const metadata = cursor.find(bytes, start, end, 1);
    const metadataEnd = cursor.at;
    const version = cursor.find(bytes, metadata, metadataEnd, 6);
    const resourceVersion = text(bytes, version, cursor.at);
    if (resourceVersion === "") {
      throw brokenFrame("a bookmark has no resourceVersion");
    }
    this.#sink.bookmark(resourceVersion, this.#isInitialEnd(bytes, metadata, metadataEnd));
  }

  /** The annotation k8s.io/initial-events-end: "true". */
  #isInitialEnd(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    let at = start;
    while (at < end) {
      const tag = cursor.length(bytes, at, end);
      const value = cursor.at;
      at = cursor.skip(bytes, value, end, tag);
      if (tag === ANNOTATIONS) {
        const entry = cursor.content(bytes, value, end);
        const key = cursor.find(bytes, entry, at, 1);
        const isEnd = text(bytes, key, cursor.at) === INITIAL_EVENTS_END;
        const flag = cursor.find(bytes, entry, at, 2);
        if (isEnd && text(bytes, flag, cursor.at) === "true") {
          return true;
        }
      }
    }
    return false;
  }
}

const ANNOTATIONS = 12 * 8 + 2;

/** Marks the bookmark that ends a streamed list. */
export const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

const TYPES = ["ADDED", "BOOKMARK", "DELETED", "ERROR", "MODIFIED"].map((name) => new TextEncoder().encode(name));

/** First letter of a known event type. Throws WIRE_BAD_FRAME. */
export function eventType(bytes: Uint8Array, start: number, end: number): number {
  for (const type of TYPES) {
    if (type.length === end - start && sameBytes(type, bytes, start)) {
      return type[0];
    }
  }
  throw brokenFrame(`a watch event has the type "${text(bytes, start, Math.min(end, start + 32))}"`);
}

/** The event types as `eventType` gives them. */
export const EVENT = { added: ADDED, bookmark: BOOKMARK, deleted: DELETED, error: ERROR, modified: MODIFIED } as const;

/** Where a list reader is: before the magic bytes, among the fields of the envelope, or inside the list message. */
type ListPlace = "magic" | "envelope" | "list";

/**
 * A list response: magic, `Unknown` {1 TypeMeta, 2 list {1 ListMeta, 2 items …}}. Items are read as soon as they are
 * complete; the envelope is walked field by field and never held as a whole.
 */
export class ProtobufListDecoder implements ListDecoder, UnitReader {
  needed = MAGIC.length;
  readonly #assembler = new Assembler(this);
  readonly #cursor = new ProtobufCursor();
  readonly #rows: ProtobufRowReader;
  readonly #check: KindCheck;
  readonly #builder: RowBuilder;
  readonly #sink: ListSink;
  readonly #maxFrameBytes: number;
  #place: ListPlace = "magic";
  /** Bytes of the list message that were not read yet. */
  #left = 0;
  #sawList = false;
  #resourceVersion = "";
  #continueToken = "";
  #remaining = 0;

  constructor(plan: RowPlan, interner: Interner, builder: RowBuilder, sink: ListSink, maxFrameBytes: number) {
    this.#rows = new ProtobufRowReader(plan, interner, builder, this.#cursor);
    this.#check = new KindCheck(plan, true);
    this.#builder = builder;
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  push(chunk: Uint8Array): void {
    this.#assembler.push(chunk);
  }

  end(): ListEnd {
    if (this.#assembler.held > 0 || this.#place !== "envelope" || !this.#sawList) {
      throw truncated("a list");
    }
    return {
      resourceVersion: this.#resourceVersion,
      continueToken: this.#continueToken,
      remaining: this.#remaining,
    };
  }

  take(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#place === "magic") {
        if (end - at < MAGIC.length) {
          this.needed = MAGIC.length;
          return at;
        }
        if (!sameBytes(MAGIC, bytes, at)) {
          throw brokenFrame("a list does not begin with the Kubernetes protobuf prefix");
        }
        at += MAGIC.length;
        this.#place = "envelope";
        continue;
      }
      const next = this.#field(bytes, at, end);
      if (next === at) {
        return at;
      }
      at = next;
    }
    this.needed = 1;
    return at;
  }

  /** One field of the envelope or the list; gives `at` when it is not complete. */
  #field(bytes: Uint8Array, at: number, end: number): number {
    const header = headerSize(bytes, at, end);
    if (header < 0) {
      this.needed = end - at + 1;
      return at;
    }
    const cursor = this.#cursor;
    const tag = cursor.length(bytes, at, end);
    const value = cursor.at;
    if ((tag & 7) !== 2) {
      const size = (tag & 7) === 0 ? header : header + ((tag & 7) === 1 ? 8 : 4);
      if (end - at < size) {
        this.needed = size;
        return at;
      }
      return this.#advance(at, cursor.skip(bytes, value, end, tag));
    }
    const size = cursor.length(bytes, value, end);
    const from = cursor.at;
    if (this.#place === "envelope" && tag === FIELD_2) {
      this.#place = "list";
      this.#left = size;
      this.#sawList = true;
      if (size === 0) {
        this.#place = "envelope";
      }
      return from;
    }
    if (size > this.#maxFrameBytes) {
      throw tooLarge(size, this.#maxFrameBytes);
    }
    if (this.#place === "list" && from - at + size > this.#left) {
      throw brokenFrame("a list item ends behind its list");
    }
    if (end - from < size) {
      this.needed = from - at + size;
      return at;
    }
    this.#content(tag, bytes, from, from + size);
    return this.#advance(at, from + size);
  }

  /** Counts what was read of the list and leaves it at its end. */
  #advance(from: number, to: number): number {
    if (this.#place === "list") {
      this.#left -= to - from;
      if (this.#left < 0) {
        throw brokenFrame("a field ends behind its list");
      }
      if (this.#left === 0) {
        this.#place = "envelope";
      }
    }
    return to;
  }

  #content(tag: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#place === "envelope") {
      if (tag === FIELD_1) {
        this.#check.typeMeta(this.#cursor, bytes, start, end);
      } else if (tag === ENCODING && end > start) {
        throw brokenFrame("a list has a content encoding");
      }
      return;
    }
    if (tag === FIELD_2) {
      this.#rows.read(bytes, start, end);
      this.#sink.item(this.#builder);
    } else if (tag === FIELD_1) {
      const cursor = this.#cursor;
      let from = cursor.find(bytes, start, end, 2);
      this.#resourceVersion = text(bytes, from, cursor.at);
      from = cursor.find(bytes, start, end, 3);
      this.#continueToken = text(bytes, from, cursor.at);
      this.#remaining = Math.max(0, cursor.findVarint(bytes, start, end, 4));
    }
  }
}

const ENCODING = 3 * 8 + 2;

/** Bytes of a field's tag and, unless it is fixed-size, the number behind it; -1 when they are not all there. */
function headerSize(bytes: Uint8Array, start: number, end: number): number {
  const tag = varintSize(bytes, start, end);
  const wire = bytes[start] & 7;
  if (tag < 0 || wire === 1 || wire === 5) {
    return tag;
  }
  const size = varintSize(bytes, start + tag, end);
  return size < 0 ? -1 : tag + size;
}

function varintSize(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    if (bytes[i] < 0x80) {
      return i - start + 1;
    }
    if (i - start >= 9) {
      throw brokenFrame("a number does not end");
    }
  }
  return -1;
}
