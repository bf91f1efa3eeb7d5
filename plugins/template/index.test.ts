import assert from "node:assert/strict";
import { test } from "node:test";
import { conformance, harness, pod } from "../../core/testing/index.ts";
import plugin from "./index.ts";

test("reports a pod when it restarts too often, and again only when it restarts again", async () => {
  await using h = await harness(plugin, { options: { limit: 3 }, objects: [pod("shop/cart-1", { restarts: 3 })] });
  assert.deepEqual(h.events(), []);
  await h.apply(pod("shop/cart-1", { restarts: 4 }));
  await h.apply(pod("shop/cart-1", { restarts: 4, ready: false }));
  assert.deepEqual(h.events(), [{ reason: "RestartsTooOften", about: "shop/cart-1" }]);
  assert.equal(h.metrics("reported_total"), 1);
});

test("takes a new limit while it runs", async () => {
  await using h = await harness(plugin, { options: { limit: 5 }, objects: [pod("shop/cart-1", { restarts: 4 })] });
  assert.deepEqual(h.events(), []);
  await h.reload({ limit: 2 });
  assert.deepEqual(h.events(), [{ reason: "RestartsTooOften", about: "shop/cart-1" }]);
});

test("is healthy once it has seen all pods", async () => {
  await using h = await harness(plugin);
  assert.deepEqual(await h.health(), [{ name: "pods", ok: true, detail: undefined }]);
});

conformance(new URL("./index.ts", import.meta.url), { options: { limit: 3 } });
