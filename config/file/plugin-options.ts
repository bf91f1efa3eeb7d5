import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { OptionsSchema } from "../../core/api/plugin.ts";
import { messageOf } from "../../core/errors.ts";
import type { SchemaIssue } from "./issue-text.ts";
import { alternativesAt, type JsonSchema, problemsOf } from "./issues.ts";
import type { ConfigProblem } from "./problem.ts";
import { type ConfigNode, nodeAt, type PathStep, pathText, placeAt, plainOf } from "./tree.ts";

/** Options of one plugin after its schema. */
export interface CheckedOptions {
  /** As the plugin host gets them. */
  readonly given: unknown;
  /** With defaults; undefined when the schema refused them. */
  readonly complete: unknown;
  /** Paths of secrets in the options. */
  readonly secrets: ReadonlySet<string>;
  readonly problems: readonly ConfigProblem[];
}

/** What to check. */
export interface OptionsPart {
  /** Undefined: the plugin takes no options. */
  readonly schema: OptionsSchema | undefined;
  readonly root: ConfigNode;
  /** Path of the options in the configuration. */
  readonly base: readonly PathStep[];
}

/** Checks options by the plugin's own schema; issues get places and, for unknown keys, the nearest name. */
export async function checkOptions({ schema, root, base }: OptionsPart): Promise<CheckedOptions> {
  const node = nodeAt(root, base);
  const at = { place: placeAt(root, base), path: pathText(base) };
  const shape = schema === undefined ? undefined : jsonSchemaOf(schema);
  const secrets = new Set(node === undefined ? [] : secretPaths(node, shape, []));
  const given = node === undefined ? undefined : givenOptions(node, secrets);
  const nothing = { given, complete: undefined, secrets };
  if (schema === undefined) {
    const isEmpty = given === undefined || given === null || isEmptyTable(node);
    return { ...nothing, problems: isEmpty ? [] : [{ ...at, message: "the plugin has no options" }] };
  }
  try {
    const result = await schema["~standard"].validate(given ?? {});
    if (result.issues === undefined) {
      return { ...nothing, complete: result.value, problems: [] };
    }
    const issues = result.issues.map(plainIssue);
    return { ...nothing, problems: problemsOf(issues, { root, base, schema: shape }) };
  } catch (error) {
    return { ...nothing, problems: [{ ...at, message: `the plugin's schema failed: ${messageOf(error)}` }] };
  }
}

function isEmptyTable(node: ConfigNode | undefined): boolean {
  return node?.kind === "table" && node.entries.size === 0;
}

/** Steps of a path may be objects with a `key`. What else an issue has (zod has more) stays. */
function plainIssue(issue: StandardSchemaV1.Issue): SchemaIssue {
  const path = (issue.path ?? []).map((step): PathStep => {
    const key = typeof step === "object" ? step.key : step;
    return typeof key === "number" ? key : String(key);
  });
  return { ...issue, path };
}

/** The JSON Schema of a plugin's schema, for its names; libraries that cannot make one have no hints. */
function jsonSchemaOf(schema: OptionsSchema): JsonSchema | undefined {
  // An addition to the standard that zod, valibot and arktype offer; whatever it gives is only looked through for names.
  const standard = schema["~standard"] as { readonly jsonSchema?: { input?(options: unknown): unknown } };
  try {
    const made = standard.jsonSchema?.input?.({
      target: "draft-2020-12",
      libraryOptions: { unrepresentable: "any" },
    });
    return typeof made === "object" && made !== null ? made : undefined;
  } catch {
    return undefined;
  }
}

/** Paths of texts that the schema marks with `format: "secret"`. */
function secretPaths(node: ConfigNode, shape: JsonSchema | undefined, path: readonly PathStep[]): string[] {
  switch (node.kind) {
    case "scalar":
      return alternativesAt(shape, path).some((one) => one.format === "secret") ? [pathText(path)] : [];
    case "list":
      return node.items.flatMap((item, i) => secretPaths(item, shape, [...path, i]));
    case "table":
      return [...node.entries].flatMap(([key, entry]) => secretPaths(entry.value, shape, [...path, key]));
  }
}

/**
 * Options as plain data. A secret that is given as one variable stays a reference, which the plugin reads by
 * `context.secrets` when it needs it.
 */
export function givenOptions(node: ConfigNode, secrets: ReadonlySet<string>, path: readonly PathStep[] = []): unknown {
  switch (node.kind) {
    case "scalar": {
      const isReference = node.written !== undefined && /^\$\{\w+\}$/.test(node.written) && secrets.has(pathText(path));
      return isReference ? node.written : plainOf(node);
    }
    case "list":
      return node.items.map((item, i) => givenOptions(item, secrets, [...path, i]));
    case "table":
      return Object.fromEntries(
        [...node.entries].map(([key, entry]) => [key, givenOptions(entry.value, secrets, [...path, key])]),
      );
  }
}
