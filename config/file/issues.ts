import { didYouMean } from "../../core/nearest.ts";
import { issueText, type SchemaIssue } from "./issue-text.ts";
import type { ConfigProblem } from "./problem.ts";
import { type ConfigNode, keyPlaceAt, nodeAt, type PathStep, pathText, placeAt } from "./tree.ts";

/** The parts of a JSON Schema that tell which keys are known. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly format?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

/** What was checked, and by which schema. */
export interface CheckedPart {
  /** The whole configuration. */
  readonly root: ConfigNode;
  /** Where in it the checked value is. */
  readonly base: readonly PathStep[];
  /** Tells the names that exist, where the schema can say so. */
  readonly schema: JsonSchema | undefined;
}

/** Lists of names up to this long are told whole. */
const MAX_TOLD_NAMES = 24;

/** What a schema found wrong, as problems with places: each unknown key is one of its own, with the nearest that exists. */
export function problemsOf(issues: readonly SchemaIssue[], part: CheckedPart): ConfigProblem[] {
  const checked = nodeAt(part.root, part.base) ?? part.root;
  return issues.flatMap((issue) => {
    const path = [...part.base, ...issue.path];
    const unknown = unknownKeysOf(issue, part, checked);
    if (unknown.length > 0) {
      return unknown;
    }
    const inner = innerIssues(issue);
    if (inner !== undefined) {
      return problemsOf(inner, part);
    }
    if (issue.code === "invalid_key") {
      const message = issue.issues?.map((one) => issueText({ ...one, path: issue.path }, checked)).join("; ");
      return [
        { place: keyPlaceAt(part.root, path), path: pathText(path), message: `key ${message ?? "is not allowed"}` },
      ];
    }
    return [{ place: placeAt(part.root, path), path: pathText(path), message: issueText(issue, checked) }];
  });
}

/** Of a union, the issues of the alternative that fits best, if one fits the kind of value at all. */
function innerIssues(issue: SchemaIssue): readonly SchemaIssue[] | undefined {
  if (issue.code !== "invalid_union" || issue.errors === undefined) {
    return undefined;
  }
  const fitting = issue.errors.filter(
    (errors) =>
      !errors.some((one) => one.path.length === 0 && ["invalid_type", "invalid_value"].includes(one.code ?? "")),
  );
  const [best] = [...fitting].sort((a, b) => a.length - b.length);
  return best?.map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
}

/** Unknown keys as zod tells them; other libraries point at the key itself, which the schema then does not know. */
function unknownKeysOf(issue: SchemaIssue, part: CheckedPart, checked: ConfigNode): ConfigProblem[] {
  if (issue.code === "unrecognized_keys" && issue.keys !== undefined) {
    const known = knownKeys(part.schema, issue.path);
    return issue.keys.map((key) => unknownKey(part, [...issue.path, key], known));
  }
  const last = issue.path.at(-1);
  const parent = issue.path.slice(0, -1);
  if (issue.code !== undefined || typeof last !== "string" || nodeAt(checked, issue.path) === undefined) {
    return [];
  }
  const known = knownKeys(part.schema, parent);
  return known.length > 0 && !known.includes(last) ? [unknownKey(part, issue.path, known)] : [];
}

function unknownKey(part: CheckedPart, path: readonly PathStep[], known: readonly string[]): ConfigProblem {
  const key = String(path.at(-1));
  const full = [...part.base, ...path];
  const listed =
    known.length === 0 || known.length > MAX_TOLD_NAMES ? "" : `; known are ${[...known].sort().join(", ")}`;
  return {
    place: keyPlaceAt(part.root, full),
    path: pathText(full),
    message: `unknown key "${key}"${didYouMean(key, known) || listed}`,
  };
}

/** Names of the keys that a table at a path may have, as far as the schema tells. */
function knownKeys(schema: JsonSchema | undefined, path: readonly PathStep[]): string[] {
  return [...new Set(alternativesAt(schema, path).flatMap((one) => Object.keys(one.properties ?? {})))];
}

/** All that the schema says of the value at a path. */
export function alternativesAt(schema: JsonSchema | undefined, path: readonly PathStep[]): JsonSchema[] {
  let here = schema === undefined ? [] : alternatives(schema, schema);
  for (const step of path) {
    here = here.flatMap((one) => partsOf(one, step).flatMap((next) => alternatives(next, schema ?? {})));
  }
  return here;
}

function partsOf(schema: JsonSchema, step: PathStep): JsonSchema[] {
  const { properties = {}, items, additionalProperties } = schema;
  if (typeof step === "number") {
    return items === undefined ? [] : [items];
  }
  if (Object.hasOwn(properties, step)) {
    return [properties[step]];
  }
  return typeof additionalProperties === "object" ? [additionalProperties] : [];
}

/** A schema and all that it may stand for. A reference that leads back to itself ends. */
function alternatives(schema: JsonSchema, root: JsonSchema): JsonSchema[] {
  const found = new Set([schema]);
  for (const one of found) {
    const named = /^#\/\$defs\/(.+)$/.exec(one.$ref ?? "")?.[1];
    const target = one.$ref === "#" ? root : named === undefined ? undefined : root.$defs?.[named];
    for (const other of [...(one.anyOf ?? []), ...(one.oneOf ?? []), ...(one.allOf ?? []), target]) {
      if (other !== undefined) {
        found.add(other); // visited too: a Set grows while it is walked
      }
    }
  }
  return [...found];
}
