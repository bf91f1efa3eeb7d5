import { type Message, type MessageField, messageOf, messageOfKind } from "../kinds/message.ts";
import { isObject, type Json, type JsonObject } from "./object.ts";
import { badRequest } from "./status.ts";

/** An object as the server would write it, and the paths of fields that its type does not have. */
export interface Canonical {
  readonly object: JsonObject;
  readonly unknown: readonly string[];
}

/**
 * Brings an object of a built-in kind into the form in which the server shows it: unknown fields gone, zero values there
 * or gone as the Go type says. Throws 400 where a value has the wrong type.
 */
export function canonical(apiVersion: string, kind: string, object: JsonObject): Canonical {
  const message = messageOfKind(apiVersion, kind);
  if (message === undefined) {
    return { object, unknown: [] };
  }
  const walk: Walk = { kind, version: apiVersion.slice(apiVersion.indexOf("/") + 1), unknown: [] };
  const { apiVersion: _version, kind: _kind, ...rest } = object;
  const result = walkMessage(walk, message, rest, "");
  return { object: { kind, apiVersion, ...result }, unknown: walk.unknown };
}

interface Walk {
  readonly kind: string;
  readonly version: string;
  readonly unknown: string[];
}

function walkMessage(walk: Walk, message: Message, object: JsonObject, path: string): JsonObject {
  const result: JsonObject = {};
  const known = new Set<string>();
  collect(walk, { message, object, path, result, known });
  for (const key of Object.keys(object)) {
    if (!known.has(key)) {
      walk.unknown.push(path === "" ? key : `${path}.${key}`);
    }
  }
  return result;
}

interface Collect {
  readonly message: Message;
  readonly object: JsonObject;
  readonly path: string;
  readonly result: JsonObject;
  readonly known: Set<string>;
}

function collect(walk: Walk, step: Collect): void {
  for (const field of step.message.fields) {
    const inner = field.inline ? messageOf(field.message ?? "") : undefined;
    if (inner !== undefined) {
      collect(walk, { ...step, message: inner });
      continue;
    }
    step.known.add(field.json);
    const path = step.path === "" ? field.json : `${step.path}.${field.json}`;
    const value = walkField(walk, field, step.object[field.json] ?? undefined, path);
    if (value !== undefined) {
      step.result[field.json] = value;
    }
  }
}

function walkField(walk: Walk, field: MessageField, value: Json | undefined, path: string): Json | undefined {
  if (field.repeated) {
    if (value === undefined) {
      return field.omitEmpty ? undefined : null;
    }
    if (!Array.isArray(value)) {
      throw wrongType(walk, value, path, `[]${goType(field)}`);
    }
    return value.length === 0 && field.omitEmpty
      ? undefined
      : value.map((item, at) => walkValue(walk, field, item ?? undefined, `${path}[${at}]`));
  }
  if (field.map) {
    return walkMap(walk, field, value, path);
  }
  if (value === undefined) {
    return zeroOf(walk, field, path);
  }
  const walked = walkValue(walk, field, value, path);
  const zero = walked === "" || walked === 0 || walked === false;
  const gone =
    !field.pointer &&
    ((field.omitEmpty && zero) || (field.omitZero && isObject(walked) && Object.keys(walked).length === 0));
  return gone ? undefined : walked;
}

function walkMap(walk: Walk, field: MessageField, value: Json | undefined, path: string): Json | undefined {
  if (value === undefined) {
    return field.omitEmpty ? undefined : null;
  }
  if (!isObject(value)) {
    throw wrongType(walk, value, path, `map[string]${goType(field)}`);
  }
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    result[key] = walkValue(walk, field, item ?? undefined, `${path}.${key}`);
  }
  return Object.keys(result).length === 0 && field.omitEmpty ? undefined : result;
}

/** What an absent field looks like. */
function zeroOf(walk: Walk, field: MessageField, path: string): Json | undefined {
  if (field.pointer || field.omitZero) {
    return undefined;
  }
  if (field.type === "message") {
    const message = messageOf(field.message ?? "");
    return message ? walkMessage(walk, message, {}, path) : {};
  }
  if (field.omitEmpty && !["time", "microTime", "intOrString", "quantity"].includes(field.type)) {
    return undefined;
  }
  return ZEROES[field.type] ?? null;
}

const ZEROES: Readonly<Record<string, Json>> = {
  string: "",
  bool: false,
  int32: 0,
  int64: 0,
  double: 0,
  quantity: "0",
  intOrString: 0,
  duration: "0s",
};

function walkValue(walk: Walk, field: MessageField, value: Json | undefined, path: string): Json {
  switch (field.type) {
    case "message": {
      if (value !== undefined && !isObject(value)) {
        throw wrongType(walk, value, path, goType(field));
      }
      const message = messageOf(field.message ?? "");
      return message ? walkMessage(walk, message, value ?? {}, path) : {};
    }
    case "string":
    case "bytes":
      return typed(walk, field, value ?? "", path, "string");
    case "bool":
      return typed(walk, field, value ?? false, path, "boolean");
    case "int32":
    case "int64":
    case "double":
      return typed(walk, field, value ?? 0, path, "number");
    case "quantity":
      return quantityText(value);
    case "time":
      return typeof value === "string" ? `${new Date(value).toISOString().slice(0, 19)}Z` : null;
    case "microTime":
      return typeof value === "string" ? microText(value) : null;
    default:
      return value ?? null;
  }
}

function microText(value: string): string {
  const fraction = (/\.(\d+)/.exec(value)?.[1] ?? "").padEnd(6, "0").slice(0, 6);
  return `${new Date(value).toISOString().slice(0, 19)}.${fraction}Z`;
}

function quantityText(value: Json | undefined): Json {
  return typeof value === "number" ? String(value) : (value ?? "0");
}

function typed(walk: Walk, field: MessageField, value: Json, path: string, wanted: string): Json {
  if (typeof value !== wanted) {
    throw wrongType(walk, value, path, goType(field));
  }
  return value;
}

function goType(field: MessageField): string {
  if (field.type === "message") {
    const name = field.message ?? "";
    return `${name.replace(/^.*\/(?=[^/]*$)/, "")}`;
  }
  return field.type === "double" ? "float64" : field.type;
}

function wrongType(walk: Walk, value: Json | undefined, path: string, goTypeName: string): Error {
  const found = Array.isArray(value)
    ? "array"
    : isObject(value)
      ? "object"
      : typeof value === "boolean"
        ? "bool"
        : typeof value;
  const plain = path.replaceAll(/\[\d+\]/g, "");
  return badRequest(
    `${walk.kind} in version "${walk.version}" cannot be handled as a ${walk.kind}: json: cannot unmarshal ${found} into Go struct field ${walk.kind}.${plain} of type ${goTypeName}`,
  );
}
