import { isObject, type Json, type JsonObject } from "./object.ts";
import { itemKey, type Shape } from "./shape.ts";

/** Fields as paths of managedFields elements ("f:spec", 'k:{"name":"web"}', 'v:"x"'), joined by a character that JSON escapes. */
export type FieldSet = Set<string>;

const JOIN = "\u0001";
/** Stands for a value that is only a container of others. */
const CONTAINER = "\u0002";

/** One field set with the values at its ends, for comparing. */
export type FieldValues = Map<string, string>;

/** All fields of an object with their values; containers count as fields. */
export function valuesOf(shape: Shape, value: Json | undefined): FieldValues {
  const found: FieldValues = new Map();
  collectValues(shape, value, "", found);
  found.delete("");
  return found;
}

function collectValues(shape: Shape, value: Json | undefined, path: string, found: FieldValues): void {
  const into = (element: string) => (path === "" ? element : `${path}${JOIN}${element}`);
  if (value === undefined) {
    return;
  }
  if (shape.kind === "fields" && (isObject(value) || value === null)) {
    found.set(path, CONTAINER);
    for (const [key, item] of Object.entries(value ?? {})) {
      collectValues(shape.child(key), item, into(`f:${key}`), found);
    }
    return;
  }
  if (shape.kind === "keyed" && (Array.isArray(value) || value === null)) {
    found.set(path, CONTAINER);
    for (const item of value ?? []) {
      collectValues(shape.item, item, into(itemKey(shape.keys, item)), found);
    }
    return;
  }
  if (shape.kind === "set" && (Array.isArray(value) || value === null)) {
    found.set(path, CONTAINER);
    for (const item of value ?? []) {
      found.set(into(`v:${JSON.stringify(item)}`), "");
    }
    return;
  }
  found.set(path, JSON.stringify(value));
}

/** The fields that an applied configuration claims: ends, empty containers and items of keyed lists. */
export function claimsOf(shape: Shape, value: Json | undefined): FieldSet {
  const found: FieldSet = new Set();
  collectClaims(shape, value, "", found);
  found.delete("");
  return found;
}

function collectClaims(shape: Shape, value: Json | undefined, path: string, found: FieldSet): void {
  const into = (element: string) => (path === "" ? element : `${path}${JOIN}${element}`);
  if (value === undefined) {
    return;
  }
  if (shape.kind === "fields" && isObject(value) && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value)) {
      collectClaims(shape.child(key), item, into(`f:${key}`), found);
    }
    return;
  }
  // Of an empty list with keys, or an empty set, the server records nothing.
  if (shape.kind === "keyed" && Array.isArray(value)) {
    for (const item of value) {
      const inner = into(itemKey(shape.keys, item));
      found.add(inner);
      collectClaims(shape.item, item, inner, found);
    }
    return;
  }
  if (shape.kind === "set" && Array.isArray(value)) {
    for (const item of value) {
      found.add(into(`v:${JSON.stringify(item)}`));
    }
    return;
  }
  found.add(path);
}

/** What differs between two objects. */
export function compareValues(before: FieldValues, after: FieldValues): { changed: FieldSet; removed: FieldSet } {
  const changed: FieldSet = new Set();
  const removed: FieldSet = new Set();
  for (const [path, value] of after) {
    if (before.get(path) !== value) {
      changed.add(path);
    }
  }
  for (const path of before.keys()) {
    if (!after.has(path)) {
      removed.add(path);
    }
  }
  return { changed, removed };
}

/** The elements of a path. */
export function elementsOf(path: string): string[] {
  return path.split(JOIN);
}

/** A path as conflicts show it: .spec.containers[name="web"].image */
export function readable(path: string): string {
  return elementsOf(path)
    .map((element) => {
      if (element.startsWith("f:")) {
        return `.${element.slice(2)}`;
      }
      if (element.startsWith("v:")) {
        return `[=${element.slice(2)}]`;
      }
      const keys = Object.entries(JSON.parse(element.slice(2)) as JsonObject);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}

/** Written as fieldsV1. */
export function toFieldsV1(set: FieldSet): JsonObject {
  const root: JsonObject = {};
  const nodes = new Map<string, JsonObject>([["", root]]);
  for (const path of [...set].sort()) {
    nodeAt(nodes, path);
  }
  for (const path of set) {
    const node = nodeAt(nodes, path);
    if (Object.keys(node).length > 0) {
      node["."] = {};
    }
  }
  return sorted(root);
}

function sorted(node: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const key of Object.keys(node).sort()) {
    const child = node[key];
    result[key] = isObject(child) ? sorted(child) : child;
  }
  return result;
}

function nodeAt(nodes: Map<string, JsonObject>, path: string): JsonObject {
  const known = nodes.get(path);
  if (known !== undefined) {
    return known;
  }
  const cut = path.lastIndexOf(JOIN);
  const parent = nodeAt(nodes, cut < 0 ? "" : path.slice(0, cut));
  const made: JsonObject = {};
  parent[path.slice(cut + 1)] = made;
  nodes.set(path, made);
  return made;
}

/** Read from fieldsV1. */
export function fromFieldsV1(fields: Json | undefined): FieldSet {
  const set: FieldSet = new Set();
  const visit = (node: JsonObject, path: string): void => {
    const keys = Object.keys(node);
    if (path !== "" && (keys.length === 0 || node["."] !== undefined)) {
      set.add(path);
    }
    for (const key of keys) {
      const child = node[key];
      if (key !== "." && isObject(child)) {
        visit(child, path === "" ? key : `${path}${JOIN}${key}`);
      }
    }
  };
  if (isObject(fields)) {
    visit(fields, "");
  }
  return set;
}

/** True when the path is the prefix or lies below it; elements as in managedFields. */
export function isBelow(path: string, prefix: readonly string[]): boolean {
  const joined = prefix.join(JOIN);
  return path === joined || path.startsWith(`${joined}${JOIN}`);
}
