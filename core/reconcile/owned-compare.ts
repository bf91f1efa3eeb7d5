import { keysOfStep, type OwnedNode } from "../kinds/owned.ts";
import { sameQuantity } from "./quantity.ts";

/** What an object is and what it should be do not agree at one place. */
export interface Difference {
  /** "value": ours, with another value. "missing": not ours. "extra": ours, but not wanted any more. "order": of a list. */
  readonly what: "value" | "missing" | "extra" | "order";
  /** As conflicts show it: `.spec.containers[name="web"].image`. */
  readonly path: string;
  readonly live: unknown;
  readonly wanted: unknown;
}

/** A configuration that is applied, or a part of it. */
export type Wanted = Readonly<Record<string, unknown>>;

/** Said of the whole object, and never owned. */
const UNOWNED: ReadonlySet<string> = new Set([".apiVersion", ".kind", ".metadata.name", ".metadata.namespace"]);
/** Nobody reads more of them; enough for a message. */
const MOST = 20;
/** Below these the server writes quantities in its own way: "1000m" as "1". */
const QUANTITIES: ReadonlySet<string> = new Set([
  "limits",
  "requests",
  "capacity",
  "hard",
  "overhead",
  "sizeLimit",
  "divisor",
  "averageValue",
]);

/**
 * Where what we own of an object and what we want of it differ: in values, or in which fields there are. None: an apply of
 * `wanted` would change nothing. `wanted` has neither null nor undefined in it. At most 20.
 */
export function ownedDifferences(owned: OwnedNode | undefined, wanted: Wanted): Difference[] {
  const found: Difference[] = [];
  if (owned === undefined) {
    return [{ what: "missing", path: "", live: undefined, wanted }];
  }
  compareNode(owned, wanted, "", false, found);
  return found;
}

function compareNode(node: OwnedNode, wanted: unknown, path: string, isQuantity: boolean, found: Difference[]): void {
  if (found.length >= MOST) {
    return;
  }
  if (isLeaf(node)) {
    compareLeaf(node, wanted, path, isQuantity, found);
    return;
  }
  if (isRecord(wanted)) {
    compareFields(node, wanted, path, isQuantity, found);
    return;
  }
  if (Array.isArray(wanted)) {
    compareList(node, wanted, path, isQuantity, found);
    return;
  }
  found.push({ what: "value", path, live: undefined, wanted });
}

type Steps = Readonly<Record<string, OwnedNode>>;

function compareFields(node: Steps, wanted: Wanted, path: string, isQuantity: boolean, found: Difference[]): void {
  let owned = 0;
  for (const [name, value] of Object.entries(wanted)) {
    const step = `f:${name}`;
    const here = `${path}.${name}`;
    if (Object.hasOwn(node, step)) {
      owned++;
      compareNode(node[step], value, here, isQuantity || QUANTITIES.has(name), found);
    } else if (!UNOWNED.has(here) && here !== ".metadata") {
      found.push({ what: "missing", path: here, live: undefined, wanted: value });
    } else if (here === ".metadata" && isRecord(value)) {
      // Nothing of the metadata is ours.
      compareFields({}, value, here, isQuantity, found);
    }
  }
  if (owned === Object.keys(node).length) {
    return;
  }
  for (const step of Object.keys(node)) {
    if (!Object.hasOwn(wanted, step.slice(2))) {
      found.push({ what: "extra", path: `${path}.${step.slice(2)}`, live: node[step], wanted: undefined });
    }
  }
}

/** A list with keys, or a set. */
function compareList(
  node: Steps,
  wanted: readonly unknown[],
  path: string,
  isQuantity: boolean,
  found: Difference[],
): void {
  const left = new Set(wanted.keys());
  let last = -1;
  let isOrdered = true;
  for (const step of Object.keys(node)) {
    const here = `${path}${shownStep(step)}`;
    const at = placeOf(step, wanted, left);
    if (at === undefined) {
      found.push({ what: "extra", path: here, live: node[step], wanted: undefined });
      continue;
    }
    left.delete(at);
    isOrdered &&= at > last || step.startsWith("v:");
    last = at;
    if (!step.startsWith("v:")) {
      compareNode(node[step], wanted[at], here, isQuantity, found);
    }
  }
  for (const at of left) {
    found.push({ what: "missing", path: `${path}[${at}]`, live: undefined, wanted: wanted[at] });
  }
  if (!isOrdered && left.size === 0) {
    found.push({ what: "order", path, live: Object.keys(node), wanted });
  }
}

/** Which of the wanted elements a step is about. */
function placeOf(step: string, wanted: readonly unknown[], left: ReadonlySet<number>): number | undefined {
  const candidates = [...left];
  if (step.startsWith("v:")) {
    const value = step.slice(2);
    return candidates.find((at) => JSON.stringify(wanted[at]) === value);
  }
  if (step.startsWith("i:")) {
    return candidates.find((at) => at === Number(step.slice(2)));
  }
  const keys = keysOfStep(step);
  const fits = (at: number, isStrict: boolean): boolean => {
    const element = wanted[at];
    return (
      isRecord(element) &&
      keys.every(([key, value]) => element[key] === value || (!isStrict && isDefaultKey(key, value, element)))
    );
  };
  return candidates.find((at) => fits(at, true)) ?? candidates.find((at) => fits(at, false));
}

/** Ports may be applied without their protocol. */
function isDefaultKey(key: string, value: unknown, element: Wanted): boolean {
  return key === "protocol" && value === "TCP" && element.protocol === undefined;
}

/** A value that is owned as a whole: a scalar, an atomic list or map, or an empty one. */
function compareLeaf(
  leaf: readonly unknown[],
  wanted: unknown,
  path: string,
  isQuantity: boolean,
  found: Difference[],
): void {
  const live = leaf[0] ?? undefined;
  if (isEmpty(wanted)) {
    // Others may have filled it, and the server may leave it out.
    if (live !== undefined && Array.isArray(live) !== Array.isArray(wanted)) {
      found.push({ what: "value", path, live, wanted });
    }
    return;
  }
  if (live === undefined && isZero(wanted)) {
    return;
  }
  compareValue(live, wanted, path, isQuantity, found);
}

/** What the server leaves out of built-in kinds. */
function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false;
}

function compareValue(live: unknown, wanted: unknown, path: string, isQuantity: boolean, found: Difference[]): void {
  if (Object.is(live, wanted) || (isQuantity && sameQuantity(live, wanted))) {
    return;
  }
  if (Array.isArray(live) && Array.isArray(wanted) && live.length === wanted.length) {
    for (const [at, value] of wanted.entries()) {
      compareValue(live[at], value, `${path}[${at}]`, isQuantity, found);
    }
    return;
  }
  if (!isRecord(live) || !isRecord(wanted)) {
    found.push({ what: "value", path, live, wanted });
    return;
  }
  for (const key of new Set([...Object.keys(live), ...Object.keys(wanted)])) {
    const [is, should] = [live[key] ?? undefined, wanted[key]];
    if (is !== undefined || !(isEmpty(should) || isZero(should))) {
      compareValue(is, should, `${path}.${key}`, isQuantity || QUANTITIES.has(key), found);
    }
  }
}

function isLeaf(node: OwnedNode): node is readonly unknown[] {
  return Array.isArray(node);
}

function isRecord(value: unknown): value is Wanted {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function shownStep(step: string): string {
  if (step.startsWith("k:")) {
    const keys = keysOfStep(step).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    return `[${keys.join(",")}]`;
  }
  return `[=${step.slice(2)}]`;
}
