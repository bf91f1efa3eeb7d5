import { copy, isObject, type Json, type JsonObject, same } from "./object.ts";
import { badRequest, failure, Refusal } from "./status.ts";

/** RFC 6902. Gives the changed copy. Throws 422 when an operation does not fit and 400 when it is none. */
export function jsonPatch(target: JsonObject, patch: Json): JsonObject {
  if (!Array.isArray(patch)) {
    throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  }
  const holder: JsonObject = { root: copy(target) };
  for (const operation of patch) {
    applyOne(holder, isObject(operation) ? operation : {});
  }
  return isObject(holder.root) ? holder.root : {};
}

function applyOne(holder: JsonObject, operation: JsonObject): void {
  const { op, path, from, value } = operation;
  if (typeof path !== "string") {
    throw doesNotFit("missing path");
  }
  switch (op) {
    case "add":
      add(holder, path, copy(value ?? null));
      return;
    case "replace":
      if (get(holder, path) === undefined) {
        throw doesNotFit(`replace operation does not apply: doc is missing key: ${path}: missing value`);
      }
      remove(holder, path, "replace");
      add(holder, path, copy(value ?? null));
      return;
    case "remove":
      remove(holder, path, "remove");
      return;
    case "test":
      if (!same(get(holder, path) ?? null, value ?? null)) {
        throw doesNotFit(`testing value ${path} failed: test failed`);
      }
      return;
    case "copy":
      add(holder, path, copy(get(holder, String(from)) ?? null));
      return;
    case "move": {
      const moved = get(holder, String(from)) ?? null;
      remove(holder, String(from), "move");
      add(holder, path, moved);
      return;
    }
    default:
      throw doesNotFit(`Unexpected kind: ${String(op)}`);
  }
}

/** The server keeps the reason to itself; `_why` is for who reads this code. */
function doesNotFit(_why: string): Refusal {
  return new Refusal(failure(422, "Invalid", "the server rejected our request due to an error in our request", {}));
}

function tokens(path: string): string[] {
  return path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function walk(holder: JsonObject, parts: readonly string[]): Json | undefined {
  let here: Json | undefined = holder.root;
  for (const part of parts) {
    here = Array.isArray(here)
      ? here[Number(part)]
      : isObject(here) && Object.hasOwn(here, part)
        ? here[part]
        : undefined;
  }
  return here;
}

function get(holder: JsonObject, path: string): Json | undefined {
  return walk(holder, tokens(path));
}

function add(holder: JsonObject, path: string, value: Json): void {
  const parts = tokens(path);
  const last = parts.pop();
  if (last === undefined) {
    holder.root = value;
    return;
  }
  const parent = walk(holder, parts);
  if (Array.isArray(parent)) {
    const place = last === "-" ? parent.length : Number(last);
    if (!Number.isInteger(place) || place < 0 || place > parent.length) {
      throw doesNotFit(`add operation does not apply: doc is missing path: "${path}": missing value`);
    }
    parent.splice(place, 0, value);
  } else if (isObject(parent)) {
    parent[last] = value;
  } else {
    throw doesNotFit(`add operation does not apply: doc is missing path: "${path}": missing value`);
  }
}

function remove(holder: JsonObject, path: string, operation: string): void {
  const parts = tokens(path);
  const last = parts.pop() ?? "";
  const parent = walk(holder, parts);
  if (Array.isArray(parent) && parent[Number(last)] !== undefined) {
    parent.splice(Number(last), 1);
  } else if (isObject(parent) && parent[last] !== undefined) {
    delete parent[last];
  } else {
    throw doesNotFit(`${operation} operation does not apply: doc is missing path: "${path}": missing value`);
  }
}
