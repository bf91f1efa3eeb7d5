import type { RowPlan } from "../kinds/plan.ts";
import type { Interner, RowBuilder } from "../store/row.ts";
import { Assembler, type UnitReader } from "./assembler.ts";
import { brokenFrame, tooLarge, truncated } from "./broken.ts";
import type { ListDecoder, ListEnd, ListSink, WatchDecoder, WatchSink } from "./contract.ts";
import { KindCheck, text } from "./envelope.ts";
import { JsonCursor, NEED_MORE } from "./json-cursor.ts";
import { JsonRowReader } from "./json-row.ts";
import { EVENT, eventType, INITIAL_EVENTS_END } from "./protobuf.ts";
import { sameBytes } from "./row-writer.ts";
import { readJsonStatus } from "./status.ts";

const NEWLINE = 0x0a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;

const TYPE = new TextEncoder().encode("type");
const OBJECT = new TextEncoder().encode("object");

/** One event {"type": …, "object": …} per line. */
export class JsonWatchDecoder implements WatchDecoder, UnitReader {
  /** A line's length is not known before its end. */
  readonly needed = 0;
  readonly #assembler = new Assembler(this);
  readonly #cursor = new JsonCursor();
  readonly #rows: JsonRowReader;
  readonly #check: KindCheck;
  readonly #builder: RowBuilder;
  readonly #sink: WatchSink;
  readonly #maxFrameBytes: number;
  /** Bytes of the line that were searched for its end already. */
  #searched = 0;

  constructor(plan: RowPlan, interner: Interner, builder: RowBuilder, sink: WatchSink, maxFrameBytes: number) {
    this.#check = new KindCheck(plan, false);
    this.#rows = new JsonRowReader(plan, interner, builder, this.#cursor, this.#check);
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
    while (at < end) {
      const found = bytes.indexOf(NEWLINE, at + this.#searched);
      const line = found < 0 || found >= end ? end : found;
      if (line - at > this.#maxFrameBytes) {
        throw tooLarge(line - at, this.#maxFrameBytes);
      }
      if (line === end) {
        this.#searched = end - at;
        return at;
      }
      this.#searched = 0;
      this.#line(bytes, at, line);
      at = line + 1;
    }
    return at;
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    try {
      const from = firstByte(bytes, start, end);
      if (from < end) {
        this.#event(bytes, from, end);
      }
    } catch (error) {
      throw error === NEED_MORE ? brokenFrame("a line ends inside its JSON") : error;
    }
  }

  /**
   * The object comes behind the type, and its row is read in passing; where it comes first it is read afterwards. Nothing
   * is handed out before the whole line was found to be one event.
   */
  #event(bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    let type = 0;
    let object = 0;
    let isRead = false;
    let at = start;
    let separator = OPEN_OBJECT;
    while (bytes[at] === separator) {
      at = this.#key(bytes, at + 1, end);
      const isType = isKey(TYPE, cursor);
      const isObject = isKey(OBJECT, cursor);
      at = this.#colon(bytes, cursor.at, end);
      if (isType && bytes[at] === QUOTE) {
        cursor.string(bytes, at, end);
        type = eventType(cursor.source, cursor.from, cursor.to);
      } else if (isObject) {
        object = at;
        isRead = isRow(type);
      }
      at = isObject && isRead ? this.#rows.read(bytes, at, end) : cursor.skip(bytes, at, end);
      at = cursor.space(bytes, at, end);
      separator = COMMA;
    }
    if (bytes[at] !== CLOSE_OBJECT || firstByte(bytes, at + 1, end) < end) {
      throw brokenFrame("a line is not one watch event");
    }
    if (type === 0 || object === 0) {
      throw brokenFrame("a watch event has no type or no object");
    }
    if (isRow(type) && !isRead) {
      this.#rows.read(bytes, object, end);
    }
    this.#hand(type, bytes, object, end);
  }

  #key(bytes: Uint8Array, start: number, end: number): number {
    const at = this.#cursor.space(bytes, start, end);
    if (bytes[at] !== QUOTE) {
      throw brokenFrame("a watch event has no key where one should be");
    }
    this.#cursor.string(bytes, at, end);
    return at;
  }

  #colon(bytes: Uint8Array, start: number, end: number): number {
    const at = this.#cursor.space(bytes, start, end);
    if (bytes[at] !== COLON) {
      throw brokenFrame("a watch event has a key without a value");
    }
    return this.#cursor.space(bytes, at + 1, end);
  }

  /** Hands the event to the sink; a row is in the builder. */
  #hand(type: number, bytes: Uint8Array, object: number, end: number): void {
    switch (type) {
      case EVENT.added:
        this.#sink.event("ADDED", this.#builder);
        return;
      case EVENT.modified:
        this.#sink.event("MODIFIED", this.#builder);
        return;
      case EVENT.deleted:
        this.#sink.event("DELETED", this.#builder);
        return;
      case EVENT.error:
        this.#error(parse(bytes, object, this.#cursor.skip(bytes, object, end)));
        return;
      default:
        this.#bookmark(parse(bytes, object, this.#cursor.skip(bytes, object, end)));
    }
  }

  #error(value: unknown): void {
    const status = readJsonStatus(value);
    if (status === undefined) {
      throw brokenFrame("an ERROR event has no Status");
    }
    this.#sink.error(status);
  }

  #bookmark(value: unknown): void {
    const bookmark = value as BookmarkObject | null;
    const version = bookmark?.metadata?.resourceVersion;
    if (typeof version !== "string" || version === "") {
      throw brokenFrame("a bookmark has no resourceVersion");
    }
    const kind = new TextEncoder().encode(String(bookmark?.kind ?? ""));
    this.#check.kind(kind, 0, kind.length);
    this.#sink.bookmark(version, bookmark?.metadata?.annotations?.[INITIAL_EVENTS_END] === "true");
  }
}

/** What is read of a bookmark; every part is checked where it is used. */
interface BookmarkObject {
  readonly kind?: unknown;
  readonly metadata?: {
    readonly resourceVersion?: unknown;
    readonly annotations?: Readonly<Record<string, unknown>>;
  };
}

/** Fewer bytes than this are not worth a try: an item that is not complete is read again from its start. */
const BATCH_BYTES = 64 * 1024;

/** A list response: {"kind": …, "metadata": {…}, "items": […]} with the keys in any order. */
export class JsonListDecoder implements ListDecoder, UnitReader {
  needed = 1;
  readonly #assembler = new Assembler(this);
  readonly #cursor = new JsonCursor();
  readonly #rows: JsonRowReader;
  readonly #check: KindCheck;
  readonly #builder: RowBuilder;
  readonly #sink: ListSink;
  readonly #maxFrameBytes: number;
  #place: "start" | "key" | "afterValue" | "firstItem" | "item" | "afterItem" | "done" = "start";
  #ending = false;
  #sawItems = false;
  #end: ListEnd = { resourceVersion: "", continueToken: "", remaining: 0 };

  constructor(plan: RowPlan, interner: Interner, builder: RowBuilder, sink: ListSink, maxFrameBytes: number) {
    this.#check = new KindCheck(plan, true);
    this.#rows = new JsonRowReader(plan, interner, builder, this.#cursor, new KindCheck(plan, false));
    this.#builder = builder;
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  push(chunk: Uint8Array): void {
    this.#assembler.push(chunk);
  }

  end(): ListEnd {
    this.#ending = true;
    this.#assembler.flush();
    if (this.#assembler.held > 0 || this.#place !== "done" || !this.#sawItems) {
      throw truncated("a list");
    }
    return this.#end;
  }

  take(bytes: Uint8Array, start: number, end: number): number {
    if (end - start < BATCH_BYTES && !this.#ending) {
      this.needed = BATCH_BYTES;
      return start;
    }
    let at = start;
    try {
      while (at < end) {
        at = this.#next(bytes, at, end);
      }
    } catch (error) {
      if (error !== NEED_MORE) {
        throw error;
      }
      // Nothing but white space is left, or an item that has not ended.
      if (firstByte(bytes, at, end) === end) {
        return end;
      }
      if (end - at > this.#maxFrameBytes) {
        throw tooLarge(end - at, this.#maxFrameBytes);
      }
      this.needed = Math.max(BATCH_BYTES, 2 * (end - at));
    }
    return at;
  }

  /** Reads one key, value, item or bracket; gives the position behind it. */
  #next(bytes: Uint8Array, start: number, end: number): number {
    const at = this.#cursor.space(bytes, start, end);
    const code = bytes[at];
    switch (this.#place) {
      case "start":
        expect(code === OPEN_OBJECT, "a list does not begin with a brace");
        this.#place = "key";
        return at + 1;
      case "key":
        if (code === CLOSE_OBJECT) {
          this.#place = "done";
          return at + 1;
        }
        expect(code === QUOTE, "a list has no key where one should be");
        return this.#member(bytes, at, end);
      case "afterValue":
        expect(code === COMMA || code === CLOSE_OBJECT, "a list has neither comma nor brace behind a value");
        this.#place = code === COMMA ? "key" : "done";
        return at + 1;
      case "firstItem":
      case "item":
        if (code === CLOSE_LIST && this.#place === "firstItem") {
          this.#place = "afterValue";
          return at + 1;
        }
        return this.#item(bytes, at, end);
      case "afterItem":
        expect(code === COMMA || code === CLOSE_LIST, "a list has neither comma nor bracket behind an item");
        this.#place = code === COMMA ? "item" : "afterValue";
        return at + 1;
      case "done":
        throw brokenFrame("a list goes on behind its end");
    }
  }

  #item(bytes: Uint8Array, at: number, end: number): number {
    const next = this.#rows.read(bytes, at, end);
    this.#place = "afterItem";
    this.#sink.item(this.#builder);
    return next;
  }

  /** A key with its value; of the items only the bracket. */
  #member(bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    cursor.string(bytes, start, end);
    const key = text(cursor.source, cursor.from, Math.min(cursor.to, cursor.from + 32));
    let at = cursor.space(bytes, cursor.at, end);
    expect(bytes[at] === COLON, "a list has a key without a value");
    at = cursor.space(bytes, at + 1, end);
    if (key === "items" && bytes[at] === OPEN_LIST) {
      this.#sawItems = true;
      this.#place = "firstItem";
      return at + 1;
    }
    const next = cursor.skip(bytes, at, end);
    if ((key === "kind" || key === "apiVersion") && bytes[at] === QUOTE) {
      cursor.string(bytes, at, end);
      if (key === "kind") {
        this.#check.kind(cursor.source, cursor.from, cursor.to);
      } else {
        this.#check.apiVersion(cursor.source, cursor.from, cursor.to);
      }
    } else if (key === "metadata") {
      this.#end = listEnd(parse(bytes, at, next));
    } else if (key === "items") {
      // Go writes null for a list that is nil.
      this.#sawItems = true;
    }
    this.#place = "afterValue";
    return next;
  }
}

function listEnd(value: unknown): ListEnd {
  // Any value may be asked for keys; what comes out is checked here.
  const metadata = value as { resourceVersion?: unknown; continue?: unknown; remainingItemCount?: unknown } | null;
  const remaining = metadata?.remainingItemCount;
  return {
    resourceVersion: typeof metadata?.resourceVersion === "string" ? metadata.resourceVersion : "",
    continueToken: typeof metadata?.continue === "string" ? metadata.continue : "",
    remaining: typeof remaining === "number" && remaining > 0 ? remaining : 0,
  };
}

function parse(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(text(bytes, start, end));
  } catch {
    throw brokenFrame("a bookmark, error or list header is not JSON");
  }
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) {
    throw brokenFrame(otherwise);
  }
}

function isRow(type: number): boolean {
  return type === EVENT.added || type === EVENT.modified || type === EVENT.deleted;
}

function isKey(key: Uint8Array, cursor: JsonCursor): boolean {
  return cursor.to - cursor.from === key.length && sameBytes(key, cursor.source, cursor.from);
}

/** Position of the first byte that is no white space, or `end`. */
function firstByte(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09)) {
    at++;
  }
  return at;
}
