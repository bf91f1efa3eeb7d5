import type { Needs } from "../api/needs.ts";
import type { OptionsSchema, PermissionRule } from "../api/plugin.ts";
import type { RunOn } from "../election/leadership.ts";
import { FairleadError, messageOf } from "../errors.ts";

/** The contract that this version of Fairlead offers. */
export const CONTRACT_VERSION = "fairlead/v1";

/** A plugin of which every part has been read once and found good. */
export interface CheckedPlugin {
  readonly name: string;
  readonly schema: OptionsSchema | undefined;
  readonly needs: Needs;
  readonly permissions: readonly PermissionRule[];
  readonly provides: readonly string[];
  readonly after: readonly string[];
  readonly runOn: RunOn | undefined;
  readonly setup: (context: unknown) => unknown;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const LONGEST_NAME = 63;
const PARTS = ["name", "apiVersion", "options", "needs", "permissions", "provides", "after", "runOn", "setup"] as const;

type Parts = Record<(typeof PARTS)[number], unknown>;

/** Names that are used by Fairlead itself, in metrics and log lines. */
const RESERVED: readonly string[] = ["controller", "core", "fairlead"];

/**
 * Checks the shape of what a module exported or an embedder gave, with all that is wrong in one message. `from` says where
 * it came from. Throws PLUGIN_BAD, PLUGIN_CONTRACT.
 */
export function checkPlugin(value: unknown, from: string): CheckedPlugin {
  const parts = readParts(value, from);
  const problems: string[] = [];
  const name = checkName(parts.name, problems);
  const what = name === undefined ? from : `plugin "${name}"`;
  checkContract(parts.apiVersion, what);
  const plugin = {
    name: name ?? "",
    schema: checkSchema(parts.options, problems),
    needs: checkNeeds(parts.needs, problems),
    permissions: checkPermissions(parts.permissions, problems),
    provides: checkNames("provides", parts.provides, problems),
    after: checkNames("after", parts.after, problems),
    runOn: checkRunOn(parts.runOn, problems),
    setup: parts.setup,
  };
  const { setup } = plugin;
  if (typeof setup !== "function") {
    problems.push("setup must be a function");
  }
  if (problems.length > 0 || typeof setup !== "function") {
    throw new FairleadError("PLUGIN_BAD", `${what} is not a plugin: ${problems.join("; ")}`, {
      facts: { plugin: name, from, problems },
    });
  }
  // `this` stays the plugin, as in a method call.
  return { ...plugin, setup: (context) => setup.call(value, context) };
}

/** Reads each part once: a getter that throws, or answers differently later, is the plugin's problem and not ours. */
function readParts(value: unknown, from: string): Parts {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
    throw new FairleadError(
      "PLUGIN_BAD",
      `${from} gives ${found} instead of a plugin; export it as default: export default { name, apiVersion, setup }`,
      { facts: { from } },
    );
  }
  const parts: Partial<Parts> = {};
  for (const part of PARTS) {
    try {
      parts[part] = Reflect.get(value, part);
    } catch (error) {
      throw new FairleadError("PLUGIN_BAD", `${from}: "${part}" cannot be read: ${messageOf(error)}`, {
        cause: error,
        facts: { from },
      });
    }
  }
  // Every part was assigned above.
  return parts as Parts;
}

function checkName(name: unknown, problems: string[]): string | undefined {
  if (typeof name !== "string") {
    problems.push("name must be a text");
    return undefined;
  }
  if (!NAME.test(name) || name.length > LONGEST_NAME) {
    problems.push(`name "${name.slice(0, LONGEST_NAME)}" must be lower-case words joined by "-", 63 letters at most`);
  } else if (RESERVED.includes(name)) {
    problems.push(`name "${name}" is reserved`);
  }
  return name;
}

function checkContract(version: unknown, what: string): void {
  if (version === CONTRACT_VERSION) {
    return;
  }
  const wanted = typeof version === "string" ? /^fairlead\/v(\d+)$/.exec(version) : null;
  if (wanted !== null) {
    throw new FairleadError(
      "PLUGIN_CONTRACT",
      `${what} was written for ${version}, this Fairlead offers ${CONTRACT_VERSION}; ` +
        (Number(wanted[1]) > 1 ? "install a newer Fairlead" : "install a newer version of the plugin"),
      { facts: { wanted: String(version), offered: CONTRACT_VERSION } },
    );
  }
  const shown = version === undefined ? "no apiVersion" : `the apiVersion ${JSON.stringify(version) ?? typeof version}`;
  throw new FairleadError("PLUGIN_CONTRACT", `${what} has ${shown}; write apiVersion: "${CONTRACT_VERSION}"`, {
    facts: { offered: CONTRACT_VERSION },
  });
}

function checkSchema(schema: unknown, problems: string[]): OptionsSchema | undefined {
  if (schema === undefined) {
    return undefined;
  }
  if (isStandardSchema(schema)) {
    return schema;
  }
  problems.push("options must be a schema of https://standardschema.dev (zod, valibot, arktype)");
  return undefined;
}

function isStandardSchema(schema: unknown): schema is OptionsSchema {
  if ((typeof schema !== "object" && typeof schema !== "function") || schema === null || !("~standard" in schema)) {
    return false;
  }
  const standard = schema["~standard"];
  return (
    typeof standard === "object" &&
    standard !== null &&
    "validate" in standard &&
    typeof standard.validate === "function"
  );
}

function checkNeeds(needs: unknown, problems: string[]): Needs {
  if (needs === undefined) {
    return {};
  }
  if (typeof needs !== "object" || needs === null || Array.isArray(needs)) {
    problems.push("needs must be an object: { pods: true }");
    return {};
  }
  // Its values are checked when they are made into kinds.
  return needs as Needs;
}

function checkPermissions(rules: unknown, problems: string[]): readonly PermissionRule[] {
  if (rules === undefined) {
    return [];
  }
  if (!Array.isArray(rules)) {
    problems.push("permissions must be a list of rules");
    return [];
  }
  return rules.flatMap((rule: unknown, at): PermissionRule[] => {
    // A missing rule reads as an empty one, which is refused below.
    const { apiGroups, resources, verbs, resourceNames } = (rule ?? {}) as Readonly<Record<string, unknown>>;
    if (!isTexts(apiGroups) || !isTexts(resources) || !isTexts(verbs)) {
      problems.push(`permissions[${at}] needs apiGroups, resources and verbs, each a list of texts`);
      return [];
    }
    if (resourceNames !== undefined && !isTexts(resourceNames)) {
      problems.push(`permissions[${at}].resourceNames must be a list of texts`);
      return [];
    }
    const names = resourceNames === undefined ? {} : { resourceNames: [...resourceNames] };
    return [{ apiGroups: [...apiGroups], resources: [...resources], verbs: [...verbs], ...names }];
  });
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}

function checkRunOn(runOn: unknown, problems: string[]): RunOn | undefined {
  if (runOn === undefined || runOn === "leader" || runOn === "every") {
    return runOn;
  }
  problems.push('runOn must be "leader" or "every"');
  return undefined;
}

function checkNames(part: string, names: unknown, problems: string[]): readonly string[] {
  if (names === undefined) {
    return [];
  }
  if (!Array.isArray(names) || names.some((name) => typeof name !== "string" || name === "")) {
    problems.push(`${part} must be a list of names`);
    return [];
  }
  return [...new Set<string>(names)];
}
