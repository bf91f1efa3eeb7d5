import { messageOfKind } from "../kinds/message.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { RowBuilder } from "../store/row.ts";
import { createListDecoder, createWatchDecoder, type DecoderLimits, type WireFormat } from "./decoder.ts";
import { MapInterner, plainRow } from "./plain-row.test-support.ts";
import { ProtobufWriter, toProtobuf, toStruct, watchFrame, wrap } from "./sample.test-support.ts";

/** An object as its parsed JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** A row read back: see `plainRow`. */
export interface Plain {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string | undefined;
  readonly resourceVersion: string;
  readonly created: number;
  readonly deleting: number;
  readonly cells: Readonly<Record<string, unknown>>;
}

/** The protobuf form of a JSON object, in its envelope. */
export function protobufOf(apiVersion: string, kind: string, object: Json): Uint8Array {
  const message = messageOfKind(apiVersion, kind);
  if (message === undefined) {
    throw new Error(`no message for ${apiVersion} ${kind}`);
  }
  return wrap(apiVersion, kind, toProtobuf(message, toStruct(message, object)));
}

/** One watch event in either format. */
export function eventBytes(
  format: WireFormat,
  type: string,
  apiVersion: string,
  kind: string,
  object: Json,
): Uint8Array {
  if (format === "protobuf") {
    return watchFrame(type, protobufOf(apiVersion, kind, object));
  }
  return new TextEncoder().encode(`${JSON.stringify({ type, object: { kind, apiVersion, ...object } })}\n`);
}

/** A list page in either format; `metadata` as in JSON. */
export function listBytes(format: WireFormat, plan: RowPlan, metadata: Json, items: readonly Json[]): Uint8Array {
  const { apiVersion, kind } = plan;
  if (format === "json") {
    return new TextEncoder().encode(JSON.stringify({ kind: `${kind}List`, apiVersion, metadata, items }));
  }
  const message = messageOfKind(apiVersion, kind);
  const listMeta = messageOfKind("v1", "ListMeta");
  if (message === undefined || listMeta === undefined) {
    throw new Error(`no message for ${apiVersion} ${kind}`);
  }
  const list = new ProtobufWriter().bytes(1, toProtobuf(listMeta, toStruct(listMeta, metadata)));
  for (const item of items) {
    list.bytes(2, toProtobuf(message, toStruct(message, item)));
  }
  return wrap(apiVersion, `${kind}List`, list.result);
}

/** Reads a watch in the given chunks; everything that the sink heard, which is added to `seen` even when it throws. */
export function readWatch(
  plan: RowPlan,
  format: WireFormat,
  chunks: readonly Uint8Array[],
  limits?: DecoderLimits,
  seen: (readonly unknown[])[] = [],
): (readonly unknown[])[] {
  const interner = new MapInterner();
  const decoder = createWatchDecoder(
    plan,
    format,
    interner,
    new RowBuilder(64),
    {
      event: (type, row) => seen.push([type, plainRow(plan, row.words.subarray(0, row.length), interner)]),
      bookmark: (version, isEnd) => seen.push(["BOOKMARK", version, isEnd]),
      error: (status) => seen.push(["ERROR", status]),
    },
    limits,
  );
  for (const chunk of chunks) {
    decoder.push(chunk);
  }
  decoder.end();
  return seen;
}

/** Reads the one object of a watch with one event. */
export function readOne(plan: RowPlan, format: WireFormat, bytes: Uint8Array): Plain {
  const [[, row]] = readWatch(plan, format, [bytes]);
  return row as Plain;
}

/** Reads a list page in the given chunks. */
export function readList(
  plan: RowPlan,
  format: WireFormat,
  chunks: readonly Uint8Array[],
  limits?: DecoderLimits,
): { readonly items: readonly Plain[]; readonly end: unknown } {
  const items: Plain[] = [];
  const interner = new MapInterner();
  const item = (row: RowBuilder) =>
    items.push(plainRow(plan, row.words.subarray(0, row.length), interner) as unknown as Plain);
  const decoder = createListDecoder(plan, format, interner, new RowBuilder(64), { item }, limits);
  for (const chunk of chunks) {
    decoder.push(chunk);
  }
  return { items, end: decoder.end() };
}

/** The bytes cut into chunks of `size`. */
export function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    chunks.push(bytes.subarray(at, at + size));
  }
  return chunks;
}

/** All of them behind each other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
