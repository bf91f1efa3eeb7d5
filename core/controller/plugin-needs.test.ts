import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf } from "../errors.ts";
import { defineCustomKind } from "../kinds/custom.ts";
import { text } from "../kinds/field.ts";
import { BUILT_IN_KINDS, pods } from "../kinds/index.ts";
import { kindFromData, kindToData } from "./plugin-declaration.ts";
import { kindsOfNeeds } from "./plugin-needs.ts";

const widgets = {
  apiVersion: "example.org/v1",
  kind: "Widget",
  namespaced: true,
  fields: { size: { type: "text", path: "spec.size" } },
  indexes: { size: true },
  keep: "slim",
} as never;

const planOf = (name: string, needed: unknown) => kindsOfNeeds("a", { [name]: needed })[0].plan();
const fieldsOf = (name: string, needed: unknown) => planOf(name, needed).cells.map(({ field }) => field);

test("all fields, some, or more to say; a field is asked for by its name", () => {
  assert.deepEqual(
    fieldsOf("pods", true),
    pods.plan().cells.map(({ field }) => field),
  );
  assert.deepEqual(fieldsOf("pods", ["phase", "labels"]).sort(), ["labels", "phase"]);
  const plan = planOf("pods", {
    fields: ["phase"],
    keep: "slim",
    labelSelector: "app=cart",
    indexes: { phase: "phase" },
  });
  assert.deepEqual([plan.keep, plan.labelSelector], ["slim", "app=cart"]);
  assert.deepEqual(plan.cells.map(({ field }) => field).sort(), ["json", "phase"]);
  assert.deepEqual(
    plan.indexes.map(({ name }) => name),
    ["phase"],
  );
  assert.deepEqual(kindsOfNeeds("a", { pods: undefined }), []);
});

test("a custom resource is declared in place; its key is its name in the store and, up to the group, its plural", () => {
  const plan = planOf("widgets.example.org", widgets);
  assert.deepEqual(
    [plan.name, plan.plural, plan.builtIn, plan.keep, plan.indexes.map(({ name }) => name).sort()],
    ["widgets.example.org", "widgets", false, "slim", ["labels", "owner", "size"]],
  );
  const declared = defineCustomKind({
    apiVersion: "example.org/v1",
    kind: "Widget",
    plural: "widgets",
    namespaced: true,
    fields: { size: text("spec.size") },
  });
  assert.equal(planOf("widgets.example.org", declared).plural, "widgets");
});

test("kinds survive the way to another thread", () => {
  const custom = kindsOfNeeds("a", { widgets })[0];
  const narrow = pods
    .select("phase")
    .where({ fieldSelector: "spec.nodeName=n1" })
    .index({ byPhase: "phase" })
    .keep("full");
  for (const kind of [...BUILT_IN_KINDS, custom, narrow]) {
    assert.deepEqual(kindFromData(structuredClone(kindToData(kind))).plan(), kind.plan(), kind.name);
  }
});

for (const [needs, message] of [
  [{ podz: true }, /needs\.podz: no built-in kind is called "podz", did you mean "pods"\?/],
  [{ pods: ["phaze"] }, /needs\.pods: .*phaze.*phase/],
  [{ pods: 1 }, /needs\.pods: write true for all fields, or a list of fields/],
  [{ pods: null }, /needs\.pods: write true/],
  [{ pods: [1] }, /fields are given by their names/],
  [{ services: pods }, /the kind is called "pods" in the store/],
  [{ widgets: { kind: "Widget" } }, /needs apiVersion, kind \(texts\) and namespaced/],
  [{ widgets: { apiVersion: "a/v1", kind: "W", namespaced: true } }, /needs fields/],
] as const) {
  test(`refused: ${messageOf(JSON.stringify(needs))}`, () => {
    assert.throws(() => kindsOfNeeds("a", needs), { code: "PLUGIN_NEEDS", message });
  });
}
