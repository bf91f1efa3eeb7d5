import type { RowPlan } from "../kinds/plan.ts";
import { sameBytes } from "./row-writer.ts";
import { type Branch, treeOf, type WantedCondition } from "./tree.ts";

/** What only the JSON reader does: see `OP` for the others. */
export const JSON_OP = { kind: 101, apiVersion: 102, cut: 103, managedFields: 104 } as const;

/** A step for one key. */
export interface JsonStep {
  readonly key: Uint8Array;
  readonly op: number;
  readonly at: number;
  readonly values: readonly Uint8Array[];
  readonly conditions: readonly WantedCondition[];
  readonly node: JsonNode | undefined;
  readonly words: number;
  /** Another step for the same key. */
  next: JsonStep | undefined;
}

/** Wanted keys of one object, by the length of the key. */
export interface JsonNode {
  readonly byLength: JsonStep[][];
  readonly absentInts: readonly number[];
}

const encoder = new TextEncoder();

/** Trees by plan: a reflector makes a reader for every page and every reconnect. They never change. */
const compiled = new WeakMap<RowPlan, JsonNode>();

/** Compiles a plan for JSON, once. */
export function compileJson(plan: RowPlan): JsonNode {
  const known = compiled.get(plan);
  if (known !== undefined) {
    return known;
  }
  const root = nodeOf(treeOf(plan));
  add(root, "kind", { ...EMPTY, op: JSON_OP.kind });
  add(root, "apiVersion", { ...EMPTY, op: JSON_OP.apiVersion });
  const metadata = root.byLength["metadata".length].find((step) => step.node !== undefined)?.node;
  if (plan.keep === "slim" && metadata !== undefined) {
    add(metadata, "managedFields", { ...EMPTY, op: JSON_OP.cut });
  }
  if (plan.cells.some((cell) => cell.type === "owned") && metadata !== undefined) {
    add(metadata, "managedFields", { ...EMPTY, op: JSON_OP.managedFields });
  }
  compiled.set(plan, root);
  return root;
}

const EMPTY: Omit<JsonStep, "key"> = {
  op: 0,
  at: 0,
  values: [],
  conditions: [],
  node: undefined,
  words: 0,
  next: undefined,
};

function nodeOf(branch: Branch): JsonNode {
  const node: JsonNode = { byLength: [], absentInts: branch.absentInts };
  for (const step of branch.steps) {
    add(node, step.key, {
      op: step.op,
      at: step.at,
      values: step.values,
      conditions: step.conditions,
      node: step.branch && nodeOf(step.branch),
      words: step.words,
      next: undefined,
    });
  }
  return node;
}

function add(node: JsonNode, name: string, step: Omit<JsonStep, "key">): void {
  const key = encoder.encode(name);
  while (node.byLength.length <= key.length) {
    node.byLength.push([]);
  }
  const same = node.byLength[key.length];
  const index = same.findIndex((other) => Buffer.from(other.key).equals(key));
  if (index >= 0) {
    same[index] = { ...step, key, next: same[index] };
  } else {
    same.push({ ...step, key });
  }
}

/** The step for a key, or undefined. */
export function find(node: JsonNode, bytes: Uint8Array, start: number, end: number): JsonStep | undefined {
  const size = end - start;
  if (size >= node.byLength.length) {
    return undefined;
  }
  const candidates = node.byLength[size];
  for (let i = 0; i < candidates.length; i++) {
    if (sameBytes(candidates[i].key, bytes, start)) {
      return candidates[i];
    }
  }
  return undefined;
}

/** The cell of a wanted condition, 0 when it is not wanted. */
export function conditionCell(step: JsonStep, bytes: Uint8Array, start: number, end: number): number {
  for (const wanted of step.conditions) {
    if (wanted.type.length === end - start && sameBytes(wanted.type, bytes, start)) {
      return wanted.at;
    }
  }
  return 0;
}
