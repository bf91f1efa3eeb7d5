import { timeText } from "./clock.ts";
import { claimsOf, compareValues, elementsOf, type FieldSet, isBelow, readable, valuesOf } from "./field-set.ts";
import { emptyOf, isOwnable, type Manager, managersOf, shapeOf, toManagedFields } from "./managed-fields.ts";
import { copy, isObject, type Json, type JsonObject, type StoredObject, same } from "./object.ts";
import type { Resource } from "./resources.ts";
import { itemKey, type Shape } from "./shape.ts";
import { failure, Refusal } from "./status.ts";
import type { World } from "./world.ts";

/** One server-side apply. */
export interface Apply {
  readonly resource: Resource;
  readonly live: StoredObject | undefined;
  readonly config: JsonObject;
  readonly manager: string;
  readonly force: boolean;
  readonly subresource: string | undefined;
}

/** What an apply makes of an object. */
export interface Applied {
  /** Without defaults and system fields. */
  readonly object: JsonObject;
  /** The managedFields that belong to it. */
  managedFields(before: StoredObject | undefined): JsonObject[];
}

/** Merges an applied configuration into the live object. Throws 409 for conflicts. */
export function applyConfig(world: World, apply: Apply): Applied {
  const { resource, live, config, subresource } = apply;
  const shape = shapeOf(world, resource);
  const managers = managersOf(live);
  const isMine = (one: Manager) =>
    one.operation === "Apply" && one.manager === apply.manager && one.subresource === (subresource ?? "");
  const mine = managers.find(isMine);
  const others = managers.filter((one) => one !== mine);
  const claims: FieldSet = new Set(
    [...claimsOf(shape, config)].filter((path) => isOwnable(resource, subresource, path)),
  );
  const base: JsonObject = live ?? emptyOf(resource);
  const merged = mergeValue(shape, copy(base), config);
  const object = isObject(merged) ? merged : {};
  // An item of a list before its parts: without its keys it would not be found.
  for (const path of [...(mine?.fields ?? [])].sort()) {
    if (!hasBelow(claims, path) && !others.some((other) => hasBelow(other.fields, path))) {
      removeAt(shape, object, elementsOf(path));
    }
  }
  const { changed, removed } = compareValues(valuesOf(shape, base), valuesOf(shape, object));
  const conflicts = others.map((other) => ({
    other,
    paths: [...other.fields].filter((path) => changed.has(path) && claims.has(path)),
  }));
  const hurt = conflicts.filter(({ paths }) => paths.length > 0);
  if (hurt.length > 0 && !apply.force) {
    throw conflictOf(hurt);
  }
  return {
    object,
    managedFields(before) {
      const kept = conflicts.map(({ other, paths }) => {
        const fields = [...other.fields].filter((path) => !paths.includes(path) && !removed.has(path));
        return fields.length === other.fields.size ? other : { ...other, fields: new Set(fields) };
      });
      const unchanged = before !== undefined && mine !== undefined && same([...mine.fields].sort(), [...claims].sort());
      // The real server sets the time only when the object itself changes.
      const isWritten = before === undefined || changed.size > 0 || removed.size > 0;
      const time = isWritten ? timeText(world.clock.now()) : unchanged ? mine.time : "";
      const entry: Manager = {
        manager: apply.manager,
        operation: "Apply",
        apiVersion: resource.apiVersion,
        subresource: subresource ?? "",
        time,
        fields: claims,
      };
      return toManagedFields([...kept, entry]);
    },
  };
}

/** True when the path, or something below it, is in the set. */
function hasBelow(claims: FieldSet, path: string): boolean {
  const elements = elementsOf(path);
  for (const claim of claims) {
    if (isBelow(claim, elements)) {
      return true;
    }
  }
  return false;
}

function conflictOf(hurt: readonly { readonly other: Manager; readonly paths: readonly string[] }[]): Refusal {
  const total = hurt.reduce((sum, { paths }) => sum + paths.length, 0);
  const texts = hurt.map(({ other, paths }) => {
    const shown = paths.map(readable).sort();
    return total === 1
      ? `conflict with ${managerText(other)}: ${shown[0]}`
      : `conflicts with ${managerText(other)}:${shown.map((path) => `\n- ${path}`).join("")}`;
  });
  const causes = hurt.flatMap(({ other, paths }) =>
    paths
      .map(readable)
      .sort()
      .map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${managerText(other)}`, field })),
  );
  const noun = total === 1 ? "conflict" : "conflicts";
  return new Refusal(failure(409, "Conflict", `Apply failed with ${total} ${noun}: ${texts.join("\n")}`, { causes }));
}

function managerText(manager: Manager): string {
  const part = manager.subresource === "" ? "" : ` with subresource "${manager.subresource}"`;
  return `"${manager.manager}"${part}${manager.operation === "Update" ? ` using ${manager.apiVersion}` : ""}`;
}

function mergeValue(shape: Shape, live: Json | undefined, config: Json | undefined): Json | undefined {
  if (shape.kind === "fields" && isObject(live) && isObject(config)) {
    for (const [key, value] of Object.entries(config)) {
      live[key] = mergeValue(shape.child(key), live[key], value);
    }
    return live;
  }
  if (shape.kind === "keyed" && Array.isArray(live) && Array.isArray(config)) {
    return mergeKeyed(shape, live, config);
  }
  if (shape.kind === "set" && Array.isArray(live) && Array.isArray(config)) {
    return [...live, ...config.filter((item) => !live.some((other) => same(other, item)))];
  }
  return copy(config);
}

/** In the order of the configuration; what only the live list has stays before what comes behind it. */
function mergeKeyed(shape: Shape & { readonly kind: "keyed" }, live: readonly Json[], config: readonly Json[]): Json[] {
  const before = new Map(live.map((item) => [itemKey(shape.keys, item), item]));
  const wanted = new Set(config.map((item) => itemKey(shape.keys, item)));
  const result: Json[] = [];
  let at = 0;
  for (const item of config) {
    for (; at < live.length && !wanted.has(itemKey(shape.keys, live[at])); at++) {
      result.push(live[at]);
    }
    const key = itemKey(shape.keys, item);
    const merged = before.has(key) ? mergeValue(shape.item, before.get(key), item) : copy(item);
    result.push(merged ?? null);
    if (at < live.length && itemKey(shape.keys, live[at]) === key) {
      at++;
    }
  }
  return [...result, ...live.slice(at).filter((item) => !wanted.has(itemKey(shape.keys, item)))];
}

function removeAt(shape: Shape, value: JsonObject, path: readonly string[]): void {
  let here: Json | undefined = value;
  let form: Shape = shape;
  for (const [depth, element] of path.entries()) {
    const isLast = depth === path.length - 1;
    if (element.startsWith("f:") && form.kind === "fields" && isObject(here)) {
      const key = element.slice(2);
      if (isLast) {
        delete here[key];
        return;
      }
      form = form.child(key);
      here = here[key];
      continue;
    }
    if (!Array.isArray(here)) {
      return;
    }
    const list: Json[] = here;
    const { keys, item }: { keys: readonly string[]; item: Shape | undefined } =
      form.kind === "keyed" ? form : { keys: [], item: undefined };
    const place = list.findIndex(
      (one) => (item === undefined ? `v:${JSON.stringify(one)}` : itemKey(keys, one)) === element,
    );
    if (place < 0) {
      return;
    }
    if (isLast) {
      list.splice(place, 1);
      return;
    }
    here = list[place];
    form = item ?? { kind: "leaf" };
  }
}
