import { didYouMean } from "../../core/nearest.ts";
import { plainScalar } from "./environment.ts";
import { isSecretName, REDACTED } from "./redaction.ts";
import type { ConfigNode, PathStep } from "./tree.ts";
import { nodeAt } from "./tree.ts";

/** What a schema says is wrong: an issue of the Standard Schema, with what zod adds to it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path: readonly PathStep[];
  readonly code?: string;
  readonly expected?: string;
  readonly format?: string;
  readonly origin?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly inclusive?: boolean;
  readonly divisor?: number;
  readonly pattern?: string;
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly keys?: readonly string[];
  /** Of a union: what each alternative says. */
  readonly errors?: readonly (readonly SchemaIssue[])[];
  /** Of a key: what is wrong with it. */
  readonly issues?: readonly SchemaIssue[];
}

/** The messages that zod makes by itself; whatever else comes was written by the author of the schema, and stays. */
const MADE_BY_ZOD = /^(Invalid |Too (small|big)|Unrecognized key)/;

const NOUNS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  bigint: "a whole number",
  boolean: "true or false",
  object: "a table",
  record: "a table",
  map: "a table",
  array: "a list",
  tuple: "a list",
  set: "a list",
  null: "null",
};

/** One issue in our words; undefined when the value is a place that is told already. `root` is the value that was checked. */
export function issueText(issue: SchemaIssue, root: ConfigNode): string {
  const last = issue.path.at(-1);
  const node = hidden(nodeAt(root, issue.path), typeof last === "string" && isSecretName(last));
  if (!MADE_BY_ZOD.test(issue.message)) {
    return issue.message;
  }
  switch (issue.code) {
    case "invalid_type":
      return typeText(issue, node);
    case "too_small":
      return boundText(issue, issue.minimum, "at least", "more than");
    case "too_big":
      return boundText(issue, issue.maximum, "at most", "less than");
    case "invalid_value":
      return valueText(issue.values ?? [], node);
    case "invalid_union":
      return issue.options === undefined ? unionText(issue, node) : valueText(issue.options, node);
    case "invalid_format":
      return issue.format === "regex" && issue.pattern !== undefined
        ? `does not fit ${issue.pattern}`
        : `is not a valid ${issue.format ?? "text"}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    default:
      return `${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`;
  }
}

/** A secret that is written in the file is shown as little as one from elsewhere. */
function hidden(node: ConfigNode | undefined, isSecret: boolean): ConfigNode | undefined {
  return isSecret && node?.kind === "scalar" && node.value !== null && node.written === undefined
    ? { ...node, written: REDACTED }
    : node;
}

function typeText(issue: SchemaIssue, node: ConfigNode | undefined): string {
  const wanted = nounOf(issue.format === "safeint" ? "int" : issue.expected);
  if (node === undefined) {
    return `is missing; expected ${wanted}`;
  }
  return `expected ${wanted}, found ${foundText(node)}${slipHint(issue.expected, node)}`;
}

function nounOf(expected: string | undefined): string {
  return NOUNS[expected ?? ""] ?? expected ?? "something else";
}

/** What the usual slips are: no value, and quotes that make a text of a number or lack where a text is wanted. */
function slipHint(expected: string | undefined, node: ConfigNode): string {
  if (node.kind !== "scalar") {
    return "";
  }
  if (node.value === null) {
    return "; remove the key or give it a value";
  }
  if (expected === "string") {
    return node.written === undefined || node.written === REDACTED
      ? "; write it in quotes"
      : `; write "${node.written}" in quotes`;
  }
  const isQuoted = typeof node.value === "string" && !node.plain && typeof plainScalar(node.value) === expected;
  return isQuoted ? "; write it without quotes" : "";
}

/** What stands there, never a value that came from the environment. */
function foundText(node: ConfigNode): string {
  switch (node.kind) {
    case "list":
      return "a list";
    case "table":
      return "a table";
    case "scalar":
      break;
  }
  if (node.value === null) {
    return "nothing";
  }
  const noun = typeof node.value === "string" ? "text" : typeof node.value === "number" ? "the number" : "";
  const shown = node.written ?? node.value;
  const cut = typeof shown === "string" && shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
  return `${noun} ${typeof cut === "string" ? JSON.stringify(cut) : cut}`.trimStart();
}

function boundText(issue: SchemaIssue, bound: number | bigint | undefined, closed: string, open: string): string {
  const words = issue.inclusive === false ? open : closed;
  switch (issue.origin) {
    case "string":
      return issue.code === "too_small" && bound === 1 ? "must not be empty" : `must have ${words} ${bound} letters`;
    case "array":
    case "set":
    case "map":
      return `must have ${words} ${bound} ${bound === 1 ? "entry" : "entries"}`;
    default:
      return `must be ${words} ${bound}`;
  }
}

function valueText(values: readonly unknown[], node: ConfigNode | undefined): string {
  const names = values.map(String);
  const wanted = names.length === 1 ? `"${names[0]}"` : `one of ${names.join(", ")}`;
  if (node === undefined) {
    return `is missing; expected ${wanted}`;
  }
  const word = node.kind === "scalar" && node.written === undefined ? String(node.value) : "";
  return `expected ${wanted}, found ${foundText(node)}${word === "" ? "" : didYouMean(word, names)}`;
}

/** An alternative that does not even fit the kind of value says nothing of use; what is wanted is named together. */
function unionText(issue: SchemaIssue, node: ConfigNode | undefined): string {
  const wanted = new Set<string>();
  for (const [first] of issue.errors ?? []) {
    if (first?.code === "invalid_value") {
      wanted.add((first.values ?? []).map(String).join(" or "));
    } else if (first !== undefined) {
      wanted.add(nounOf(first.format === "safeint" ? "int" : first.expected));
    }
  }
  const text = [...wanted].join(" or ") || "another value";
  return node === undefined ? `is missing; expected ${text}` : `expected ${text}, found ${foundText(node)}`;
}
