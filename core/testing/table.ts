import { at, type JsonObject, type StoredObject } from "./object.ts";
import type { Resource } from "./resources.ts";

const NAME_COLUMN: JsonObject = {
  name: "Name",
  type: "string",
  format: "name",
  description:
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
  priority: 0,
};
const AGE_COLUMN: JsonObject = {
  name: "Age",
  type: "date",
  format: "",
  description:
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
  priority: 0,
};

/** The Table view. Columns are Name and Created At for every kind; those of a kind's own printer are not served. */
export function tableOf(
  resource: Resource,
  objects: readonly StoredObject[],
  metadata: JsonObject,
  withColumns: boolean,
): JsonObject {
  const columns = resource.custom ? [NAME_COLUMN, AGE_COLUMN] : [NAME_COLUMN, { ...AGE_COLUMN, name: "Created At" }];
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: withColumns ? columns : null,
    rows: objects.map((object) => ({
      cells: [object.metadata.name, at(object, "metadata", "creationTimestamp") ?? null],
      object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata },
    })),
  };
}
