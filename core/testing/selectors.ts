import { at, isObject, type StoredObject } from "./object.ts";
import { badRequest } from "./status.ts";

/** Decides whether an object is selected. */
export type Selector = (object: StoredObject) => boolean;

const KEY = /^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** Understands a label selector of a query: "a=b,c!=d,e in (f,g),!h". Throws 400. */
export function labelSelector(text: string): Selector | undefined {
  const parts = splitOutside(text).map((part) => part.trim());
  if (text.trim() === "") {
    return undefined;
  }
  const tests = parts.map(labelTest);
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return tests.every((test) => test(labels));
  };
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function labelTest(part: string): LabelTest {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  if (set) {
    const key = checkedKey(set[1]);
    const values = new Set(set[3].split(",").map((value) => value.trim()));
    return set[2] === "in"
      ? (labels) => Object.hasOwn(labels, key) && values.has(labels[key])
      : (labels) => !Object.hasOwn(labels, key) || !values.has(labels[key]);
  }
  const equal = /^([^=!<>\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part);
  if (equal) {
    const key = checkedKey(equal[1]);
    const value = equal[3];
    return equal[2] === "!="
      ? (labels) => !Object.hasOwn(labels, key) || labels[key] !== value
      : (labels) => Object.hasOwn(labels, key) && labels[key] === value;
  }
  const order = /^([^=!<>\s]+)\s*([<>])\s*(-?\d+)$/.exec(part);
  if (order) {
    const key = checkedKey(order[1]);
    const limit = Number(order[3]);
    return (labels) =>
      Object.hasOwn(labels, key) && (order[2] === ">" ? Number(labels[key]) > limit : Number(labels[key]) < limit);
  }
  if (part.startsWith("!")) {
    const key = checkedKey(part.slice(1).trim());
    return (labels) => !Object.hasOwn(labels, key);
  }
  const key = checkedKey(part);
  return (labels) => Object.hasOwn(labels, key);
}

function checkedKey(key: string): string {
  if (!KEY.test(key)) {
    throw badRequest(
      `unable to parse requirement: <nil>: Invalid value: "${key}": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    );
  }
  return key;
}

function splitOutside(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") {
      depth++;
    } else if (text[i] === ")") {
      depth--;
    } else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/** A LabelSelector object: matchLabels and matchExpressions. */
export function matchesSelector(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const wanted = at(selector, "matchLabels");
  if (isObject(wanted) && !Object.entries(wanted).every(([key, value]) => labels[key] === value)) {
    return false;
  }
  const expressions = at(selector, "matchExpressions");
  return !Array.isArray(expressions) || expressions.every((expression) => matchesExpression(expression, labels));
}

function matchesExpression(expression: unknown, labels: Readonly<Record<string, string>>): boolean {
  const key = String(at(expression, "key"));
  const values = at(expression, "values");
  const has = Object.hasOwn(labels, key);
  const listed = has && Array.isArray(values) && values.includes(labels[key]);
  switch (at(expression, "operator")) {
    case "In":
      return listed;
    case "NotIn":
      return !listed;
    case "Exists":
      return has;
    case "DoesNotExist":
      return !has;
    default:
      return false;
  }
}

/** Field labels beside metadata.name and metadata.namespace that a kind understands, with the path that each reads. */
export type FieldLabels = Readonly<Record<string, string>>;

/** What a field selector needs to know about its kind. */
export interface FieldSelectorKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly fieldLabels: FieldLabels;
  readonly custom: boolean;
  readonly group: string;
}

/** Understands a field selector: "status.phase=Running,spec.nodeName!=node-1". Throws 400 for a label that the kind lacks. */
export function fieldSelector(text: string, kind: FieldSelectorKind): Selector | undefined {
  if (text.trim() === "") {
    return undefined;
  }
  const tests = text.split(",").map((part) => fieldTest(part.trim(), kind, text));
  return (object) => tests.every((test) => test(object));
}

function fieldTest(part: string, kind: FieldSelectorKind, whole: string): Selector {
  const match = /^([^=!]*)(==|!=|=)(.*)$/.exec(part);
  if (!match) {
    throw badRequest(`invalid selector: '${whole}'; can't understand '${part}'`);
  }
  const [, label, operator, value] = match;
  const path = pathOf(label, kind);
  const parts = path.split(".");
  const negative = operator === "!=";
  return (object) => (fieldText(object, parts) === value) !== negative;
}

function pathOf(label: string, kind: FieldSelectorKind): string {
  if (label === "metadata.name" || (label === "metadata.namespace" && (kind.namespaced || !kind.custom))) {
    return label;
  }
  const path = kind.fieldLabels[label];
  if (path === undefined) {
    throw badRequest(kind.custom ? `field label not supported: ${label}` : unsupportedLabel(label, kind));
  }
  return path;
}

function unsupportedLabel(label: string, kind: FieldSelectorKind): string {
  return Object.keys(kind.fieldLabels).length > 0
    ? `field label not supported: ${label}`
    : `"${label}" is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

function fieldText(object: StoredObject, path: readonly string[]): string {
  const value = at(object, ...path);
  return value === undefined || value === null ? "" : String(value);
}
