import { dirname } from "node:path";
import { bootOrder } from "../../core/controller/boot-order.ts";
import type { PluginDeclaration } from "../../core/controller/plugin-declaration.ts";
import type { PluginEntry } from "../../core/controller/plugin-entry.ts";
import { describePlugin } from "../../core/controller/plugin-load.ts";
import { codeOf, messageOf } from "../../core/errors.ts";
import type { AnyKind } from "../../core/kinds/kind.ts";
import { findPlugin, type PluginSource } from "../plugin-source.ts";
import { type CheckedOptions, checkOptions, givenOptions } from "./plugin-options.ts";
import type { ConfigProblem } from "./problem.ts";
import type { Settings } from "./schema.ts";
import { type ConfigNode, nodeAt, type PathStep, type Place, pathText, placeAt, type TableNode } from "./tree.ts";

/** One entry of `plugins`, found and as far as asked for loaded. */
export interface ConfiguredPlugin {
  /** Position in the list. */
  readonly index: number;
  /** As written. */
  readonly use: string;
  readonly place: Place;
  readonly source: PluginSource;
  readonly enabled: boolean;
  /** What the plugin says of itself; undefined when it was not loaded. */
  readonly declaration: PluginDeclaration | undefined;
  readonly kinds: readonly AnyKind[];
  /** As its schema completes them; undefined when it was not loaded. Holds secrets. */
  readonly completeOptions: unknown;
  /** Where in the options secrets are, by the plugin's schema: "upstreams[0].token". */
  readonly secretOptions: ReadonlySet<string>;
  /** What the controller takes. */
  readonly entry: PluginEntry;
}

/** How to look at plugins. */
export interface PluginsOptions {
  readonly root: TableNode;
  /** Folder of the file of that name in places. */
  readonly folderOf: (file: string) => string;
  /** "inline": load those that run on the main thread; "all": load those of other threads too, to know more of them. */
  readonly load: "inline" | "all";
  /** Loading, and checking options, may take so long. */
  readonly timeoutMs: number;
  readonly onProblem: (problem: ConfigProblem) => void;
}

/** Finds every plugin of a configuration, loads it and checks its options; what is wrong goes to `onProblem`. */
export async function findPlugins(options: PluginsOptions): Promise<ConfiguredPlugin[]> {
  const list = nodeAt(options.root, ["plugins"]);
  const found: ConfiguredPlugin[] = [];
  for (const [index, node] of list?.kind === "list" ? list.items.entries() : []) {
    const plugin = await findOne(index, node, options);
    if (plugin !== undefined) {
      found.push(plugin);
    }
  }
  tellNamesTwice(found, options);
  tellOrder(found, options);
  return found;
}

async function findOne(
  index: number,
  node: ConfigNode,
  options: PluginsOptions,
): Promise<ConfiguredPlugin | undefined> {
  const base = ["plugins", index] as const;
  const useNode = nodeAt(node, ["use"]);
  if (useNode?.kind !== "scalar" || typeof useNode.value !== "string" || useNode.value === "") {
    return undefined; // the schema says what is wrong
  }
  const wrong = (path: readonly PathStep[], message: string): undefined => {
    const full = [...base, ...path];
    options.onProblem({ place: placeAt(options.root, full), path: pathText(full), message });
  };
  if (useNode.written !== undefined) {
    return wrong(["use"], "the name of a plugin cannot come from the environment; write it out");
  }
  const use = useNode.value;
  let source: PluginSource;
  try {
    source = findPlugin(use, options.folderOf(useNode.at.file));
  } catch (error) {
    return wrong(["use"], messageOf(error));
  }
  const isolation = nodeAt(node, ["isolation"]);
  const isWorker = isolation?.kind === "scalar" && isolation.value === "worker";
  const unloaded = {
    index,
    use,
    place: useNode.at,
    source,
    enabled: true,
    declaration: undefined,
    kinds: [],
    completeOptions: undefined,
    secretOptions: new Set<string>(),
  };
  if (isWorker && options.load === "inline") {
    return { ...unloaded, entry: { use: source.url, version: source.version, options: optionsOf(node) } };
  }
  try {
    const described = await within(options.timeoutMs, describePlugin(source.url), `plugin "${use}" did not load`);
    const checked: CheckedOptions = await within(
      options.timeoutMs,
      checkOptions({ schema: described.plugin.schema, root: options.root, base: [...base, "options"] }),
      `the options' schema of plugin "${use}" did not answer`,
    );
    checked.problems.forEach(options.onProblem);
    return {
      ...unloaded,
      declaration: described.declaration,
      kinds: described.kinds,
      completeOptions: checked.complete,
      secretOptions: checked.secrets,
      entry: { use: source.url, version: source.version, options: checked.given },
    };
  } catch (error) {
    return wrong(["use"], messageOf(error).replaceAll(source.url.href, `"${use}"`));
  }
}

/** Options of a plugin that is loaded in another thread: its schema is there too. */
function optionsOf(node: ConfigNode): unknown {
  const options = nodeAt(node, ["options"]);
  return options === undefined ? undefined : givenOptions(options, new Set());
}

function tellNamesTwice(plugins: readonly ConfiguredPlugin[], { root, onProblem }: PluginsOptions): void {
  const seen = new Map<string, ConfiguredPlugin>();
  for (const plugin of plugins) {
    const name = plugin.declaration?.name ?? plugin.source.url.href;
    const first = seen.get(name);
    if (first !== undefined) {
      const path = ["plugins", plugin.index, "use"];
      const { file, line } = first.place;
      onProblem({
        place: placeAt(root, path),
        path: pathText(path),
        message: `plugin "${plugin.declaration?.name ?? plugin.use}" is in ${file} line ${line} already; a plugin runs once`,
      });
    }
    seen.set(name, first ?? plugin);
  }
}

/** Plugins that wait for each other, or offer the same service. */
function tellOrder(plugins: readonly ConfiguredPlugin[], { root, onProblem }: PluginsOptions): void {
  const declared = plugins.flatMap(({ declaration }) => (declaration === undefined ? [] : [declaration]));
  try {
    bootOrder(declared);
  } catch (error) {
    if (codeOf(error) !== "PLUGIN_DUPLICATE") {
      onProblem({ place: placeAt(root, ["plugins"]), path: "plugins", message: messageOf(error) });
    }
  }
}

/** The entry for the controller, with the settings of the list filled in. */
export function withSettings(plugin: ConfiguredPlugin, settings: Settings): ConfiguredPlugin {
  const given = settings.plugins[plugin.index];
  const { isolation, required, runOn, setupTimeoutMs, stopTimeoutMs, maxHeapMb, rateLimit } = given;
  return {
    ...plugin,
    enabled: given.enabled,
    entry: {
      ...plugin.entry,
      isolation,
      runOn,
      required,
      setupTimeoutMs,
      stopTimeoutMs,
      maxHeapMb,
      rateLimit,
      dryRun: given.dryRun || settings.dryRun,
    },
  };
}

async function within<T>(timeoutMs: number, work: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The folder of the file of a name in places. */
export function foldersBy(files: readonly string[], shown: readonly string[]): (file: string) => string {
  const folders = new Map(shown.map((name, i) => [name, dirname(files[i])]));
  return (file) => folders.get(file) ?? dirname(files[0]);
}
