/** Values that are looked at: a larger one is left to the copying itself. */
const MAX_VALUES = 500;

const COPIED: readonly (abstract new (...given: never[]) => object)[] = [
  ArrayBuffer,
  SharedArrayBuffer,
  Date,
  Map,
  Set,
  RegExp,
  Error,
];

/**
 * Says what in a value would not arrive in another thread as it is, or undefined. Functions and symbols cannot be copied;
 * an instance of a class would arrive without its methods and accessors, which nobody would notice: a view of the store
 * would be an empty object. Looks at the first 500 values.
 */
export function notPlain(value: unknown, name: string): string | undefined {
  const waiting: { readonly value: unknown; readonly path: string }[] = [{ value, path: name }];
  for (let looked = 0; looked < MAX_VALUES; looked++) {
    const next = waiting.pop();
    if (next === undefined) {
      return undefined;
    }
    const problem = problemOf(next.value);
    if (problem !== undefined) {
      return `${next.path} is ${problem}`;
    }
    if (Array.isArray(next.value)) {
      for (let index = Math.min(next.value.length, MAX_VALUES) - 1; index >= 0; index--) {
        waiting.push({ value: next.value[index], path: `${next.path}[${index}]` });
      }
    } else if (isPlain(next.value)) {
      for (const [key, inner] of Object.entries(next.value)) {
        waiting.push({ value: inner, path: `${next.path}.${key}` });
      }
    }
  }
  return undefined;
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === "function") {
    return `a function (${value.name || "without a name"})`;
  }
  if (typeof value === "symbol") {
    return "a symbol";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || isPlain(value)) {
    return undefined;
  }
  if (ArrayBuffer.isView(value) || COPIED.some((known) => value instanceof known) || isPort(value)) {
    return undefined;
  }
  return `an instance of ${value.constructor?.name || "a class"}; copy what is needed into a plain object`;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // The second: of any realm.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isPort(value: object): boolean {
  return value.constructor?.name === "MessagePort";
}
