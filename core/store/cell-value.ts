import type { CellPlan } from "../kinds/plan.ts";
import { ABSENT_INT } from "./row.ts";
import { textAt } from "./row-text.ts";
import type { Snapshot } from "./snapshot.ts";

/** Makes the view of one element of a list; `at`: its position. */
export type MakeElement = (row: number, at: number) => unknown;

/** Reads a cell at a position; `row` is where its row begins. */
export type ReadCell = (row: number, at: number) => unknown;

const LONG = new Float64Array(1);
const LONG_WORDS = new Int32Array(LONG.buffer);

/** How to read a cell of this type. Absent strings and times are undefined; lists and maps are always there. */
export function cellReader(cell: CellPlan, snapshot: Snapshot, element?: MakeElement): ReadCell {
  const { words, dictionary } = snapshot;
  const { text } = snapshot.memory;
  const textOrNone = (row: number, offset: number): string | undefined =>
    offset === 0 ? undefined : textAt(words, text, row, offset);
  const nameOrNone = (id: number): string | undefined => (id === 0 ? undefined : dictionary.text(id));
  switch (cell.type) {
    case "text":
      return (row, at) => textOrNone(row, words[at]);
    case "name":
    case "condition":
      return (_row, at) => nameOrNone(words[at]);
    case "enum": {
      const values = cell.values ?? [];
      return (_row, at) => (words[at] > 0 ? values[words[at] - 1] : nameOrNone(-words[at]));
    }
    case "int":
    case "sum":
    case "count":
      return (_row, at) => words[at];
    case "optionalInt":
      return (_row, at) => (words[at] === ABSENT_INT ? undefined : words[at]);
    case "long":
      return (_row, at) => {
        LONG_WORDS[0] = words[at];
        LONG_WORDS[1] = words[at + 1];
        return LONG[0];
      };
    case "bool":
      return (_row, at) => words[at] !== 0;
    case "optionalBool":
      return (_row, at) => (words[at] === 0 ? undefined : words[at] === 2);
    case "ip":
      return (row, at) => (words[at] === 4 ? ipv4Text(words[at + 1]) : textOrNone(row, words[at + 1]));
    case "time":
      return (_row, at) => timeText(words[at]);
    case "microTime":
      return (_row, at) => microTimeText(words[at], words[at + 1]);
    case "intOrText":
      return (row, at) =>
        words[at] === 1 ? words[at + 1] : words[at] === 2 ? textOrNone(row, words[at + 1]) : undefined;
    case "json":
    case "owned":
      return (row, at) => (words[at] === 0 ? undefined : JSON.parse(textAt(words, text, row, words[at])));
    case "names":
      return (row, at) => list(words, row, words[at], (link) => dictionary.text(words[link]));
    case "texts":
      return (row, at) => list(words, row, words[at], (link) => textAt(words, text, row, words[link]));
    case "nameMap":
      return (row, at) => map(snapshot, row, words[at], (link) => dictionary.text(words[link]));
    case "textMap":
      return (row, at) => map(snapshot, row, words[at], (link) => textAt(words, text, row, words[link]));
    case "records":
      return (row, at) => list(words, row, words[at], (link) => element?.(row, link - 1));
    default:
      throw unknownType(cell.type);
  }
}

function unknownType(type: never): TypeError {
  return new TypeError(`no reader for cells of type ${String(type)}`);
}

function list<T>(words: Int32Array, row: number, first: number, item: (content: number) => T): readonly T[] {
  const items: T[] = [];
  for (let link = first; link !== 0; link = words[row + link]) {
    items.push(item(row + link + 1));
  }
  return items;
}

function map(
  { words, dictionary }: Snapshot,
  row: number,
  first: number,
  value: (at: number) => string,
): Readonly<Record<string, string>> {
  const items: Record<string, string> = {};
  for (let link = first; link !== 0; link = words[row + link]) {
    const key = dictionary.text(words[row + link + 1]);
    if (key === "__proto__") {
      Object.defineProperty(items, key, { value: value(row + link + 2), enumerable: true, configurable: true });
    } else {
      items[key] = value(row + link + 2);
    }
  }
  return items;
}

/** Dotted form of an address word. */
export function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** "2026-01-31T08:00:00Z", undefined for 0. */
export function timeText(seconds: number): string | undefined {
  return seconds === 0 ? undefined : `${wholeSeconds(seconds)}Z`;
}

function microTimeText(seconds: number, micros: number): string | undefined {
  return seconds === 0 ? undefined : `${wholeSeconds(seconds)}.${String(micros).padStart(6, "0")}Z`;
}

function wholeSeconds(seconds: number): string {
  return new Date((seconds >>> 0) * 1000).toISOString().slice(0, 19);
}
