import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { LoadedConfig } from "./load.ts";
import { SECRETS } from "./paths.ts";
import type { ConfiguredPlugin } from "./plugins.ts";
import { isSecretName, REDACTED, redactText } from "./redaction.ts";
import { type ConfigNode, nodeAt, type PathStep, pathText, plainOf } from "./tree.ts";

/** A value that is shown as it is written, with its `${…}`: nobody sees what the variable holds. */
export class WrittenValue {
  readonly text: string;
  /** True when it stands without quotes. */
  readonly plain: boolean;

  constructor(text: string, plain: boolean) {
    this.text = text;
    this.plain = plain;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Values of a configuration that can be shown: plain data, and `WrittenValue` for what came from the environment. */
export type ShownValue =
  | string
  | number
  | boolean
  | null
  | WrittenValue
  | readonly ShownValue[]
  | { readonly [key: string]: ShownValue };

/**
 * The configuration that runs, to be shown: files joined, defaults filled in, secrets hidden. Written to a file it is a
 * configuration again, except that secrets written out in the file are gone.
 */
export function effectiveConfig(config: LoadedConfig): ShownValue {
  const { settings, root } = config;
  const viewer = new Viewer(root, config.secrets, new Set(SECRETS.map(pathText)));
  const shown = viewer.show({ ...settings, plugins: [] }, []);
  const plugins = settings.plugins.map((entry, index) => {
    const plugin = config.plugins.find((one) => one.index === index);
    const { options, ...rest } = entry;
    const view = { ...asTable(viewer.show(rest, ["plugins", index])), use: usedFrom(config, plugin) ?? entry.use };
    return options === undefined && plugin?.completeOptions === undefined
      ? view
      : { ...view, options: shownOptions(config, plugin, index) };
  });
  return { ...asTable(shown), plugins };
}

/** The path of a plugin that an included file names, from the folder of the first file. */
function usedFrom(config: LoadedConfig, plugin: ConfiguredPlugin | undefined): string | undefined {
  if (plugin?.source.kind !== "path" || plugin.place.file === config.root.at.file) {
    return undefined;
  }
  const path = relative(dirname(config.path), fileURLToPath(plugin.source.url));
  return path.startsWith("../") ? path : `./${path}`;
}

function shownOptions(config: LoadedConfig, plugin: ConfiguredPlugin | undefined, index: number): ShownValue {
  const base = ["plugins", index, "options"];
  const secrets = [...(plugin?.secretOptions ?? [])].map(
    (path) => `${pathText(base)}${path.startsWith("[") ? "" : "."}${path}`,
  );
  const viewer = new Viewer(config.root, config.secrets, new Set(secrets));
  const node = nodeAt(config.root, base);
  const given = node === undefined ? {} : plainOf(node);
  const complete = plugin?.completeOptions;
  return viewer.show(complete === undefined || complete === null ? given : complete, base, isPlain(complete));
}

function asTable(value: ShownValue): Readonly<Record<string, ShownValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof WrittenValue)
    ? (value as Readonly<Record<string, ShownValue>>) // all else was ruled out; narrowing of readonly arrays does not say so
    : {};
}

/** Shows values beside the tree that they were made of. */
class Viewer {
  readonly #root: ConfigNode;
  readonly #secrets: ReadonlySet<string>;
  readonly #secretPaths: ReadonlySet<string>;

  constructor(root: ConfigNode, secrets: ReadonlySet<string>, secretPaths: ReadonlySet<string>) {
    this.#root = root;
    this.#secrets = secrets;
    this.#secretPaths = secretPaths;
  }

  /** `fits` is false where a schema made something else of the value than data: then it is shown as it was given. */
  show(value: unknown, path: readonly PathStep[], fits = true): ShownValue {
    const node = nodeAt(this.#root, path);
    if (!fits && node !== undefined) {
      return this.show(plainOf(node), path);
    }
    if (node?.kind === "scalar" && node.written !== undefined) {
      return new WrittenValue(node.written, node.plain);
    }
    if (this.#isSecret(path) && value !== undefined && value !== null) {
      return typeof value === "string" && isReference(value) ? value : REDACTED;
    }
    if (Array.isArray(value)) {
      return value.map((item: unknown, i) => this.show(item, [...path, i]));
    }
    if (isPlain(value) && typeof value === "object" && value !== null) {
      return Object.fromEntries(
        Object.entries(value)
          .filter(([, part]) => part !== undefined && typeof part !== "function")
          .map(([key, part]) => [key, this.show(part, [...path, key])]),
      );
    }
    if (typeof value === "string") {
      return redactText(value, this.#secrets).replaceAll("${", () => "$${");
    }
    return typeof value === "number" || typeof value === "boolean" ? value : this.#other(value, node);
  }

  /** A Date, a URL, a RegExp, …: as it was given; a default that is one of these as its text. */
  #other(value: unknown, node: ConfigNode | undefined): ShownValue {
    if (value === null || value === undefined) {
      return null;
    }
    const given = node === undefined || node.kind !== "scalar" ? String(value) : String(node.value);
    return redactText(given, this.#secrets);
  }

  /** Names of keys tell secrets only in the options of plugins; our own are known. */
  #isSecret(path: readonly PathStep[]): boolean {
    const last = path.at(-1);
    const isOption = path[0] === "plugins" && path[2] === "options";
    return this.#secretPaths.has(pathText(path)) || (isOption && typeof last === "string" && isSecretName(last));
  }
}

function isReference(value: string): boolean {
  return value.startsWith("file:") || /^\$\{\w+\}$/.test(value);
}

function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
