import { messageOfKind } from "../kinds/message.ts";
import { toVersion } from "./convert.ts";
import type { Format } from "./media.ts";
import type { JsonObject, StoredObject } from "./object.ts";
import { decodeMessage } from "./protobuf-decode.ts";
import { envelope, listBytes, messageBytes, objectBytes, watchFrame } from "./protobuf-encode.ts";
import type { Resource } from "./resources.ts";
import type { Status } from "./status.ts";
import { innerJson } from "./storage.ts";
import { tableOf } from "./table.ts";

const META = "meta.k8s.io/v1";
const metadataBytes = new WeakMap<StoredObject, Buffer>();

/** Metadata of a list, in the order in which the server writes it. */
export interface ListMeta extends JsonObject {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

/** One object as an answer. */
export function renderObject(resource: Resource, stored: StoredObject, format: Format): Buffer {
  const object = toVersion(stored, resource);
  if (format.as === "table") {
    return json(
      tableOf(
        resource,
        [object],
        { resourceVersion: object.metadata.resourceVersion },
        { withColumns: true, nowMs: format.nowMs ?? 0 },
      ),
    );
  }
  return format.wire === "json"
    ? Buffer.from(objectText(resource, object, format))
    : objectEnvelope(resource, object, format);
}

function objectText(resource: Resource, object: StoredObject, format: Format): string {
  return format.as === "metadata"
    ? JSON.stringify({ kind: "PartialObjectMetadata", apiVersion: META, metadata: object.metadata })
    : `{"kind":${JSON.stringify(resource.kind)},"apiVersion":${JSON.stringify(resource.apiVersion)},${innerJson(object)}}`;
}

function objectEnvelope(resource: Resource, object: StoredObject, format: Format): Buffer {
  return format.as === "metadata"
    ? envelope(META, "PartialObjectMetadata", metadataOf(object))
    : envelope(resource.apiVersion, resource.kind, objectBytes(resource.apiVersion, resource.kind, object));
}

function metadataOf(object: StoredObject): Buffer {
  const known = metadataBytes.get(object);
  if (known !== undefined) {
    return known;
  }
  const bytes = messageBytes(META, "PartialObjectMetadata", { metadata: object.metadata });
  metadataBytes.set(object, bytes);
  return bytes;
}

/** A list as an answer. */
export function renderList(
  resource: Resource,
  stored: readonly StoredObject[],
  metadata: ListMeta,
  format: Format,
): Buffer {
  const objects = stored.map((object) => toVersion(object, resource));
  if (format.as === "table") {
    return json(tableOf(resource, objects, metadata, { withColumns: true, nowMs: format.nowMs ?? 0 }));
  }
  const whole = format.as === "object";
  const kind = whole ? `${resource.kind}List` : "PartialObjectMetadataList";
  const apiVersion = whole ? resource.apiVersion : META;
  if (format.wire === "protobuf") {
    const items = objects.map((object) =>
      whole ? objectBytes(resource.apiVersion, resource.kind, object) : metadataOf(object),
    );
    return listBytes(apiVersion, kind, metadata, items);
  }
  const items = objects.map((object) => itemText(resource, object, format));
  const head = resource.custom
    ? `{"apiVersion":${JSON.stringify(apiVersion)},"items":[${items.join(",")}],"kind":${JSON.stringify(kind)},"metadata":${JSON.stringify(metadata)}}`
    : `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${JSON.stringify(metadata)},"items":[${items.join(",")}]}`;
  return Buffer.from(`${head}\n`);
}

/** Items of built-in lists carry no kind and apiVersion, custom ones do. */
function itemText(resource: Resource, object: StoredObject, format: Format): string {
  return format.as === "object" && !resource.custom ? `{${innerJson(object)}}` : objectText(resource, object, format);
}

/** An event of a watch, as it goes over the wire. */
export function renderEvent(resource: Resource, type: string, stored: StoredObject, format: Format): Buffer {
  const object = toVersion(stored, resource);
  if (format.wire === "protobuf") {
    return watchFrame(type, objectEnvelope(resource, object, format));
  }
  const text =
    format.as === "table"
      ? JSON.stringify(
          tableOf(
            resource,
            [object],
            { resourceVersion: object.metadata.resourceVersion },
            { withColumns: false, nowMs: format.nowMs ?? 0 },
          ),
        )
      : objectText(resource, object, format);
  return Buffer.from(`{"type":"${type}","object":${text}}\n`);
}

/** A bookmark: an empty object of the kind with a version. */
export function renderBookmark(resource: Resource, version: string, format: Format, endsInitial: boolean): Buffer {
  const annotations = endsInitial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const message = resource.custom ? undefined : messageOfKind(resource.apiVersion, resource.kind);
  const empty = message === undefined ? {} : decodeMessage(message, Buffer.alloc(0));
  // A bookmark has no name; only its version and annotation are ever read.
  const bookmark = {
    kind: resource.kind,
    apiVersion: resource.apiVersion,
    ...empty,
    metadata: { resourceVersion: version, ...annotations },
  } as unknown as StoredObject;
  return renderEvent(resource, "BOOKMARK", bookmark, format);
}

/** An ERROR event. */
export function renderErrorEvent(status: Status, format: Format): Buffer {
  if (format.wire === "protobuf") {
    return watchFrame("ERROR", renderStatus(status, "protobuf"));
  }
  return Buffer.from(`{"type":"ERROR","object":${JSON.stringify(status)}}\n`);
}

/** A Status as an answer. */
export function renderStatus(status: Status, wire: Format["wire"]): Buffer {
  return wire === "protobuf" ? envelope("v1", "Status", messageBytes("v1", "Status", status)) : json(status);
}

/** JSON as the server ends it. */
export function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
