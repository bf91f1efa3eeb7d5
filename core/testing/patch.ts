import { applyConfig } from "./apply.ts";
import { toVersion } from "./convert.ts";
import { shapeOf } from "./managed-fields.ts";
import { at, isObject, type Json, type JsonObject, type StoredObject } from "./object.ts";
import { jsonPatch } from "./patch-json.ts";
import { mergePatch } from "./patch-merge.ts";
import { strategicPatch } from "./patch-strategic.ts";
import type { Target } from "./request.ts";
import { badRequest, failure, notFound, notImplemented, Refusal } from "./status.ts";
import { keyOf } from "./storage.ts";
import type { World } from "./world.ts";
import { createObject, replace, stored, type WriteOptions } from "./write.ts";

/** A patch as it came. */
export interface PatchRequest {
  /** The Content-Type without parameters. */
  readonly type: string;
  readonly body: Buffer;
  readonly query: URLSearchParams;
  readonly options: WriteOptions;
}

/** Patches an object in one of the four ways; apply may create it. */
export function patched(
  world: World,
  target: Target,
  request: PatchRequest,
): { object: StoredObject; created: boolean } {
  const { resource } = target;
  switch (request.type) {
    case "application/apply-patch+yaml":
    case "application/apply-patch+json":
    case "application/apply-patch":
      return applyPatch(world, target, request);
    case "application/apply-patch+cbor":
      throw notImplemented("CBOR");
    case "application/json-patch+json":
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json":
      break;
    default:
      throw unsupported(resource.custom);
  }
  if (request.type.startsWith("application/strategic") && resource.custom) {
    throw unsupported(true);
  }
  const before = stored(world, target);
  const shown = toVersion(before, resource);
  const patch = parse(request.body);
  const input = changed(world, target, request.type, shown, patch);
  checkIdentity(input, shown);
  return { object: replace(world, target, before, input, request.options), created: false };
}

function changed(world: World, target: Target, type: string, shown: StoredObject, patch: Json): JsonObject {
  if (type === "application/json-patch+json") {
    return jsonPatch(shown, patch);
  }
  if (!isObject(patch)) {
    throw badRequest("json: cannot unmarshal array into Go value of type map[string]interface {}");
  }
  const result =
    type === "application/merge-patch+json"
      ? mergePatch(shown, patch)
      : strategicPatch(shapeOf(world, target.resource), shown, patch);
  return isObject(result) ? result : {};
}

function parse(body: Buffer): Json {
  try {
    // JSON.parse gives nothing but JSON.
    return JSON.parse(body.toString("utf8")) as Json;
  } catch (error) {
    throw badRequest(`error decoding patch: ${error instanceof Error ? error.message : ""}`);
  }
}

function checkIdentity(input: JsonObject, before: StoredObject): void {
  const name = at(input, "metadata", "name");
  if (name !== before.metadata.name) {
    throw badRequest(
      `the name of the object (${String(name ?? "")}) does not match the name on the URL (${before.metadata.name})`,
    );
  }
}

function unsupported(custom: boolean): Refusal {
  const types = [
    "application/json-patch+json",
    "application/merge-patch+json",
    ...(custom ? [] : ["application/strategic-merge-patch+json"]),
    "application/apply-patch+yaml",
    ...(custom ? [] : ["application/apply-patch+cbor"]),
  ];
  return new Refusal(
    failure(
      415,
      "UnsupportedMediaType",
      `the body of the request was in an unknown format - accepted media types include: ${types.join(", ")}`,
      custom ? undefined : {},
    ),
  );
}

function applyPatch(world: World, target: Target, request: PatchRequest): { object: StoredObject; created: boolean } {
  const { resource, namespace, name = "", subresource } = target;
  const manager = request.query.get("fieldManager") ?? "";
  if (manager === "") {
    throw new Refusal(
      failure(
        422,
        "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        {
          group: "meta.k8s.io",
          kind: "PatchOptions",
          causes: [
            {
              reason: "FieldValueRequired",
              message: "Required value: is required for apply patch",
              field: "fieldManager",
            },
          ],
        },
      ),
    );
  }
  const config = readConfig(request.body);
  if (
    isObject(config.metadata) &&
    config.metadata.managedFields !== undefined &&
    (config.metadata.managedFields as Json[]).length > 0
  ) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const before = world.storage.get(resource.storageKey, keyOf(namespace, name));
  if (before === undefined && subresource !== undefined) {
    throw notFound(resource, name);
  }
  const live = before && toVersion(before, resource);
  const force = request.query.get("force") === "true";
  const applied = applyConfig(world, { resource, live, config, manager, force, subresource });
  const managedFields = applied.managedFields(live);
  if (before === undefined) {
    const metadata = isObject(applied.object.metadata) ? applied.object.metadata : {};
    delete metadata.resourceVersion;
    const body = {
      ...applied.object,
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: { ...metadata, name },
    };
    const owner = { manager, subresource, managedFields };
    return { object: createObject(world, target, body, { ...request.options, owner }), created: true };
  }
  const owner = { manager, subresource, managedFields };
  return { object: replace(world, target, before, applied.object, { ...request.options, owner }), created: false };
}

/** The body is YAML by its type; this server reads the JSON subset, which every client of ours sends. */
function readConfig(body: Buffer): JsonObject {
  const text = body.toString("utf8").trim();
  if (!text.startsWith("{")) {
    throw notImplemented("server-side apply of YAML that is not JSON");
  }
  const config = parse(Buffer.from(text));
  return isObject(config) ? config : {};
}
