import type { JsonObject, StoredObject } from "./object.ts";
import type { Resource } from "./resources.ts";

/** Fields of an event by their names in v1 and in events.k8s.io/v1; others have the same name in both. */
const EVENT_NAMES: readonly (readonly [string, string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];

const converted = new WeakMap<StoredObject, StoredObject>();

/** An object as a version of its kind shows it; kept per object. */
export function toVersion(object: StoredObject, resource: Resource): StoredObject {
  if (object.apiVersion === resource.apiVersion) {
    return object;
  }
  const known = converted.get(object);
  if (known?.apiVersion === resource.apiVersion) {
    return known;
  }
  const result = renameEvent(object, resource.apiVersion);
  converted.set(object, result);
  return result;
}

/** An object as it is stored: events as v1, custom resources as the version that they came in. */
export function toStored(object: StoredObject): StoredObject {
  return object.apiVersion === "events.k8s.io/v1" ? renameEvent(object, "v1") : object;
}

function renameEvent(object: StoredObject, apiVersion: string): StoredObject {
  if (object.kind !== "Event") {
    return { ...object, apiVersion };
  }
  const names = new Map(EVENT_NAMES.map(([core, events]) => (apiVersion === "v1" ? [events, core] : [core, events])));
  const renamed: JsonObject = {};
  for (const [key, value] of Object.entries(object)) {
    renamed[names.get(key) ?? key] = value;
  }
  return { ...renamed, apiVersion, kind: "Event", metadata: object.metadata };
}
