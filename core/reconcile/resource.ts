import type { StandardSchemaV1 } from "@standard-schema/spec";
import { FairleadError } from "../errors.ts";
import { defineCustomKind } from "../kinds/custom.ts";
import type { CommonFields, Kind } from "../kinds/kind.ts";
import type { KubeObject } from "../kube/client.ts";
import type { Condition } from "./condition.ts";
import { customResourceDefinition } from "./crd.ts";
import type { OwnerReference } from "./owner.ts";
import type { AnyResourceDefinition, ResourceDefinition } from "./resource-definition.ts";

/** Metadata of an object in the cluster. */
export interface ObjectMetadata<Namespaced extends boolean = boolean> {
  readonly name: string;
  readonly namespace: Namespaced extends true ? string : undefined;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** What every status may have. */
export interface CommonStatus {
  readonly conditions?: readonly Condition[];
  readonly observedGeneration?: number;
}

type StatusOf<Status> = Status extends StandardSchemaV1
  ? Partial<StandardSchemaV1.InferOutput<Status>> & CommonStatus
  : CommonStatus;

/** An object of a resource, typed by its schemas; defaults are filled in. */
export interface ResourceObject<Spec = unknown, Status = CommonStatus, Namespaced extends boolean = boolean> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMetadata<Namespaced>;
  readonly spec: Spec;
  readonly status?: Status;
}

/** A kind of one's own: to be watched, with the type of its objects and its CustomResourceDefinition. */
export type Resource<
  Spec extends StandardSchemaV1 = StandardSchemaV1,
  Status extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
  Plural extends string = string,
  Namespaced extends boolean = boolean,
> = Kind<`${Plural}.${string}`, CommonFields, keyof CommonFields | "json", Namespaced, "labels" | "owner"> & {
  /** Exists in types only. */
  readonly objectType?: ResourceObject<StandardSchemaV1.InferOutput<Spec>, StatusOf<Status>, Namespaced>;
  /**
   * The object behind the JSON of the store or the API server. Throws RESOURCE_BAD_OBJECT when its spec does not fit the schema;
   * one that is being deleted is given as it is then, so that it can be cleaned up.
   */
  read(json: unknown): ResourceObject<StandardSchemaV1.InferOutput<Spec>, StatusOf<Status>, Namespaced>;
  /** What `kubectl apply` makes the API server know it by. Throws RESOURCE_BAD_SCHEMA. */
  crd(): KubeObject;
};

/**
 * Defines a custom resource once: what its objects look like to the type checker, what the API server is told of it, and how it is
 * followed. Nothing is made before it is asked for. Throws RESOURCE_BAD_DEFINITION.
 */
export function defineResource<
  Spec extends StandardSchemaV1,
  const Plural extends string,
  Status extends StandardSchemaV1 | undefined = undefined,
  const Namespaced extends boolean = true,
>(definition: ResourceDefinition<Spec, Status, Plural, Namespaced>): Resource<Spec, Status, Plural, Namespaced> {
  checkNames(definition);
  const { group, version, kind, plural, spec } = definition;
  const followed = defineCustomKind({
    apiVersion: `${group}/${version}`,
    kind,
    plural,
    // Without a word it is true, as the default of the type is.
    namespaced: (definition.namespaced ?? true) as Namespaced,
    fields: {},
  }).keep("slim");
  const resource: Resource<Spec, Status, Plural, Namespaced> = {
    ...followed,
    read: (json) => readObject(kind, spec, json),
    crd: () => customResourceDefinition(definition),
  };
  return Object.freeze(resource);
}

function checkNames({ group, version, kind, plural, spec, versions = {} }: AnyResourceDefinition): void {
  const wrong: readonly (readonly [ok: boolean, what: string])[] = [
    [
      /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)+$/.test(group),
      `group "${group}" is no domain like "apps.example.org"`,
    ],
    [/^[A-Z][A-Za-z0-9]*$/.test(kind), `kind "${kind}" is not in CamelCase`],
    [/^[a-z][a-z0-9]*$/.test(plural), `plural "${plural}" is not in small letters`],
    ...[version, ...Object.keys(versions)].map(
      (name) => [/^v\d+(?:(?:alpha|beta)\d+)?$/.test(name), `version "${name}" is not like "v1" or "v1beta1"`] as const,
    ),
    ...[
      ["spec", spec] as const,
      ...Object.entries(versions).map(([name, one]) => [`spec of ${name}`, one.spec] as const),
    ].map(([what, schema]) => [isSchema(schema), `its ${what} is no schema; write z.strictObject({ … })`] as const),
    [!Object.hasOwn(versions, version), `version "${version}" is the stored one and cannot be in "versions" too`],
  ];
  const found = wrong.filter(([ok]) => !ok).map(([, what]) => what);
  if (found.length > 0) {
    throw new FairleadError("RESOURCE_BAD_DEFINITION", `the resource "${kind}" cannot be: ${found.join("; ")}`);
  }
}

/** In JavaScript it may be left out, or be the fields without their object. */
function isSchema(schema: unknown): boolean {
  return (typeof schema === "object" || typeof schema === "function") && schema !== null && "~standard" in schema;
}

function readObject<Object>(kind: string, schema: StandardSchemaV1, json: unknown): Object {
  // What is wrong with it is found by the schema, and by those who use its metadata.
  const object = (json ?? {}) as {
    readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown; readonly deletionTimestamp?: unknown };
    spec?: unknown;
  };
  const result = schema["~standard"].validate(object.spec ?? {});
  const { name, namespace } = object.metadata ?? {};
  const key = namespace === undefined ? String(name) : `${String(namespace)}/${String(name)}`;
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new FairleadError(
      "RESOURCE_BAD_OBJECT",
      `the spec of ${kind} "${key}" has a schema that answers later; use one without promises`,
    );
  }
  if (result.issues !== undefined && object.metadata?.deletionTimestamp !== undefined) {
    // As it is: its finalizers have to be removed all the same.
    return { ...object, spec: object.spec ?? {} } as Object;
  }
  if (result.issues !== undefined) {
    const issues = result.issues.map(({ path = [], message }) => {
      const steps = path.map((step) => String(typeof step === "object" ? step.key : step));
      return `${["spec", ...steps].join(".")}: ${message}`;
    });
    throw new FairleadError("RESOURCE_BAD_OBJECT", `${kind} "${key}" does not fit its schema: ${issues.join("; ")}`, {
      facts: { kind, key, issues },
    });
  }
  // As the schema says.
  return { ...object, spec: result.value } as Object;
}
