import assert from "node:assert/strict";
import { test } from "node:test";
import { kindsOfNeeds } from "./plugin-needs.ts";

const shelf = { apiVersion: "example.org/v1", kind: "Shelf", namespaced: true };
const size = { type: "int", path: "spec.size" };

for (const [wrong, message] of [
  [{ ...shelf, fields: { size: { ...size, type: "integer" } } }, /fields\.size has the type "integer"/],
  [{ ...shelf, fields: { size: "spec.size" } }, /fields\.size must be like \{ type: "int", path: "spec\.size" \}/],
  [{ ...shelf, fields: { size: null } }, /fields\.size must be like/],
  [{ ...shelf, fields: { size: { type: "int" } } }, /fields\.size must be like/],
  [
    {
      ...shelf,
      fields: { all: { type: "records", path: "spec.all", element: { size: { type: "number", path: "s" } } } },
    },
    /fields\.all\.element\.size has the type "number"/,
  ],
  [{ ...shelf, apiVersion: "v1", fields: { size } }, /"v1" of a custom resource must be "group\/version"/],
] as const) {
  test(`a custom resource that cannot be is refused: ${message.source}`, () => {
    assert.throws(() => kindsOfNeeds("stock", { "shelves.example.org": wrong }), { code: "PLUGIN_NEEDS", message });
  });
}

test("a custom resource with lists of objects is a kind", () => {
  const all = { type: "records", path: "spec.all", element: { size } };
  const [kind] = kindsOfNeeds("stock", { "shelves.example.org": { ...shelf, fields: { size, all } } });
  assert.deepEqual([kind?.name, kind?.plural], ["shelves.example.org", "shelves"]);
});
