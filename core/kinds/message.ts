import { MESSAGES } from "./messages.ts";

/**
 * How one value looks on the wire. Protobuf / JSON:
 *
 * - `string`, `bool`, `int32`, `int64`, `double`: varint, fixed64 for double / the plain value.
 * - `bytes`: bytes / base64 text.
 * - `time`, `microTime`: message {1 seconds, 2 nanos} / RFC 3339 text (microTime with six digits), null when absent.
 * - `duration`: message {1 nanoseconds} / Go text such as "1h0m0s".
 * - `quantity`: message {1 text} / text.
 * - `intOrString`: message {1 kind: 0 int, 1 string; 2 int; 3 string} / number or string.
 * - `rawExtension`, `fieldsV1`, `json`: message {1 bytes of JSON} / that JSON. Inside a protobuf `WatchEvent` and `List`
 *   the bytes of `rawExtension` are an object with its own envelope ("k8s\0" + Unknown).
 * - `schemaOrArray`: {1 schema, 2 repeated schema}, `schemaOrBool`: {1 bool, 2 schema}, `schemaOrStrings`: {1 schema,
 *   2 repeated string} / one or the other. A schema is the message "apiextensions.k8s.io/v1.JSONSchemaProps".
 * - `message`: length-delimited / object; `MessageField.message` names it.
 */
export type WireType =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "double"
  | "bytes"
  | "time"
  | "microTime"
  | "duration"
  | "quantity"
  | "intOrString"
  | "rawExtension"
  | "fieldsV1"
  | "json"
  | "schemaOrArray"
  | "schemaOrBool"
  | "schemaOrStrings"
  | "message";

/** One field of a protobuf message and its JSON side. */
export interface MessageField {
  /** JSON name; "" for inline fields. */
  readonly json: string;
  /** Protobuf field number. */
  readonly number: number;
  readonly type: WireType;
  /** Name of the message when `type` is `message`. */
  readonly message?: string;
  /** `p`: a Go pointer: absent and zero differ. Without it the server always writes the field in protobuf. */
  readonly pointer: boolean;
  /** `r`: a list. Never packed. */
  readonly repeated: boolean;
  /** `m`: an object with free keys; repeated {1 key (string), 2 value} in protobuf, `type` is that of the value. */
  readonly map: boolean;
  /** `i`: a message in protobuf whose fields appear in the JSON of its parent. */
  readonly inline: boolean;
  /** `o`: JSON leaves out zero scalars, empty lists and maps, nil pointers (never structs). Without it nil lists are null. */
  readonly omitEmpty: boolean;
  /** `z`: JSON leaves out a zero struct too. */
  readonly omitZero: boolean;
}

/** One message. `apiVersion` and `kind` are never among its fields: in protobuf they are in the envelope. */
export interface Message {
  readonly name: string;
  readonly fields: readonly MessageField[];
}

const parsed = new Map<string, Message>();

/** The message of that name, or undefined when the table has none. Parsed on first use and kept. */
export function messageOf(name: string): Message | undefined {
  const known = parsed.get(name);
  if (known !== undefined) {
    return known;
  }
  const text = Object.hasOwn(MESSAGES, name) ? MESSAGES[name] : undefined;
  if (text === undefined) {
    return undefined;
  }
  const message = { name, fields: text === "" ? [] : text.split(" ").map(parseField) };
  parsed.set(name, message);
  return message;
}

/** The message of a kind: `messageOfKind("apps/v1", "Deployment")`. Undefined when it has no protobuf form here. */
export function messageOfKind(apiVersion: string, kind: string): Message | undefined {
  const own = messageOf(`${apiVersion}.${kind}`);
  if (own !== undefined || (apiVersion !== "v1" && apiVersion !== "meta.k8s.io/v1")) {
    return own;
  }
  return messageOf(`meta/v1.${kind}`);
}

/** Names of all messages in the table. */
export function messageNames(): string[] {
  return Object.keys(MESSAGES);
}

/** Forgets parsed messages, so that plans can be compiled without keeping the table's parsed form in memory. */
export function forgetMessages(): void {
  parsed.clear();
}

function parseField(text: string): MessageField {
  // JSON names hold no colon; a message name may not be split further than three times.
  const [json, number, flags, type] = text.split(":");
  const message = type.includes(".");
  return {
    json,
    number: Number(number),
    // The generator writes only WireType names where there is no dot, and its test checks all of them.
    type: message ? "message" : (type as WireType),
    message: message ? type : undefined,
    pointer: flags.includes("p"),
    repeated: flags.includes("r"),
    map: flags.includes("m"),
    inline: flags.includes("i"),
    omitEmpty: flags.includes("o"),
    omitZero: flags.includes("z"),
  };
}
