import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineResource } from "./resource.ts";
import { type Schema, structuralSchema } from "./structural-schema.ts";

const of = (schema: z.ZodType): Schema =>
  structuralSchema(schema["~standard"].jsonSchema.input({ target: "draft-2020-12" }), "spec");

const CASES: readonly (readonly [name: string, schema: z.ZodType, expected: Schema])[] = [
  ["a text", z.string().min(1).max(3), { type: "string", minLength: 1, maxLength: 3 }],
  ["a whole number without limits", z.int(), { type: "integer" }],
  [
    "limits that are not reached",
    z.number().gt(0).lt(1),
    { type: "number", minimum: 0, exclusiveMinimum: true, maximum: 1, exclusiveMaximum: true },
  ],
  ["a literal", z.literal("a"), { type: "string", enum: ["a"] }],
  ["null or a text", z.string().nullable(), { type: "string", nullable: true }],
  [
    "null or an object",
    z.strictObject({ a: z.int() }).nullable(),
    { type: "object", properties: { a: { type: "integer" } }, required: ["a"], nullable: true },
  ],
  [
    "a default and words",
    z.int().default(1).describe("How many."),
    { type: "integer", default: 1, description: "How many." },
  ],
  ["an object with nothing in it", z.strictObject({}), { type: "object" }],
  ["an open object", z.looseObject({}), { type: "object", "x-kubernetes-preserve-unknown-fields": true }],
  ["a map", z.record(z.string(), z.int()), { type: "object", additionalProperties: { type: "integer" } }],
  [
    "a map of anything",
    z.record(z.string(), z.unknown()),
    { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  ],
  ["anything", z.any(), { "x-kubernetes-preserve-unknown-fields": true }],
  [
    "a list of anything",
    z.array(z.unknown()),
    { type: "array", items: { "x-kubernetes-preserve-unknown-fields": true } },
  ],
  [
    "a number or a text",
    z.union([z.int(), z.string()]).nullable(),
    { "x-kubernetes-int-or-string": true, nullable: true },
  ],
  [
    "one of two texts",
    z.union([z.enum(["a"]), z.string().min(3)]),
    { type: "string", anyOf: [{ enum: ["a"] }, { minLength: 3 }] },
  ],
  [
    "what only Kubernetes knows",
    z.array(z.string()).meta({ "x-kubernetes-list-type": "set", title: "x", examples: [["a"]] }),
    { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
  ],
  [
    "a format whose pattern looks ahead",
    z.string().meta({ format: "x", pattern: "^(?!a)" }),
    { type: "string", format: "x" },
  ],
  [
    "cases with fields in common",
    z.union([
      z.strictObject({ a: z.literal("x"), b: z.int() }),
      z.strictObject({ a: z.literal("y"), c: z.array(z.string()) }),
    ]),
    {
      type: "object",
      properties: {
        a: { type: "string", enum: ["x", "y"] },
        b: { type: "integer" },
        c: { type: "array", items: { type: "string" } },
      },
      anyOf: [
        { properties: { a: { enum: ["x"] }, b: {} }, required: ["a", "b"] },
        { properties: { a: { enum: ["y"] }, c: { items: {} } }, required: ["a", "c"] },
      ],
    },
  ],
];

for (const [name, schema, expected] of CASES) {
  test(`writes ${name}`, () => {
    assert.deepEqual(of(schema), expected);
  });
}

type Tree = { readonly children: readonly Tree[] };
const tree: z.ZodType<Tree> = z.object({
  get children() {
    return z.array(tree);
  },
});

const REFUSED: readonly (readonly [name: string, schema: z.ZodType, message: RegExp])[] = [
  ["two types", z.object({ a: z.union([z.string(), z.boolean()]) }), /^spec\.a may be string or boolean.*use one/],
  ["lists or texts", z.object({ a: z.union([z.string(), z.array(z.string())]) }), /^spec\.a may be string or array/],
  [
    "a tuple",
    z.object({ a: z.array(z.tuple([z.int(), z.int()])) }),
    /^spec\.a\[\] is a list with a type for each place/,
  ],
  ["a schema that holds itself", tree, /refers to itself/],
  [
    "a pattern that looks ahead",
    z.object({ a: z.string().regex(/^(?=a)/) }),
    /^spec\.a has the pattern \^\(\?=a\).*RE2/,
  ],
  ["a pattern that refers back", z.object({ a: z.string().regex(/(a)\1/) }), /^spec\.a has the pattern/],
  [
    "named fields and others",
    z.object({ a: z.object({ b: z.int() }).catchall(z.string()) }),
    /^spec\.a has named fields and others/,
  ],
  [
    "fields of two types in a union",
    z.union([z.object({ a: z.int() }), z.object({ a: z.string() })]),
    /^spec\.a is integer in one case and string in another/,
  ],
  ["nothing", z.object({ a: z.null() }), /^spec\.a can have no value/],
];

for (const [name, schema, message] of REFUSED) {
  test(`refuses ${name}, with its place`, () => {
    assert.throws(() => of(schema), { code: "RESOURCE_BAD_SCHEMA", message });
  });
}

const names = { group: "shop.example.org", version: "v1", kind: "Shop", plural: "shops" };

test("a resource without status, columns and required fields is as small as can be", () => {
  const { spec } = defineResource({
    ...names,
    namespaced: false,
    spec: z.strictObject({ size: z.int().default(1) }),
  }).crd();
  assert.deepEqual(spec, {
    group: "shop.example.org",
    names: { kind: "Shop", listKind: "ShopList", plural: "shops", singular: "shop" },
    scope: "Cluster",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              apiVersion: { type: "string" },
              kind: { type: "string" },
              metadata: { type: "object" },
              spec: { type: "object", properties: { size: { type: "integer", default: 1 } }, default: {} },
            },
          },
        },
      },
    ],
  });
});

test("names that the API server does not take are refused, all at once", () => {
  const spec = z.object({});
  assert.throws(
    () =>
      defineResource({
        group: "shop",
        version: "1",
        kind: "shop",
        plural: "Shops",
        spec,
        versions: { beta: { spec } },
      }),
    {
      code: "RESOURCE_BAD_DEFINITION",
      message: /group "shop".*kind "shop".*plural "Shops".*version "1".*version "beta"/,
    },
  );
  assert.throws(() => defineResource({ ...names, spec, versions: { v1: { spec } } }), {
    code: "RESOURCE_BAD_DEFINITION",
  });
});

test("a spec that is no schema is refused at once, as JavaScript may have it", () => {
  for (const bad of [undefined, null, "text", { image: z.string() }]) {
    // What the types forbid.
    const spec = bad as unknown as z.ZodObject;
    assert.throws(() => defineResource({ ...names, spec }), {
      code: "RESOURCE_BAD_DEFINITION",
      message: /its spec is no schema; write z\.strictObject/,
    });
    assert.throws(() => defineResource({ ...names, spec: z.object({}), versions: { v1beta1: { spec } } }), {
      message: /its spec of v1beta1 is no schema/,
    });
  }
});

test("schemas of other libraries: without JSON Schema, without an object, or that answer later", () => {
  const standard = { version: 1, vendor: "acme", validate: (value: unknown) => ({ value }) } as const;
  assert.throws(() => defineResource({ ...names, spec: { "~standard": standard } }).crd(), {
    code: "RESOURCE_BAD_SCHEMA",
    message: /the spec of Shop v1 is a schema of "acme" that gives no JSON Schema/,
  });
  assert.throws(() => defineResource({ ...names, spec: z.string() }).crd(), {
    message: /the spec of Shop v1 is no object/,
  });
  const jsonSchema = { input: () => ({ type: "object" }), output: () => ({ type: "object" }) };
  const other = defineResource({ ...names, spec: { "~standard": { ...standard, jsonSchema } } });
  assert.equal(other.crd().kind, "CustomResourceDefinition");
  assert.deepEqual(other.read({ metadata: { name: "x" }, spec: { a: 1 } }).spec, { a: 1 });
  const later = defineResource({ ...names, spec: z.object({}).refine(async () => true) });
  assert.throws(() => later.read({ metadata: { name: "x" } }), { code: "RESOURCE_BAD_OBJECT" });
});

test("what is read lists every issue with its path", () => {
  const resource = defineResource({
    ...names,
    spec: z.strictObject({ a: z.strictObject({ b: z.int() }), c: z.string() }),
  });
  assert.throws(() => resource.read({ metadata: { name: "x", namespace: "shop" }, spec: { a: { b: "1" } } }), {
    code: "RESOURCE_BAD_OBJECT",
    message: /Shop "shop\/x" does not fit its schema: spec\.a\.b: .*; spec\.c: /,
  });
  const going = { metadata: { name: "x", deletionTimestamp: "2026-01-31T08:00:00Z" }, spec: { a: 1 } };
  assert.deepEqual(resource.read(going), going);
  for (const json of [undefined, null, 1, "x", [], { metadata: null }]) {
    assert.throws(() => resource.read(json), { code: "RESOURCE_BAD_OBJECT" });
  }
});
