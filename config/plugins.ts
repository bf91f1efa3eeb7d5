import { existsSync, readFileSync } from "node:fs";
import { commonOptions } from "./cluster-options.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { toControllerOptions } from "./file/controller-options.ts";
import { type LoadedConfig, loadConfig } from "./file/load.ts";
import { builtInPlugins } from "./plugin-source.ts";
import { type KindUse, kindUses, type PluginUse, pluginUses } from "./plugin-uses.ts";
import { textTable } from "./text-table.ts";

/** A built-in plugin, for the list. */
interface BuiltIn {
  readonly name: string;
  /** First sentence of its page. */
  readonly about: string;
}

/** `fairlead plugins`: the built-in plugins, or with `--config` those of a configuration and what they ask for. */
export async function plugins(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const asJson = textOption(parsed, "output") === "json";
  if (textOption(parsed, "config") === undefined) {
    const known = builtInPlugins().map((name): BuiltIn => ({ name, about: aboutOf(name) }));
    context.out.write(asJson ? `${JSON.stringify({ plugins: known })}\n` : builtInText(known));
    return 0;
  }
  const config = await loadConfig(configPath(parsed), { load: "all" });
  const measured = parsed.values.measure === true ? await measure(config, parsed, context) : undefined;
  const uses = pluginUses(config).map((use): ShownPlugin => ({ ...use, hooks: measured?.hooks.get(use.name) }));
  const kinds = kindUses(config).map((use): ShownKind => ({ ...use, ...measured?.kinds[use.kind] }));
  context.out.write(asJson ? `${JSON.stringify({ plugins: uses, kinds })}\n` : usesText(uses, kinds));
  return 0;
}

/** A plugin with the hooks that it taps, where it was run. */
interface ShownPlugin extends PluginUse {
  readonly hooks: readonly string[] | undefined;
}

/** A kind with what its objects take in the store, where they were loaded. */
interface ShownKind extends KindUse {
  readonly objects?: number;
  readonly bytes?: number;
}

/** What only shows when the configuration runs. */
interface Measured {
  readonly hooks: ReadonlyMap<string, readonly string[]>;
  readonly kinds: Readonly<Record<string, { readonly objects: number; readonly bytes: number }>>;
}

/** Starts the configuration on its cluster, without a write that lasts, until its caches are complete; then ends it. */
async function measure(config: LoadedConfig, parsed: ParsedOptions, context: CommandContext): Promise<Measured> {
  const { createController } = await import("../core/controller/create-controller.ts");
  const options = toControllerOptions(config);
  const { log } = commonOptions(parsed, context);
  await using controller = createController({
    ...options,
    plugins: options.plugins.map((entry) => ({ ...entry, dryRun: true })),
    dryRun: true,
    status: undefined,
    log,
  });
  await controller.start({ signal: context.signal });
  return {
    hooks: new Map(controller.plugins().map(({ name, hooks }) => [name, [...hooks].sort()])),
    kinds: controller.store.stats().kinds,
  };
}

function builtInText(known: readonly BuiltIn[]): string {
  return textTable(
    ["plugin", "about"],
    known.map(({ name, about }) => [name, about]),
  );
}

/** The first sentence under the heading of a plugin's README, which is in the package beside the built code. */
function aboutOf(name: string): string {
  const places = ["../", "../../"].map((root) => new URL(`${root}plugins/${name}/README.md`, import.meta.url));
  const page = places.find((place) => existsSync(place));
  const text = page === undefined ? "" : readFileSync(page, "utf8");
  const paragraph = /^# .*\n+([^#`|\n][^\n]*(?:\n[^#`|\n][^\n]*)*)/m.exec(text)?.[1] ?? "";
  return /^.*?[.:](?=\s|$)/s.exec(paragraph)?.[0].replaceAll("\n", " ").replace(/[.:]$/, "") ?? paragraph;
}

function usesText(uses: readonly ShownPlugin[], kinds: readonly ShownKind[]): string {
  const listed = (list: readonly string[] = []): string => (list.length === 0 ? "-" : list.join(", "));
  const pluginRows = uses.map(({ name, from, version, enabled, isolation, required, provides, after, hooks }) => [
    name,
    version === undefined ? from : `${from} ${version}`,
    enabled ? isolation : "off",
    required ? "yes" : "no",
    listed(provides),
    listed(after),
    ...(hooks === undefined ? [] : [listed(hooks)]),
  ]);
  const isMeasured = kinds.some(({ objects }) => objects !== undefined);
  const kindRows = kinds.flatMap(({ kind, fields, askers, leastBytes, objects = 0, bytes = 0 }) =>
    askers.map((asker, i) => {
      const names = Object.keys(fields).filter((field) => fields[field].includes(asker));
      const sizes = isMeasured
        ? [String(objects), objects === 0 ? "-" : String(Math.round(bytes / objects))]
        : [`>= ${leastBytes}`];
      return [i === 0 ? kind : "", ...sizes.map((size) => (i === 0 ? size : "")), asker, listed(names)];
    }),
  );
  const pluginHead = ["plugin", "from", "runs", "required", "provides", "after"];
  const sizeHead = isMeasured ? ["objects", "bytes/object"] : ["bytes/object"];
  return [
    textTable(uses.some(({ hooks }) => hooks !== undefined) ? [...pluginHead, "hooks"] : pluginHead, pluginRows),
    textTable(["kind", ...sizeHead, "asked for by", "fields"], kindRows, sizeHead),
    ...(isMeasured ? [] : ["texts and lists come on top of bytes/object: --measure loads the cluster and counts\n"]),
  ].join("\n");
}
