import { FairleadError } from "../errors.ts";
import { ELEMENT_HEADER, ROW_HEADER } from "../store/row.ts";
import type { ElementTable, FieldData, FieldTable } from "./field.ts";
import { CELL_WORDS, type CellPlan, type IndexPlan, type Keep, type RowPlan } from "./plan.ts";

/** What `layOut` needs of a kind. */
export interface KindChoice {
  readonly name: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly builtIn: boolean;
  readonly fields: FieldTable;
  readonly indexes: Readonly<Record<string, true | string | readonly string[]>>;
  readonly selected: readonly string[];
  readonly kept: Keep;
  readonly fieldSelector: string | undefined;
  readonly labelSelector: string | undefined;
}

/** Places the selected fields in a row, in the order of the table. Throws KIND_UNKNOWN_FIELD. */
export function layOut(choice: KindChoice): RowPlan {
  const wanted = new Set(choice.selected);
  const cells: CellPlan[] = [];
  let at = ROW_HEADER;
  for (const [field, data] of Object.entries(choice.fields)) {
    const picked = data.element && pickParts(field, data.element, wanted);
    const whole = wanted.delete(field);
    const parts = whole ? data.element : picked;
    if (whole || parts) {
      cells.push(cellOf(field, data, at, parts));
      at += CELL_WORDS[data.type];
    }
  }
  if (choice.kept !== "fields") {
    cells.push({ field: "json", type: "json", path: [], shownAs: ["json"], at });
    at += CELL_WORDS.json;
  }
  for (const left of wanted) {
    throw unknownField(choice, left);
  }
  return {
    name: choice.name,
    apiVersion: choice.apiVersion,
    kind: choice.kind,
    plural: choice.plural,
    namespaced: choice.namespaced,
    builtIn: choice.builtIn,
    keep: choice.kept,
    fieldSelector: choice.fieldSelector,
    labelSelector: choice.labelSelector,
    cells,
    fixedWords: at,
    indexes: indexesOf(choice, cells),
  };
}

/** The asked-for parts of a list ("containers.image"), or undefined when none was. Takes them out of `wanted`. */
function pickParts(field: string, element: ElementTable, wanted: Set<string>): ElementTable | undefined {
  const picked = Object.entries(element).filter(([part]) => wanted.delete(`${field}.${part}`));
  return picked.length === 0 ? undefined : Object.fromEntries(picked);
}

function cellOf(field: string, data: FieldData, at: number, parts: ElementTable | undefined): CellPlan {
  const path = data.path.split(".");
  return {
    field,
    type: data.type,
    path,
    shownAs: data.derived ? [field] : path,
    at,
    ...(data.values && { values: data.values }),
    ...(data.conditionType && { conditionType: data.conditionType }),
    ...(data.manager !== undefined && { manager: data.manager }),
    ...(parts && { element: elementOf(parts) }),
  };
}

function elementOf(parts: ElementTable): NonNullable<CellPlan["element"]> {
  const cells: CellPlan[] = [];
  let at = ELEMENT_HEADER;
  for (const [field, data] of Object.entries(parts)) {
    if (data.derived) {
      throw new FairleadError("KIND_BAD_FIELD", `field "${field}" is a ${data.type} and cannot stand inside a list`);
    }
    cells.push(cellOf(field, data, at, data.element));
    at += CELL_WORDS[data.type];
  }
  return { cells, words: at - ELEMENT_HEADER };
}

function indexesOf(choice: KindChoice, cells: readonly CellPlan[]): IndexPlan[] {
  const indexes: IndexPlan[] = [];
  for (const [index, target] of Object.entries(choice.indexes)) {
    const on = index === "labels" || index === "owner" ? index : "cell";
    const fields =
      target === true ? [index === "owner" ? "owners" : index] : typeof target === "string" ? [target] : target;
    const unknown = fields.find((field) => !hasField(choice.fields, field));
    if (unknown !== undefined) {
      throw unknownField(choice, unknown);
    }
    const field = fields.find((candidate) => isSelected(cells, on === "owner" ? `${candidate}.uid` : candidate));
    if (field !== undefined) {
      indexes.push({ name: index, on, field });
    }
  }
  return indexes;
}

function hasField(fields: FieldTable, field: string): boolean {
  const [list, part] = field.split(".");
  const data = fields[list];
  return data !== undefined && (part === undefined || data.element?.[part] !== undefined);
}

function isSelected(cells: readonly CellPlan[], field: string): boolean {
  const [list, part] = field.split(".");
  const cell = cells.find((candidate) => candidate.field === list);
  return (
    cell !== undefined && (part === undefined || cell.element?.cells.some((other) => other.field === part) === true)
  );
}

function unknownField(choice: KindChoice, field: string): FairleadError {
  return new FairleadError(
    "KIND_UNKNOWN_FIELD",
    `"${choice.name}" has no field "${field}"; it has ${Object.keys(choice.fields).join(", ")}`,
    { facts: { kind: choice.name, field } },
  );
}
