import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import { FairleadError, messageOf } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import type { AnyResourceDefinition, Column, Rule, VersionDefinition } from "./resource-definition.ts";
import { type Schema, structuralSchema } from "./structural-schema.ts";

/** The CustomResourceDefinition of a resource. Throws RESOURCE_BAD_SCHEMA. */
export function customResourceDefinition(definition: AnyResourceDefinition): KubeObject {
  const { group, kind, plural, version, versions = {} } = definition;
  const singular = definition.singular ?? kind.toLowerCase();
  const { shortNames, categories } = definition;
  const older = Object.entries(versions).map(([name, one]) => versionOf(definition, name, one, false));
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        ...(shortNames === undefined ? {} : { shortNames }),
        ...(categories === undefined ? {} : { categories }),
      },
      scope: definition.namespaced === false ? "Cluster" : "Namespaced",
      versions: [versionOf(definition, version, definition, true), ...older],
    },
  };
}

function versionOf(
  definition: AnyResourceDefinition,
  name: string,
  version: VersionDefinition,
  isStored: boolean,
): KubeObject {
  const { deprecated, scale = isStored ? undefined : definition.scale } = version;
  const what = `${definition.kind} ${name}`;
  const root = rootSchema(version, what);
  const status = version.status === undefined ? {} : { status: {} };
  const subresources = { ...status, ...(scale === undefined ? {} : { scale: scaleOf(scale) }) };
  const columns = Object.entries(version.columns ?? {}).map(([title, column]) => columnOf(title, column, root));
  const hasAge = columns.length === 0 || Object.hasOwn(version.columns ?? {}, "Age");
  const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
  return {
    name,
    served: version.served ?? true,
    storage: isStored,
    ...(deprecated === undefined || deprecated === false ? {} : { deprecated: true }),
    ...(typeof deprecated === "string" ? { deprecationWarning: deprecated } : {}),
    schema: { openAPIV3Schema: root },
    ...(Object.keys(subresources).length === 0 ? {} : { subresources }),
    ...(columns.length === 0 ? {} : { additionalPrinterColumns: hasAge ? columns : [...columns, age] }),
    ...(version.selectableFields === undefined
      ? {}
      : { selectableFields: version.selectableFields.map((jsonPath) => ({ jsonPath })) }),
  };
}

function scaleOf(scale: NonNullable<VersionDefinition["scale"]>): KubeObject {
  const { specReplicas, statusReplicas, labelSelector } = scale;
  return {
    specReplicasPath: specReplicas,
    statusReplicasPath: statusReplicas,
    ...(labelSelector === undefined ? {} : { labelSelectorPath: labelSelector }),
  };
}

function rootSchema(version: VersionDefinition, what: string): Schema {
  const spec = objectSchema(version.spec, `spec of ${what}`);
  const isNeeded = Array.isArray(spec.required) && spec.required.length > 0;
  const rules = (version.rules ?? []).map(ruleOf);
  return {
    type: "object",
    ...(version.description === undefined ? {} : { description: version.description }),
    ...(isNeeded ? { required: ["spec"] } : {}),
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      // So that the defaults of its fields come even where nobody wrote a spec.
      spec: isNeeded || spec.default !== undefined ? spec : { ...spec, default: {} },
      ...(version.status === undefined ? {} : { status: statusSchema(version.status, what) }),
    },
    ...(rules.length === 0 ? {} : { "x-kubernetes-validations": rules }),
  };
}

function ruleOf({ rule, message, messageExpression, reason, fieldPath }: Rule): Schema {
  const parts = Object.entries({ rule, message, messageExpression, reason, fieldPath });
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined));
}

/** Nothing of a status is required: it is written step by step. */
function statusSchema(status: StandardSchemaV1, what: string): Schema {
  const { required: _required, default: _default, ...schema } = objectSchema(status, `status of ${what}`);
  // `structuralSchema` puts schemas there.
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Schema>>;
  return {
    ...schema,
    properties: {
      ...properties,
      observedGeneration: properties.observedGeneration ?? { type: "integer", format: "int64" },
      conditions: properties.conditions ?? CONDITIONS,
    },
  };
}

/** As `metav1.Condition`. */
const CONDITIONS: Schema = {
  type: "array",
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
  items: {
    type: "object",
    required: ["type", "status", "lastTransitionTime", "reason", "message"],
    properties: {
      type: { type: "string", maxLength: 316 },
      status: { type: "string", enum: ["True", "False", "Unknown"] },
      observedGeneration: { type: "integer", format: "int64", minimum: 0 },
      lastTransitionTime: { type: "string", format: "date-time" },
      reason: { type: "string", minLength: 1, maxLength: 1024, pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" },
      message: { type: "string", maxLength: 32768 },
    },
  },
};

function objectSchema(schema: StandardSchemaV1, what: string): Schema {
  // A schema of another library may have less than the type says.
  const standard = schema["~standard"] as Partial<StandardJSONSchemaV1.Props> | undefined;
  if (standard?.jsonSchema === undefined) {
    throw new FairleadError(
      "RESOURCE_BAD_SCHEMA",
      `the ${what} is a schema of "${standard?.vendor ?? "nobody"}" that gives no JSON Schema; use zod 4.2 or later, or another library with Standard JSON Schema`,
    );
  }
  let json: Schema;
  try {
    json = standard.jsonSchema.input({ target: "draft-2020-12" });
  } catch (cause) {
    throw new FairleadError(
      "RESOURCE_BAD_SCHEMA",
      `the ${what} cannot be a JSON Schema: ${messageOf(cause)}; use types that JSON has`,
      { cause },
    );
  }
  const made = structuralSchema(json, what.split(" ", 1)[0]);
  if (made.type !== "object") {
    throw new FairleadError("RESOURCE_BAD_SCHEMA", `the ${what} is no object; write z.strictObject({ … })`);
  }
  return made;
}

function columnOf(title: string, given: string | Column, root: Schema): KubeObject {
  const column = typeof given === "string" ? { path: given } : given;
  const { path, description, format, priority } = column;
  return {
    name: title,
    type: column.type ?? typeAt(path, root),
    jsonPath: path.startsWith(".") ? path : `.${path}`,
    ...(description === undefined ? {} : { description }),
    ...(format === undefined ? {} : { format }),
    ...(priority === undefined ? {} : { priority }),
  };
}

/** The type of the field at a plain path; "string" for paths with filters. */
function typeAt(path: string, root: Schema): string {
  let schema: Schema | undefined = root;
  for (const step of path.replace(/^\./, "").split(".")) {
    // `structuralSchema` puts schemas there.
    schema = (schema?.properties as Readonly<Record<string, Schema>> | undefined)?.[step];
  }
  if (schema?.format === "date-time" || path.endsWith("metadata.creationTimestamp")) {
    return "date";
  }
  const { type } = schema ?? {};
  return type === "integer" || type === "number" || type === "boolean" ? type : "string";
}
