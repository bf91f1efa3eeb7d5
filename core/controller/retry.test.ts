import assert from "node:assert/strict";
import { test } from "node:test";
import { defineCustomKind, pods, text } from "../kinds/index.ts";
import { createApiServer } from "../testing/api-server.ts";
import { createController } from "./create-controller.ts";

const widgets = defineCustomKind({
  apiVersion: "example.org/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
  fields: { size: text("spec.size") },
});

test("kinds that are forbidden or not served are tried again as often as asked", async () => {
  const server = await createApiServer({});
  const cluster = { kubeconfig: { text: server.kubeconfig() } };
  const forbidden = server.faults.add({ match: { path: /pods/ }, fault: { kind: "status", code: 403 } });
  const controller = createController({
    cluster,
    kinds: [pods.select("phase"), widgets],
    retry: { forbiddenMs: 100, notServedMs: 1 },
  });
  await controller.start();
  assert.deepEqual([controller.store.status("pods").phase, controller.store.status(widgets).phase], [6, 5]);
  await server.requests.waitFor({ path: /pods/ }, 3);
  await server.requests.waitFor({ path: /widgets/ }, 5);
  forbidden.remove();
  await controller.store.whenSynced(["pods"], { timeoutMs: 10_000 });
  await controller.stop();
  await server.stop();
});
