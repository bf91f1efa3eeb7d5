import { digestOf, keysOfStep, type OwnedNode, stepOf } from "../kinds/owned.ts";
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

/** Stands between the steps of a path until somebody reads it. */
const JOIN = "\u0001";
/** Nobody reads more of them; enough for a message. */
const MOST = 20;
/** Lists whose elements have keys: of an empty one nothing is ever owned. */
const KEYED_LISTS: ReadonlySet<string> = new Set([
  "containers",
  "initContainers",
  "ephemeralContainers",
  "env",
  "ports",
  "volumes",
  "volumeMounts",
  "volumeDevices",
  "imagePullSecrets",
  "secrets",
  "hostAliases",
  "topologySpreadConstraints",
  "resourceClaims",
  "schedulingGates",
  "claims",
  "conditions",
  "ownerReferences",
  "finalizers",
]);
/** What the server completes inside of values that are applied as a whole. Others are learned from its answers. */
const DEFAULTS: readonly (readonly [at: RegExp, key: string, value: unknown])[] = [
  [/\bfieldRef$/, "apiVersion", "v1"],
  [/\bresourceFieldRef$/, "divisor", "0"],
  [/\bports\[\d+\]$/, "protocol", "TCP"],
  [/\bserviceAccountToken$/, "expirationSeconds", 3600],
];
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
  // What names the object is never owned.
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = wanted;
  const { name: _name, namespace: _namespace, ...meta } = isRecord(metadata) ? metadata : {};
  const isMetadataOwned = !isLeaf(owned) && Object.hasOwn(owned, "f:metadata");
  if (isMetadataOwned || Object.keys(meta).length === 0) {
    compareNode(owned, isMetadataOwned ? { ...rest, metadata: meta } : rest, "", false, found);
  } else {
    compareNode({}, meta, ".metadata", false, found);
    compareNode(owned, rest, "", false, found);
  }
  return found.map((difference) => ({ ...difference, path: shownPath(difference.path) }));
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
  for (const name of Object.keys(wanted)) {
    const step = `f:${name}`;
    const value = wanted[name];
    if (Object.hasOwn(node, step)) {
      owned++;
      compareNode(node[step], value, path + JOIN + step, isQuantity || QUANTITIES.has(name), found);
    } else if (!(KEYED_LISTS.has(name) && Array.isArray(value) && value.length === 0)) {
      found.push({ what: "missing", path: path + JOIN + step, live: undefined, wanted: value });
    }
  }
  const steps = Object.keys(node);
  if (owned === steps.length) {
    return;
  }
  for (const step of steps) {
    if (!Object.hasOwn(wanted, step.slice(2))) {
      found.push({ what: "extra", path: path + JOIN + step, live: node[step], wanted: undefined });
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
  const steps = Object.keys(node);
  const left = placesOf(steps, wanted);
  const isSet = steps[0]?.startsWith("v:");
  let last = -1;
  let isOrdered = true;
  for (const step of steps) {
    const at = left.get(step) ?? placeOf(step, wanted, left);
    if (at === undefined) {
      found.push({ what: "extra", path: path + JOIN + step, live: node[step], wanted: undefined });
      continue;
    }
    left.delete(step);
    isOrdered &&= at > last;
    last = at;
    if (!isSet) {
      compareNode(node[step], wanted[at], path + JOIN + step, isQuantity, found);
    }
  }
  for (const at of left.values()) {
    found.push({ what: "missing", path: `${path}${JOIN}[${at}]`, live: undefined, wanted: wanted[at] });
  }
  if (!isOrdered && !isSet && left.size === 0) {
    found.push({ what: "order", path, live: steps, wanted });
  }
}

/** Places of the wanted elements, by their step where it can be told, else by themselves. */
function placesOf(steps: readonly string[], wanted: readonly unknown[]): Map<string | number, number> {
  const names = steps[0]?.startsWith("k:") ? keysOfStep(steps[0]).map(([name]) => name) : undefined;
  const places = new Map<string | number, number>();
  for (const [at, element] of wanted.entries()) {
    const step = names === undefined ? `v:${JSON.stringify(element)}` : stepOf(names, element);
    places.set(places.has(step) ? at : step, at);
  }
  return places;
}

/** Which of the wanted elements a step is about, where it is written in another way or has a key by default. */
function placeOf(step: string, wanted: readonly unknown[], left: Map<string | number, number>): number | undefined {
  const keys = step.startsWith("k:") ? keysOfStep(step) : [];
  for (const [place, at] of left) {
    const element = wanted[at];
    const isIt = step.startsWith("i:")
      ? Number(step.slice(2)) === at
      : keys.length > 0 &&
        isRecord(element) &&
        keys.every(([key, value]) => element[key] === value || isDefaultKey(key, value, element));
    if (isIt) {
      left.delete(place);
      return at;
    }
  }
  return undefined;
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
  const [value, digest] = leaf;
  const live = value ?? undefined;
  if (typeof digest === "string") {
    if (typeof wanted !== "string" || digestOf(wanted) !== digest) {
      found.push({ what: "value", path, live: `sha256:${digest}`, wanted });
    }
    return;
  }
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

function isDefault(path: string, key: string, value: unknown): boolean {
  return DEFAULTS.some(([at, name, usual]) => name === key && usual === value && at.test(path));
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
    const isLeftOut = is === undefined && (isEmpty(should) || isZero(should));
    if (!isLeftOut && !(should === undefined && isDefault(path, key, is))) {
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

/** As conflicts show it. */
function shownPath(path: string): string {
  return path.split(JOIN).map(shownStep).join("");
}

function shownStep(step: string): string {
  if (step.startsWith("f:")) {
    return `.${step.slice(2)}`;
  }
  if (step.startsWith("k:")) {
    const keys = keysOfStep(step).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    return `[${keys.join(",")}]`;
  }
  return step.startsWith("v:") ? `[=${step.slice(2)}]` : step;
}
