import type { CellPlan, Keep, RowPlan } from "../kinds/plan.ts";

const KEEP_ORDER: readonly Keep[] = ["fields", "slim", "full"];

/**
 * True when rows of this plan have all that someone needs, and for all objects. The need is the plan of what they asked for
 * themselves; where the cells are does not matter.
 */
export function covers(plan: RowPlan, need: RowPlan): boolean {
  return (
    plan.apiVersion === need.apiVersion &&
    plan.kind === need.kind &&
    KEEP_ORDER.indexOf(plan.keep) >= KEEP_ORDER.indexOf(need.keep) &&
    (plan.fieldSelector === undefined || plan.fieldSelector === need.fieldSelector) &&
    (plan.labelSelector === undefined || plan.labelSelector === need.labelSelector) &&
    haveCells(plan.cells, need.cells) &&
    need.indexes.every((index) => plan.indexes.some((other) => other.name === index.name))
  );
}

function haveCells(cells: readonly CellPlan[], needed: readonly CellPlan[]): boolean {
  return needed.every((need) => {
    const cell = cellLike(cells, need);
    return cell !== undefined && haveCells(cell.element?.cells ?? [], need.element?.cells ?? []);
  });
}

/** The cell that shows the same of the object. */
function cellLike(cells: readonly CellPlan[], wanted: CellPlan): CellPlan | undefined {
  return cells.find(
    (cell) =>
      cell.field === wanted.field &&
      cell.type === wanted.type &&
      cell.path.join(".") === wanted.path.join(".") &&
      cell.conditionType === wanted.conditionType,
  );
}

/** The part of a plan that is needed: its rows, with fewer cells and indexes to look at. The plan must cover the need. */
export function narrowed(plan: RowPlan, need: RowPlan): RowPlan {
  const cells = narrowedCells(plan.cells, need.cells);
  return {
    ...plan,
    cells,
    // An index may be over a better field than the needed one, since somebody else asked for that.
    indexes: plan.indexes.filter(
      (index) =>
        need.indexes.some((other) => other.name === index.name) ||
        isShown(cells, index.on === "owner" ? `${index.field}.uid` : index.field),
    ),
  };
}

function narrowedCells(cells: readonly CellPlan[], needed: readonly CellPlan[]): CellPlan[] {
  const shown: CellPlan[] = [];
  for (const cell of cells) {
    const need = needed.find((other) => cellLike([cell], other) !== undefined);
    if (need !== undefined) {
      const element = cell.element && {
        ...cell.element,
        cells: narrowedCells(cell.element.cells, need.element?.cells ?? []),
      };
      shown.push(element === undefined ? cell : { ...cell, element });
    }
  }
  return shown;
}

function isShown(cells: readonly CellPlan[], field: string): boolean {
  const [list, part] = field.split(".");
  const cell = cells.find((candidate) => candidate.field === list);
  return (
    cell !== undefined && (part === undefined || cell.element?.cells.some((other) => other.field === part) === true)
  );
}

/** True when both plans give the same rows, but for the order of cells and indexes. */
export function isSamePlan(a: RowPlan, b: RowPlan): boolean {
  return JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));
}

function ordered({ cells, indexes, ...rest }: RowPlan): unknown {
  const byName = (x: { readonly name: string }, y: { readonly name: string }): number => (x.name < y.name ? -1 : 1);
  const { name, apiVersion, kind, plural, namespaced, builtIn, keep, fieldSelector, labelSelector } = rest;
  const head = [name, apiVersion, kind, plural, namespaced, builtIn, keep, fieldSelector, labelSelector];
  const places = indexes.map((index) => ({ name: index.name, on: index.on, field: index.field })).sort(byName);
  return [head, orderedCells(cells), places];
}

function orderedCells(cells: readonly CellPlan[]): unknown[] {
  const byField = (x: CellPlan, y: CellPlan): number => (x.field < y.field ? -1 : 1);
  return cells
    .toSorted(byField)
    .map((cell) => [
      cell.field,
      cell.type,
      cell.path,
      cell.shownAs,
      cell.values,
      cell.conditionType,
      cell.element && orderedCells(cell.element.cells),
    ]);
}
