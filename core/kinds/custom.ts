import { FairleadError } from "../errors.ts";
import type { FieldData, FieldTable } from "./field.ts";
import { type AnyKind, type CommonFields, declare, type IndexTable, type Kind } from "./kind.ts";
import type { Keep } from "./plan.ts";

/** What a custom resource is made of, declared in code. */
export interface CustomKindDefinition<
  Plural extends string,
  Fields extends FieldTable,
  Namespaced extends boolean,
  Indexes extends IndexTable,
> {
  /** "group/version". */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: Plural;
  readonly namespaced: Namespaced;
  readonly fields: Fields;
  /** Besides labels and owner, which every custom kind has. */
  readonly indexes?: Indexes;
  /** Default "fields". */
  readonly keep?: Keep;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** Declares a custom resource; it is read as JSON. Its name in the store is "plural.group". */
export function defineCustomKind<
  const Plural extends string,
  const Fields extends FieldTable,
  const Namespaced extends boolean,
  const Indexes extends IndexTable = Record<never, true>,
>(
  definition: CustomKindDefinition<Plural, Fields, Namespaced, Indexes>,
): Kind<
  `${Plural}.${string}`,
  Fields & CommonFields,
  keyof (Fields & CommonFields) & string,
  Namespaced,
  (keyof Indexes & string) | "labels" | "owner"
> {
  const { apiVersion, plural } = definition;
  const [group, version, more] = apiVersion.split("/");
  if (!group || !version || more !== undefined) {
    throw new FairleadError(
      "KIND_BAD_API_VERSION",
      `custom kind "${definition.kind}": apiVersion "${apiVersion}" is not "group/version"`,
    );
  }
  const name: `${Plural}.${string}` = `${plural}.${group}`;
  const indexes = { labels: true, owner: true, ...definition.indexes } as const;
  return declare({ ...definition, name, indexes }, false);
}

/** What `kindFromCrd` takes out of the schema. */
export interface CrdChoice {
  /** Default: the version that is stored. */
  readonly version?: string;
  /** Paths of leaves, lists or maps of strings: "spec.replicas". A field is named as its path. Default: none. */
  readonly fields?: readonly string[];
  /** Default "slim": the whole object can be read as JSON. */
  readonly keep?: Keep;
}

/** What is read of a CustomResourceDefinition object. */
interface Crd {
  readonly spec?: {
    readonly group?: unknown;
    readonly scope?: unknown;
    readonly names?: { readonly kind?: unknown; readonly plural?: unknown };
    readonly versions?: readonly {
      readonly name?: unknown;
      readonly storage?: unknown;
      readonly served?: unknown;
      readonly schema?: { readonly openAPIV3Schema?: Schema };
    }[];
  };
}

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly "x-kubernetes-int-or-string"?: boolean;
}

/**
 * The kind of a CustomResourceDefinition (a parsed object, as the API server sends it). Throws KIND_BAD_CRD,
 * KIND_UNKNOWN_FIELD for a path that its schema does not have.
 */
export function kindFromCrd(crd: unknown, choice: CrdChoice = {}): AnyKind {
  // Read as what it should be; every value is checked where it is used.
  const spec = (crd as Crd | undefined)?.spec;
  const group = requiredText(spec?.group, "spec.group");
  const kind = requiredText(spec?.names?.kind, "spec.names.kind");
  const plural = requiredText(spec?.names?.plural, "spec.names.plural");
  const version = spec?.versions?.find((one) => (choice.version ? one.name === choice.version : one.storage === true));
  if (version === undefined || version.served === false) {
    throw new FairleadError(
      "KIND_BAD_CRD",
      `"${plural}.${group}" does not serve the version "${choice.version ?? "(storage)"}"`,
    );
  }
  const fields: Record<string, FieldData> = {};
  for (const path of choice.fields ?? []) {
    fields[path] = fieldAt(`${plural}.${group}`, path, version.schema?.openAPIV3Schema);
  }
  return defineCustomKind({
    apiVersion: `${group}/${requiredText(version.name, "spec.versions[].name")}`,
    kind,
    plural,
    namespaced: spec?.scope !== "Cluster",
    fields,
    keep: choice.keep ?? "slim",
  });
}

function requiredText(value: unknown, where: string): string {
  if (typeof value !== "string" || value === "") {
    throw new FairleadError("KIND_BAD_CRD", `the CustomResourceDefinition has no ${where}`);
  }
  return value;
}

function fieldAt(kind: string, path: string, root: Schema | undefined): FieldData {
  let schema = root;
  for (const key of path.split(".")) {
    const next: Schema | undefined = schema?.properties?.[key];
    if (next === undefined) {
      const known = Object.keys(schema?.properties ?? {}).join(", ");
      throw new FairleadError(
        "KIND_UNKNOWN_FIELD",
        `the schema of "${kind}" has no "${path}"; beside "${key}" it knows ${known || "nothing"}`,
      );
    }
    schema = next;
  }
  const field = schema && fieldOf(path, schema);
  if (field === undefined) {
    throw new FairleadError(
      "KIND_BAD_FIELD",
      `"${path}" of "${kind}" cannot be kept as a field; keep it with keep: "slim"`,
    );
  }
  return field;
}

/** A list of objects keeps those of their properties that are leaves. */
function fieldOf(path: string, schema: Schema): FieldData | undefined {
  if (schema["x-kubernetes-int-or-string"]) {
    return { type: "intOrText", path };
  }
  switch (schema.type) {
    case "string":
      return stringField(path, schema);
    case "integer":
      return { type: schema.format === "int32" ? "optionalInt" : "long", path };
    case "number":
      return { type: "long", path };
    case "boolean":
      return { type: "optionalBool", path };
    case "array":
      return listField(path, schema.items ?? {});
    case "object": {
      const values = schema.additionalProperties;
      return typeof values === "object" && values.type === "string" ? { type: "textMap", path } : undefined;
    }
    default:
      return undefined;
  }
}

function stringField(path: string, schema: Schema): FieldData {
  if (schema.format === "date-time") {
    return { type: "time", path };
  }
  const values = schema.enum?.filter((value) => typeof value === "string");
  return values?.length ? { type: "enum", path, values } : { type: "text", path };
}

function listField(path: string, items: Schema): FieldData | undefined {
  if (items.type === "string") {
    return { type: "texts", path };
  }
  const element: Record<string, FieldData> = {};
  for (const [key, schema] of Object.entries(items.properties ?? {})) {
    const field = schema.type === "array" ? undefined : fieldOf(key, schema);
    if (field) {
      element[key] = field;
    }
  }
  return Object.keys(element).length === 0 ? undefined : { type: "records", path, element };
}
