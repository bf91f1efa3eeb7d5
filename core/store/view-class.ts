import { FairleadError } from "../errors.ts";
import { builtInKind } from "../kinds/built-in.ts";
import type { FieldData } from "../kinds/field.ts";
import type { CellPlan, RowPlan } from "../kinds/plan.ts";
import { cellReader, type ReadCell, timeText } from "./cell-value.ts";
import { ROW_CREATED, ROW_DELETING, ROW_NAME, ROW_NAMESPACE } from "./row.ts";
import { resourceVersionText, textAt, uidText } from "./row-text.ts";
import type { Snapshot } from "./snapshot.ts";

/** Makes views of one kind's rows. */
export type MakeView = (row: number) => object;

/** What is behind a view: valid only within the read in which it was made. The `$` keeps clear of fields' names. */
class Frame {
  /** This, so that views and the groups in them are read alike. */
  readonly $frame: Frame;
  readonly $row: number;
  readonly $at: number;
  readonly $serial: number;
  /** Lists and maps that were read, by the number of their cell. */
  $cache: unknown[] | undefined = undefined;

  constructor(row: number, at: number, serial: number) {
    this.$frame = this;
    this.$row = row;
    this.$at = at;
    this.$serial = serial;
  }
}

/** An object on the way to a field: `pod.status`. */
class Group {
  readonly $frame: Frame;

  constructor(frame: Frame) {
    this.$frame = frame;
  }
}

/** One step of the paths that a view shows. */
interface Branch {
  readonly steps: Map<string, Branch>;
  get?: (frame: Frame) => unknown;
}

/** A field as the view and its JSON show it. */
interface Shown {
  readonly path: readonly string[];
  readonly get: (frame: Frame) => unknown;
}

/** Says that a field was not asked for. */
type Refusal = (path: readonly string[], field: string) => FairleadError;

/**
 * Makes the view class of a kind for one thread. The class has getters in the shape of the object's JSON; nothing is read
 * before it is asked for. Fields that the kind's table has, but which were not selected, throw STORE_FIELD_NOT_DECLARED.
 * Fields that nobody knows are undefined: to catch those would take a Proxy, which is slower.
 */
export function viewMaker(plan: RowPlan, snapshot: Snapshot): MakeView {
  const refuse: Refusal = (path, field) =>
    new FairleadError(
      "STORE_FIELD_NOT_DECLARED",
      `"${plan.name}" is followed without "${path.join(".")}"; add "${field}" to its selection: .select(…, "${field}")`,
      { facts: { kind: plan.name, field } },
    );
  return makerOf({ plan, whole: plan, refuse, snapshot });
}

/** The same for a part of a plan: fields that only others asked for throw as well, and are not in the JSON. */
export function partMaker(whole: RowPlan, part: RowPlan, snapshot: Snapshot): MakeView {
  const refuse: Refusal = (path, field) =>
    new FairleadError(
      "STORE_FIELD_NOT_DECLARED",
      `"${part.name}" is read without "${path.join(".")}"; add ` +
        (field === "json" ? `keep: "slim" to "${part.name}" in "needs"` : `"${field}" to "${part.name}" in "needs"`),
      { facts: { kind: part.name, field } },
    );
  return makerOf({ plan: part, whole, refuse, snapshot });
}

/** What the class of a kind's views is made of. */
interface ClassParts {
  /** The cells that views show. */
  readonly plan: RowPlan;
  /** All cells that the rows have. */
  readonly whole: RowPlan;
  readonly refuse: Refusal;
  readonly snapshot: Snapshot;
}

function makerOf(parts: ClassParts): MakeView {
  const { plan, whole, refuse, snapshot } = parts;
  const shown = [...headerFields(plan, snapshot), ...plan.cells.map((cell, i) => shownCell(parts, cell, i))];
  const root: Branch = { steps: new Map() };
  for (const field of shown) {
    place(root, field.path, field.get);
  }
  for (const [field, data] of Object.entries(knownFields(plan))) {
    placeMissing(root, data.derived ? [field] : data.path.split("."), field, refuse);
  }
  for (const cell of whole.cells) {
    placeMissing(root, cell.shownAs, cell.field, refuse);
  }
  const isJsonKept = plan.cells.some((cell) => cell.type === "json");
  const json = shown.find((field) => isJsonKept && field.path[0] === "json");
  // What is owned is no part of the object.
  const owned = new Set(plan.cells.filter((cell) => cell.type === "owned").map((cell) => cell.field));
  const copiedOut = shown.filter(({ path: [first] }) => !owned.has(first));
  class View extends Frame {
    toJSON(): unknown {
      checkFrame(this, snapshot);
      return json === undefined
        ? { apiVersion: plan.apiVersion, kind: plan.kind, ...plain(this, copiedOut) }
        : json.get(this);
    }
  }
  define(View.prototype, root, snapshot);
  return (row) => new View(row, row, snapshot.serial);
}

function checkFrame(frame: Frame, snapshot: Snapshot): void {
  if (frame.$serial !== snapshot.serial || !snapshot.isOpen) {
    throw new FairleadError(
      "STORE_VIEW_EXPIRED",
      "a view was used after the read or listener that it belongs to; copy what you need inside, or use toJSON()",
    );
  }
}

function checked(frame: Frame, snapshot: Snapshot): Frame {
  checkFrame(frame, snapshot);
  return frame;
}

function headerFields(plan: RowPlan, snapshot: Snapshot): Shown[] {
  const { words, dictionary } = snapshot;
  const { text } = snapshot.memory;
  const name = (row: number): string => textAt(words, text, row, words[row + ROW_NAME]);
  const namespace = (row: number): string => dictionary.text(words[row + ROW_NAMESPACE]);
  const fields: [string, (row: number) => unknown][] = [
    ["name", name],
    ["namespace", plan.namespaced ? namespace : () => undefined],
    ["uid", (row) => uidText(words, text, row)],
    ["resourceVersion", (row) => resourceVersionText(words, text, row)],
    ["creationTimestamp", (row) => timeText(words[row + ROW_CREATED])],
    ["deletionTimestamp", (row) => timeText(words[row + ROW_DELETING])],
  ];
  const key = (row: number): string => (plan.namespaced ? `${namespace(row)}/${name(row)}` : name(row));
  return [
    { path: ["key"], get: (frame) => key(checked(frame, snapshot).$row) },
    ...fields.map(([field, get]) => ({
      path: ["metadata", field],
      get: (frame: Frame) => get(checked(frame, snapshot).$row),
    })),
  ];
}

function shownCell(parts: ClassParts, cell: CellPlan, number: number): Shown {
  return { path: cell.shownAs, get: cellGetter(parts, cell, number) };
}

function cellGetter(parts: ClassParts, cell: CellPlan, number: number): (frame: Frame) => unknown {
  const { snapshot } = parts;
  const read: ReadCell = cellReader(cell, snapshot, cell.element && elementMaker(parts, cell));
  const { at } = cell;
  switch (cell.type) {
    case "names":
    case "texts":
    case "nameMap":
    case "textMap":
    case "records":
      return (frame) => {
        checkFrame(frame, snapshot);
        frame.$cache ??= [];
        frame.$cache[number] ??= read(frame.$row, frame.$at + at);
        return frame.$cache[number];
      };
    default:
      return (frame) => {
        checkFrame(frame, snapshot);
        return read(frame.$row, frame.$at + at);
      };
  }
}

type MakeElement = (row: number, at: number) => object;

/** The class of a list's elements is made when the first one is looked at: most lists never are. */
function elementMaker(parts: ClassParts, list: CellPlan): MakeElement {
  let make: MakeElement | undefined;
  return (row, at) => {
    make ??= elementClass(parts, list);
    return make(row, at);
  };
}

function elementClass(parts: ClassParts, list: CellPlan): MakeElement {
  const { plan, whole, refuse, snapshot } = parts;
  const shown = (list.element?.cells ?? []).map((cell, i) => shownCell(parts, cell, i));
  const root: Branch = { steps: new Map() };
  for (const field of shown) {
    place(root, field.path, field.get);
  }
  for (const [part, data] of Object.entries(knownFields(plan)[list.field]?.element ?? {})) {
    placeMissing(root, data.path.split("."), `${list.field}.${part}`, refuse);
  }
  for (const cell of whole.cells.find((other) => other.field === list.field)?.element?.cells ?? []) {
    placeMissing(root, cell.shownAs, `${list.field}.${cell.field}`, refuse);
  }
  class Element extends Frame {
    toJSON(): unknown {
      checkFrame(this, snapshot);
      return plain(this, shown);
    }
  }
  define(Element.prototype, root, snapshot);
  return (row, at) => new Element(row, at, snapshot.serial);
}

function knownFields(plan: RowPlan): Readonly<Record<string, FieldData>> {
  const kind = builtInKind(plan.name);
  return kind !== undefined && kind.apiVersion === plan.apiVersion ? kind.fields : {};
}

/** Gives a field that was not selected a getter that says so, unless its place is taken. */
function placeMissing(root: Branch, path: readonly string[], field: string, refuse: Refusal): void {
  place(root, path, () => {
    throw refuse(path, field);
  });
}

function place(root: Branch, path: readonly string[], get: (frame: Frame) => unknown): void {
  let branch = root;
  for (const step of path) {
    if (branch.get !== undefined) {
      return;
    }
    const next = branch.steps.get(step) ?? { steps: new Map() };
    branch.steps.set(step, next);
    branch = next;
  }
  if (branch.steps.size === 0) {
    branch.get ??= get;
  }
}

function define(prototype: object, branch: Branch, snapshot: Snapshot): void {
  for (const [name, step] of branch.steps) {
    const value = step.get;
    if (value !== undefined) {
      Object.defineProperty(prototype, name, {
        enumerable: true,
        get(this: { readonly $frame: Frame }) {
          return value(this.$frame);
        },
      });
      continue;
    }
    class Step extends Group {}
    define(Step.prototype, step, snapshot);
    Object.defineProperty(prototype, name, {
      enumerable: true,
      get(this: { readonly $frame: Frame }) {
        return new Step(checked(this.$frame, snapshot));
      },
    });
  }
}

type Plain = { [field: string]: unknown };

/** A copy as plain data. What is absent or empty is left out. */
function plain(frame: Frame, shown: readonly Shown[]): Plain {
  const result: Plain = {};
  for (const { path, get } of shown) {
    const value = path[0] === "key" ? undefined : copied(get(frame));
    if (value === undefined) {
      continue;
    }
    let target = result;
    for (const step of path.slice(0, -1)) {
      target[step] ??= {};
      // Only objects are ever put on the way to a field.
      target = target[step] as Plain;
    }
    target[path[path.length - 1]] = value;
  }
  return result;
}

function copied(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : value.map((item) => (item instanceof Frame ? toPlain(item) : item));
  }
  if (typeof value === "object" && value !== null) {
    return Object.keys(value).length === 0 ? undefined : value;
  }
  return value;
}

function toPlain(element: Frame): unknown {
  return "toJSON" in element && typeof element.toJSON === "function" ? element.toJSON() : undefined;
}
