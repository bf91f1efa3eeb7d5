import assert from "node:assert/strict";
import { test } from "node:test";
import { compileProtobuf } from "../wire/protobuf-tree.ts";
import { BUILT_IN_KINDS, builtInKind } from "./built-in.ts";
import { defineCustomKind, kindFromCrd } from "./custom.ts";
import { count, type FieldTable, integer, optionalInteger, records, text } from "./field.ts";
import { deployments, pods, services } from "./index.ts";
import { defineKind, mergeKinds } from "./kind.ts";
import { messageNames, messageOf } from "./message.ts";
import type { CellPlan } from "./plan.ts";

test("places cells one after the other without gaps, after the header", () => {
  for (const kind of BUILT_IN_KINDS) {
    const plan = kind.plan();
    assert.equal(placed(plan.cells, 12), plan.fixedWords, kind.name);
  }
});

function placed(cells: readonly CellPlan[], from: number): number {
  const two = new Set(["long", "ip", "microTime", "intOrText", "names", "texts", "nameMap", "textMap", "records"]);
  let at = from;
  for (const cell of cells) {
    assert.equal(cell.at, at, cell.field);
    at += two.has(cell.type) ? 2 : 1;
    if (cell.element) {
      assert.equal(placed(cell.element.cells, 1), cell.element.words + 1, cell.field);
    }
  }
  return at;
}

test("every built-in kind compiles for protobuf, has its own name and is plain data", () => {
  for (const kind of BUILT_IN_KINDS) {
    const plan = kind.plan();
    compileProtobuf(plan);
    assert.deepEqual(structuredClone(plan), plan);
    assert.equal(builtInKind(kind.name), kind);
  }
  assert.equal(new Set(BUILT_IN_KINDS.map((kind) => kind.name)).size, BUILT_IN_KINDS.length);
});

test("select keeps only what was named, parts of lists too", () => {
  const plan = pods.select("podIP", "phase", "containers.image").plan();
  assert.deepEqual(
    plan.cells.map((cell) => [cell.field, cell.at, cell.element?.cells.map((part) => part.field)]),
    [
      ["phase", 12, undefined],
      ["podIP", 13, undefined],
      ["containers", 15, ["image"]],
    ],
  );
  assert.deepEqual(plan.indexes, [{ name: "podIP", on: "cell", field: "podIP" }]);
});

test("an index exists only with its field, and owners need their uid", () => {
  assert.deepEqual(pods.select("owners.uid", "labels", "podIPs").plan().indexes, [
    { name: "podIP", on: "cell", field: "podIPs.ip" },
    { name: "owner", on: "owner", field: "owners" },
    { name: "labels", on: "labels", field: "labels" },
  ]);
  assert.deepEqual(pods.select("owners.name").plan().indexes, []);
});

test("an index can be added; its field must exist", () => {
  const kind = pods.select("containers.image", "phase").index({ image: "containers.image", phase: true });
  assert.deepEqual(kind.plan().indexes, [
    { name: "image", on: "cell", field: "containers.image" },
    { name: "phase", on: "cell", field: "phase" },
  ]);
  for (const target of ["nope", "containers.nope", "phase.nope"]) {
    assert.throws(() => pods.index({ wrong: target }).plan(), { code: "KIND_UNKNOWN_FIELD" }, target);
  }
});

test("derived fields are shown on top, others under their path", () => {
  const [restarts, ready] = pods.select("restarts", "ready").plan().cells;
  assert.deepEqual([restarts.path, restarts.shownAs], [["status", "containerStatuses", "restartCount"], ["restarts"]]);
  assert.deepEqual([ready.shownAs, ready.conditionType], [["ready"], "Ready"]);
  assert.deepEqual(pods.select("podIP").plan().cells[0].shownAs, ["status", "podIP"]);
});

test("refuses a field that the table does not have, and names those it has", () => {
  const loose: { select(...names: string[]): typeof services } = services as never;
  assert.throws(() => loose.select("podIP").plan(), {
    code: "KIND_UNKNOWN_FIELD",
    message: /"services" has no field "podIP"; it has labels, .*clusterIP/,
  });
});

test("refuses tables that would read differently from protobuf than from JSON", () => {
  const kind = (fields: Parameters<typeof declared>[0]) => () => compileProtobuf(declared(fields).plan());
  assert.throws(kind({ wrong: text("spec.nope") }), { code: "KIND_UNKNOWN_PATH" });
  assert.throws(kind({ wrong: integer("spec.nodeName") }), { code: "KIND_BAD_FIELD" });
  assert.throws(kind({ wrong: text("spec.containers.image") }), { code: "KIND_BAD_FIELD" }, "crosses a list");
  assert.throws(kind({ wrong: records("spec.containers", { n: count("ports") }) }), { code: "KIND_BAD_FIELD" });
  assert.throws(kind({ wrong: optionalInteger("metadata.generation") }), { code: "KIND_BAD_FIELD" });
});

function declared(fields: Readonly<Record<string, ReturnType<typeof text> | ReturnType<typeof integer>>> | object) {
  return defineKind({
    apiVersion: "v1",
    kind: "Pod",
    plural: "pods",
    name: "pods",
    namespaced: true,
    fields: fields as Record<string, ReturnType<typeof text>>,
  });
}

test("where replaces and clears selectors, keep adds the JSON cell", () => {
  assert.equal(pods.plan().fieldSelector, "status.phase!=Succeeded,status.phase!=Failed");
  assert.equal(pods.where({ fieldSelector: "" }).plan().fieldSelector, undefined);
  const slim = pods.select("phase").where({ labelSelector: "app=cart" }).keep("slim").plan();
  assert.equal(slim.labelSelector, "app=cart");
  assert.equal(slim.fieldSelector, "status.phase!=Succeeded,status.phase!=Failed");
  assert.deepEqual(slim.cells.at(-1), { field: "json", type: "json", path: [], shownAs: ["json"], at: 13 });
  assert.equal(slim.fixedWords, 14);
});

test("mergeKinds gives the union of fields, the larger keep and the wider selector", () => {
  const merged = mergeKinds([
    deployments.select("readyReplicas"),
    deployments.select("templateContainers.image", "labels").keep("full"),
  ]);
  assert.deepEqual(
    merged.plan().cells.map((cell) => cell.field),
    ["labels", "templateContainers", "readyReplicas", "json"],
  );
  const all = pods.where({ fieldSelector: "" });
  assert.equal(mergeKinds([pods, all]).plan().fieldSelector, undefined);
  assert.equal(mergeKinds([pods, pods.select("phase")]).plan().fieldSelector, pods.fieldSelector);
  assert.throws(() => mergeKinds([pods.where({ labelSelector: "a=b" }), pods.where({ labelSelector: "a=c" })]), {
    code: "KIND_SELECTORS_DIFFER",
  });
  assert.throws(() => mergeKinds<string, FieldTable, string, boolean, string>([merged, pods]), {
    code: "KIND_NOT_THE_SAME",
  });
});

test("a whole list wins over its parts when kinds are merged", () => {
  const [cell] = mergeKinds([pods.select("containers.image"), pods.select("containers")]).plan().cells;
  assert.deepEqual(
    cell.element?.cells.map((part) => part.field),
    ["name", "image", "ports", "requests", "limits"],
  );
});

test("declares custom kinds under plural.group, read as JSON", () => {
  const widgets = defineCustomKind({
    apiVersion: "example.org/v1",
    kind: "Widget",
    plural: "widgets",
    namespaced: true,
    fields: { size: integer("spec.size") },
    indexes: { size: true },
  });
  const plan = widgets.plan();
  assert.deepEqual([plan.name, plan.builtIn], ["widgets.example.org", false]);
  assert.deepEqual(
    plan.indexes.map((index) => index.name),
    ["labels", "owner", "size"],
  );
  assert.throws(() => defineCustomKind({ apiVersion: "v1", kind: "A", plural: "as", namespaced: true, fields: {} }), {
    code: "KIND_BAD_API_VERSION",
  });
});

const CRD = {
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { kind: "Widget", plural: "widgets" },
    versions: [
      { name: "v1alpha1", served: true, storage: false },
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: {
                  size: { type: "integer", format: "int32" },
                  weight: { type: "number" },
                  color: { type: "string", enum: ["red", "blue"] },
                  since: { type: "string", format: "date-time" },
                  port: { "x-kubernetes-int-or-string": true },
                  tags: { type: "array", items: { type: "string" } },
                  extra: { type: "object", additionalProperties: { type: "string" } },
                  parts: { type: "array", items: { type: "object", properties: { name: { type: "string" } } } },
                  free: { type: "object" },
                },
              },
            },
          },
        },
      },
    ],
  },
};

test("makes a kind from a CRD with the fields that are asked for", () => {
  const paths = ["size", "weight", "color", "since", "port", "tags", "extra", "parts"].map((key) => `spec.${key}`);
  const kind = kindFromCrd(CRD, { fields: paths });
  assert.deepEqual([kind.name, kind.apiVersion, kind.kept], ["widgets.example.org", "example.org/v1", "slim"]);
  assert.deepEqual(
    paths.map((path) => kind.fields[path].type),
    ["optionalInt", "long", "enum", "time", "intOrText", "texts", "textMap", "records"],
  );
  assert.throws(() => kindFromCrd(CRD, { fields: ["spec.sise"] }), { code: "KIND_UNKNOWN_FIELD" });
  assert.throws(() => kindFromCrd(CRD, { fields: ["spec.free"] }), { code: "KIND_BAD_FIELD" });
  assert.throws(() => kindFromCrd(CRD, { version: "v2" }), { code: "KIND_BAD_CRD" });
  assert.throws(() => kindFromCrd({}), { code: "KIND_BAD_CRD" });
});

test("every message of the table is complete", () => {
  const scalar = new Set(
    (
      "string bool int32 int64 double bytes time microTime duration quantity intOrString rawExtension fieldsV1 json " +
      "schemaOrArray schemaOrBool schemaOrStrings"
    ).split(" "),
  );
  for (const name of messageNames()) {
    const numbers = new Set<number>();
    for (const field of messageOf(name)?.fields ?? []) {
      assert(
        field.type === "message" ? messageOf(field.message ?? "") : scalar.has(field.type),
        `${name}.${field.json}`,
      );
      assert(field.number > 0 && !numbers.has(field.number), `${name}.${field.json}`);
      assert((field.json === "") === field.inline, `${name} ${field.number}`);
      numbers.add(field.number);
    }
  }
});
