import { isAbsolute, resolve } from "node:path";
import type { ConfigProblem } from "./problem.ts";
import { readText } from "./read-text.ts";
import type { Settings } from "./schema.ts";
import { type ConfigNode, nodeAt, type PathStep, pathText, type ScalarNode, type TableNode } from "./tree.ts";

/** Settings that are paths of files. */
const PATHS: readonly (readonly string[])[] = [
  ["cluster", "kubeconfig"],
  ["cluster", "caFile"],
  ["cluster", "certificateFile"],
  ["cluster", "keyFile"],
  ["status", "tls", "certFile"],
  ["status", "tls", "keyFile"],
];

/** Settings that are secrets: a text, or `file:` and a path. */
export const SECRETS: readonly (readonly string[])[] = [
  ["cluster", "token"],
  ["cluster", "proxyUrl"],
  ["status", "token"],
];

/** What paths mean, and where problems and secrets go. */
export interface PathsOptions {
  readonly folderOf: (file: string) => string;
  readonly home: string;
  /** Takes the secrets that are written in the file itself. */
  readonly secrets: Set<string>;
  readonly onProblem: (problem: ConfigProblem) => void;
}

/**
 * Looks whether the files that settings name can be read. Gives a function that makes their paths absolute: they count from
 * the folder of the file in which they are written, "~/" is the home folder.
 */
export function absolutePaths(root: TableNode, options: PathsOptions): <T extends Partial<Settings>>(settings: T) => T {
  const found: { readonly path: readonly PathStep[]; readonly value: string }[] = [];
  for (const path of PATHS) {
    const node = textAt(root, path);
    if (node !== undefined) {
      found.push({ path, value: readable(node, node.value, path, options) });
    }
  }
  for (const path of SECRETS) {
    const node = textAt(root, path);
    if (node?.value.startsWith("file:") === true) {
      const file = node.value.slice("file:".length).trim();
      found.push({ path, value: file === "" ? node.value : `file:${readable(node, file, path, options)}` });
    } else if (node !== undefined) {
      options.secrets.add(node.value);
    }
  }
  return (settings) => {
    const copy = structuredClone(settings);
    for (const { path, value } of found) {
      put(copy, path, value);
    }
    return copy;
  };
}

function textAt(root: ConfigNode, path: readonly PathStep[]): (ScalarNode & { readonly value: string }) | undefined {
  const node = nodeAt(root, path);
  if (node?.kind !== "scalar" || typeof node.value !== "string" || node.value === "") {
    return undefined;
  }
  return { ...node, value: node.value };
}

function readable(node: ScalarNode, file: string, path: readonly PathStep[], options: PathsOptions): string {
  const home = file.startsWith("~/") ? resolve(options.home, file.slice(2)) : file;
  const full = isAbsolute(home) ? home : resolve(options.folderOf(node.at.file), home);
  const read = readText(full);
  if (read.kind === "wrong") {
    options.onProblem({
      place: node.at,
      path: pathText(path),
      message: `file ${node.written ?? file} ${read.message}`,
    });
  }
  return full;
}

/** Sets a value in a part that is there. */
function put(settings: Partial<Settings>, path: readonly PathStep[], value: string): void {
  let part: unknown = settings;
  for (const step of path.slice(0, -1)) {
    part = Reflect.get(Object(part), step);
  }
  if (typeof part === "object" && part !== null) {
    Reflect.set(part, path.at(-1) ?? "", value);
  }
}
