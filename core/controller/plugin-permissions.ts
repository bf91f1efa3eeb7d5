import type { PermissionRule } from "../api/plugin.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import { covers, mergeRules, rightsOf, ruleOf, rulesAsYaml, rulesFor } from "./permission-check.ts";
import { type MissingRules, missingRules } from "./permission-review.ts";
import type { PluginSlot } from "./plugin-slot.ts";

/** How to ask for what the server grants. */
export interface PermissionsOptions {
  readonly client: () => Promise<KubeClient>;
  readonly log: Logger;
  /** Namespaces that are followed, where they are known; undefined: the whole cluster. */
  readonly namespaces: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** Compares what plugins may want with what the server grants. */
export class PluginPermissions {
  readonly #options: PermissionsOptions;
  /** Lines that have been logged. */
  readonly #told = new Set<string>();

  constructor(options: PermissionsOptions) {
    this.#options = options;
  }

  /** Tells what is missing, once in the log and as the plugins' warning. Never rejects. */
  async review(plugins: readonly PluginSlot[]): Promise<void> {
    const { client, log, namespaces, signal } = this.#options;
    const slots = plugins.filter(({ declaration }) => declaration !== undefined);
    if (slots.length === 0) {
      return;
    }
    let missing: MissingRules[];
    try {
      missing = await missingRules(
        await client(),
        rulesOf(slots),
        namespaces,
        slots.flatMap(({ kinds }) => kinds),
      );
    } catch (error) {
      log.debug({ code: codeOf(error), detail: messageOf(error) }, "permissions could not be checked");
      return;
    }
    if (signal.aborted) {
      return;
    }
    const all = missing.flatMap(({ rules }) => rules);
    for (const slot of slots) {
      const own = rightsOf(rulesOf([slot])).filter((right) => covers(all, right));
      slot.warning = own.length === 0 ? undefined : warningOf(slot.name, mergeRules(own.map(ruleOf)));
    }
    for (const { namespace, rules } of missing) {
      const text = rulesAsYaml(rules);
      if (!this.#told.has(`${namespace} ${text}`)) {
        this.#told.add(`${namespace} ${text}`);
        log.warn({ namespace, rules: text }, "permissions are missing; fairlead rbac prints them all");
      }
    }
  }
}

function rulesOf(slots: readonly PluginSlot[]): PermissionRule[] {
  const sources = slots.map(({ declaration, kinds }) => ({ permissions: declaration?.permissions ?? [], kinds }));
  return rulesFor(sources, []);
}

function warningOf(plugin: string, rules: readonly PermissionRule[]): { code: string; message: string } {
  return {
    code: "PLUGIN_PERMISSION_MISSING",
    message: `the server does not grant plugin "${plugin}" what it needs; add to its role:\n${rulesAsYaml(rules)}`,
  };
}
