import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { FairleadError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";

/** Where the code of a plugin is. */
export interface PluginSource {
  readonly kind: "built-in" | "package" | "path";
  readonly url: URL;
  /** Name of the built-in plugin or of the package; undefined for a path without a package.json. */
  readonly name: string | undefined;
  /** Version of the package, where it has one. */
  readonly version: string | undefined;
}

/** Folder of the built-in plugins: beside this one, in sources and in the built package. */
const BUILT_IN = new URL("../plugins/", import.meta.url);
const PREFIX = "fairlead-plugin";
const PACKAGE_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
/** Conditions under which a plugin's package is imported, as Node does. */
const CONDITIONS: readonly string[] = ["node", "import", "module-sync", "default"];
const MAX_NESTED_CONDITIONS = 8;

/** Names of the plugins that come with Fairlead, sorted. */
export function builtInPlugins(): string[] {
  if (!existsSync(BUILT_IN)) {
    return [];
  }
  return readdirSync(BUILT_IN, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "template" && entryOf(entry.name) !== undefined)
    .map((entry) => entry.name)
    .sort();
}

function entryOf(name: string): URL | undefined {
  return ["index.js", "index.ts"].map((file) => new URL(`${name}/${file}`, BUILT_IN)).find((url) => existsSync(url));
}

/**
 * Finds the module behind `use`: a built-in name; a package by its name, or without its `fairlead-plugin-`; a path that
 * begins with "./", "../" or "/". Paths and packages are looked for from `folder`, packages from Fairlead's own folder after
 * that. Loads nothing. Throws CONFIG_UNKNOWN_PLUGIN, which has the command that installs it.
 */
export function findPlugin(use: string, folder: string): PluginSource {
  if (/^\.{0,2}\//.test(use) || use === "." || use === ".." || isAbsolute(use)) {
    return atPath(use, folder);
  }
  if (use.startsWith("file:")) {
    return atPath(filePath(use), folder);
  }
  if (!PACKAGE_NAME.test(use) && !/^@[a-z0-9-]+$/.test(use)) {
    throw unknown(
      use,
      `"${use}" is no name of a plugin${didYouMean(use.trim(), builtInPlugins()) || "; write a built-in name, a package, or a path that begins with ./"}`,
    );
  }
  const builtIn = /^[a-z][a-z0-9-]*$/.test(use) && use !== "template" ? entryOf(use) : undefined;
  if (builtIn !== undefined) {
    return { kind: "built-in", url: builtIn, name: use, version: undefined };
  }
  const candidates = packageNames(use);
  for (const start of [folder, fileURLToPath(new URL("..", import.meta.url))]) {
    for (const name of candidates) {
      const found = packageFolder(name, start);
      if (found !== undefined) {
        return inPackage(found, name);
      }
    }
  }
  throw notFound(use, candidates[0]);
}

function filePath(use: string): string {
  try {
    return fileURLToPath(use);
  } catch {
    throw unknown(use, `"${use}" is no usable file: URL; write a path that begins with ./ or /`);
  }
}

/** Names of the packages that `use` may stand for, likeliest first. */
function packageNames(use: string): readonly string[] {
  const [scope, own] = use.startsWith("@") ? use.split("/", 2) : [undefined, use];
  if (scope !== undefined && own === undefined) {
    return [`${scope}/${PREFIX}`];
  }
  const name = own ?? use;
  const full = name.startsWith(PREFIX) ? name : `${PREFIX}-${name}`;
  const before = scope === undefined ? "" : `${scope}/`;
  return [...new Set([`${before}${full}`, use])].filter((candidate) => !isBuiltin(candidate));
}

function notFound(use: string, wanted: string): FairleadError {
  if (use.includes("/") || use.startsWith(PREFIX) || use.startsWith("@")) {
    return unknown(use, `package "${wanted}" is not installed: npm install ${wanted}`);
  }
  const builtIn = builtInPlugins();
  const near = didYouMean(use, builtIn);
  return near === ""
    ? unknown(
        use,
        `no built-in plugin is called "${use}", and package "${wanted}" is not installed: npm install ${wanted}`,
      )
    : unknown(use, `no plugin is called "${use}"${near} If not: npm install ${wanted}`);
}

function atPath(use: string, folder: string): PluginSource {
  const path = resolve(folder, use);
  if (!existsSync(path)) {
    const around = existsSync(dirname(path)) ? readdirSync(dirname(path)) : [];
    const name = path.slice(dirname(path).length + 1);
    throw unknown(use, `file "${use}" does not exist${didYouMean(name, around)}`);
  }
  if (!statSync(path).isDirectory()) {
    return { kind: "path", url: pathToFileURL(path), name: undefined, version: versionOf(manifestOf(dirname(path))) };
  }
  const index = ["index.js", "index.ts", "index.mjs"].map((file) => join(path, file)).find((file) => existsSync(file));
  if (existsSync(join(path, "package.json"))) {
    return { ...inPackage(path, undefined), kind: "path" };
  }
  if (index === undefined) {
    throw unknown(use, `folder "${use}" has neither package.json nor index.js nor index.ts`);
  }
  return { kind: "path", url: pathToFileURL(index), name: undefined, version: undefined };
}

/** The nearest folder upwards whose node_modules has the package. */
function packageFolder(name: string, start: string): string | undefined {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) {
      return candidate;
    }
    if (folder === dirname(folder)) {
      return undefined;
    }
  }
}

function inPackage(folder: string, name: string | undefined): PluginSource {
  const manifest = manifestOf(folder);
  const main = entryIn(manifest) ?? ["index.js", "index.ts"].find((file) => existsSync(join(folder, file)));
  const shown = name ?? folder;
  if (main === undefined) {
    throw unknown(
      shown,
      `package "${shown}" cannot be imported: its package.json has no "exports" or "main" to import`,
    );
  }
  const path = resolve(folder, main);
  if (!existsSync(path)) {
    throw unknown(
      shown,
      `package "${shown}" is broken: its entry ${main} does not exist; build it or install it again`,
    );
  }
  const own = typeof manifest.name === "string" ? manifest.name : name;
  return { kind: "package", url: pathToFileURL(path), name: own, version: versionOf(manifest) };
}

type Manifest = Readonly<Record<string, unknown>>;

function manifestOf(folder: string): Manifest {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return isRecord(parsed) ? parsed : {};
  } catch {
    return {}; // what cannot be read has no entry, which is said
  }
}

function versionOf(manifest: Manifest): string | undefined {
  return typeof manifest.version === "string" ? manifest.version : undefined;
}

function entryIn({ exports, main }: Manifest): string | undefined {
  if (exports !== undefined && exports !== null) {
    const root = isRecord(exports) && "." in exports ? exports["."] : exports;
    return target(root, 0);
  }
  return typeof main === "string" ? main : undefined;
}

/** The file behind one entry of "exports", by the conditions of an import. */
function target(entry: unknown, depth: number): string | undefined {
  if (typeof entry === "string" || depth > MAX_NESTED_CONDITIONS) {
    return typeof entry === "string" ? entry : undefined;
  }
  if (Array.isArray(entry)) {
    return entry.map((one) => target(one, depth + 1)).find((found) => found !== undefined);
  }
  if (!isRecord(entry)) {
    return undefined;
  }
  return Object.entries(entry)
    .filter(([condition]) => CONDITIONS.includes(condition))
    .map(([, one]) => target(one, depth + 1))
    .find((found) => found !== undefined);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknown(use: string, message: string): FairleadError {
  return new FairleadError("CONFIG_UNKNOWN_PLUGIN", message, { facts: { use } });
}
