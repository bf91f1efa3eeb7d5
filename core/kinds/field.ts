import type { CellType } from "./plan.ts";

/** One field of a kind's table: where it is in the object's JSON and what kind of cell holds it. Plain data. */
export interface FieldData {
  readonly type: CellType;
  /** Path in the JSON, joined by dots: "status.podIP". */
  readonly path: string;
  /** True when the view shows the field on top under its own name instead of under its path. */
  readonly derived?: boolean;
  readonly values?: readonly string[];
  readonly conditionType?: string;
  /** Of a field of type "owned". */
  readonly manager?: string;
  readonly element?: Readonly<Record<string, FieldData>>;
}

/** A field that the view shows under its path as `Value`. */
export interface Field<Path extends string, Value> extends FieldData {
  readonly path: Path;
  /** Exists in types only. */
  readonly valueType?: Value;
}

/** A field computed while reading; the view shows it on top: `pod.restarts`. */
export interface DerivedField<Value> extends FieldData {
  readonly derived: true;
  /** Exists in types only. */
  readonly valueType?: Value;
}

/** What the elements of a `records` field are made of. */
export type ElementTable = Readonly<Record<string, FieldData>>;

/** A list of small objects. */
export interface RecordsField<Path extends string, Element extends ElementTable> extends FieldData {
  readonly path: Path;
  readonly element: Element;
}

/** Fields of a kind by name. */
export type FieldTable = Readonly<Record<string, FieldData>>;

/** A string kept in the row: names, messages, ids. Absent and "" are one: undefined. Quantities are texts too. */
export function text<const Path extends string>(path: Path): Field<Path, string | undefined> {
  return { type: "text", path };
}

/** A string that many objects share (node name, image): kept once in the store. Absent and "" are one: undefined. */
export function name<const Path extends string>(path: Path): Field<Path, string | undefined> {
  return { type: "name", path };
}

/** A string out of a known set; others, from newer servers, are kept too. Absent and "" are one: undefined. */
export function enumOf<const Path extends string, const Value extends string>(
  path: Path,
  ...values: readonly Value[]
): Field<Path, Value | (string & {}) | undefined> {
  return { type: "enum", path, values };
}

/** A whole number of 32 bits; absent is 0, larger ones stop at the limit. */
export function integer<const Path extends string>(path: Path): Field<Path, number> {
  return { type: "int", path };
}

/** A whole number of 32 bits for which absent and 0 differ. */
export function optionalInteger<const Path extends string>(path: Path): Field<Path, number | undefined> {
  return { type: "optionalInt", path };
}

/** A number kept as float64: large counts, fractions. Absent is 0. */
export function long<const Path extends string>(path: Path): Field<Path, number> {
  return { type: "long", path };
}

/** Absent is false. */
export function bool<const Path extends string>(path: Path): Field<Path, boolean> {
  return { type: "bool", path };
}

/** A boolean for which absent and false differ. */
export function optionalBool<const Path extends string>(path: Path): Field<Path, boolean | undefined> {
  return { type: "optionalBool", path };
}

/** An IP address as its text; anything else in its place ("None") is kept as it is. */
export function ip<const Path extends string>(path: Path): Field<Path, string | undefined> {
  return { type: "ip", path };
}

/** RFC 3339 with whole seconds: "2026-01-31T08:00:00Z". */
export function time<const Path extends string>(path: Path): Field<Path, string | undefined> {
  return { type: "time", path };
}

/** RFC 3339 with microseconds: "2026-01-31T08:00:00.000000Z". */
export function microTime<const Path extends string>(path: Path): Field<Path, string | undefined> {
  return { type: "microTime", path };
}

/** A port or share that is a number or a string. */
export function intOrText<const Path extends string>(path: Path): Field<Path, number | string | undefined> {
  return { type: "intOrText", path };
}

/** A list of strings that many objects share. */
export function names<const Path extends string>(path: Path): Field<Path, readonly string[]> {
  return { type: "names", path };
}

/** A list of strings of the object's own. */
export function texts<const Path extends string>(path: Path): Field<Path, readonly string[]> {
  return { type: "texts", path };
}

/** A map whose keys and values many objects share: labels, selectors, resource quantities. */
export function nameMap<const Path extends string>(path: Path): Field<Path, Readonly<Record<string, string>>> {
  return { type: "nameMap", path };
}

/** A map with values of the object's own: annotations, config data. */
export function textMap<const Path extends string>(path: Path): Field<Path, Readonly<Record<string, string>>> {
  return { type: "textMap", path };
}

/** A list of objects of which the given fields are kept; their paths start at the element. */
export function records<const Path extends string, const Element extends ElementTable>(
  path: Path,
  element: Element,
): RecordsField<Path, Element> {
  return { type: "records", path, element };
}

/** Sum of a whole number over all elements of the lists on its path: `sum("status.containerStatuses.restartCount")`. */
export function sum(path: string): DerivedField<number> {
  return { type: "sum", path, derived: true };
}

/** Number of elements of a list. */
export function count(path: string): DerivedField<number> {
  return { type: "count", path, derived: true };
}

/** Status of one condition out of a list with `type` and `status`: "True", "False", "Unknown" or undefined. */
export function condition(path: string, conditionType: string): DerivedField<string | undefined> {
  return { type: "condition", path, derived: true, conditionType };
}
