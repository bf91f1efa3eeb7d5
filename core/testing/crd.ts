import { timeText } from "./clock.ts";
import { at, isObject, type Json, type JsonObject, type StoredObject } from "./object.ts";
import type { Resource } from "./resources.ts";
import { type Schema, unsupportedRules } from "./schema.ts";
import { notImplemented } from "./status.ts";
import type { StoredEvent } from "./storage.ts";
import type { World } from "./world.ts";

const STORAGE_KEY = "apiextensions.k8s.io/customresourcedefinitions";

/** Refuses definitions with rules that this server does not check. Throws 501. */
export function checkDefinition(definition: JsonObject): void {
  for (const version of versionsOf(definition)) {
    const schema = at(version, "schema", "openAPIV3Schema");
    const rules = isObject(schema) ? unsupportedRules(schema as Schema) : [];
    if (rules.length > 0) {
      throw notImplemented(`${rules.join(", ")} in the schema of a CustomResourceDefinition`);
    }
  }
  if (at(definition, "spec", "conversion", "strategy") === "Webhook") {
    throw notImplemented("conversion webhooks of CustomResourceDefinitions");
  }
}

/** Serves custom kinds while their definitions exist. */
export function followDefinitions(world: World): void {
  world.storage.watch(STORAGE_KEY, (event) => takeDefinition(world, event));
}

/** Serves exactly the definitions that are stored now, after the storage went back in time. */
export function rereadDefinitions(world: World): void {
  for (const resource of world.resources.all().filter((one) => one.custom)) {
    world.resources.remove(resource);
  }
  for (const definition of world.storage.list(STORAGE_KEY)) {
    serve(world, definition);
  }
}

function takeDefinition(world: World, event: StoredEvent): void {
  if (event.type === "DELETED") {
    unserve(world, event.object);
    return;
  }
  if (event.before !== undefined) {
    unserveOldVersions(world, event.before, event.object);
  }
  serve(world, event.object);
  const conditions = at(event.object, "status", "conditions");
  if (!Array.isArray(conditions) || conditions.length === 0) {
    // The status follows a moment later, as the controller of the real server writes it.
    world.clock.after(0, () => establish(world, event.key));
  }
}

function versionsOf(definition: JsonObject): JsonObject[] {
  const versions = at(definition, "spec", "versions");
  return Array.isArray(versions) ? versions.filter(isObject) : [];
}

function serve(world: World, definition: StoredObject): void {
  for (const version of versionsOf(definition)) {
    const resource = resourceOf(definition, version);
    if (version.served === true) {
      world.resources.add(resource);
      const schema = at(version, "schema", "openAPIV3Schema");
      // A stored definition holds a schema or nothing there.
      world.schemas.set(`${resource.apiVersion}/${resource.plural}`, (isObject(schema) ? schema : {}) as Schema);
    }
  }
}

function unserveOldVersions(world: World, before: StoredObject, after: StoredObject): void {
  const served = new Set(
    versionsOf(after)
      .filter((version) => version.served === true)
      .map((version) => version.name),
  );
  for (const version of versionsOf(before)) {
    if (!served.has(version.name)) {
      world.resources.remove(resourceOf(before, version));
    }
  }
}

function unserve(world: World, definition: StoredObject): void {
  for (const version of versionsOf(definition)) {
    const resource = resourceOf(definition, version);
    world.resources.remove(resource);
    world.schemas.delete(`${resource.apiVersion}/${resource.plural}`);
  }
  const { storageKey } = resourceOf(definition, versionsOf(definition)[0] ?? {});
  for (const object of world.storage.list(storageKey)) {
    const { namespace, name } = object.metadata;
    world.storage.remove(storageKey, namespace === undefined ? name : `${namespace}/${name}`);
  }
  world.endWatches(storageKey);
}

function establish(world: World, key: string): void {
  const definition = world.storage.get(STORAGE_KEY, key);
  if (definition === undefined) {
    return;
  }
  const now = timeText(world.clock.now());
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    lastTransitionTime: now,
    reason,
    message,
  });
  const storageVersion = versionsOf(definition).find((version) => version.storage === true)?.name ?? "";
  const status: JsonObject = {
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
    acceptedNames: at(definition, "spec", "names"),
    storedVersions: [storageVersion],
  };
  world.storage.put(STORAGE_KEY, key, { ...definition, metadata: { ...definition.metadata }, status });
}

function texts(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function resourceOf(definition: StoredObject, version: JsonObject): Resource {
  const group = String(at(definition, "spec", "group"));
  const plural = String(at(definition, "spec", "names", "plural"));
  const kind = String(at(definition, "spec", "names", "kind"));
  const subresources = ["scale", "status"].filter((sub) => at(version, "subresources", sub) !== undefined);
  const selectable = Array.isArray(version.selectableFields) ? version.selectableFields : [];
  const paths = selectable.map((field) => String(at(field, "jsonPath") ?? "").replace(/^\./, ""));
  return {
    group,
    version: String(version.name),
    apiVersion: `${group}/${String(version.name)}`,
    kind,
    plural,
    singular: String(at(definition, "spec", "names", "singular") ?? kind.toLowerCase()),
    namespaced: at(definition, "spec", "scope") === "Namespaced",
    shortNames: texts(at(definition, "spec", "names", "shortNames")),
    categories: texts(at(definition, "spec", "names", "categories")),
    subresources,
    counted: true,
    fieldLabels: Object.fromEntries(paths.map((path) => [path, path])),
    custom: true,
    hasColumns: Array.isArray(version.additionalPrinterColumns) && version.additionalPrinterColumns.length > 0,
    names: "subdomain",
    storageKey: `${group}/${plural}`,
  };
}
