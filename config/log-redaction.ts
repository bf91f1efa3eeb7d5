import type { LogFields } from "../core/log.ts";

/** What stands in the place of a secret. */
const REDACTED = "[redacted]";
const MOST_DEPTH = 8;
const MOST_ENTRIES = 500;
const MOST_TEXT = 10_000;

/** Names of fields that hold secrets, without case, "-" and "_". */
const SECRET_NAMES =
  /(token|password|passwd|passphrase|authorization|cookie|secret|apikey|privatekey|keydata|clientkey|credential|bearer)s?$/;
/** Values that are secrets wherever they stand: credentials in headers and addresses, JSON web tokens, private keys. */
const SECRET_VALUES: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w.~+/-]{8,}=*/gi, `$1 ${REDACTED}`],
  [/\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*/g, REDACTED],
  [/(\/\/[^\s/:@]*:)[^\s/@]+@/g, `$1${REDACTED}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
];

/** What every line has of its own; fields of that name get a "_". */
const OWN_NAMES: readonly string[] = ["level", "time", "msg"];

/** A copy of the fields of a log line as plain data, without secrets. Never throws; cuts what is deep, long or circular. */
export function redactedFields(fields: LogFields): Record<string, unknown> {
  const copy = copied(fields, 0, []);
  if (typeof copy !== "object" || copy === null || Array.isArray(copy)) {
    return { fields: copy };
  }
  return Object.fromEntries(
    Object.entries(copy).map(([name, value]) => [OWN_NAMES.includes(name) ? `${name}_` : name, value]),
  );
}

/** A text without secrets. */
export function redactedText(text: string): string {
  const short = text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
  return SECRET_VALUES.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), short);
}

function copied(value: unknown, depth: number, above: readonly object[]): unknown {
  if (typeof value === "string") {
    return redactedText(value);
  }
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") {
    return String(value).slice(0, 100);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (above.includes(value)) {
    return "[circular]";
  }
  if (depth >= MOST_DEPTH) {
    return "[deep]";
  }
  try {
    return copiedObject(value, depth, [...above, value]);
  } catch {
    return "[unreadable]"; // a getter or a proxy that throws
  }
}

function copiedObject(value: object, depth: number, above: readonly object[]): unknown {
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? null : value.toISOString();
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return `[${value.byteLength} bytes]`;
  }
  if (Array.isArray(value)) {
    return value.slice(0, MOST_ENTRIES).map((each) => copied(each, depth + 1, above));
  }
  if (value instanceof Map) {
    return copiedEntries(
      [...value].map(([name, each]): [string, unknown] => [String(name), each]),
      depth,
      above,
    );
  }
  if (value instanceof Set) {
    return [...value].slice(0, MOST_ENTRIES).map((each) => copied(each, depth + 1, above));
  }
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    const own = cause === undefined ? { name, message, stack } : { name, message, stack, cause };
    return copiedEntries(Object.entries({ ...own, ...value }), depth, above);
  }
  return copiedEntries(Object.entries(value), depth, above);
}

function copiedEntries(entries: readonly [string, unknown][], depth: number, above: readonly object[]): object {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of entries.slice(0, MOST_ENTRIES)) {
    // By definition, so that a field called "__proto__" is a field.
    Object.defineProperty(copy, name, {
      value: isSecret(name, value) ? REDACTED : copied(value, depth + 1, above),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
}

/** Numbers and truth values under such a name count secrets, or say whether there is one: `objects: { secrets: 5 }`. */
function isSecret(name: string, value: unknown): boolean {
  const isHidden = (typeof value === "string" && value !== "") || (typeof value === "object" && value !== null);
  return isHidden && SECRET_NAMES.test(name.toLowerCase().replaceAll(/[-_]/g, ""));
}
