import type { CellPlan, CellType, RowPlan } from "../kinds/plan.ts";
import { ROW_CREATED, ROW_DELETING, ROW_NAME, ROW_NAMESPACE, ROW_UID, ROW_VERSION } from "../store/row.ts";

/** What to do with a value. Numbers, since they are switched on for every field of every object. */
export const OP = {
  text: 1,
  name: 2,
  enum: 3,
  int: 4,
  optionalInt: 5,
  long: 6,
  bool: 7,
  optionalBool: 8,
  ip: 9,
  time: 10,
  microTime: 11,
  intOrText: 12,
  names: 13,
  texts: 14,
  nameMap: 15,
  textMap: 16,
  sum: 17,
  count: 18,
  condition: 19,
  records: 20,
  enter: 21,
  uid: 22,
  version: 23,
  cut: 24,
} as const;

/** One wanted condition: its type as bytes, and its cell. */
export interface WantedCondition {
  readonly type: Uint8Array;
  readonly at: number;
}

/** One thing to do with the value of one key, in either wire format. */
export interface Step {
  readonly key: string;
  readonly op: number;
  /** Offset from the start of the row or of the element; `sum`, `count` and `condition` always count from the row. */
  readonly at: number;
  readonly field: string;
  readonly values: readonly Uint8Array[];
  readonly conditions: WantedCondition[];
  /** Steps within the value, for `enter` and `records`. */
  readonly branch: Branch | undefined;
  /** Content words of a `records` element. */
  readonly words: number;
}

/** Steps for the keys of one object. Several steps may share a key. */
export interface Branch {
  readonly steps: Step[];
  /** Cells of type `optionalInt`, which begin as "absent". */
  readonly absentInts: number[];
}

const encoder = new TextEncoder();
const NONE: readonly Uint8Array[] = [];

const HEADER: readonly (readonly [key: string, op: number, at: number])[] = [
  ["name", OP.text, ROW_NAME],
  ["namespace", OP.name, ROW_NAMESPACE],
  ["uid", OP.uid, ROW_UID],
  ["resourceVersion", OP.version, ROW_VERSION],
  ["creationTimestamp", OP.time, ROW_CREATED],
  ["deletionTimestamp", OP.time, ROW_DELETING],
];

/** Turns a plan into the tree of keys that both readers follow. Done once per stream. */
export function treeOf(plan: RowPlan): Branch {
  const root: Branch = { steps: [], absentInts: [] };
  const metadata = child(root, "metadata");
  for (const [key, op, at] of HEADER) {
    metadata.steps.push(step(key, op, at, key));
  }
  for (const cell of plan.cells) {
    place(root, cell);
  }
  foldSums(root);
  return root;
}

function place(root: Branch, cell: CellPlan): void {
  if (cell.type === "json" || cell.type === "owned") {
    return;
  }
  if (cell.type === "optionalInt") {
    root.absentInts.push(cell.at);
  }
  let branch = root;
  for (const key of cell.path.slice(0, -1)) {
    branch = child(branch, key);
  }
  const key = cell.path[cell.path.length - 1];
  if (cell.type === "condition") {
    const found = branch.steps.find((other) => other.key === key && other.op === OP.condition);
    const target = found ?? step(key, OP.condition, 0, cell.field);
    target.conditions.push({ type: encoder.encode(cell.conditionType ?? ""), at: cell.at });
    if (!found) {
      branch.steps.push(target);
    }
    return;
  }
  branch.steps.push(leaf(key, cell));
}

function leaf(key: string, cell: CellPlan): Step {
  const op = OP[cell.type as Exclude<CellType, "json" | "owned">];
  if (!cell.element) {
    return step(
      key,
      op,
      cell.at,
      cell.field,
      (cell.values ?? []).map((value) => encoder.encode(value)),
    );
  }
  const branch: Branch = { steps: [], absentInts: [] };
  for (const part of cell.element.cells) {
    place(branch, part);
  }
  return { ...step(key, op, cell.at, cell.field), branch, words: cell.element.words };
}

function child(branch: Branch, key: string): Branch {
  const found = branch.steps.find((other) => other.key === key && other.op === OP.enter)?.branch;
  if (found) {
    return found;
  }
  const made: Branch = { steps: [], absentInts: [] };
  branch.steps.push({ ...step(key, OP.enter, 0, key), branch: made });
  return made;
}

function step(key: string, op: number, at: number, field: string, values: readonly Uint8Array[] = NONE): Step {
  return { key, op, at, field, values, conditions: [], branch: undefined, words: 0 };
}

/** A list that is kept and summed is walked once: what is summed joins the steps of its elements. */
function foldSums(branch: Branch): void {
  for (const list of branch.steps.filter((candidate) => candidate.op === OP.records)) {
    const index = branch.steps.findIndex((other) => other.op === OP.enter && other.key === list.key);
    if (index >= 0) {
      list.branch?.steps.push(...(branch.steps[index].branch?.steps ?? []));
      branch.steps.splice(index, 1);
    }
  }
  for (const inner of branch.steps) {
    if (inner.op === OP.enter && inner.branch) {
      foldSums(inner.branch);
    }
  }
}
