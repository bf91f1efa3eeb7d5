import type { DerivedField } from "./field.ts";
import { sha256 } from "./sha256.ts";

/**
 * The fields of an object that one field manager owns by server-side apply, with their values: managedFields' own steps
 * ("f:spec", 'k:{"name":"web"}', 'v:"x"') down to leaves `[value]`; `[]` where the object has no such value, `[null, digest]` for a
 * long text and for every text of a Secret.
 */
export type OwnedNode = readonly unknown[] | { readonly [step: string]: OwnedNode };

/** `fieldsV1` of one entry of managedFields. */
export type FieldsV1 = { readonly [step: string]: FieldsV1 };

/** A manager's entry that owns by apply, on the object itself: not of a subresource. Its name is `manager`. */
export function ownedFields(manager: string): DerivedField<OwnedNode | undefined> {
  return { type: "owned", path: "metadata.managedFields", derived: true, manager };
}

/** The name of the field that `ownedFields(manager)` has in a kind. */
export function ownedFieldName(manager: string): `owned:${string}` {
  return `owned:${manager}`;
}

/** The steps below a node of `fieldsV1`; "." says only that the node itself is owned too. What is no node has none. */
export function ownedSteps(fields: FieldsV1): string[] {
  return typeof fields === "object" && fields !== null ? Object.keys(fields).filter((step) => step !== ".") : [];
}

/** Texts up to so many bytes are kept as they are; of longer ones it is enough to know whether they are the same. */
const LONGEST_TEXT = 256;

/** Whether the texts of a kind are kept as digests, however short they are. */
export function isHidden({ apiVersion, kind }: { readonly apiVersion?: unknown; readonly kind?: unknown }): boolean {
  return kind === "Secret" && apiVersion === "v1";
}

/** True for a text of which the digest is kept. */
export function isDigested(bytes: number, hidden: boolean): boolean {
  return hidden || bytes > LONGEST_TEXT;
}

/** Stands for a text, or its bytes in UTF-8. */
export function digestOf(text: string | Uint8Array): string {
  return sha256(text, "base64url");
}

/** The values that `fields` names in `value`, which stands at the place of `fields`. */
export function projectOwned(fields: FieldsV1, value: unknown, hidden = false): OwnedNode {
  const steps = ownedSteps(fields);
  if (steps.length === 0) {
    return leafOf(value, hidden);
  }
  if (Array.isArray(value)) {
    return projectList(fields, steps, value, hidden);
  }
  const isObject = typeof value === "object" && value !== null;
  const node: Record<string, OwnedNode> = {};
  for (const step of steps) {
    const name = step.slice(2);
    // A non-null object can be read by any key.
    const part =
      isObject && step.startsWith("f:") && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined;
    put(node, step, projectOwned(fields[step], part, hidden));
  }
  return node;
}

function leafOf(value: unknown, hidden: boolean): OwnedNode {
  if (typeof value === "string" && isDigested(Buffer.byteLength(value), hidden)) {
    return [null, digestOf(value)];
  }
  return value === undefined ? [] : [value];
}

/** Elements in the order of the list, then those that it has not. */
function projectList(fields: FieldsV1, steps: readonly string[], list: readonly unknown[], hidden: boolean): OwnedNode {
  const node: Record<string, OwnedNode> = {};
  const left = new Set(steps);
  const names = steps[0].startsWith("k:") ? keysOfStep(steps[0]).map(([name]) => name) : undefined;
  for (const [at, element] of list.entries()) {
    const likely = names === undefined ? `v:${JSON.stringify(element)}` : stepOf(names, element);
    // Written in another way: with other escapes, or other keys.
    const step = left.has(likely) ? likely : [...left].find((one) => isAtStep(one, element, at));
    if (step !== undefined) {
      put(node, step, projectOwned(fields[step], element, hidden));
      left.delete(step);
    }
  }
  for (const step of left) {
    put(node, step, []);
  }
  return node;
}

/** The step of an element whose keys have these names, as the server writes it but for rare escapes. */
export function stepOf(names: readonly string[], element: unknown): string {
  if (typeof element !== "object" || element === null) {
    return "";
  }
  const keys: Record<string, unknown> = {};
  for (const name of names) {
    // A non-null object can be read by any key.
    keys[name] = (element as Record<string, unknown>)[name];
  }
  return `k:${JSON.stringify(keys)}`;
}

/** A step may be called "__proto__", in managedFields that nobody can have written. */
function put(node: Record<string, OwnedNode>, step: string, value: OwnedNode): void {
  if (step === "__proto__") {
    Object.defineProperty(node, step, { value, enumerable: true, configurable: true, writable: true });
  } else {
    node[step] = value;
  }
}

function isAtStep(step: string, element: unknown, at: number): boolean {
  if (step.startsWith("v:")) {
    return step.slice(2) === JSON.stringify(element);
  }
  if (step.startsWith("i:")) {
    return Number(step.slice(2)) === at;
  }
  // A non-null object can be read by any key.
  const fields = typeof element === "object" && element !== null ? (element as Record<string, unknown>) : undefined;
  const keys = fields !== undefined && step.startsWith("k:") ? keysOfStep(step) : [];
  return fields !== undefined && keys.length > 0 && keys.every(([key, value]) => fields[key] === value);
}

/** Names and values out of 'k:{"name":"web"}'. */
export function keysOfStep(step: string): [string, unknown][] {
  try {
    // What managedFields has behind "k:" is an object.
    return Object.entries(JSON.parse(step.slice(2)) as Record<string, unknown>);
  } catch {
    return [];
  }
}

/** One entry of managedFields, as far as it is read. */
export interface ManagedEntry {
  readonly manager?: unknown;
  readonly operation?: unknown;
  readonly subresource?: unknown;
  readonly fieldsV1?: unknown;
}

/** What `manager` owns of an object with its managedFields; undefined: nothing. */
export function ownedOf(object: { readonly [field: string]: unknown }, manager: string): OwnedNode | undefined {
  // Of the API server; every part is checked.
  const entries = (object.metadata as { managedFields?: unknown } | undefined)?.managedFields;
  if (!Array.isArray(entries)) {
    return undefined;
  }
  const entry = entries.find((one: ManagedEntry | null) => isApplyOf(one, manager)) as ManagedEntry | undefined;
  return typeof entry?.fieldsV1 === "object" && entry.fieldsV1 !== null
    ? projectOwned(entry.fieldsV1 as FieldsV1, object, isHidden(object))
    : undefined;
}

function isApplyOf(entry: ManagedEntry | null, manager: string): boolean {
  return entry?.manager === manager && entry.operation === "Apply" && (entry.subresource ?? "") === "";
}
