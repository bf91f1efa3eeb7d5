import { type Message, type MessageField, messageOf, messageOfKind } from "../kinds/message.ts";
import { isObject, type Json, type JsonObject, type StoredObject } from "./object.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

const MAGIC = Buffer.from("k8s\0", "latin1");
const encoded = new WeakMap<StoredObject, Buffer>();

/** True when a kind has a protobuf form. */
export function hasProtobuf(apiVersion: string, kind: string): boolean {
  return messageOfKind(apiVersion, kind) !== undefined;
}

/** The bytes of an object inside its envelope; kept per object. */
export function objectBytes(apiVersion: string, kind: string, object: StoredObject): Buffer {
  const known = encoded.get(object);
  if (known !== undefined) {
    return known;
  }
  const bytes = messageBytes(apiVersion, kind, object);
  encoded.set(object, bytes);
  return bytes;
}

/** The bytes of any object of a known kind, not kept. */
export function messageBytes(apiVersion: string, kind: string, object: JsonObject): Buffer {
  const message = messageOfKind(apiVersion, kind);
  if (message === undefined) {
    throw new TypeError(`no protobuf layout for ${apiVersion} ${kind}`);
  }
  const writer = new ProtobufWriter();
  writeMessage(writer, message, object);
  return writer.result();
}

/** "k8s\0" and Unknown around the bytes of an object. */
export function envelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const writer = new ProtobufWriter();
  writer.raw(MAGIC);
  writer.tag(1, 2);
  writer.nested(() => {
    writer.tag(1, 2);
    writer.text(apiVersion);
    writer.tag(2, 2);
    writer.text(kind);
  });
  writer.tag(2, 2);
  writer.bytes(raw);
  writer.tag(3, 2);
  writer.text("");
  writer.tag(4, 2);
  writer.text("");
  return writer.result();
}

/** A list in its envelope. */
export function listBytes(
  apiVersion: string,
  listKind: string,
  metadata: JsonObject,
  items: readonly Buffer[],
): Buffer {
  const writer = new ProtobufWriter();
  writer.tag(1, 2);
  writer.nested(() => writeMessage(writer, known("meta/v1.ListMeta"), metadata));
  for (const item of items) {
    writer.tag(2, 2);
    writer.bytes(item);
  }
  return envelope(apiVersion, listKind, writer.result());
}

/** A frame of a watch. */
export function watchFrame(type: string, object: Uint8Array): Buffer {
  const writer = new ProtobufWriter();
  writer.raw(Buffer.alloc(4));
  writer.tag(1, 2);
  writer.text(type);
  writer.tag(2, 2);
  writer.nested(() => {
    writer.tag(1, 2);
    writer.bytes(object);
  });
  const frame = writer.result();
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

function known(name: string): Message {
  const message = messageOf(name);
  if (message === undefined) {
    throw new TypeError(`no protobuf layout for message ${name}`);
  }
  return message;
}

const sorted = new WeakMap<Message, readonly MessageField[]>();

/** Fields in the order in which the server writes them. */
function byNumber(message: Message): readonly MessageField[] {
  const known = sorted.get(message);
  if (known !== undefined) {
    return known;
  }
  const fields = [...message.fields].sort((a, b) => a.number - b.number);
  sorted.set(message, fields);
  return fields;
}

function writeMessage(writer: ProtobufWriter, message: Message, object: JsonObject): void {
  for (const field of byNumber(message)) {
    if (field.inline) {
      writer.tag(field.number, 2);
      writer.nested(() => writeMessage(writer, known(field.message ?? ""), object));
      continue;
    }
    writeField(writer, field, object[field.json]);
  }
}

function writeField(writer: ProtobufWriter, field: MessageField, value: Json | undefined): void {
  if (field.repeated) {
    for (const item of Array.isArray(value) ? value : []) {
      writeValue(writer, field, item);
    }
    return;
  }
  if (field.map) {
    for (const [key, item] of isObject(value) ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : []) {
      writer.tag(field.number, 2);
      writer.nested(() => {
        writer.tag(1, 2);
        writer.text(key);
        writeValue(writer, { ...field, number: 2, pointer: false }, item);
      });
    }
    return;
  }
  const absent = value === undefined || value === null;
  // Raw bytes that are nil are not written, other values without a pointer always are.
  if (absent && (field.pointer || field.type === "bytes")) {
    return;
  }
  writeValue(writer, field, value ?? undefined);
}

function writeValue(writer: ProtobufWriter, field: MessageField, value: Json | undefined): void {
  const scalar = SCALARS[field.type];
  if (scalar !== undefined) {
    scalar(writer, field.number, value);
    return;
  }
  writer.tag(field.number, 2);
  writer.nested(() => {
    if (field.type === "message") {
      writeMessage(writer, known(field.message ?? ""), isObject(value) ? value : {});
    } else {
      WRAPPED[field.type]?.(writer, value);
    }
  });
}

const SCALARS: Readonly<Record<string, (writer: ProtobufWriter, number: number, value: Json | undefined) => void>> = {
  string(writer, number, value) {
    writer.tag(number, 2);
    writer.text(value === undefined || value === null ? "" : String(value));
  },
  bytes(writer, number, value) {
    writer.tag(number, 2);
    writer.bytes(Buffer.from(String(value ?? ""), "base64"));
  },
  bool(writer, number, value) {
    writer.tag(number, 0);
    writer.varint(value === true ? 1 : 0);
  },
  int32: writeInteger,
  int64: writeInteger,
  double(writer, number, value) {
    writer.tag(number, 1);
    writer.double(Number(value ?? 0));
  },
};

function writeInteger(writer: ProtobufWriter, number: number, value: Json | undefined): void {
  writer.tag(number, 0);
  writer.varint(Number(value ?? 0));
}

const WRAPPED: Readonly<Record<string, (writer: ProtobufWriter, value: Json | undefined) => void>> = {
  time: writeTime,
  microTime: writeTime,
  duration(writer, value) {
    writer.tag(1, 0);
    writer.varint(nanoseconds(String(value ?? "0s")));
  },
  quantity(writer, value) {
    writer.tag(1, 2);
    writer.text(value === undefined ? "0" : String(value));
  },
  intOrString(writer, value) {
    const isText = typeof value === "string";
    writer.tag(1, 0);
    writer.varint(isText ? 1 : 0);
    writer.tag(2, 0);
    writer.varint(isText ? 0 : Number(value ?? 0));
    writer.tag(3, 2);
    writer.text(isText ? value : "");
  },
  rawExtension: writeJson,
  fieldsV1: writeJson,
  json: writeJson,
  schemaOrArray(writer, value) {
    const list = Array.isArray(value);
    for (const schema of list ? value : [value]) {
      writeSchema(writer, list ? 2 : 1, schema);
    }
  },
  schemaOrBool(writer, value) {
    writer.tag(1, 0);
    writer.varint(value === false ? 0 : 1);
    writeSchema(writer, 2, value);
  },
  schemaOrStrings(writer, value) {
    writeSchema(writer, 1, value);
    for (const text of Array.isArray(value) ? value : []) {
      writer.tag(2, 2);
      writer.text(String(text));
    }
  },
};

function writeSchema(writer: ProtobufWriter, number: number, schema: Json | undefined): void {
  if (isObject(schema)) {
    writer.tag(number, 2);
    writer.nested(() => writeMessage(writer, known("apiextensions.k8s.io/v1.JSONSchemaProps"), schema));
  }
}

function writeTime(writer: ProtobufWriter, value: Json | undefined): void {
  if (typeof value !== "string" || value === "") {
    return;
  }
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? "";
  writer.tag(1, 0);
  writer.varint(Math.floor(Date.parse(value) / 1000));
  writer.tag(2, 0);
  writer.varint(Number(fraction.padEnd(9, "0").slice(0, 9)));
}

function writeJson(writer: ProtobufWriter, value: Json | undefined): void {
  if (value !== undefined) {
    writer.tag(1, 2);
    writer.text(JSON.stringify(value));
  }
}

const UNITS: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 };

function nanoseconds(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|us|µs|ns|h|m|s)/g)) {
    total += Number(amount) * UNITS[unit];
  }
  return text.startsWith("-") ? -total : Math.round(total);
}
