import { type Message, type MessageField, messageOf, messageOfKind } from "../kinds/message.ts";
import { LIST_TYPES } from "./list-types.ts";
import { isObject, type Json, type JsonObject } from "./object.ts";
import type { Schema } from "./schema.ts";

/** How a value merges. */
export type Shape =
  /** Replaced as a whole: scalars and atomic values. */
  | { readonly kind: "leaf" }
  /** Merged field by field. */
  | { readonly kind: "fields"; readonly child: (key: string) => Shape; readonly patch?: string }
  /** A list of different scalars. */
  | { readonly kind: "set"; readonly patch?: string }
  /** A list of objects found by key fields. */
  | { readonly kind: "keyed"; readonly keys: readonly string[]; readonly item: Shape; readonly patch?: string }
  /** A list that apply replaces; strategic patches may still merge it. */
  | { readonly kind: "list"; readonly item: Shape; readonly patch?: string };

const LEAF: Shape = { kind: "leaf" };

/** The shape of a built-in kind; undefined when its types are not known. */
export function shapeOfKind(apiVersion: string, kind: string): Shape | undefined {
  const message = messageOfKind(apiVersion, kind);
  return message === undefined ? undefined : shapeOfMessage(message, true);
}

function shapeOfMessage(message: Message, isRoot = false): Shape {
  return {
    kind: "fields",
    child: (key) => {
      if (isRoot && (key === "apiVersion" || key === "kind")) {
        return LEAF;
      }
      const found = findField(message, key);
      return found === undefined ? LEAF : shapeOfField(found.message, found.field);
    },
  };
}

function findField(message: Message, key: string): { message: Message; field: MessageField } | undefined {
  for (const field of message.fields) {
    if (!field.inline && field.json === key) {
      return { message, field };
    }
    const inner = field.inline ? messageOf(field.message ?? "") : undefined;
    const found = inner && findField(inner, key);
    if (found) {
      return found;
    }
  }
  return undefined;
}

function shapeOfField(home: Message, field: MessageField): Shape {
  const [apply = "", patch] = (LIST_TYPES[`${home.name}.${field.json}`] ?? "").split(" ");
  const value = field.type === "message" ? messageShape(field.message ?? "") : LEAF;
  if (field.repeated) {
    if (apply === "*") {
      return { kind: "set", patch };
    }
    return apply === "" || apply === "!"
      ? { kind: "list", item: value, patch }
      : { kind: "keyed", keys: apply.split(","), item: value, patch };
  }
  if (apply === "!") {
    return LEAF;
  }
  if (field.map) {
    return { kind: "fields", child: () => value, patch };
  }
  return value.kind === "fields" ? { ...value, patch } : value;
}

function messageShape(name: string): Shape {
  const message = messageOf(name);
  return message === undefined || LIST_TYPES[name] === "!" ? LEAF : shapeOfMessage(message);
}

/** The shape of a custom kind. Metadata merges as everywhere. */
export function shapeOfSchema(schema: Schema | undefined): Shape {
  const metadata = messageShape("meta/v1.ObjectMeta");
  return {
    kind: "fields",
    child: (key) => (key === "metadata" ? metadata : schemaShape(schema?.properties?.[key])),
  };
}

function schemaShape(schema: Schema | undefined): Shape {
  if (schema === undefined) {
    // What has no schema is deduced: objects merge, lists are replaced.
    return { kind: "fields", child: () => schemaShape(undefined) };
  }
  if (schema.type === "array") {
    const item = schemaShape(schema.items);
    switch (schema["x-kubernetes-list-type"]) {
      case "set":
        return { kind: "set" };
      case "map":
        return { kind: "keyed", keys: (schema["x-kubernetes-list-map-keys"] as string[] | undefined) ?? [], item };
      default:
        return { kind: "list", item };
    }
  }
  if (schema.type !== "object" || schema["x-kubernetes-map-type"] === "atomic") {
    return LEAF;
  }
  const extra = schema.additionalProperties;
  const rest = isObject(extra) ? schemaShape(extra as Schema) : undefined;
  return { kind: "fields", child: (key) => rest ?? schemaShape(schema.properties?.[key]) };
}

/** The key of an item in a keyed list, as managedFields write it. */
export function itemKey(keys: readonly string[], item: Json | undefined): string {
  const object: JsonObject = isObject(item) ? item : {};
  const fields = [...keys].sort().map((key) => [key, object[key] ?? (key === "protocol" ? "TCP" : null)]);
  return `k:${JSON.stringify(Object.fromEntries(fields.filter(([, value]) => value !== null)))}`;
}
