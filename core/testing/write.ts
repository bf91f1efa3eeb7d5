import { canonical } from "./canonical.ts";
import { timeText } from "./clock.ts";
import { toStored, toVersion } from "./convert.ts";
import { admit, keepAllocated, setDefaults } from "./defaults.ts";
import { type FieldOwner, trackUpdate } from "./managed-fields.ts";
import { labelErrors, nameErrors } from "./names.ts";
import { at, copy, isObject, type JsonObject, type ObjectMeta, type StoredObject, same } from "./object.ts";
import type { Target } from "./request.ts";
import type { Resource } from "./resources.ts";
import { pruneAndDefault, schemaErrors } from "./schema.ts";
import { specErrors } from "./spec-errors.ts";
import {
  alreadyExists,
  badRequest,
  CHANGED,
  conflict,
  type FieldError,
  failure,
  invalid,
  notFound,
  Refusal,
} from "./status.ts";
import { keyOf } from "./storage.ts";
import type { World } from "./world.ts";

/** How a write is done. */
export interface WriteOptions {
  /** Everything happens but the storing. */
  readonly dryRun: boolean;
  /** Who owns the fields that are written. */
  readonly owner: FieldOwner;
  /** True: unknown fields are refused. */
  readonly strict: boolean;
}

/** Reads the stored object of a target. Throws 404. */
export function stored(world: World, target: Target): StoredObject {
  const { resource, namespace, name = "" } = target;
  const found = world.storage.get(resource.storageKey, keyOf(namespace, name));
  if (found === undefined) {
    throw notFound(resource, name);
  }
  return found;
}

/** Stores a new object. */
export function createObject(world: World, target: Target, body: JsonObject, options: WriteOptions): StoredObject {
  const { resource, namespace } = target;
  checkKind(resource, body);
  const input = copy(body);
  const metadata: JsonObject = isObject(input.metadata) ? input.metadata : {};
  input.metadata = metadata;
  if (metadata.resourceVersion) {
    throw new Refusal(failure(500, "", "resourceVersion should not be set on objects to be created"));
  }
  if (!metadata.name && metadata.generateName) {
    metadata.name = `${String(metadata.generateName).slice(0, 58)}${world.random.suffix(5)}`;
  }
  checkNamespaceField(metadata, namespace);
  checkNamespaceIsOpen(world, resource, namespace, String(metadata.name ?? ""));
  Object.assign(metadata, {
    uid: world.random.uuid(),
    creationTimestamp: timeText(world.clock.now()),
    ...(namespace === undefined ? {} : { namespace }),
  });
  for (const field of ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "managedFields"]) {
    delete metadata[field];
  }
  if (resource.counted || resource.custom) {
    metadata.generation = 1;
  }
  initialStatus(resource, input);
  const object = complete(world, resource, input, options.strict);
  const name = object.metadata.name ?? "";
  validate(world, resource, object, undefined, undefined);
  const key = keyOf(namespace, name);
  if (world.storage.get(resource.storageKey, key) !== undefined) {
    throw alreadyExists(resource, name);
  }
  trackUpdate(world, resource, undefined, object, options.owner);
  return keep(world, resource, key, admitted(world, resource, object), options);
}

/** Replaces the stored object, or its status. */
export function updateObject(world: World, target: Target, body: JsonObject, options: WriteOptions): StoredObject {
  const { resource, namespace, name = "" } = target;
  checkKind(resource, body);
  const input = copy(body);
  const metadata: JsonObject = isObject(input.metadata) ? input.metadata : {};
  input.metadata = metadata;
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  checkNamespaceField(metadata, namespace);
  metadata.name = name;
  const before = world.storage.get(resource.storageKey, keyOf(namespace, name));
  if (before === undefined) {
    throw notFound(resource, name);
  }
  return replace(world, target, before, input, options);
}

/** Stores a changed object in place of `before`: the last step of updates and patches. */
export function replace(
  world: World,
  target: Target,
  before: StoredObject,
  input: JsonObject,
  options: WriteOptions,
): StoredObject {
  const { resource, namespace, name = "", subresource } = target;
  const metadata: JsonObject = isObject(input.metadata) ? input.metadata : {};
  const seen = metadata.resourceVersion;
  if (seen !== undefined && seen !== "" && seen !== before.metadata.resourceVersion) {
    throw conflict(resource, name, CHANGED);
  }
  if (metadata.uid !== undefined && metadata.uid !== "" && metadata.uid !== before.metadata.uid) {
    throw conflict(
      resource,
      name,
      `StorageError: invalid object, Code: 4, Key: ${registryKey(resource, namespace, name)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${before.metadata.uid}`,
    );
  }
  if (needsVersion(resource) && (seen === undefined || seen === "")) {
    throw invalid({ ...resource, kind: resource.plural }, name, [
      {
        field: "metadata.resourceVersion",
        reason: "FieldValueInvalid",
        message: "Invalid value: 0: must be specified for an update",
      },
    ]);
  }
  restoreSystemFields(metadata, before.metadata);
  keepOtherHalf(resource, subresource, input, before);
  const object = complete(world, resource, input, options.strict);
  validate(world, resource, object, before, subresource);
  bumpGeneration(resource, before, object);
  const asked = options.owner.managedFields;
  if (
    same(withoutManagers(before), withoutManagers(object)) &&
    (asked === undefined || same(asked, before.metadata.managedFields ?? []))
  ) {
    return before;
  }
  trackUpdate(world, resource, before, object, { subresource, ...options.owner });
  const finalizers = object.metadata.finalizers ?? [];
  const key = keyOf(namespace, name);
  if (object.metadata.deletionTimestamp !== undefined && finalizers.length === 0 && !isGraceful(resource, object)) {
    return options.dryRun ? object : (world.storage.remove(resource.storageKey, key, object) ?? object);
  }
  return keep(world, resource, key, object, options);
}

function isGraceful(resource: Resource, object: StoredObject): boolean {
  const namespaceWaits =
    resource.kind === "Namespace" && (at(object, "spec", "finalizers") as unknown[] | undefined)?.length !== undefined;
  return namespaceWaits || (object.metadata.deletionGracePeriodSeconds ?? 0) > 0;
}

function withoutManagers(object: StoredObject): JsonObject {
  const { managedFields: _managers, resourceVersion: _version, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Custom resources and a few kinds cannot be updated without saying which version was read. */
function needsVersion(resource: Resource): boolean {
  return resource.custom || resource.kind === "CustomResourceDefinition" || resource.kind === "Lease";
}

function restoreSystemFields(metadata: JsonObject, before: ObjectMeta): void {
  for (const field of [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "namespace",
    "name",
    "resourceVersion",
  ]) {
    if (before[field] === undefined) {
      delete metadata[field];
    } else {
      metadata[field] = before[field];
    }
  }
  if (before.generateName !== undefined) {
    metadata.generateName ??= before.generateName;
  }
  metadata.managedFields = before.managedFields;
}

/** A write of the object leaves the status alone; a write of the status leaves the rest alone. */
function keepOtherHalf(
  resource: Resource,
  subresource: string | undefined,
  input: JsonObject,
  before: StoredObject,
): void {
  if (subresource === "status") {
    for (const key of new Set([...Object.keys(input), ...Object.keys(before)])) {
      if (key !== "status" && key !== "metadata" && key !== "kind" && key !== "apiVersion") {
        input[key] = before[key];
      }
    }
    const metadata: JsonObject = isObject(input.metadata) ? input.metadata : {};
    input.metadata = resource.custom
      ? { ...before.metadata }
      : { ...metadata, ownerReferences: before.metadata.ownerReferences };
    return;
  }
  if (resource.subresources.includes("status") && subresource !== "finalize") {
    input.status = before.status;
  }
  if (subresource === "ephemeralcontainers") {
    const wanted = at(input, "spec", "ephemeralContainers");
    input.spec = { ...(isObject(before.spec) ? before.spec : {}), ephemeralContainers: wanted };
  }
  if (subresource === undefined && !resource.custom) {
    keepAllocated(resource.kind, input, before);
  }
}

function bumpGeneration(resource: Resource, before: StoredObject, object: StoredObject): void {
  if (!resource.counted && !resource.custom) {
    return;
  }
  const changed = Object.keys({ ...before, ...object }).some(
    (key) =>
      key !== "metadata" &&
      !(key === "status" && resource.subresources.includes("status")) &&
      !same(before[key], object[key]),
  );
  const annotated = resource.kind === "Deployment" && !same(before.metadata.annotations, object.metadata.annotations);
  object.metadata.generation = (before.metadata.generation ?? 0) + (changed || annotated ? 1 : 0);
}

function checkKind(resource: Resource, body: JsonObject): void {
  const apiVersion = body.apiVersion ?? resource.apiVersion;
  const kind = body.kind ?? resource.kind;
  if (resource.custom && (body.apiVersion === undefined || body.kind === undefined)) {
    throw badRequest(`Object '${body.kind === undefined ? "Kind" : "apiVersion"}' is missing in the request body`);
  }
  if (apiVersion !== resource.apiVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${resource.apiVersion})`,
    );
  }
  if (kind !== resource.kind) {
    throw badRequest(
      `${kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: no kind "${kind}" is registered for the expected type`,
    );
  }
}

function checkNamespaceField(metadata: JsonObject, namespace: string | undefined): void {
  if (namespace === undefined) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace !== undefined && metadata.namespace !== "" && metadata.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  metadata.namespace = namespace;
}

function checkNamespaceIsOpen(world: World, resource: Resource, namespace: string | undefined, name: string): void {
  if (namespace === undefined) {
    return;
  }
  const about = { group: "", plural: "namespaces", kind: "Namespace" };
  const found = world.storage.get("/namespaces", namespace);
  if (found === undefined) {
    throw notFound(about, namespace);
  }
  if (found.metadata.deletionTimestamp !== undefined) {
    const what = resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
    const details = {
      name,
      ...(resource.group === "" ? {} : { group: resource.group }),
      kind: resource.plural,
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    };
    const message = `${what} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
    throw new Refusal(failure(403, "Forbidden", message, details));
  }
}

function initialStatus(resource: Resource, input: JsonObject): void {
  if (!resource.subresources.includes("status")) {
    return;
  }
  delete input.status;
  if (resource.kind === "Pod") {
    input.status = { phase: "Pending", qosClass: qosClass(input) };
  } else if (resource.kind === "Namespace") {
    input.status = { phase: "Active" };
  } else if (resource.kind === "Service") {
    input.status = { loadBalancer: {} };
  }
}

function qosClass(pod: JsonObject): string {
  const containers = at(pod, "spec", "containers");
  const list = Array.isArray(containers) ? containers : [];
  const some = list.some(
    (one) => at(one, "resources", "requests") !== undefined || at(one, "resources", "limits") !== undefined,
  );
  const guaranteed = list.every((one) => {
    const limits = at(one, "resources", "limits");
    const requests = at(one, "resources", "requests") ?? limits;
    return isObject(limits) && limits.cpu !== undefined && limits.memory !== undefined && same(limits, requests);
  });
  return some ? (guaranteed && list.length > 0 ? "Guaranteed" : "Burstable") : "BestEffort";
}

/** Defaults, pruning and the server's way of writing. */
function complete(world: World, resource: Resource, input: JsonObject, strict: boolean): StoredObject {
  if (resource.custom) {
    const schema = world.schemas.get(`${resource.apiVersion}/${resource.plural}`);
    const unknown = schema === undefined ? [] : pruneAndDefault(schema, input);
    refuseUnknown(strict, resource, unknown);
    return metadataInOrder({
      ...input,
      kind: resource.kind,
      apiVersion: resource.apiVersion,
    } as unknown as StoredObject);
  }
  // Unknown fields are looked for before defaults could add any.
  const first = canonical(resource.apiVersion, resource.kind, input);
  refuseUnknown(strict, resource, first.unknown);
  setDefaults(resource.kind, first.object);
  const { object } = canonical(resource.apiVersion, resource.kind, first.object);
  // The canonical form has all metadata that was put into it.
  return toStored(object as unknown as StoredObject);
}

function metadataInOrder(object: StoredObject): StoredObject {
  const form = canonical("meta.k8s.io/v1", "PartialObjectMetadata", { metadata: object.metadata });
  const { kind: _kind, apiVersion: _version, metadata: _metadata, ...rest } = object;
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: form.object.metadata as ObjectMeta, ...rest };
}

/** What admission and allocators fill in: nobody owns these fields. */
function admitted(world: World, resource: Resource, object: StoredObject): StoredObject {
  const clusterIp = () => `10.96.${world.random.below(255)}.${1 + world.random.below(254)}`;
  return admit(resource.kind, object, { clusterIp })
    ? // As in `complete`: the canonical form has all metadata that was put into it.
      (canonical(object.apiVersion, resource.kind, object).object as unknown as StoredObject)
    : object;
}

function registryKey(resource: Resource, namespace: string | undefined, name: string): string {
  return [
    "/registry",
    ...(resource.custom ? [resource.group] : []),
    resource.plural,
    ...(namespace === undefined ? [] : [namespace]),
    name,
  ].join("/");
}

function refuseUnknown(strict: boolean, resource: Resource, unknown: readonly string[]): void {
  if (strict && unknown.length > 0) {
    const list = unknown.map((path) => `unknown field "${path}"`).join(", ");
    throw badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: strict decoding error: ${list}`,
    );
  }
}

function validate(
  world: World,
  resource: Resource,
  object: StoredObject,
  before: StoredObject | undefined,
  subresource: string | undefined,
): void {
  const { name, labels } = object.metadata;
  const errors: FieldError[] = [];
  if (!name) {
    errors.push({
      field: "metadata.name",
      reason: "FieldValueRequired",
      message: "Required value: name or generateName is required",
    });
  } else if (before === undefined) {
    errors.push(...nameErrors(name, resource.names));
  }
  errors.push(...labelErrors(labels));
  if (resource.custom) {
    const schema = world.schemas.get(`${resource.apiVersion}/${resource.plural}`);
    errors.push(...(schema === undefined ? [] : schemaErrors(schema, object)));
  } else {
    errors.push(...specErrors(resource, toVersion(object, resource), before, subresource));
  }
  if (errors.length > 0) {
    throw invalid(resource, name ?? "", errors);
  }
}

function keep(
  world: World,
  resource: Resource,
  key: string,
  object: StoredObject,
  options: WriteOptions,
): StoredObject {
  return options.dryRun ? object : world.storage.put(resource.storageKey, key, object);
}
