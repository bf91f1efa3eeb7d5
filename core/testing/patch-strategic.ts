import { copy, isObject, type Json, type JsonObject, same } from "./object.ts";
import type { Shape } from "./shape.ts";
import { failure, Refusal } from "./status.ts";

const LEAF: Shape = { kind: "leaf" };

/** A strategic merge patch: lists of objects merge by their key. Gives the changed copy. */
export function strategicPatch(shape: Shape, target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) {
    return copy(patch);
  }
  if (patch.$patch === "replace") {
    return withoutDirectives(patch);
  }
  if (patch.$patch === "delete") {
    return {};
  }
  const result: JsonObject = isObject(target) ? { ...target } : {};
  const retained = patch.$retainKeys;
  if (Array.isArray(retained)) {
    for (const key of Object.keys(result)) {
      if (!retained.includes(key)) {
        delete result[key];
      }
    }
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$deleteFromPrimitiveList/")) {
      deleteFromList(result, key.slice(key.indexOf("/") + 1), value);
    } else if (key.startsWith("$") || value === undefined) {
    } else if (value === null) {
      delete result[key];
    } else {
      result[key] = patchField(
        shape.kind === "fields" ? shape.child(key) : LEAF,
        result[key],
        value,
        patch[`$setElementOrder/${key}`],
      );
    }
  }
  return result;
}

function deleteFromList(object: JsonObject, field: string, gone: Json | undefined): void {
  const list = object[field];
  if (Array.isArray(list) && Array.isArray(gone)) {
    object[field] = list.filter((item) => !gone.some((one) => same(one, item)));
  }
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(copy(patch)).filter(([key]) => !key.startsWith("$")));
}

function patchField(shape: Shape, live: Json | undefined, value: Json, wantedOrder: Json | undefined): Json {
  if (Array.isArray(value)) {
    const strategy = "patch" in shape ? (shape.patch ?? "") : "";
    if (!strategy.startsWith("merge")) {
      return copy(value);
    }
    const key = strategy.split(":")[1];
    const list = Array.isArray(live) ? live : [];
    if (key === undefined) {
      return [...list, ...value.filter((item) => !list.some((other) => same(other, item)))];
    }
    const item = shape.kind === "keyed" || shape.kind === "list" ? shape.item : LEAF;
    return ordered(mergeItems(item, key, list, value), key, wantedOrder);
  }
  if (isObject(value) && "patch" in shape && shape.patch === "replace") {
    return copy(value);
  }
  return strategicPatch(shape, live, value);
}

function mergeItems(shape: Shape, key: string, live: readonly Json[], patch: readonly Json[]): Json[] {
  if (patch.some((item) => isObject(item) && item.$patch === "replace")) {
    return patch.filter((item) => !(isObject(item) && item.$patch === "replace")).map(copy);
  }
  let result = [...live];
  for (const item of patch) {
    if (!isObject(item) || item[key] === undefined) {
      throw new Refusal(failure(500, "", `map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`));
    }
    const isSame = (other: Json) => isObject(other) && same(other[key], item[key]);
    if (item.$patch === "delete") {
      result = result.filter((other) => !isSame(other));
      continue;
    }
    const place = result.findIndex(isSame);
    if (place < 0) {
      // New items come in front of the old ones, as the real server's sort leaves them.
      result.push(strategicPatch(shape, undefined, item));
    } else {
      result[place] = strategicPatch(shape, result[place], item);
    }
  }
  return result;
}

function ordered(items: Json[], key: string, wanted: Json | undefined): Json[] {
  if (!Array.isArray(wanted)) {
    return items;
  }
  const rank = (item: Json) => wanted.findIndex((one) => isObject(one) && isObject(item) && same(one[key], item[key]));
  return [...items].sort((a, b) => {
    const left = rank(a);
    const right = rank(b);
    return left < 0 || right < 0 ? 0 : left - right;
  });
}
