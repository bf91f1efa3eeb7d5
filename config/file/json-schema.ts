import { z } from "zod";
import type { JsonSchema } from "./issues.ts";
import { FairleadFile } from "./schema.ts";

/** A value in a JSON Schema. */
export type SchemaNode = JsonSchema & { readonly [key: string]: unknown };

/** Where a value may be given by a variable instead. */
const REFERENCE: SchemaNode = { type: "string", pattern: "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}" };
const FIXED: readonly string[] = ["apiVersion", "include", "use"];

/** The JSON Schema of `fairlead.yaml` as it is written: nothing but the names of keys. */
export function settingsShape(): SchemaNode {
  return z.toJSONSchema(FairleadFile, { io: "input", target: "draft-2020-12" }) as SchemaNode; // JSON by definition
}

/** The JSON Schema of `fairlead.yaml` for editors: every value may also be a variable, and keys for anchors are known. */
export function editorSchema(): SchemaNode {
  const shape = settingsShape();
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "fairlead.yaml",
    description:
      "Configuration of Fairlead. Values may be variables of the environment: a name in braces after a dollar sign.",
    ...withReferences(without(shape, "$schema"), ""),
    patternProperties: { "^x-": { description: "Not read: a place for what anchors stand for." } },
  };
}

function without(node: SchemaNode, key: string): SchemaNode {
  return Object.fromEntries(Object.entries(node).filter(([name]) => name !== key));
}

function withReferences(node: SchemaNode, name: string): SchemaNode {
  if (FIXED.includes(name)) {
    return node;
  }
  const isLeaf =
    node.type === "integer" || node.type === "number" || node.type === "boolean" || node.enum !== undefined;
  const isNarrowText = node.type === "string" && node.pattern !== undefined;
  if (isLeaf || isNarrowText) {
    const { description, default: standard, ...rest } = node;
    const about = {
      ...(description === undefined ? {} : { description }),
      ...(standard === undefined ? {} : { default: standard }),
    };
    return { ...about, anyOf: [rest, REFERENCE] };
  }
  const out: Record<string, unknown> = { ...node };
  if (node.properties !== undefined) {
    out.properties = Object.fromEntries(
      Object.entries(node.properties).map(([key, part]) => [key, withReferences(part as SchemaNode, key)]),
    );
  }
  for (const key of ["items", "additionalProperties"] as const) {
    const part = node[key];
    if (typeof part === "object") {
      out[key] = withReferences(part as SchemaNode, "");
    }
  }
  if (node.anyOf !== undefined) {
    const parts = node.anyOf.map((part) => withReferences(part as SchemaNode, ""));
    out.anyOf = parts.some((part) => part.type === "string" && part.pattern === undefined) ? node.anyOf : parts;
  }
  return out;
}
