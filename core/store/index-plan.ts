import { FairleadError } from "../errors.ts";
import type { CellPlan, CellType, RowPlan } from "../kinds/plan.ts";
import type { DictionaryReader } from "./dictionary.ts";
import { hashBytes, mixIn, sameStretch } from "./hash.ts";
import { ABSENT_INT, ROW_NAMESPACE } from "./row.ts";

/** How the values of one index are found in a row. */
export interface IndexSpec {
  readonly name: string;
  /** Goes into every hash, so that one table holds all indexes of a kind. */
  readonly number: number;
  readonly type: CellType;
  /** Known values of an enum. */
  readonly values: readonly string[];
  /** Offset of the cell from the row, or of the list. */
  readonly at: number;
  /** Offset of the cell from each element of the list; 0 = not in a list. */
  readonly inElement: number;
}

/** Name of the built-in index over namespaces. */
export const NAMESPACE_INDEX = "namespace";

const INDEXED: readonly CellType[] = [
  "text",
  "name",
  "enum",
  "int",
  "optionalInt",
  "bool",
  "optionalBool",
  "ip",
  "time",
  "names",
  "texts",
  "nameMap",
  "sum",
  "count",
  "condition",
];

/** The indexes of a kind: the built-in one over namespaces, then those of the plan. Throws STORE_BAD_PLAN. */
export function indexSpecs(plan: RowPlan): IndexSpec[] {
  const specs: IndexSpec[] = [];
  if (plan.namespaced) {
    const cell = { type: "name", values: [], at: ROW_NAMESPACE, inElement: 0 } as const;
    specs.push({ name: NAMESPACE_INDEX, number: 1, ...cell });
  }
  for (const index of plan.indexes) {
    const [field, part] = (index.on === "owner" ? `${index.field}.uid` : index.field).split(".");
    const list = plan.cells.find((cell) => cell.field === field);
    const cell: CellPlan | undefined = part === undefined ? list : list?.element?.cells.find((c) => c.field === part);
    if (list === undefined || cell === undefined || !INDEXED.includes(cell.type)) {
      throw new FairleadError(
        "STORE_BAD_PLAN",
        `index "${index.name}" of "${plan.name}" is over "${index.field}", which is not a field that can be indexed`,
      );
    }
    specs.push({
      name: index.name,
      number: specs.length + 2,
      type: cell.type,
      values: cell.values ?? [],
      at: list.at,
      inElement: part === undefined ? 0 : cell.at,
    });
  }
  return specs;
}

/** One value that is looked for in an index. */
export interface Probe {
  readonly spec: IndexSpec;
  readonly hash: number;
  /** Words of the value; for a text the bytes are below. */
  readonly a: number;
  readonly b: number;
  readonly bytes: Uint8Array | undefined;
  readonly size: number;
}

/** Walks over the values that a row has in an index. */
class Walker {
  words: Int32Array = new Int32Array(0);
  bytes: Uint8Array = new Uint8Array(0);
  row = 0;
  /** Hashes of the values, when they are collected. */
  hashes = new Int32Array(64);
  count = 0;
  probe: Probe | undefined;

  /** Collects all hashes, or gives true when the probe's value is there. */
  walk(spec: IndexSpec): boolean {
    const at = this.row + spec.at;
    if (spec.inElement === 0) {
      return this.#cell(spec, at);
    }
    for (let link = this.words[at]; link !== 0; link = this.words[this.row + link]) {
      if (this.#cell(spec, this.row + link + spec.inElement)) {
        return true;
      }
    }
    return false;
  }

  #cell(spec: IndexSpec, at: number): boolean {
    const { words } = this;
    switch (spec.type) {
      case "text":
        return this.#text(spec, words[at], 0);
      case "ip":
        if (words[at] === 4) {
          return this.#pair(spec, 4, words[at + 1]);
        }
        return this.#text(spec, words[at + 1], 1);
      case "names":
      case "texts":
      case "nameMap":
        return this.#list(spec, words[at]);
      case "optionalInt":
        return words[at] !== ABSENT_INT && this.#pair(spec, words[at], 0);
      case "int":
      case "sum":
      case "count":
      case "bool":
        return this.#pair(spec, words[at], 0);
      default:
        return words[at] !== 0 && this.#pair(spec, words[at], 0);
    }
  }

  #list(spec: IndexSpec, first: number): boolean {
    const { words, row } = this;
    for (let link = first; link !== 0; link = words[row + link]) {
      const at = row + link + 1;
      const found =
        spec.type === "texts"
          ? this.#text(spec, words[at], 0)
          : this.#pair(spec, words[at], spec.type === "nameMap" ? words[at + 1] : 0);
      if (found) {
        return true;
      }
    }
    return false;
  }

  #pair(spec: IndexSpec, a: number, b: number): boolean {
    const { probe } = this;
    if (probe !== undefined) {
      return probe.bytes === undefined && probe.a === a && probe.b === b;
    }
    this.#collect(pairHash(spec, a, b));
    return false;
  }

  #text(spec: IndexSpec, offset: number, flavour: number): boolean {
    if (offset === 0) {
      return false;
    }
    const at = this.row + offset;
    const size = this.words[at];
    const start = (at + 1) * 4;
    const { probe } = this;
    if (probe !== undefined) {
      return probe.bytes !== undefined && probe.size === size && sameStretch(this.bytes, start, probe.bytes, 0, size);
    }
    this.#collect(textHash(spec, this.bytes, start, start + size, flavour));
    return false;
  }

  #collect(hash: number): void {
    for (let i = 0; i < this.count; i++) {
      if (this.hashes[i] === hash) {
        return;
      }
    }
    if (this.count === this.hashes.length) {
      const grown = new Int32Array(this.count * 2);
      grown.set(this.hashes);
      this.hashes = grown;
    }
    this.hashes[this.count++] = hash;
  }
}

function pairHash(spec: IndexSpec, a: number, b: number): number {
  return mixIn(mixIn(spec.number, a), b) || 1;
}

function textHash(spec: IndexSpec, bytes: Uint8Array, start: number, end: number, flavour: number): number {
  return mixIn(mixIn(spec.number, hashBytes(bytes, start, end)), flavour) || 1;
}

/** The distinct hashes of all indexed values of a row; used again by the next row. One per use. */
export class RowHashes {
  readonly #specs: readonly IndexSpec[];
  readonly #walker = new Walker();

  constructor(specs: readonly IndexSpec[]) {
    this.#specs = specs;
  }

  /** The hashes of the last `read`; only the first `count` count. */
  get hashes(): Int32Array {
    return this.#walker.hashes;
  }

  get count(): number {
    return this.#walker.count;
  }

  read(words: Int32Array, bytes: Uint8Array, row: number): void {
    const walker = this.#walker;
    walker.words = words;
    walker.bytes = bytes;
    walker.row = row;
    walker.count = 0;
    for (const spec of this.#specs) {
      walker.walk(spec);
    }
  }

  has(hash: number): boolean {
    const { hashes, count } = this.#walker;
    for (let i = 0; i < count; i++) {
      if (hashes[i] === hash) {
        return true;
      }
    }
    return false;
  }

  /** True when both have the same hashes, in whatever order. */
  equals(other: RowHashes): boolean {
    if (this.count !== other.count) {
      return false;
    }
    const a = this.hashes;
    const b = other.hashes;
    for (let i = 0; i < this.count; i++) {
      if (a[i] !== b[i] && !other.has(a[i])) {
        return false;
      }
    }
    return true;
  }
}

/** Checks rows for one value of one index. */
export class ProbeMatcher {
  readonly #walker = new Walker();

  matches(words: Int32Array, bytes: Uint8Array, row: number, probe: Probe): boolean {
    const walker = this.#walker;
    walker.words = words;
    walker.bytes = bytes;
    walker.row = row;
    walker.probe = probe;
    return walker.walk(probe.spec);
  }
}

/** The value of an index as a probe, or undefined when no object can have it. Throws STORE_BAD_VALUE. */
export function probeFor(spec: IndexSpec, value: unknown, dictionary: DictionaryReader): Probe | undefined {
  switch (spec.type) {
    case "text":
    case "texts":
      return textProbe(spec, asText(spec, value), dictionary, 0);
    case "ip": {
      const word = ipv4Word(asText(spec, value));
      return word === undefined ? textProbe(spec, asText(spec, value), dictionary, 1) : pairProbe(spec, 4, word);
    }
    case "name":
    case "names":
    case "condition":
      return nameProbe(spec, asText(spec, value), dictionary);
    case "enum": {
      const known = spec.values.indexOf(asText(spec, value));
      if (known >= 0) {
        return pairProbe(spec, known + 1, 0);
      }
      const id = dictionary.id(asText(spec, value));
      return id <= 0 ? undefined : pairProbe(spec, -id, 0);
    }
    case "nameMap": {
      const pair = asText(spec, value);
      const at = pair.indexOf("=");
      return pairOfNames(spec, at < 0 ? pair : pair.slice(0, at), at < 0 ? "" : pair.slice(at + 1), dictionary);
    }
    case "bool":
      return pairProbe(spec, value === true ? 1 : 0, 0);
    case "optionalBool":
      return pairProbe(spec, value === true ? 2 : 1, 0);
    case "time":
      return pairProbe(spec, (Date.parse(asText(spec, value)) / 1000) | 0, 0);
    default:
      if (typeof value !== "number") {
        throw badValue(spec, "a number", value);
      }
      return pairProbe(spec, value, 0);
  }
}

/** A probe for a label pair. Throws STORE_BAD_VALUE. */
export function pairOfNames(
  spec: IndexSpec,
  key: string,
  value: string,
  dictionary: DictionaryReader,
): Probe | undefined {
  // A label of another object may be missing, which its type does not tell.
  const a = dictionary.id(asText(spec, key));
  const b = dictionary.id(asText(spec, value));
  return a <= 0 || b < 0 ? undefined : pairProbe(spec, a, b);
}

/** A probe for an interned string. Throws STORE_BAD_VALUE. */
export function nameProbe(spec: IndexSpec, value: string, dictionary: DictionaryReader): Probe | undefined {
  const id = dictionary.id(asText(spec, value));
  return id <= 0 ? undefined : pairProbe(spec, id, 0);
}

function pairProbe(spec: IndexSpec, a: number, b: number): Probe {
  return { spec, hash: pairHash(spec, a, b), a, b, bytes: undefined, size: 0 };
}

function textProbe(spec: IndexSpec, value: string, dictionary: DictionaryReader, flavour: number): Probe | undefined {
  const size = dictionary.encode(value);
  if (size === 0) {
    return undefined;
  }
  const bytes = dictionary.encoded.slice(0, size);
  return { spec, hash: textHash(spec, bytes, 0, size, flavour), a: 0, b: 0, bytes, size };
}

function asText(spec: IndexSpec, value: unknown): string {
  if (typeof value !== "string") {
    throw badValue(spec, "a string", value);
  }
  return value;
}

function badValue(spec: IndexSpec, wanted: string, value: unknown): FairleadError {
  return new FairleadError("STORE_BAD_VALUE", `index "${spec.name}" takes ${wanted}, not ${String(value)}`);
}

/** The word of an IPv4 address in its canonical form, or undefined. */
export function ipv4Word(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) {
    return undefined;
  }
  let word = 0;
  for (const part of parts) {
    const value = Number(part);
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || value > 255) {
      return undefined;
    }
    word = (word << 8) | value;
  }
  return word;
}
