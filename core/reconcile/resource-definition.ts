import type { StandardSchemaV1 } from "@standard-schema/spec";

/** A column of `kubectl get`. */
export interface Column {
  /** ".status.readyReplicas". */
  readonly path: string;
  /** Default: the field's own type, or "string". */
  readonly type?: "string" | "integer" | "number" | "boolean" | "date";
  readonly description?: string;
  readonly format?: string;
  /** Above 0: only with `-o wide`. Default 0. */
  readonly priority?: number;
}

/** A rule in CEL that every object must keep: `{ rule: "self.spec.min <= self.spec.max", message: "min is above max" }`. */
export interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
  readonly fieldPath?: string;
}

/** One version of a resource. */
export interface VersionDefinition<
  Spec extends StandardSchemaV1 = StandardSchemaV1,
  Status extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> {
  /** A zod object, or any Standard Schema that gives JSON Schema. Rules and list types of Kubernetes stand in its metadata. */
  readonly spec: Spec;
  /** With one there is a status subresource, which has `conditions` and `observedGeneration` too. Default: no status. */
  readonly status?: Status;
  readonly description?: string;
  /** By their title; the age is added. Default: name and age. */
  readonly columns?: Readonly<Record<string, string | Column>>;
  readonly rules?: readonly Rule[];
  /** Paths for the scale subresource: `kubectl scale`, and autoscalers. */
  readonly scale?: { readonly specReplicas: string; readonly statusReplicas: string; readonly labelSelector?: string };
  /** Paths by which lists and watches can select: ".spec.host". */
  readonly selectableFields?: readonly string[];
  /** Default true. */
  readonly served?: boolean;
  /** True, or what its users are told. Default false. */
  readonly deprecated?: boolean | string;
}

/** What a resource is made of. */
export interface ResourceDefinition<
  Spec extends StandardSchemaV1 = StandardSchemaV1,
  Status extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
  Plural extends string = string,
  Namespaced extends boolean = boolean,
> extends VersionDefinition<Spec, Status> {
  /** "apps.example.org". */
  readonly group: string;
  /** The version that is stored, and that the controller works with: "v1". */
  readonly version: string;
  readonly kind: string;
  readonly plural: Plural;
  /** Default: the kind in lower case. */
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  /** "all" lists it with `kubectl get all`. */
  readonly categories?: readonly string[];
  /** Default true. */
  readonly namespaced?: Namespaced;
  /** More versions, by name. Their fields must be those of the stored version: nothing is converted. */
  readonly versions?: Readonly<Record<string, VersionDefinition>>;
}

/** A definition of which nothing more is known. */
export type AnyResourceDefinition = ResourceDefinition;
