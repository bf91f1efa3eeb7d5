import { at, type JsonObject, type StoredObject } from "./object.ts";
import type { Resource } from "./resources.ts";
import { notImplemented } from "./status.ts";

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

/** How a table is written. */
export interface TableOptions {
  readonly withColumns: boolean;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** The Table view of custom kinds without columns of their own. Throws 501 for kinds that the real server prints in its own way. */
export function tableOf(
  resource: Resource,
  objects: readonly StoredObject[],
  metadata: JsonObject,
  options: TableOptions,
): JsonObject {
  if (!resource.custom || resource.hasColumns) {
    throw notImplemented(`the Table view of ${resource.plural}`);
  }
  const { continue: token, ...rest } = metadata;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: token ? metadata : rest,
    columnDefinitions: options.withColumns ? [NAME_COLUMN, AGE_COLUMN] : null,
    rows: objects.map((object) => ({
      cells: [
        object.metadata.name,
        ageText(Math.floor((options.nowMs - Date.parse(String(at(object, "metadata", "creationTimestamp")))) / 1000)),
      ],
      object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata },
    })),
  };
}

/** A duration as kubectl shows it: two units while they matter. */
function ageText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const two = (large: number, unit: string, small: number, smallUnit: string) =>
    `${large}${unit}${small > 0 ? `${small}${smallUnit}` : ""}`;
  if (seconds < 120) {
    return `${Math.max(0, seconds)}s`;
  }
  if (minutes < 10) {
    return two(minutes, "m", seconds % 60, "s");
  }
  if (minutes < 180) {
    return `${minutes}m`;
  }
  if (hours < 8) {
    return two(hours, "h", minutes % 60, "m");
  }
  if (hours < 48) {
    return `${hours}h`;
  }
  if (days < 8) {
    return two(days, "d", hours % 24, "h");
  }
  return days < 730 ? `${days}d` : two(Math.floor(days / 365), "y", days % 365, "d");
}
