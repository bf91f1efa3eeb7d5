import { type Message, type MessageField, messageOf, messageOfKind } from "../kinds/message.ts";
import type { Json, JsonObject } from "./object.ts";
import { badRequest, notImplemented } from "./status.ts";

/** An element of a message: its number and value. */
interface Element {
  readonly number: number;
  /** Number, or the content of a length-delimited element. */
  readonly value: number | Buffer;
}

function* elements(bytes: Buffer): Generator<Element> {
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= bytes.length) {
        throw badRequest("unexpected EOF in protobuf");
      }
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return Number(BigInt.asIntN(64, value));
      }
    }
    throw badRequest("integer overflow in protobuf");
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: bytes.readDoubleLE(at) };
        at += 8;
        break;
      case 2: {
        const size = varint();
        if (size < 0 || at + size > bytes.length) {
          throw badRequest("unexpected EOF in protobuf");
        }
        yield { number, value: bytes.subarray(at, at + size) };
        at += size;
        break;
      }
      default:
        throw badRequest(`illegal wire type ${tag & 7} in protobuf`);
    }
  }
}

/** Understands an object in its envelope. Throws 400 for bytes that are none, 501 for kinds without a layout. */
export function decodeObject(body: Buffer): JsonObject {
  if (body.length < 4 || body.toString("latin1", 0, 4) !== "k8s\0") {
    throw badRequest("the body of the request was not protobuf: it does not begin with k8s\\0");
  }
  let apiVersion = "";
  let kind = "";
  let raw: Buffer = Buffer.alloc(0);
  for (const { number, value } of elements(body.subarray(4))) {
    if (number === 1 && Buffer.isBuffer(value)) {
      for (const field of elements(value)) {
        if (field.number === 1) {
          apiVersion = String(field.value);
        } else if (field.number === 2) {
          kind = String(field.value);
        }
      }
    } else if (number === 2 && Buffer.isBuffer(value)) {
      raw = value;
    }
  }
  const message = messageOfKind(apiVersion, kind);
  if (message === undefined) {
    throw notImplemented(`protobuf bodies of ${apiVersion} ${kind}`);
  }
  return { kind, apiVersion, ...decodeMessage(message, raw) };
}

/** Understands the bytes of one message as the JSON that the server would write for it. */
export function decodeMessage(message: Message, bytes: Buffer): JsonObject {
  const found = new Map<number, (number | Buffer)[]>();
  for (const { number, value } of elements(bytes)) {
    const list = found.get(number);
    if (list) {
      list.push(value);
    } else {
      found.set(number, [value]);
    }
  }
  const object: JsonObject = {};
  for (const field of message.fields) {
    const values = found.get(field.number) ?? [];
    if (field.inline) {
      const inner = messageOf(field.message ?? "");
      Object.assign(object, inner ? decodeMessage(inner, asBuffer(values.at(-1))) : {});
      continue;
    }
    const value = decodeField(field, values);
    if (value !== undefined) {
      object[field.json] = value;
    }
  }
  return object;
}

function decodeField(field: MessageField, values: readonly (number | Buffer)[]): Json | undefined {
  if (field.repeated) {
    return values.length === 0 && field.omitEmpty
      ? undefined
      : values.length === 0
        ? null
        : values.map((value) => decodeValue(field, value));
  }
  if (field.map) {
    return decodeMap(field, values);
  }
  const last = values.at(-1);
  if (field.pointer) {
    return last === undefined ? undefined : decodeValue(field, last);
  }
  const value = decodeValue(field, last);
  return isZero(value) && (field.omitEmpty || field.omitZero) && (field.omitZero || field.type !== "message")
    ? undefined
    : value;
}

function decodeMap(field: MessageField, values: readonly (number | Buffer)[]): Json | undefined {
  if (values.length === 0) {
    return field.omitEmpty ? undefined : null;
  }
  const object: JsonObject = {};
  for (const value of values) {
    let key = "";
    let content: number | Buffer | undefined;
    for (const part of elements(asBuffer(value))) {
      if (part.number === 1) {
        key = String(part.value);
      } else if (part.number === 2) {
        content = part.value;
      }
    }
    object[key] = decodeValue(field, content);
  }
  return object;
}

function isZero(value: Json): boolean {
  return (
    value === null ||
    value === "" ||
    value === 0 ||
    value === false ||
    (typeof value === "object" && Object.keys(value).length === 0)
  );
}

function asBuffer(value: number | Buffer | undefined): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function asNumber(value: number | Buffer | undefined): number {
  return typeof value === "number" ? value : 0;
}

function decodeValue(field: MessageField, value: number | Buffer | undefined): Json {
  const bytes = asBuffer(value);
  switch (field.type) {
    case "string":
      return bytes.toString("utf8");
    case "bytes":
      return bytes.toString("base64");
    case "bool":
      return asNumber(value) !== 0;
    case "int32":
    case "int64":
    case "double":
      return asNumber(value);
    case "time":
    case "microTime":
      return decodeTime(bytes, field.type === "microTime");
    case "quantity":
      return inner(bytes, 1).toString("utf8");
    case "intOrString":
      return number(bytes, 1) === 1 ? inner(bytes, 3).toString("utf8") : number(bytes, 2);
    case "duration":
      return `${number(bytes, 1) / 1e9}s`;
    case "rawExtension":
    case "fieldsV1":
    case "json":
      return decodeJson(inner(bytes, 1));
    case "message": {
      const message = messageOf(field.message ?? "");
      return message ? decodeMessage(message, bytes) : {};
    }
    default:
      return decodeSchemaOr(field.type, bytes);
  }
}

function decodeSchemaOr(type: MessageField["type"], bytes: Buffer): Json {
  const schema = messageOf("apiextensions.k8s.io/v1.JSONSchemaProps");
  const parts = [...elements(bytes)];
  const single = parts.find((part) => part.number === (type === "schemaOrBool" ? 2 : 1) && Buffer.isBuffer(part.value));
  if (single && schema) {
    return decodeMessage(schema, asBuffer(single.value));
  }
  if (type === "schemaOrBool") {
    return number(bytes, 1) !== 0;
  }
  const many = parts.filter((part) => part.number === 2).map((part) => asBuffer(part.value));
  return many.map((part) => (type === "schemaOrArray" && schema ? decodeMessage(schema, part) : part.toString("utf8")));
}

function inner(bytes: Buffer, wanted: number): Buffer {
  let found: Buffer = Buffer.alloc(0);
  for (const { number: at, value } of elements(bytes)) {
    if (at === wanted && Buffer.isBuffer(value)) {
      found = value;
    }
  }
  return found;
}

function number(bytes: Buffer, wanted: number): number {
  let found = 0;
  for (const element of elements(bytes)) {
    if (element.number === wanted && typeof element.value === "number") {
      found = element.value;
    }
  }
  return found;
}

function decodeTime(bytes: Buffer, micro: boolean): Json {
  if (bytes.length === 0) {
    return null;
  }
  const base = new Date(number(bytes, 1) * 1000).toISOString().slice(0, 19);
  const microseconds = String(Math.floor(number(bytes, 2) / 1000)).padStart(6, "0");
  return micro ? `${base}.${microseconds}Z` : `${base}Z`;
}

function decodeJson(bytes: Buffer): Json {
  if (bytes.length === 0) {
    return null;
  }
  try {
    // JSON.parse gives nothing but JSON.
    return JSON.parse(bytes.toString("utf8")) as Json;
  } catch {
    throw badRequest("a field of the protobuf body is no JSON");
  }
}
