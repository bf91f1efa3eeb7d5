import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plugin } from "../api/index.ts";
import { definitionsOf, harness, namespace } from "./index.ts";

const needs = {
  pods: ["phase"],
  "shelves.example.org": {
    apiVersion: "example.org/v1",
    kind: "Shelf",
    namespaced: true,
    fields: { size: { type: "int", path: "spec.size" }, by: { type: "text", path: "status.by" } },
  },
  "halls.example.org": {
    apiVersion: "example.org/v1beta1",
    kind: "Hall",
    namespaced: false,
    fields: { doors: { type: "int", path: "spec.doors" } },
  },
} as const;

const stock = {
  name: "stock",
  apiVersion: "fairlead/v1",
  needs,
  permissions: [{ apiGroups: ["example.org"], resources: ["shelves/status"], verbs: ["patch"] }],
  setup({ hooks, kube, metrics, store }) {
    const sizes = metrics.gauge("sizes", "Sum of all sizes.");
    const doors = metrics.gauge("doors", "Sum of all doors.");
    hooks.changes("shelves.example.org").tap((batch) => {
      sizes.set(store.read((view) => view["shelves.example.org"].all().reduce((sum, { spec }) => sum + spec.size, 0)));
      for (const { new: shelf } of batch) {
        if (shelf !== undefined && shelf.status.by === undefined) {
          const { namespace: inside, name } = shelf.metadata;
          const target = { apiVersion: "example.org/v1", plural: "shelves", namespace: inside, name };
          void kube.patch({ ...target, subresource: "status" }, "merge", { status: { by: "stock" } });
        }
      }
    });
    hooks.changes("halls.example.org").tap(() => {
      doors.set(store.read((view) => view["halls.example.org"].all().reduce((sum, { spec }) => sum + spec.doors, 0)));
    });
  },
} satisfies Plugin<undefined, typeof needs>;

test("custom resources that a plugin needs are served by the definitions made from it", async () => {
  const shelf = { apiVersion: "example.org/v1", kind: "Shelf", metadata: { name: "a", namespace: "shop" } };
  const hall = { apiVersion: "example.org/v1beta1", kind: "Hall", metadata: { name: "north" } };
  await using h = await harness(stock, {
    objects: [...definitionsOf(stock), namespace("shop"), { ...shelf, spec: { size: 4 } }],
  });
  await h.apply({ ...hall, spec: { doors: 2 } });
  assert.deepEqual([h.metrics("sizes"), h.metrics("doors")], [4, 2]);
  const written = h.server.objects.get({ apiVersion: "example.org/v1", kind: "Shelf", name: "a", namespace: "shop" });
  assert.deepEqual([written?.spec, written?.status], [{ size: 4 }, { by: "stock" }]);
});

test("an object of a kind that is not served names what makes its definition", async () => {
  const shelf = { apiVersion: "example.org/v1", kind: "Shelf", metadata: { name: "a", namespace: "shop" } };
  await assert.rejects(harness(stock, { objects: [shelf] }), {
    code: "TESTING_UNKNOWN_KIND",
    message:
      'the test server serves no kind "Shelf" in "example.org/v1"; apply its CustomResourceDefinition first (definitionsOf(plugin) makes it)',
  });
});
