import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type ParsedNode,
} from "yaml";
import { expandVariables, plainScalar, type Variables } from "./environment.ts";
import type { ConfigProblem } from "./problem.ts";
import type { ConfigNode, PathStep, Place, ScalarNode, TableEntry } from "./tree.ts";
import { pathText } from "./tree.ts";

/** Values may lie this deep in each other. */
export const MAX_DEPTH = 64;
/** So many values may come out of one file; more is only possible by aliases of aliases. */
const MAX_NODES = 100_000;

/** How to read a file. */
export interface TreeOptions {
  /** Name for places. */
  readonly file: string;
  readonly variables: Variables;
  /** Takes every value that came from the environment. */
  readonly onSecret: (value: string) => void;
  readonly onProblem: (problem: ConfigProblem) => void;
}

/** What a NodeReader reads. */
export interface NodeReaderOptions extends TreeOptions {
  readonly document: Document.Parsed;
  readonly placeOf: (offset: number) => Place;
}

/** Turns one parsed YAML document into values with places: aliases and `<<` resolved, variables put in. */
export class NodeReader {
  readonly #options: NodeReaderOptions;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #nodes = 0;
  #tooMany = false;

  constructor(options: NodeReaderOptions) {
    this.#options = options;
  }

  read(): ConfigNode | undefined {
    const { contents } = this.#options.document;
    const root = contents === null ? undefined : this.#read(contents, []);
    return this.#tooMany ? undefined : root;
  }

  #read(node: Node, path: readonly PathStep[]): ConfigNode {
    const at = this.#placeOf(node);
    if (++this.#nodes > MAX_NODES || path.length > MAX_DEPTH) {
      if (!this.#tooMany) {
        this.#tooMany = true;
        this.#wrong(
          at,
          path,
          this.#nodes > MAX_NODES
            ? `more than ${MAX_NODES} values; aliases of aliases multiply`
            : `values lie more than ${MAX_DEPTH} deep in each other`,
        );
      }
      return nothing(at);
    }
    if (isAlias(node)) {
      return this.#readAlias(node, path);
    }
    if ("anchor" in node && typeof node.anchor === "string") {
      this.#anchors.set(node.anchor, node);
    }
    this.#open.add(node);
    const read = this.#readOwn(node, at, path);
    this.#open.delete(node);
    return read;
  }

  #readOwn(node: Node, at: Place, path: readonly PathStep[]): ConfigNode {
    if (isMap(node)) {
      // Parsed from text, so its nodes and pairs are parsed ones too.
      return this.#readTable(node.items as Pair<ParsedNode, ParsedNode | null>[], at, path);
    }
    if (isSeq(node)) {
      const items = node.items.map((item, i) => this.#read(item as ParsedNode, [...path, i]));
      return { kind: "list", at, items };
    }
    return isScalar(node) ? this.#readScalar(node.value, node.type === "PLAIN", at, path) : nothing(at);
  }

  #readAlias(alias: Alias, path: readonly PathStep[]): ConfigNode {
    const at = this.#placeOf(alias);
    const target = this.#anchors.get(alias.source);
    if (target === undefined) {
      this.#wrong(at, path, `no anchor "&${alias.source}" stands before this alias`);
      return nothing(at);
    }
    if (this.#open.has(target)) {
      this.#wrong(at, path, `alias "*${alias.source}" lies inside of what it stands for`);
      return nothing(at);
    }
    return this.#tooMany ? nothing(at) : this.#read(target, path);
  }

  #readTable(pairs: readonly Pair<ParsedNode, ParsedNode | null>[], at: Place, path: readonly PathStep[]): ConfigNode {
    const entries = new Map<string, TableEntry>();
    const merged: ConfigNode[] = [];
    for (const { key, value } of pairs) {
      const keyAt = this.#placeOf(key);
      const name = isScalar(key) && key.value !== null ? (key.source ?? String(key.value)) : undefined;
      if (name === undefined || name === "__proto__") {
        this.#wrong(keyAt, path, name === undefined ? "a key must be a text" : `"${name}" cannot be a key`);
        continue;
      }
      const read = value === null ? nothing(keyAt) : this.#read(value, [...path, name]);
      if (name === "<<" && isScalar(key) && key.type === "PLAIN") {
        merged.push(...this.#mergeSources(read, keyAt, path));
        continue;
      }
      const first = entries.get(name);
      if (first !== undefined) {
        this.#wrong(keyAt, [...path, name], `key "${name}" is in line ${first.keyAt.line} already`);
        continue;
      }
      entries.set(name, { keyAt, value: read });
    }
    for (const source of merged) {
      addMissing(entries, source);
    }
    return { kind: "table", at, entries };
  }

  #mergeSources(value: ConfigNode, keyAt: Place, path: readonly PathStep[]): readonly ConfigNode[] {
    const sources = value.kind === "list" ? value.items : [value];
    if (sources.some((source) => source.kind !== "table")) {
      this.#wrong(keyAt, path, `"<<" takes an alias of a table, or a list of them`);
      return [];
    }
    return sources;
  }

  #readScalar(value: unknown, plain: boolean, at: Place, path: readonly PathStep[]): ScalarNode {
    if (typeof value === "number" || typeof value === "boolean" || value === null) {
      return { kind: "scalar", at, value, plain };
    }
    const text = String(value);
    const expanded = expandVariables(text, this.#options.variables);
    if (expanded.kind === "wrong") {
      this.#wrong(at, path, expanded.message);
      return { kind: "scalar", at, value: null, plain };
    }
    // The whole value too: a part may be too short to be hidden wherever it stands.
    for (const secret of expanded.secrets.length === 0 ? [] : [...expanded.secrets, expanded.text]) {
      this.#options.onSecret(secret);
    }
    return {
      kind: "scalar",
      at,
      value: plain && expanded.used ? plainScalar(expanded.text) : expanded.text,
      written: expanded.secrets.length > 0 ? text : undefined,
      plain,
    };
  }

  #placeOf(node: Node): Place {
    return this.#options.placeOf(node.range?.[0] ?? 0);
  }

  #wrong(place: Place, path: readonly PathStep[], message: string): void {
    this.#options.onProblem({ place, path: pathText(path), message });
  }
}

function nothing(at: Place): ScalarNode {
  return { kind: "scalar", at, value: null, plain: true };
}

function addMissing(entries: Map<string, TableEntry>, source: ConfigNode): void {
  for (const [name, entry] of source.kind === "table" ? source.entries : []) {
    if (!entries.has(name)) {
      entries.set(name, entry);
    }
  }
}
