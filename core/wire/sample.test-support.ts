import { type Message, type MessageField, messageOf, messageOfKind } from "../kinds/message.ts";
import type { RowPlan } from "../kinds/plan.ts";

/** A Go struct: values by field number. Absent pointers are undefined; times are [seconds, nanoseconds] or undefined. */
export type Struct = Map<number, unknown>;

/** Repeatable random numbers. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

const encoder = new TextEncoder();

/** Makes random objects of a message as the API server could hold them. */
export class Sampler {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  struct(message: Message, depth = 0): Struct {
    const struct: Struct = new Map();
    for (const field of message.fields) {
      struct.set(field.number, this.#field(field, depth));
    }
    return struct;
  }

  object(plan: Pick<RowPlan, "apiVersion" | "kind" | "namespaced">): Struct {
    const message = messageOfKind(plan.apiVersion, plan.kind);
    const metadata = messageOf("meta/v1.ObjectMeta");
    if (!message || !metadata) {
      throw new Error(`no message for ${plan.kind}`);
    }
    const struct = this.struct(message);
    const meta = struct.get(1) as Struct;
    meta.set(1, `o-${this.below(1e6)}`);
    meta.set(3, plan.namespaced ? `ns-${this.below(50)}` : "");
    meta.set(5, this.below(10) === 0 ? "odd-uid" : this.uuid());
    meta.set(6, this.below(10) === 0 ? "007" : String(this.below(2 ** 40)));
    return struct;
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.below(16).toString(16)).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  #field(field: MessageField, depth: number): unknown {
    if (field.repeated) {
      return Array.from({ length: this.#size(depth) }, () => this.#value(field, depth));
    }
    if (field.map) {
      return new Map(Array.from({ length: this.#size(depth) }, () => [this.#text(), this.#value(field, depth)]));
    }
    if (field.pointer && (depth > 5 || this.below(2) === 0)) {
      return undefined;
    }
    return this.#value(field, depth);
  }

  #size(depth: number): number {
    return depth > 5 ? 0 : Math.max(0, this.below(5) - 1);
  }

  #text(): string {
    const texts = ["", "a", "app", "True", "Ready", "10.1.2.3", "None", "fd00::1", 'quote " \\ \n', "snow ☃ 𝄞 <&>"];
    const pick = this.below(texts.length + 3);
    return pick < texts.length ? texts[pick] : `text-${this.below(1000)}`;
  }

  #value(field: MessageField, depth: number): unknown {
    switch (field.type) {
      case "string":
        return this.#text();
      case "bool":
        return this.below(2) === 1;
      case "int32":
        return [0, 1, -1, 80, 2 ** 31 - 1, -(2 ** 31) + 1, this.below(70000)][this.below(7)];
      case "int64":
        return [0, 1, -1, 600, 2 ** 45, -(2 ** 40), this.below(70000)][this.below(7)];
      case "double":
        return [0, 1.5, -3, 1e300][this.below(4)];
      case "bytes":
        return Uint8Array.from({ length: this.below(7) }, () => this.below(256));
      case "time":
        return this.below(4) === 0 ? undefined : [this.below(2 ** 32), 0];
      case "microTime":
        return this.below(4) === 0 ? undefined : [this.below(2 ** 32), this.below(1e6) * 1000 + this.below(1000)];
      case "duration":
        return this.below(100);
      case "quantity":
        return ["0", "100m", "1Gi", "250"][this.below(4)];
      case "intOrString":
        return this.below(2) === 0 ? this.below(70000) : this.#text();
      case "rawExtension":
      case "fieldsV1":
      case "json":
        return ["{}", '{"a":[1,"}"]}', '"text"'][this.below(3)];
      case "schemaOrArray":
      case "schemaOrBool":
      case "schemaOrStrings":
        return undefined;
      case "message":
        return this.struct(messageOf(field.message ?? "") ?? { name: "", fields: [] }, depth + 1);
    }
  }
}

/** Appends protobuf; the same rules as the generated Go code. */
export class ProtobufWriter {
  readonly #parts: Uint8Array[] = [];

  get result(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }

  varint(value: number | bigint): this {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    return this.raw(Uint8Array.of(...bytes, Number(rest)));
  }

  number(field: number, value: number | bigint): this {
    return this.varint(field * 8).varint(value);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.varint(field * 8 + 2)
      .varint(value.length)
      .raw(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  raw(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }
}

/** A struct as protobuf. */
export function toProtobuf(message: Message, struct: Struct): Uint8Array {
  const out = new ProtobufWriter();
  for (const field of message.fields) {
    const value = struct.get(field.number);
    if (Array.isArray(value) && field.repeated) {
      for (const element of value) {
        writeValue(out, field, field.number, element);
      }
    } else if (value instanceof Map && field.map) {
      for (const [key, element] of value) {
        const entry = new ProtobufWriter().text(1, String(key));
        writeValue(entry, field, 2, element);
        out.bytes(field.number, entry.result);
      }
    } else if (!field.repeated && !field.map && (value !== undefined || !field.pointer)) {
      writeValue(out, field, field.number, value);
    }
  }
  return out.result;
}

function writeValue(out: ProtobufWriter, field: MessageField, number: number, value: unknown): void {
  switch (field.type) {
    case "message":
      out.bytes(number, toProtobuf(messageOf(field.message ?? "") ?? { name: "", fields: [] }, value as Struct));
      return;
    case "bool":
      out.number(number, value ? 1 : 0);
      return;
    case "int32":
    case "int64":
      out.number(number, BigInt(value as number));
      return;
    case "double":
      out.varint(number * 8 + 1).raw(new Uint8Array(new Float64Array([value as number]).buffer));
      return;
    case "bytes":
      out.bytes(number, value as Uint8Array);
      return;
    case "time":
    case "microTime": {
      const inner = new ProtobufWriter();
      if (value !== undefined) {
        const [seconds, nanos] = value as [number, number];
        inner.number(1, seconds).number(2, nanos);
      }
      out.bytes(number, inner.result);
      return;
    }
    case "duration":
      out.bytes(number, new ProtobufWriter().number(1, value as number).result);
      return;
    case "intOrString": {
      const isText = typeof value === "string";
      const inner = new ProtobufWriter().number(1, isText ? 1 : 0).number(2, isText ? 0 : (value as number));
      out.bytes(number, inner.text(3, isText ? value : "").result);
      return;
    }
    case "quantity":
    case "rawExtension":
    case "fieldsV1":
    case "json":
      out.bytes(number, new ProtobufWriter().text(1, String(value)).result);
      return;
    case "string":
      out.text(number, String(value));
      return;
    default:
      if (value !== undefined) {
        throw new Error(`cannot write ${field.type}`);
      }
  }
}

/** A struct as the value that its JSON stands for. */
export function toJson(message: Message, struct: Struct): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const field of message.fields) {
    const value = struct.get(field.number);
    if (field.inline) {
      Object.assign(out, toJson(messageOf(field.message ?? "") ?? { name: "", fields: [] }, value as Struct));
    } else if (!isOmitted(field, value)) {
      out[field.json] = jsonOf(field, value);
    }
  }
  return out;
}

function isOmitted(field: MessageField, value: unknown): boolean {
  if (field.type.startsWith("schemaOr")) {
    return true;
  }
  if (field.omitZero && value === undefined) {
    return true;
  }
  if (!field.omitEmpty) {
    return false;
  }
  if (field.repeated) {
    return (value as unknown[]).length === 0;
  }
  if (field.map) {
    return (value as Map<string, unknown>).size === 0;
  }
  if (field.pointer) {
    return value === undefined;
  }
  const isStruct = ["time", "microTime", "message", "quantity", "intOrString", "rawExtension"].includes(field.type);
  return !isStruct && (value === "" || value === 0 || value === false || (value as Uint8Array).length === 0);
}

function jsonOf(field: MessageField, value: unknown): unknown {
  if (field.repeated) {
    return (value as unknown[]).map((element) => jsonValue(field, element));
  }
  if (field.map) {
    return Object.fromEntries(
      [...(value as Map<string, unknown>)].map(([key, element]) => [key, jsonValue(field, element)]),
    );
  }
  return value === undefined ? null : jsonValue(field, value);
}

function jsonValue(field: MessageField, value: unknown): unknown {
  switch (field.type) {
    case "message":
      return toJson(messageOf(field.message ?? "") ?? { name: "", fields: [] }, value as Struct);
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("base64");
    case "time":
      return value === undefined ? null : timeText((value as number[])[0], undefined);
    case "microTime":
      return value === undefined ? null : timeText((value as number[])[0], Math.floor((value as number[])[1] / 1000));
    case "duration":
      return `${value}ns`;
    case "rawExtension":
    case "fieldsV1":
    case "json":
      return JSON.parse(String(value));
    default:
      return value;
  }
}

function timeText(seconds: number, micros: number | undefined): string {
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return micros === undefined ? `${text}Z` : `${text}.${String(micros).padStart(6, "0")}Z`;
}

/** A parsed JSON object as a struct, so that it can be written as protobuf. */
export function toStruct(message: Message, json: Readonly<Record<string, unknown>>): Struct {
  const struct: Struct = new Map();
  for (const field of message.fields) {
    const value = field.inline ? json : json[field.json];
    if (field.repeated) {
      struct.set(
        field.number,
        ((value ?? []) as unknown[]).map((element) => structValue(field, element)),
      );
    } else if (field.map) {
      const entries = Object.entries((value ?? {}) as Record<string, unknown>);
      struct.set(field.number, new Map(entries.map(([key, element]) => [key, structValue(field, element)])));
    } else {
      const absent = value === undefined || value === null;
      struct.set(field.number, absent && field.pointer ? undefined : structValue(field, value ?? undefined));
    }
  }
  return struct;
}

function structValue(field: MessageField, value: unknown): unknown {
  switch (field.type) {
    case "message":
      return toStruct(
        messageOf(field.message ?? "") ?? { name: "", fields: [] },
        (value ?? {}) as Record<string, unknown>,
      );
    case "bytes":
      return new Uint8Array(Buffer.from(String(value ?? ""), "base64"));
    case "time":
    case "microTime":
      return value === undefined ? undefined : timeParts(String(value));
    case "rawExtension":
    case "fieldsV1":
    case "json":
      return JSON.stringify(value ?? null);
    case "string":
    case "quantity":
      return value ?? "";
    default:
      return value ?? 0;
  }
}

function timeParts(text: string): [seconds: number, nanoseconds: number] {
  const micros = /\.(\d{6})/.exec(text)?.[1];
  return [Math.floor(Date.parse(text) / 1000), Number(micros ?? 0) * 1000];
}

/** A wrapped protobuf object, as in a response. */
export function wrap(apiVersion: string, kind: string, object: Uint8Array): Uint8Array {
  const meta = new ProtobufWriter().text(1, apiVersion).text(2, kind).result;
  const unknown = new ProtobufWriter().bytes(1, meta).bytes(2, object).text(3, "").text(4, "").result;
  return new Uint8Array(Buffer.concat([Uint8Array.of(0x6b, 0x38, 0x73, 0), unknown]));
}

/** One protobuf watch frame. */
export function watchFrame(type: string, wrapped: Uint8Array): Uint8Array {
  const raw = new ProtobufWriter().bytes(1, wrapped).result;
  const event = new ProtobufWriter().text(1, type).bytes(2, raw).result;
  const frame = new Uint8Array(4 + event.length);
  new DataView(frame.buffer).setUint32(0, event.length);
  frame.set(event, 4);
  return frame;
}
