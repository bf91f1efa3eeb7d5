import { canonical } from "./canonical.ts";
import { timeText } from "./clock.ts";
import { compareValues, type FieldSet, fromFieldsV1, isBelow, toFieldsV1, valuesOf } from "./field-set.ts";
import type { JsonObject, StoredObject } from "./object.ts";
import type { Resource } from "./resources.ts";
import { type Shape, shapeOfKind, shapeOfSchema } from "./shape.ts";
import type { World } from "./world.ts";

/** Who writes. */
export interface FieldOwner {
  readonly manager: string;
  readonly subresource?: string;
  /** Of an apply: what it makes of the managers. */
  readonly managedFields?: JsonObject[];
}

/** One entry of managedFields, understood. */
export interface Manager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
  readonly fields: FieldSet;
}

const STRIPPED: readonly (readonly string[])[] = [
  ["f:apiVersion"],
  ["f:kind"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
  ].map((field) => ["f:metadata", `f:${field}`]),
];

/** The shape of a served kind. */
export function shapeOf(world: World, resource: Resource): Shape {
  const builtIn = resource.custom ? undefined : shapeOfKind(resource.apiVersion, resource.kind);
  return builtIn ?? shapeOfSchema(world.schemas.get(`${resource.apiVersion}/${resource.plural}`));
}

/** True when a write of that subresource may own the field. */
export function isOwnable(resource: Resource, subresource: string | undefined, path: string): boolean {
  if (path === "f:metadata" || STRIPPED.some((prefix) => isBelow(path, prefix))) {
    return false;
  }
  if (!resource.subresources.includes("status")) {
    return true;
  }
  const isStatus = isBelow(path, ["f:status"]);
  if (subresource === "status") {
    return isStatus || (!resource.custom && isBelow(path, ["f:metadata"]));
  }
  return !isStatus;
}

/** The managers of an object. */
export function managersOf(object: StoredObject | undefined): Manager[] {
  return (object?.metadata.managedFields ?? []).map((entry) => ({
    manager: String(entry.manager ?? ""),
    operation: entry.operation === "Apply" ? "Apply" : "Update",
    apiVersion: String(entry.apiVersion ?? ""),
    subresource: String(entry.subresource ?? ""),
    time: String(entry.time ?? ""),
    fields: fromFieldsV1(entry.fieldsV1),
  }));
}

/** Written as managedFields. */
export function toManagedFields(managers: readonly Manager[]): JsonObject[] {
  return managers
    .filter((manager) => manager.fields.size > 0)
    .sort((a, b) => order(a.operation, b.operation) || order(a.time, b.time) || order(a.manager, b.manager))
    .map((manager) => ({
      manager: manager.manager,
      operation: manager.operation,
      apiVersion: manager.apiVersion,
      ...(manager.time === "" ? {} : { time: manager.time }),
      fieldsType: "FieldsV1",
      fieldsV1: toFieldsV1(manager.fields),
      ...(manager.subresource === "" ? {} : { subresource: manager.subresource }),
    }));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What a kind looks like before anyone wrote to it. */
export function emptyOf(resource: Resource): JsonObject {
  return resource.custom ? {} : canonical(resource.apiVersion, resource.kind, {}).object;
}

/** Records that an update or patch changed what differs between both objects; writes metadata.managedFields of `after`. */
export function trackUpdate(
  world: World,
  resource: Resource,
  before: StoredObject | undefined,
  after: StoredObject,
  owner: FieldOwner,
): void {
  if (owner.managedFields !== undefined) {
    after.metadata.managedFields = owner.managedFields;
    return;
  }
  const shape = shapeOf(world, resource);
  const { changed, removed } = compareValues(valuesOf(shape, before ?? emptyOf(resource)), valuesOf(shape, after));
  const mine = [...changed].filter((path) => isOwnable(resource, owner.subresource, path));
  const subresource = owner.subresource ?? "";
  const isMine = (manager: Manager) =>
    manager.operation === "Update" &&
    manager.manager === owner.manager &&
    manager.subresource === subresource &&
    manager.apiVersion === resource.apiVersion;
  const managers = managersOf(before).map((manager) => {
    const kept = [...manager.fields].filter((path) => !removed.has(path) && (isMine(manager) || !mine.includes(path)));
    return kept.length === manager.fields.size ? manager : { ...manager, fields: new Set(kept) };
  });
  const known = managers.find(isMine);
  if (mine.length > 0 || (known !== undefined && removed.size > 0)) {
    const fields: FieldSet = new Set([...(known?.fields ?? []), ...mine]);
    // Writes through the scale carry no time.
    const time = subresource === "scale" ? "" : timeText(world.clock.now());
    const entry: Manager = {
      manager: owner.manager,
      operation: "Update",
      apiVersion: resource.apiVersion,
      subresource,
      time,
      fields,
    };
    const others = managers.filter((manager) => manager !== known);
    after.metadata.managedFields = toManagedFields([...others, entry]);
  } else {
    after.metadata.managedFields = toManagedFields(managers);
  }
  if (after.metadata.managedFields.length === 0) {
    delete after.metadata.managedFields;
  }
}
