import { FairleadError } from "../errors.ts";
import { timeText } from "./clock.ts";
import { toStored } from "./convert.ts";
import { copy, type ObjectInput, type StoredObject, same } from "./object.ts";
import type { Resource } from "./resources.ts";
import { keyOf } from "./storage.ts";
import type { World } from "./world.ts";

/** Names one object. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** Direct access to the objects of a server, past HTTP, checks and defaults. What it gives must not be changed. */
export interface Objects {
  /** Creates or replaces an object, its status too. The same content again changes nothing. Throws TESTING_UNKNOWN_KIND. */
  apply(object: ObjectInput): StoredObject;
  /** Removes an object at once, whatever its finalizers; gives its last state. */
  delete(reference: ObjectReference): StoredObject | undefined;
  get(reference: ObjectReference): StoredObject | undefined;
  /** All objects of a kind, in the order of namespace and name. */
  list(apiVersion: string, kind: string, namespace?: string): StoredObject[];
  /** The newest resourceVersion. */
  readonly version: string;
}

/** Makes the direct access. */
export function objectsOf(world: World): Objects {
  const resourceOf = (apiVersion: string, kind: string): Resource => {
    const resource = world.resources.byKind(apiVersion, kind);
    if (resource === undefined) {
      throw new FairleadError(
        "TESTING_UNKNOWN_KIND",
        `the test server serves no kind "${kind}" in "${apiVersion}"; apply its CustomResourceDefinition first (definitionsOf(plugin) makes it)`,
        {
          facts: { apiVersion, kind },
        },
      );
    }
    return resource;
  };
  const find = (reference: ObjectReference) => {
    const resource = resourceOf(reference.apiVersion, reference.kind);
    const key = keyOf(resource.namespaced ? (reference.namespace ?? "default") : undefined, reference.name);
    return { resource, key };
  };
  return {
    apply: (object) => applyDirectly(world, resourceOf(object.apiVersion, object.kind), object),
    delete(reference) {
      const { resource, key } = find(reference);
      return world.storage.remove(resource.storageKey, key);
    },
    get(reference) {
      const { resource, key } = find(reference);
      return world.storage.get(resource.storageKey, key);
    },
    list(apiVersion, kind, namespace) {
      const objects = world.storage.list(resourceOf(apiVersion, kind).storageKey);
      return namespace === undefined ? objects : objects.filter((object) => object.metadata.namespace === namespace);
    },
    get version() {
      return String(world.storage.version);
    },
  };
}

function applyDirectly(world: World, resource: Resource, input: ObjectInput): StoredObject {
  // A copy of the input becomes a stored object by the metadata that is filled in below.
  const object = toStored(copy(input) as unknown as StoredObject);
  const { metadata } = object;
  if (resource.namespaced) {
    metadata.namespace ??= "default";
  } else {
    delete metadata.namespace;
  }
  const key = keyOf(metadata.namespace, metadata.name);
  const before = world.storage.get(resource.storageKey, key);
  metadata.uid ??= before?.metadata.uid ?? world.random.uuid();
  metadata.creationTimestamp ??= before?.metadata.creationTimestamp ?? timeText(world.clock.now());
  if ((resource.counted || resource.custom) && metadata.generation === undefined) {
    const grown = before !== undefined && !same(before.spec, object.spec) ? 1 : 0;
    metadata.generation = before === undefined ? 1 : (before.metadata.generation ?? 1) + grown;
  }
  if (before !== undefined) {
    metadata.resourceVersion = before.metadata.resourceVersion;
    if (same(before, object)) {
      return before;
    }
  }
  return world.storage.put(resource.storageKey, key, object);
}
