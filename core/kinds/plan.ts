/**
 * What a cell of a row holds. Absent and empty are one thing unless the type says "optional", because protobuf and JSON
 * differ in which empty values they send.
 *
 * | type           | words | content                                                                     |
 * |----------------|-------|-----------------------------------------------------------------------------|
 * | `text`         | 1     | offset of inline UTF-8, 0 = absent                                          |
 * | `name`         | 1     | interned string id, 0 = absent (low-cardinality strings)                    |
 * | `enum`         | 1     | 1 + position in `values`; a value that is not listed: minus its interned id |
 * | `int`          | 1     | 32-bit signed, absent = 0                                                   |
 * | `optionalInt`  | 1     | the same, absent = -2147483648                                              |
 * | `long`         | 2     | float64, absent = 0                                                         |
 * | `bool`         | 1     | 0 or 1, absent = 0                                                          |
 * | `optionalBool` | 1     | 0 absent, 1 false, 2 true                                                   |
 * | `ip`           | 2     | family (0 absent, 4, 6, 1 = something else), then the IPv4 word (first byte |
 * |                |       | highest, signed) or, for 6 and 1, the offset of its text as sent            |
 * | `time`         | 1     | unsigned seconds since 1970, 0 = absent                                     |
 * | `microTime`    | 2     | unsigned seconds, microseconds                                              |
 * | `intOrText`    | 2     | tag (0 absent, 1 int, 2 text), then value or offset                         |
 * | `names`        | 2     | first and last link of a list of interned ids                               |
 * | `texts`        | 2     | first and last link of a list of inline strings                             |
 * | `nameMap`      | 2     | first and last link of (interned key, interned value): labels, selectors    |
 * | `textMap`      | 2     | first and last link of (interned key, inline value): annotations, data      |
 * | `records`      | 2     | first and last link of elements that have cells of their own                |
 * | `json`         | 1     | offset of the object's own JSON text, with apiVersion and kind (keep `slim` |
 * |                |       | or `full`); the last cell, field "json", shown as `json`                    |
 * | `sum`          | 1     | 32-bit sum of an int over a repeated message                                |
 * | `count`        | 1     | number of elements of a repeated message                                    |
 * | `owned`        | 1     | offset of JSON: what one field manager owns by apply, see owned.ts          |
 * | `condition`    | 1     | interned status ("True", "False", "Unknown") of one condition type, 0 = none |
 */
export type CellType =
  | "text"
  | "name"
  | "enum"
  | "int"
  | "optionalInt"
  | "long"
  | "bool"
  | "optionalBool"
  | "ip"
  | "time"
  | "microTime"
  | "intOrText"
  | "names"
  | "texts"
  | "nameMap"
  | "textMap"
  | "records"
  | "json"
  | "sum"
  | "count"
  | "owned"
  | "condition";

/** How many words each cell type takes in a row. */
export const CELL_WORDS: Readonly<Record<CellType, 1 | 2>> = {
  text: 1,
  name: 1,
  enum: 1,
  int: 1,
  optionalInt: 1,
  long: 2,
  bool: 1,
  optionalBool: 1,
  ip: 2,
  time: 1,
  microTime: 2,
  intOrText: 2,
  names: 2,
  texts: 2,
  nameMap: 2,
  textMap: 2,
  records: 2,
  json: 1,
  sum: 1,
  count: 1,
  owned: 1,
  condition: 1,
};

/** One cell of a row: a declared field with its place. Plain data, so that it can be posted to a thread. */
export interface CellPlan {
  /** Name of the field in the kind's table: "podIP". */
  readonly field: string;
  readonly type: CellType;
  /** Path in the object, as in its JSON: ["status", "podIP"]. For `sum`: up to and including the int. For `condition`: the list. */
  readonly path: readonly string[];
  /** Path under which the view shows it: same as `path`, but [field] for derived fields (`sum`, `count`, `condition`). */
  readonly shownAs: readonly string[];
  /** Word offset of the cell from the start of its row or element. */
  readonly at: number;
  /** Known values of an `enum`. */
  readonly values?: readonly string[];
  /** The condition type that a `condition` cell looks for. */
  readonly conditionType?: string;
  /** The field manager of an `owned` cell. */
  readonly manager?: string;
  /** Elements of `records`: their cells start at word ELEMENT_HEADER of the element; `words` does not count that header. */
  readonly element?: { readonly cells: readonly CellPlan[]; readonly words: number };
}

/** An index over one kind. Built in for every kind: namespace, name, uid. */
export interface IndexPlan {
  /** Name for readers: `byIndex("podIP", …)`. */
  readonly name: string;
  /** `labels`: every pair of the nameMap cell `labels`. `owner`: uid of each element of `owners`. Else the value of the cell. */
  readonly on: "labels" | "owner" | "cell";
  /** The indexed cell; for a cell inside `records` the names of both, joined by a dot. */
  readonly field: string;
}

/** How much of an object is kept. `fields`: only the declared cells. `slim`: also its JSON without managedFields. `full`: also its whole JSON. */
export type Keep = "fields" | "slim" | "full";

/** Everything that wire, store and watch need to know of one watched kind. Plain data. */
export interface RowPlan {
  /** Short unique name in the store: the plural, or "plural.group" for custom resources: "pods", "widgets.example.org". */
  readonly name: string;
  /** "v1", "apps/v1". */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** True for kinds whose protobuf layout we know. */
  readonly builtIn: boolean;
  readonly keep: Keep;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly cells: readonly CellPlan[];
  /** Words of header and cells together; the tail follows. */
  readonly fixedWords: number;
  readonly indexes: readonly IndexPlan[];
}
