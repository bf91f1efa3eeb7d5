import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { OptionsSchema } from "../api/plugin.ts";
import { FairleadError, messageOf } from "../errors.ts";

/** One thing that is wrong with the options of a plugin. */
export interface OptionsIssue {
  /** "upstreams[0].port"; "" for the options as a whole. */
  readonly path: string;
  readonly message: string;
}

/** What a schema says of options. */
export type OptionsVerdict =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly OptionsIssue[] };

/** Checks options and fills in defaults. A schema that throws is an issue too. */
export async function judgeOptions(schema: OptionsSchema | undefined, given: unknown): Promise<OptionsVerdict> {
  if (schema === undefined) {
    const isEmpty = given === undefined || (isObject(given) && Object.keys(given).length === 0);
    return isEmpty
      ? { ok: true, value: undefined }
      : { ok: false, issues: [{ path: "", message: "the plugin has no options" }] };
  }
  try {
    // Left out is the same as empty: every option may have a default.
    const result = await schema["~standard"].validate(given ?? {});
    if (result.issues === undefined) {
      return { ok: true, value: result.value };
    }
    return { ok: false, issues: result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message })) };
  } catch (error) {
    return { ok: false, issues: [{ path: "", message: `the schema itself failed: ${messageOf(error)}` }] };
  }
}

/** The options with defaults filled in. Throws PLUGIN_OPTIONS with every issue and its path. */
export async function checkOptions(
  plugin: string,
  schema: OptionsSchema | undefined,
  given: unknown,
): Promise<unknown> {
  const verdict = await judgeOptions(schema, given);
  if (verdict.ok) {
    return verdict.value;
  }
  const issues = verdict.issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  throw new FairleadError("PLUGIN_OPTIONS", `options of plugin "${plugin}": ${issues.join("; ")}`, {
    facts: { plugin, issues },
  });
}

function pathOf({ path = [] }: StandardSchemaV1.Issue): string {
  let text = "";
  for (const step of path) {
    const key = isObject(step) ? step.key : step;
    text += typeof key === "number" ? `[${key}]` : `${text === "" ? "" : "."}${String(key)}`;
  }
  return text;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> & { readonly key?: PropertyKey } {
  return typeof value === "object" && value !== null;
}
