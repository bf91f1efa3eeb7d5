/** A place in a configuration file, counted from 1. */
export interface Place {
  /** As it is shown: relative to the working folder where it lies below it. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One step from a value to a part of it: a key of a table, or a position in a list. */
export type PathStep = string | number;

/** A text, number, boolean or null of a file. */
export interface ScalarNode {
  readonly kind: "scalar";
  readonly at: Place;
  readonly value: string | number | boolean | null;
  /** The text as written, with its `${…}`, where a part of the value came from the environment: never show `value` then. */
  readonly written?: string;
  /** True when it was written without quotes. */
  readonly plain: boolean;
}

/** A list of a file. */
export interface ListNode {
  readonly kind: "list";
  readonly at: Place;
  readonly items: readonly ConfigNode[];
}

/** A mapping of a file. */
export interface TableNode {
  readonly kind: "table";
  readonly at: Place;
  readonly entries: ReadonlyMap<string, TableEntry>;
}

/** One key of a mapping with its value. */
export interface TableEntry {
  readonly keyAt: Place;
  readonly value: ConfigNode;
}

/** A value of a file that knows where it was written. */
export type ConfigNode = ScalarNode | ListNode | TableNode;

/** The part of a value at a path, or undefined. */
export function nodeAt(root: ConfigNode, path: readonly PathStep[]): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const step of path) {
    node = node === undefined ? undefined : partOf(node, step);
  }
  return node;
}

function partOf(node: ConfigNode, step: PathStep): ConfigNode | undefined {
  if (node.kind === "table") {
    return node.entries.get(String(step))?.value;
  }
  return node.kind === "list" ? node.items[Number(step)] : undefined;
}

/** Where to look for what is wrong at a path: the value itself, or the nearest part around it that exists. */
export function placeAt(root: ConfigNode, path: readonly PathStep[]): Place {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(root, path.slice(0, length));
    if (node !== undefined) {
      return node.at;
    }
  }
  return root.at;
}

/** Where the last key of a path is written; its value's place where it is no key. */
export function keyPlaceAt(root: ConfigNode, path: readonly PathStep[]): Place {
  const parent = nodeAt(root, path.slice(0, -1));
  const entry = parent?.kind === "table" ? parent.entries.get(String(path.at(-1))) : undefined;
  return entry?.keyAt ?? placeAt(root, path);
}

/** The value without its places. */
export function plainOf(node: ConfigNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plainOf);
    case "table":
      return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainOf(entry.value)]));
  }
}

/** A path as people write it: `plugins[0].options.zone`, `aliases["db.example.org"]`. "" is the whole file. */
export function pathText(path: readonly PathStep[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") {
      text += `[${step}]`;
    } else if (/^[\w$-]+$/.test(step)) {
      text += text === "" ? step : `.${step}`;
    } else {
      text += `[${JSON.stringify(step)}]`;
    }
  }
  return text;
}
