import { copy, isObject, type Json, type JsonObject, type StoredObject, same } from "./object.ts";
import type { FieldError } from "./status.ts";

/** A structural schema, as a CustomResourceDefinition holds it. */
export interface Schema extends JsonObject {
  type?: string;
  properties?: { [name: string]: Schema };
  items?: Schema;
  required?: string[];
}

/** Removes what the schema does not know and fills in defaults, in place. Gives the paths of what was removed. */
export function pruneAndDefault(schema: Schema, object: JsonObject): string[] {
  const removed: string[] = [];
  walk(schema, object, "", removed);
  return removed;
}

function walk(schema: Schema, value: Json | undefined, path: string, removed: string[]): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      walk(schema.items ?? {}, item, `${path}[${index}]`, removed);
    }
  } else if (isObject(value)) {
    prune(schema, value, path, removed);
    fillIn(schema, value, path, removed);
  }
}

function prune(schema: Schema, value: JsonObject, path: string, removed: string[]): void {
  const extra = schema.additionalProperties;
  const keepsRest =
    extra === true ||
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    schema["x-kubernetes-embedded-resource"] === true;
  for (const key of Object.keys(value)) {
    const top = path === "" && (key === "apiVersion" || key === "kind" || key === "metadata");
    const here = path === "" ? key : `${path}.${key}`;
    if (top || Object.hasOwn(schema.properties ?? {}, key)) {
      continue;
    }
    if (isObject(extra)) {
      // What stands there in a stored definition is a schema.
      walk(extra as Schema, value[key], here, removed);
    } else if (!keepsRest) {
      delete value[key];
      removed.push(here);
    }
  }
}

function fillIn(schema: Schema, value: JsonObject, path: string, removed: string[]): void {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (path === "" && key === "metadata") {
      continue;
    }
    const absent = value[key] === undefined || (value[key] === null && property.nullable !== true);
    if (absent && property.default !== undefined) {
      value[key] = copy(property.default);
    }
    walk(property, value[key], path === "" ? key : `${path}.${key}`, removed);
  }
}

/** Checks an object against a schema. */
export function schemaErrors(schema: Schema, object: StoredObject): FieldError[] {
  const errors: FieldError[] = [];
  const { metadata: _metadata, ...rest } = object;
  const { metadata: _schema, ...properties } = schema.properties ?? {};
  check({ ...schema, properties }, rest, "", errors);
  return errors;
}

function wrong(errors: FieldError[], field: string, why: string, value?: Json): void {
  const shown = value === undefined ? "" : `${JSON.stringify(value)}: `;
  errors.push({ field, reason: "FieldValueInvalid", message: `Invalid value: ${shown}${why}` });
}

function check(schema: Schema, value: Json | undefined, path: string, errors: FieldError[]): void {
  if (value === undefined || (value === null && schema.nullable === true)) {
    return;
  }
  if (!typeFits(schema, value)) {
    errors.push(wrongType(schema, value, path));
    return;
  }
  if (Array.isArray(schema.enum) && !schema.enum.some((one) => same(one, value))) {
    const listed = schema.enum.map((one) => JSON.stringify(one)).join(", ");
    errors.push({
      field: path,
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${listed}`,
    });
  }
  if (typeof value === "number") {
    checkNumber(schema, value, path, errors);
  } else if (typeof value === "string") {
    checkText(schema, value, path, errors);
  } else if (Array.isArray(value)) {
    checkCount(schema, value.length, "Items", "items", path, errors);
    for (const [index, item] of value.entries()) {
      check(schema.items ?? {}, item, `${path}[${index}]`, errors);
    }
  } else if (isObject(value)) {
    checkObject(schema, value, path, errors);
  }
}

function wrongType(schema: Schema, value: Json, path: string): FieldError {
  const found =
    value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  return {
    field: path === "" ? "<nil>" : path,
    reason: "FieldValueTypeInvalid",
    message: `Invalid value: "${found}": ${path} in body must be of type ${schema.type}: "${found}"`,
  };
}

function typeFits(schema: Schema, value: Json): boolean {
  if (schema["x-kubernetes-int-or-string"] === true) {
    return typeof value === "string" || Number.isInteger(value);
  }
  switch (schema.type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
    case "string":
    case "boolean":
      return typeof value === schema.type;
    default:
      return true;
  }
}

function checkNumber(schema: Schema, value: number, path: string, errors: FieldError[]): void {
  const { minimum, maximum, multipleOf } = schema;
  if (typeof minimum === "number" && (value < minimum || (schema.exclusiveMinimum === true && value === minimum))) {
    const bound = schema.exclusiveMinimum === true ? "greater than" : "greater than or equal to";
    wrong(errors, path, `${path} in body should be ${bound} ${minimum}`, value);
  }
  if (typeof maximum === "number" && (value > maximum || (schema.exclusiveMaximum === true && value === maximum))) {
    const bound = schema.exclusiveMaximum === true ? "less than" : "less than or equal to";
    wrong(errors, path, `${path} in body should be ${bound} ${maximum}`, value);
  }
  if (typeof multipleOf === "number" && value % multipleOf !== 0) {
    wrong(errors, path, `${path} in body should be a multiple of ${multipleOf}`, value);
  }
}

function checkText(schema: Schema, value: string, path: string, errors: FieldError[]): void {
  const size = [...value].length;
  if (typeof schema.minLength === "number" && size < schema.minLength) {
    wrong(errors, path, `${path} in body should be at least ${schema.minLength} chars long`, value);
  }
  if (typeof schema.maxLength === "number" && size > schema.maxLength) {
    errors.push({
      field: path,
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${schema.maxLength} bytes`,
    });
  }
  if (typeof schema.pattern === "string" && !new RegExp(schema.pattern, "u").test(value)) {
    wrong(errors, path, `${path} in body should match '${schema.pattern}'`, value);
  }
}

function checkCount(
  schema: Schema,
  count: number,
  what: "Items" | "Properties",
  noun: string,
  path: string,
  errors: FieldError[],
): void {
  const least = schema[`min${what}`];
  const most = schema[`max${what}`];
  if (typeof least === "number" && count < least) {
    wrong(errors, path, `${path} in body should have at least ${least} ${noun}`, count);
  }
  if (typeof most === "number" && count > most) {
    errors.push({
      field: path,
      reason: "FieldValueTooMany",
      message: `Too many: ${count}: must have at most ${most} items`,
    });
  }
}

function checkObject(schema: Schema, value: JsonObject, path: string, errors: FieldError[]): void {
  checkCount(schema, Object.keys(value).length, "Properties", "properties", path, errors);
  const inner = (key: string) => (path === "" ? key : `${path}.${key}`);
  for (const key of schema.required ?? []) {
    if (value[key] === undefined) {
      errors.push({ field: inner(key), reason: "FieldValueRequired", message: "Required value" });
    }
  }
  for (const [key, item] of Object.entries(value)) {
    const property =
      schema.properties?.[key] ??
      (isObject(schema.additionalProperties) ? (schema.additionalProperties as Schema) : undefined);
    if (property !== undefined) {
      check(property, item, inner(key), errors);
    }
  }
}

const REFUSED = ["allOf", "anyOf", "oneOf", "not", "x-kubernetes-validations"] as const;

/** Names of rules in a schema that are not checked here, so that a definition with them is refused. */
export function unsupportedRules(schema: Schema): string[] {
  const found = new Set<string>();
  const visit = (one: unknown) => {
    if (!isObject(one)) {
      return;
    }
    for (const rule of REFUSED) {
      if (one[rule] !== undefined && !(one["x-kubernetes-int-or-string"] === true && rule === "anyOf")) {
        found.add(rule);
      }
    }
    for (const child of [
      one.items,
      one.additionalProperties,
      ...Object.values(isObject(one.properties) ? one.properties : {}),
    ]) {
      visit(child);
    }
  };
  visit(schema);
  return [...found];
}
