import { timeText } from "./clock.ts";
import { selectorOf } from "./list.ts";
import { at, isObject, type JsonObject, type StoredObject } from "./object.ts";
import type { Target } from "./request.ts";
import type { Resource } from "./resources.ts";
import { badRequest, conflict as conflictOn } from "./status.ts";
import { keyOf } from "./storage.ts";
import type { World } from "./world.ts";
import { stored } from "./write.ts";

const DEFAULT_GRACE_SECONDS = 30;

/** What a deletion gives back: the object while it still exists, or its last state. */
export interface Removal {
  readonly object: StoredObject;
  readonly gone: boolean;
}

/** Deletes one object by the options of the body or query. */
export function deleteObject(world: World, target: Target, options: JsonObject, dryRun: boolean): Removal {
  const object = stored(world, target);
  return remove(world, target.resource, object, options, dryRun);
}

/** Deletes what a list with the same query would give; gives the objects as they were. */
export function deleteCollection(
  world: World,
  target: Target,
  query: URLSearchParams,
  options: JsonObject,
  dryRun: boolean,
): StoredObject[] {
  const select = selectorOf(query, target);
  const objects = world.storage
    .list(target.resource.storageKey)
    .filter(
      (object) => (target.namespace === undefined || object.metadata.namespace === target.namespace) && select(object),
    );
  return objects.map((object) => remove(world, target.resource, object, options, dryRun).object);
}

function remove(world: World, resource: Resource, object: StoredObject, options: JsonObject, dryRun: boolean): Removal {
  checkPreconditions(resource, object, options);
  const key = keyOf(object.metadata.namespace, object.metadata.name);
  const finalizers = finalizersFor(object, options);
  const graceSeconds = graceFor(resource, object, options);
  const terminating = object.metadata.deletionTimestamp !== undefined;
  const waits = finalizers.length > 0 || graceSeconds > 0 || resource.kind === "Namespace";
  if (!waits) {
    const final = terminating ? { ...object, metadata: { ...object.metadata, deletionGracePeriodSeconds: 0 } } : object;
    const last = dryRun ? final : (world.storage.remove(resource.storageKey, key, final) ?? final);
    return { object: last, gone: true };
  }
  if (terminating && graceSeconds >= (object.metadata.deletionGracePeriodSeconds ?? 0)) {
    return { object, gone: false };
  }
  const leaving: StoredObject = {
    ...object,
    metadata: {
      ...object.metadata,
      ...(finalizers.length > 0 ? { finalizers } : {}),
      deletionTimestamp: timeText(world.clock.now() + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
      ...(object.metadata.generation === undefined || terminating
        ? {}
        : { generation: object.metadata.generation + 1 }),
    },
  };
  if (resource.kind === "Namespace") {
    delete leaving.metadata.deletionGracePeriodSeconds;
    leaving.status = { ...(isObject(object.status) ? object.status : {}), phase: "Terminating" };
  }
  const result = dryRun ? leaving : world.storage.put(resource.storageKey, key, leaving);
  if (resource.kind === "Namespace" && !dryRun && world.behaviour.namespaceController) {
    world.clock.after(0, () => emptyNamespace(world, object.metadata.name));
  }
  return { object: result, gone: false };
}

function checkPreconditions(resource: Resource, object: StoredObject, options: JsonObject): void {
  const { uid, resourceVersion } = object.metadata;
  const wantedUid = at(options, "preconditions", "uid");
  const wantedVersion = at(options, "preconditions", "resourceVersion");
  if (wantedUid !== undefined && wantedUid !== uid) {
    throw conflictOn(
      kindOf(resource),
      object.metadata.name,
      `the UID in the precondition (${wantedUid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    );
  }
  if (wantedVersion !== undefined && wantedVersion !== resourceVersion) {
    throw conflictOn(
      kindOf(resource),
      object.metadata.name,
      `the ResourceVersion in the precondition (${wantedVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    );
  }
}

/** The real server names the kind where other conflicts name the resource. */
function kindOf(resource: Resource): { group: string; plural: string; kind: string } {
  return { group: resource.group, plural: resource.kind, kind: resource.kind };
}

function finalizersFor(object: StoredObject, options: JsonObject): string[] {
  const finalizers = (object.metadata.finalizers ?? []).filter(
    (one) => one !== "orphan" && one !== "foregroundDeletion",
  );
  switch (options.propagationPolicy ?? (options.orphanDependents === true ? "Orphan" : undefined)) {
    case "Foreground":
      return [...finalizers, "foregroundDeletion"];
    case "Orphan":
      return [...finalizers, "orphan"];
    case "Background":
      return finalizers;
    case undefined:
      return object.metadata.finalizers ?? [];
    default:
      throw badRequest(`invalid propagationPolicy "${String(options.propagationPolicy)}"`);
  }
}

/** Only pods on a node that still run are given time. */
function graceFor(resource: Resource, object: StoredObject, options: JsonObject): number {
  const phase = at(object, "status", "phase");
  if (resource.kind !== "Pod" || !at(object, "spec", "nodeName") || phase === "Succeeded" || phase === "Failed") {
    return 0;
  }
  const asked = options.gracePeriodSeconds ?? at(object, "spec", "terminationGracePeriodSeconds");
  return typeof asked === "number" && asked >= 0 ? asked : DEFAULT_GRACE_SECONDS;
}

/** The namespace controller's work: everything in the namespace goes, then the namespace. */
function emptyNamespace(world: World, name: string): void {
  let left = 0;
  const seen = new Set<string>();
  for (const resource of world.resources.all().filter((one) => one.namespaced && !seen.has(one.storageKey))) {
    seen.add(resource.storageKey);
    for (const object of world.storage.list(resource.storageKey)) {
      if (object.metadata.namespace === name) {
        left += remove(world, resource, object, { gracePeriodSeconds: 0 }, false).gone ? 0 : 1;
      }
    }
  }
  const namespace = world.storage.get("/namespaces", name);
  if (namespace?.metadata.deletionTimestamp === undefined) {
    return;
  }
  if (left === 0) {
    world.storage.remove("/namespaces", name);
    return;
  }
  world.clock.after(100, () => emptyNamespace(world, name));
}
