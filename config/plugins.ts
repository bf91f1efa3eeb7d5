import { existsSync, readFileSync } from "node:fs";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { loadConfig } from "./file/load.ts";
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
  const uses = pluginUses(config);
  const kinds = kindUses(config);
  context.out.write(asJson ? `${JSON.stringify({ plugins: uses, kinds })}\n` : usesText(uses, kinds));
  return 0;
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

function usesText(uses: readonly PluginUse[], kinds: readonly KindUse[]): string {
  const listed = (list: readonly string[]): string => (list.length === 0 ? "-" : list.join(", "));
  const pluginRows = uses.map(({ name, from, version, enabled, isolation, required, provides, after }) => [
    name,
    version === undefined ? from : `${from} ${version}`,
    enabled ? isolation : "off",
    required ? "yes" : "no",
    listed(provides),
    listed(after),
  ]);
  const kindRows = kinds.flatMap(({ kind, fields, askers, leastBytes }) =>
    askers.map((asker, i) => {
      const names = Object.keys(fields).filter((field) => fields[field].includes(asker));
      return [i === 0 ? kind : "", i === 0 ? String(leastBytes) : "", asker, listed(names)];
    }),
  );
  return [
    textTable(["plugin", "from", "runs", "required", "provides", "after"], pluginRows),
    textTable(["kind", "bytes/object", "asked for by", "fields"], kindRows, ["bytes/object"]),
    "bytes/object is the least; texts and lists come on top: fairlead store stats shows what they take\n",
  ].join("\n");
}
