import { placeOf } from "../../sandbox/place.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { FairleadError, messageOf } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { type CheckedPlugin, checkPlugin } from "./plugin-check.ts";
import { kindToData, type PluginDeclaration } from "./plugin-declaration.ts";
import { kindsOfNeeds } from "./plugin-needs.ts";
import { checkOptions } from "./plugin-options.ts";

/** A plugin that is ready for `setup`. */
export interface LoadedPlugin {
  readonly plugin: CheckedPlugin;
  readonly declaration: PluginDeclaration;
  readonly kinds: readonly AnyKind[];
  /** Checked, defaults filled in. */
  readonly options: unknown;
}

/**
 * Imports the module where `use` is one, and checks plugin, needs and options; runs in the thread in which the plugin will.
 * Throws PLUGIN_LOAD_FAILED, PLUGIN_BAD, PLUGIN_CONTRACT, PLUGIN_NEEDS, PLUGIN_OPTIONS.
 */
export async function loadPlugin(use: AnyPlugin | URL, options: unknown): Promise<LoadedPlugin> {
  const described = await describePlugin(use);
  return { ...described, options: await checkOptions(described.plugin.name, described.plugin.schema, options) };
}

/** As `loadPlugin`, without looking at options. */
export async function describePlugin(use: AnyPlugin | URL): Promise<Omit<LoadedPlugin, "options">> {
  const plugin = use instanceof URL ? await importPlugin(use) : checkPlugin(use, "the object given as a plugin");
  return { plugin, ...declarationOf(plugin) };
}

/** What a plugin declares, as kinds and as plain data. Throws PLUGIN_NEEDS. */
export function declarationOf(plugin: CheckedPlugin): {
  readonly kinds: readonly AnyKind[];
  readonly declaration: PluginDeclaration;
} {
  const kinds = kindsOfNeeds(plugin.name, plugin.needs);
  const { name, permissions, provides, after, runOn } = plugin;
  return { kinds, declaration: { name, kinds: kinds.map(kindToData), permissions, provides, after, runOn } };
}

async function importPlugin(url: URL): Promise<CheckedPlugin> {
  let module: { readonly default?: unknown };
  try {
    module = await import(url.href);
  } catch (error) {
    throw new FairleadError("PLUGIN_LOAD_FAILED", `${url.href} cannot be loaded: ${reasonOf(url, error)}`, {
      cause: error,
      facts: { from: url.href },
    });
  }
  if (module.default === undefined) {
    throw new FairleadError(
      "PLUGIN_BAD",
      `${url.href} has no default export; write: export default { name, apiVersion, setup } satisfies Plugin`,
      { facts: { from: url.href } },
    );
  }
  return checkPlugin(module.default, url.href);
}

/** What Node says of ES modules that it takes for CommonJS, since the package.json above them says so. */
const NOT_AN_ES_MODULE =
  /^(?:Unexpected token 'export'|Cannot use import statement outside a module|await is only valid in async functions and the top level bodies of modules)/;

function reasonOf(url: URL, error: unknown): string {
  const reason = messageOf(error);
  if (error instanceof SyntaxError && NOT_AN_ES_MODULE.test(reason)) {
    return `${reason}; write "type": "module" into the package.json above it, or name it .mjs or .mts`;
  }
  if (!(error instanceof SyntaxError)) {
    return reason;
  }
  // Node tells the line of TypeScript, but not of JavaScript.
  const at = placeOf(error);
  return at === undefined ? `${reason}; node --check ${url.pathname} shows where` : `${reason} at ${at}`;
}
