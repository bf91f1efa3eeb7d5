import { FairleadError } from "../errors.ts";

/** A JSON Schema, or what the API server takes of one. */
export type Schema = { readonly [keyword: string]: unknown };

/** Keywords that are the same in both, and say nothing of other schemas. */
const KEPT: ReadonlySet<string> = new Set([
  "description",
  "format",
  "maximum",
  "minimum",
  "maxLength",
  "minLength",
  "maxItems",
  "minItems",
  "maxProperties",
  "minProperties",
  "multipleOf",
  "enum",
  "required",
  "default",
]);
/** What a branch of anyOf or oneOf may say beside those above. */
const NOT_IN_BRANCH: ReadonlySet<string> = new Set(["description", "default", "format"]);

/**
 * The structural schema (OpenAPI v3, as a CustomResourceDefinition holds it) of a JSON Schema of draft 2020-12. Objects that allow
 * no more fields are pruned by the server. Keywords "x-kubernetes-…" are taken over: list types, CEL rules. `path` is for messages.
 * Throws RESOURCE_BAD_SCHEMA for what the API server cannot hold.
 */
export function structuralSchema(schema: Schema, path: string): Schema {
  const branches = branchesOf(schema, path);
  const alone = branches === undefined ? schema : undefined;
  if (alone === undefined && branches !== undefined) {
    return ofUnion(schema, branches, path);
  }
  const { type, isNullable } = typeOf(schema, path);
  const kept = keptKeywords(schema, path);
  const nullable = isNullable ? { nullable: true } : {};
  switch (type) {
    case undefined:
      return schema["x-kubernetes-int-or-string"] === true
        ? { ...kept, ...nullable }
        : { ...kept, ...(isClosed(schema) ? {} : { "x-kubernetes-preserve-unknown-fields": true }), ...nullable };
    case "object":
      return { type, ...kept, ...ofObject(schema, path), ...nullable };
    case "array":
      return { type, ...kept, items: itemsOf(schema, path), ...nullable };
    default:
      return { type, ...kept, ...nullable };
  }
}

/** A schema that says its values but not their type. */
function isClosed(schema: Schema): boolean {
  return Array.isArray(schema.enum) || schema.const !== undefined;
}

/** Branches that are not null; undefined: it is no union. */
function branchesOf(schema: Schema, path: string): readonly Schema[] | undefined {
  for (const word of ["not", "if", "$ref", "dependentSchemas", "patternProperties", "unevaluatedProperties"]) {
    if (schema[word] !== undefined) {
      throw bad(path, word === "$ref" ? "refers to itself" : `uses "${word}"`, "write it without");
    }
  }
  const union = schema.anyOf ?? schema.oneOf;
  return Array.isArray(union) ? union : undefined;
}

function ofUnion(schema: Schema, all: readonly Schema[], path: string): Schema {
  const branches = all.filter((branch) => branch.type !== "null");
  const nullable = branches.length < all.length ? { nullable: true } : {};
  const { anyOf: _any, oneOf: _one, ...rest } = schema;
  if (branches.length === 1) {
    return { ...structuralSchema({ ...branches[0], ...rest }, path), ...nullable };
  }
  const outside = keptKeywords(rest, path);
  const types = new Set(branches.map((branch) => branch.type));
  if (types.size === 2 && types.has("string") && (types.has("integer") || types.has("number"))) {
    return { ...outside, "x-kubernetes-int-or-string": true, ...nullable };
  }
  const [type] = types;
  const word = schema.oneOf === undefined ? "anyOf" : "oneOf";
  const made = branches.map((branch, at) => structuralSchema(branch, `${path}.${word}[${at}]`));
  const conditions = { [word]: made.map(asBranch) };
  if (types.size !== 1 || (type !== "object" && type !== "string" && type !== "integer" && type !== "number")) {
    throw bad(path, `may be ${[...types].join(" or ")}`, "the API server knows one type for a field: use one");
  }
  return type === "object"
    ? { type, ...outside, properties: joinedProperties(made, path), ...conditions, ...nullable }
    : { type, ...outside, ...conditions, ...nullable };
}

/** Properties of all branches; one that is in several must have one type there. */
function joinedProperties(branches: readonly Schema[], path: string): Schema {
  const joined: Record<string, Schema> = {};
  for (const { properties } of branches) {
    // `structuralSchema` puts schemas there.
    for (const [name, schema] of Object.entries((properties ?? {}) as Record<string, Schema>)) {
      const before = joined[name];
      if (before !== undefined && before.type !== schema.type) {
        throw bad(`${path}.${name}`, `is ${before.type} in one case and ${schema.type} in another`, "use one type");
      }
      const isSame = before === undefined || JSON.stringify(before) === JSON.stringify(schema);
      joined[name] = isSame ? schema : common(before, schema);
    }
  }
  return joined;
}

/** What both allow, with all values that either lists. */
function common(a: Schema, b: Schema): Schema {
  const values = Array.isArray(a.enum) && Array.isArray(b.enum) ? { enum: [...new Set([...a.enum, ...b.enum])] } : {};
  const properties = a.type === "object" ? { properties: joinedProperties([a, b], "") } : {};
  const items = a.type === "array" ? { items: common(a.items as Schema, b.items as Schema) } : {};
  return { type: a.type, ...values, ...properties, ...items };
}

/** Within a branch there are only conditions on values, no types. */
function asBranch(schema: Schema): Schema {
  const branch: Record<string, unknown> = {};
  for (const [word, value] of Object.entries(schema)) {
    if (word === "properties") {
      // `structuralSchema` puts schemas there.
      const parts = Object.entries(value as Record<string, Schema>).map(([name, part]) => [name, asBranch(part)]);
      branch.properties = Object.fromEntries(parts);
    } else if (word === "items") {
      branch.items = asBranch(value as Schema);
    } else if (word === "pattern" || (KEPT.has(word) && !NOT_IN_BRANCH.has(word))) {
      branch[word] = value;
    }
  }
  return branch;
}

function typeOf(schema: Schema, path: string): { readonly type: unknown; readonly isNullable: boolean } {
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const real = types.filter((type) => type !== "null");
  if (real.length > 1) {
    throw bad(path, `may be ${real.join(" or ")}`, "the API server knows one type for a field: use one");
  }
  if (schema.type === "null" || schema === (false as unknown)) {
    throw bad(path, "can have no value", "leave it out");
  }
  const isNullable = types.length > real.length || schema.nullable === true;
  return { type: real[0] ?? typeOfValues(schema), isNullable };
}

/** The type of the values that a schema lists without saying it. */
function typeOfValues(schema: Schema): string | undefined {
  const values: readonly unknown[] = Array.isArray(schema.enum)
    ? schema.enum
    : schema.const === undefined
      ? []
      : [schema.const];
  const types = new Set(values.map((value) => typeof value));
  const [type] = types;
  return types.size === 1 && type !== "object" ? type : undefined;
}

function keptKeywords(schema: Schema, path: string): Schema {
  const kept: Record<string, unknown> = {};
  for (const [word, value] of Object.entries(schema)) {
    const isLimit = Number.isSafeInteger(value) || typeof value !== "number";
    const isNoLimit = Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER && /^m(?:ax|in)imum$/.test(word);
    if ((KEPT.has(word) && !isNoLimit && (isLimit || word !== "required")) || word.startsWith("x-kubernetes-")) {
      kept[word] = value;
    }
  }
  if (schema.const !== undefined) {
    kept.enum = [schema.const];
  }
  for (const [word, limit] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (typeof schema[word] === "number") {
      kept[limit] = schema[word];
      kept[word] = true;
    }
  }
  const { pattern } = schema;
  if (typeof pattern === "string") {
    if (isRe2(pattern)) {
      kept.pattern = pattern;
    } else if (schema.format === undefined) {
      throw bad(path, `has the pattern ${pattern}`, "the API server's patterns (RE2) look neither ahead nor back");
    }
  }
  return kept;
}

/** Go's regular expressions have neither look-around nor back references. */
function isRe2(pattern: string): boolean {
  return !/\(\?(?:[=!]|<[=!])|\\[1-9]|\\k</.test(pattern);
}

function ofObject(schema: Schema, path: string): Schema {
  // JSON Schema has schemas there, or true and false.
  const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
  const more = schema.additionalProperties;
  const shown = properties.map(([name, part]) => [name, structuralSchema(part, `${path}.${name}`)]);
  if (properties.length === 0 && typeof more === "object" && more !== null && Object.keys(more).length > 0) {
    return { additionalProperties: structuralSchema(more as Schema, `${path}.*`) };
  }
  const isOpen = more === true || (typeof more === "object" && more !== null);
  if (isOpen && properties.length > 0 && Object.keys(more as object).length > 0) {
    throw bad(path, "has named fields and others of one type", "put the others into a map of their own");
  }
  return {
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(shown) }),
    ...(isOpen ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
  };
}

function itemsOf(schema: Schema, path: string): Schema {
  if (schema.prefixItems !== undefined) {
    throw bad(path, "is a list with a type for each place", "use an object with a name for each place");
  }
  const { items } = schema;
  // JSON Schema has a schema there, or true.
  return structuralSchema(typeof items === "object" && items !== null ? (items as Schema) : {}, `${path}[]`);
}

function bad(path: string, what: string, advice: string): FairleadError {
  return new FairleadError(
    "RESOURCE_BAD_SCHEMA",
    `${path} ${what}, which no CustomResourceDefinition can say; ${advice}`,
    {
      facts: { path },
    },
  );
}
