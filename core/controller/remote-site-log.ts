import { failureOf } from "../../sandbox/failure.ts";
import type { LogFields } from "../log.ts";

const MAX_TEXT = 8192;
const MAX_DEPTH = 4;
const MAX_ITEMS = 100;

/** Fields of a log line as plain data of a limited size, whatever a plugin put into them. Never throws. */
export function plainFields(fields: LogFields): LogFields {
  try {
    const plain = plainValue(fields, 0);
    return typeof plain === "object" && plain !== null ? (plain as LogFields) : { value: plain };
  } catch {
    return { unreadable: true };
  }
}

function plainValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
    case "function":
    case "symbol":
    case "bigint":
      return String(value).slice(0, 100);
    case "object":
      return value === null ? null : plainObject(value, depth);
    default:
      return value;
  }
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Error) {
    const { code, message, facts, stack } = failureOf(value);
    return { name: value.name, code, message, facts, stack };
  }
  if (value instanceof Date) {
    return value.toJSON();
  }
  if (depth >= MAX_DEPTH) {
    return Array.isArray(value) ? "[…]" : "{…}";
  }
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ITEMS).map((item) => plainValue(item, depth + 1));
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return plainValue(value.toJSON(), depth + 1);
  }
  const plain: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value).slice(0, MAX_ITEMS)) {
    plain[key] = plainValue(inner, depth + 1);
  }
  return plain;
}
