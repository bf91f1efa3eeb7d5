import { realpathSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { Variables } from "./environment.ts";
import type { ConfigProblem } from "./problem.ts";
import { readText } from "./read-text.ts";
import type { ConfigNode, ListNode, Place, TableEntry, TableNode } from "./tree.ts";
import { readYaml } from "./yaml-tree.ts";

/** So many files may be part of one configuration. */
const MAX_FILES = 64;

/** All files of a configuration, read and joined. */
export interface ReadFiles {
  /** Undefined when nothing could be read. */
  readonly root: TableNode | undefined;
  /** Absolute paths, the first is the file that was asked for; also those that could not be read. */
  readonly files: readonly string[];
  /** The names of `files` in places. */
  readonly shown: readonly string[];
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly ConfigProblem[];
  /** Every value that came from the environment. */
  readonly secrets: ReadonlySet<string>;
}

/** How to read the files of a configuration. */
export interface ReadFilesOptions {
  readonly variables: Variables;
  /** Names in places are relative to it. */
  readonly workingFolder: string;
}

/** Reads a file and those that it includes. What is in a file wins over what it includes; lists of plugins are joined. */
export function readFiles(path: string, options: ReadFilesOptions): ReadFiles {
  const reader = new FilesReader(options);
  const root = reader.read(resolve(options.workingFolder, path), undefined, []);
  return { root, ...reader };
}

class FilesReader {
  readonly files: string[] = [];
  readonly shown: string[] = [];
  readonly texts = new Map<string, string>();
  readonly problems: ConfigProblem[] = [];
  readonly secrets = new Set<string>();
  readonly #options: ReadFilesOptions;

  constructor(options: ReadFilesOptions) {
    this.#options = options;
  }

  /** `from` is where the file is included, `chain` the files that lead there. */
  read(
    path: string,
    from: { readonly at: Place; readonly path: string } | undefined,
    chain: readonly string[],
  ): TableNode | undefined {
    const name = shownName(path, this.#options.workingFolder);
    this.files.push(path);
    this.shown.push(name);
    const read = readText(path);
    if (read.kind === "wrong") {
      const place = from?.at ?? { file: name, line: 1, column: 1 };
      this.problems.push({ place, path: from?.path ?? "", message: `file ${name} ${read.message}` });
      return undefined;
    }
    this.texts.set(path, read.text);
    const node = readYaml(read.text, {
      file: name,
      variables: this.#options.variables,
      onSecret: (value) => this.secrets.add(value),
      onProblem: (problem) => this.problems.push(problem),
    });
    if (node === undefined) {
      return undefined;
    }
    if (node.kind !== "table") {
      this.problems.push({
        place: node.at,
        path: "",
        message: `expected a table that begins with "apiVersion: fairlead/v1", found ${node.kind === "list" ? "a list" : "a single value"}`,
      });
      return undefined;
    }
    return this.#withIncluded(withoutExtensions(node), path, chain);
  }

  #withIncluded(own: TableNode, path: string, chain: readonly string[]): TableNode {
    const include = own.entries.get("include")?.value;
    const rest = new Map([...own.entries].filter(([key]) => key !== "include"));
    let joined: TableNode = { ...own, entries: new Map() };
    const items = include?.kind === "list" ? include.items : include === undefined ? [] : [include];
    for (const [i, item] of items.entries()) {
      const at = { at: item.at, path: include?.kind === "list" ? `include[${i}]` : "include" };
      const included = this.#include(item, at, path, [...chain, path]);
      joined = included === undefined ? joined : join(joined, included);
    }
    return { ...join(joined, { ...own, entries: rest }), at: own.at };
  }

  #include(
    item: ConfigNode,
    from: { readonly at: Place; readonly path: string },
    path: string,
    chain: readonly string[],
  ): TableNode | undefined {
    const wrong = (message: string): undefined => {
      this.problems.push({ place: from.at, path: from.path, message });
    };
    if (item.kind !== "scalar" || typeof item.value !== "string" || item.value === "") {
      return wrong("expected the path of a file");
    }
    if (item.written !== undefined) {
      return wrong("a path to include cannot come from the environment; write it out");
    }
    const target = resolve(dirname(path), item.value);
    const loop = chain.findIndex((file) => sameFile(file, target));
    if (loop >= 0) {
      const names = [...chain.slice(loop), target].map((file) => shownName(file, this.#options.workingFolder));
      return wrong(`files include each other: ${names.join(" -> ")}`);
    }
    if (this.files.some((file) => sameFile(file, target))) {
      return undefined; // included by two others: once is enough
    }
    if (this.files.length >= MAX_FILES) {
      return wrong(`more than ${MAX_FILES} files`);
    }
    return this.read(target, from, chain);
  }
}

/** Keys that begin with "x-" hold what anchors stand for; nobody reads them. */
function withoutExtensions(table: TableNode): TableNode {
  return { ...table, entries: new Map([...table.entries].filter(([key]) => !key.startsWith("x-"))) };
}

/** Two tables as one: `over` wins, tables are joined key by key, the lists of plugins one after the other. */
function join(under: TableNode, over: TableNode, isTop = true): TableNode {
  const entries = new Map<string, TableEntry>(under.entries);
  for (const [key, entry] of over.entries) {
    const before = entries.get(key)?.value;
    if (before?.kind === "table" && entry.value.kind === "table") {
      entries.set(key, { keyAt: entry.keyAt, value: join(before, entry.value, false) });
    } else if (isTop && key === "plugins" && before?.kind === "list" && entry.value.kind === "list") {
      const both: ListNode = { ...entry.value, items: [...before.items, ...entry.value.items] };
      entries.set(key, { keyAt: entry.keyAt, value: both });
    } else {
      entries.set(key, entry);
    }
  }
  return { ...over, entries };
}

function sameFile(a: string, b: string): boolean {
  return a === b || realPath(a) === realPath(b);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // does not exist; reading it says so
  }
}

/** The path as people wrote it: relative where the file lies below the working folder. */
export function shownName(path: string, workingFolder: string): string {
  const short = relative(workingFolder, path);
  return short === "" || short.startsWith("..") ? path : short;
}
