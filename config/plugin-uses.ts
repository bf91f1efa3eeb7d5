import type { PermissionRule } from "../core/api/plugin.ts";
import type { Isolation } from "../core/controller/plugin-entry.ts";
import { type AnyKind, mergeKinds } from "../core/kinds/kind.ts";
import type { LoadedConfig } from "./file/load.ts";

/** Stands among those who ask for a kind: the configuration itself, by `kinds`. */
export const CONFIG_ASKER = "(kinds)";
const BYTES_PER_WORD = 4;

/** What a plugin of a configuration is and asks for. */
export interface PluginUse {
  readonly name: string;
  /** As written in the configuration. */
  readonly use: string;
  readonly from: "built-in" | "package" | "path";
  readonly version: string | undefined;
  readonly enabled: boolean;
  readonly isolation: Isolation;
  readonly required: boolean;
  readonly needs: Readonly<Record<string, readonly string[]>>;
  readonly permissions: readonly PermissionRule[];
  readonly provides: readonly string[];
  readonly after: readonly string[];
}

/** A kind that a configuration follows, and who asked for what of it. */
export interface KindUse {
  readonly kind: string;
  readonly apiVersion: string;
  /** Each field with those who asked for it. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
  readonly askers: readonly string[];
  /** Bytes that every object takes in the store; texts and lists come on top. */
  readonly leastBytes: number;
}

/** The plugins of a configuration in its order. */
export function pluginUses(config: LoadedConfig): PluginUse[] {
  return config.plugins.map(({ declaration, source, use, enabled, kinds, entry }) => ({
    name: declaration?.name ?? use,
    use,
    from: source.kind,
    version: source.version,
    enabled,
    isolation: entry.isolation ?? "inline",
    required: entry.required !== false,
    needs: Object.fromEntries(kinds.map((kind) => [kind.name, [...kind.selected]])),
    permissions: declaration?.permissions ?? [],
    provides: declaration?.provides ?? [],
    after: declaration?.after ?? [],
  }));
}

/** The kinds that a configuration follows for its enabled plugins and for itself, sorted. */
export function kindUses(config: Pick<LoadedConfig, "plugins" | "kinds">): KindUse[] {
  const asked = new Map<string, { kinds: [AnyKind, ...AnyKind[]]; askers: string[] }>();
  const ask = (asker: string, kinds: readonly AnyKind[]): void => {
    for (const kind of kinds) {
      const known = asked.get(kind.name);
      if (known === undefined) {
        asked.set(kind.name, { kinds: [kind], askers: [asker] });
      } else {
        known.kinds.push(kind);
        known.askers.push(asker);
      }
    }
  };
  for (const { declaration, use, kinds } of config.plugins.filter(({ enabled }) => enabled)) {
    ask(declaration?.name ?? use, kinds);
  }
  ask(CONFIG_ASKER, config.kinds);
  return [...asked.values()].map(useOf).sort((a, b) => (a.kind < b.kind ? -1 : 1));
}

function useOf({ kinds, askers }: { kinds: [AnyKind, ...AnyKind[]]; askers: string[] }): KindUse {
  const merged = mergeKinds(kinds);
  const fields = [...merged.selected].sort().map((field): [string, string[]] => {
    const who = askers.filter((_, i) => kinds[i].selected.some((selected) => selected === field));
    return [field, who];
  });
  return {
    kind: merged.name,
    apiVersion: merged.apiVersion,
    fields: Object.fromEntries(fields),
    askers,
    leastBytes: merged.plan().fixedWords * BYTES_PER_WORD,
  };
}
