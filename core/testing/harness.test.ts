import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import type { NeededCustomKind, Plugin } from "../api/index.ts";
import { pods } from "../kinds/index.ts";
import { harness, namespace, node, pod } from "./index.ts";

const Options = z.strictObject({ label: z.string().default("app") });
const needs = { pods: ["labels", "phase"], nodes: ["ready"] } as const;

/** Writes a ConfigMap for each value of a label, and does a little of everything else. */
const labelled = {
  name: "labelled",
  apiVersion: "fairlead/v1",
  options: Options,
  needs,
  permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create", "delete"] }],
  provides: ["labelled"],
  setup({ options, hooks, metrics, kube, events, timers, clock, services, store, log }) {
    const seen = metrics.counter("seen_total", "Pods seen.", { op: ["added", "updated", "deleted", "resync"] });
    const sizes = metrics.histogram("batch_size", "Sizes of batches.", { buckets: [1, 10] });
    hooks.changes("pods").tap((batch) => {
      sizes.observe(batch.size);
      for (const change of batch) {
        seen.inc({ op: change.op });
        const label = change.new?.metadata.labels[options.label];
        if (change.op === "added" && label !== undefined) {
          const metadata = { name: label, namespace: "shop" };
          const made = kube.create({ apiVersion: "v1", plural: "configmaps", namespace: "shop" }, { metadata });
          made.then(
            () => log.info({ label }, "made"),
            (error: Error) => log.warn({ label, detail: error.message }, "not made"),
          );
        }
        if (change.new?.status.phase === "Unknown") {
          void kube.delete({ apiVersion: "v1", plural: "secrets", namespace: "shop", name: "any" }).catch(() => {});
        }
      }
    });
    timers.every("1m", () => {
      events.normal(
        { apiVersion: "v1", kind: "Node", name: "node-1", uid: "u" },
        "Tick",
        new Date(clock.now()).toISOString(),
      );
    });
    hooks.health("nodes", () =>
      store.read((view) => view.nodes.all().every(({ ready }) => ready === "True"))
        ? true
        : { ok: false, detail: "a node is not ready" },
    );
    hooks.stats(() => ({ pods: store.read((view) => view.pods.size) }));
    services.provide("labelled", {
      count: (given: { readonly value: string }) =>
        store.read((view) => view.pods.byLabel(options.label, given.value).length),
    });
  },
} satisfies Plugin<typeof Options, typeof needs>;

test("waits for what the plugin does about a change, and tells what it was", async () => {
  await using h = await harness(labelled, { objects: [namespace("shop"), pod("shop/cart-1")] });
  assert.deepEqual(
    h.requests().map(({ verb, plural, name }) => `${verb} ${plural} ${name}`),
    ["create configmaps cart"],
  );
  await h.apply(pod("shop/web-1"), pod("shop/web-2"));
  assert.deepEqual(
    h.server.objects.list("v1", "ConfigMap", "shop").map(({ metadata }) => metadata.name),
    ["cart", "web"],
  );
  assert.equal(h.requests().at(-1)?.error?.code, "KUBE_ALREADY_EXISTS");
  assert.deepEqual(
    h
      .logs()
      .flatMap(({ level, message, fields }) =>
        fields.label === undefined ? [] : [`${level} ${message} ${fields.label}`],
      ),
    ["info made cart", "info made web", "warn not made web"],
  );
  await h.delete(pod("shop/cart-1"));
  assert.equal(h.metrics("seen_total"), 4);
  assert.equal(h.metrics("seen_total", { op: "deleted" }), 1);
  assert.equal(h.metrics("batch_size"), 3);
});

test("a plugin has no more rights than it asks for", async () => {
  await using h = await harness(labelled, { objects: [pod("shop/cart-1", { labels: {}, phase: "Unknown" })] });
  assert.deepEqual(h.requests(), [
    {
      verb: "delete",
      apiVersion: "v1",
      plural: "secrets",
      namespace: "shop",
      name: "any",
      error: { code: "PLUGIN_PERMISSION_NOT_DECLARED", message: h.requests()[0].error?.message },
    },
  ]);
});

test("time stands still until it is moved", async () => {
  await using h = await harness(labelled, { clock: new Date("2026-01-01T00:00:00Z") });
  assert.deepEqual(h.events(), []);
  await h.advance("150s");
  assert.deepEqual(h.events(), [
    { reason: "Tick", about: "node-1" },
    { reason: "Tick", about: "node-1" },
  ]);
  assert.deepEqual(
    h.eventDetails().map(({ type, message }) => `${type} ${message}`),
    ["Normal 2026-01-01T00:01:00.000Z", "Normal 2026-01-01T00:02:00.000Z"],
  );
  await using real = await harness(labelled);
  await assert.rejects(real.advance("1m"), { code: "TESTING_NO_CLOCK" });
  await assert.rejects(real.crash(), { code: "TESTING_NOT_A_WORKER" });
});

test("asks for health and figures, calls services, reads the store", async () => {
  await using h = await harness(labelled, { objects: [pod("shop/cart-1"), node("node-1")], kinds: [pods] });
  assert.deepEqual(await h.health(), [{ name: "nodes", ok: true, detail: undefined }]);
  await h.apply(node("node-1", { ready: false }));
  assert.deepEqual(await h.health(), [{ name: "nodes", ok: false, detail: "a node is not ready" }]);
  assert.deepEqual(await h.stats(), { pods: 1 });
  assert.equal(await h.call("labelled", "count", { value: "cart" }), 1);
  assert.equal(await h.service<{ count(given: { value: string }): number }>("labelled").count({ value: "web" }), 0);
  await assert.rejects(h.call("labelled", "cont", {}), { code: "SERVICE_NO_HANDLER" });
  assert.deepEqual(h.controller.store.dump("pods").length, 1);
});

test("takes other options as a reload does", async () => {
  await using h = await harness(labelled, {
    objects: [namespace("shop"), pod("shop/cart-1", { labels: { app: "a", tier: "b" } })],
  });
  assert.equal(h.requests()[0].name, "a");
  await h.reload({ label: "tier" });
  assert.deepEqual(
    h.requests().map(({ name }) => name),
    ["b"],
  );
  await assert.rejects(h.reload({ lable: "tier" }), { code: "PLUGIN_OPTIONS" });
});

test("tells everything again", async () => {
  await using h = await harness(labelled, { objects: [pod("shop/cart-1", { labels: {} })] });
  await h.resync();
  assert.equal(h.metrics("seen_total", { op: "resync" }), 1);
});

test("wrong names are met with the nearest", async () => {
  await using h = await harness(labelled);
  assert.throws(() => h.metrics("sen_total"), { code: "TESTING_UNKNOWN_METRIC", message: /seen_total/ });
});

test("a plugin that fails to start fails the harness with its code, and nothing is left", async () => {
  const failing = { ...labelled, setup: () => Promise.reject(new Error("no luck")) };
  await assert.rejects(harness(failing), { code: "PLUGIN_SETUP_FAILED" });
  // @ts-expect-error the options are checked by the plugin's schema, in the editor too
  await assert.rejects(harness(labelled, { options: { label: 7 } }), { code: "PLUGIN_OPTIONS" });
  await assert.rejects(harness(new URL("./no-such-plugin.ts", import.meta.url)), { code: "PLUGIN_LOAD_FAILED" });
});

test("says what is not settled when it never is", async () => {
  await using h = await harness(labelled, { timeoutMs: 200 });
  h.server.faults.add({ match: { verb: ["list", "watch"], path: /pods/ }, fault: { kind: "status", code: 500 } });
  h.server.dropConnections();
  await assert.rejects(h.apply(pod("shop/cart-1")), { code: "TESTING_NOT_SETTLED", message: /pods/ });
});

test("a worker is told and asked as an inline plugin is, and runs again after a crash", async () => {
  await using h = await harness(new URL("./ticking-plugin.test-support.ts", import.meta.url), {
    isolation: "worker",
    objects: [pod("shop/cart-1")],
    clock: new Date("2026-01-01T00:00:00Z"),
  });
  await h.apply(pod("shop/cart-2"));
  assert.deepEqual(
    h.events().map(({ about }) => about),
    ["shop/cart-1", "shop/cart-2"],
  );
  await h.advance("2m");
  const ticks = (): unknown[] => h.logs().flatMap(({ message, fields }) => (message === "tick" ? [fields.at] : []));
  assert.deepEqual(ticks(), ["2026-01-01T00:01:00.000Z", "2026-01-01T00:02:00.000Z"]);
  await h.crash();
  assert.equal(h.metrics("pods_total"), 2);
  assert.equal(h.state, "running");
});

test("a worker that crashes too often is given up, and the harness says so", async () => {
  await using h = await harness(new URL("./ticking-plugin.test-support.ts", import.meta.url), { isolation: "worker" });
  const error: unknown = await (async () => {
    for (;;) {
      await h.crash();
    }
  })().catch((failure: unknown) => failure);
  assert.match(String(error), /did not run again after a crash; it is "disabled"/);
});

test("stop may come at any moment, and twice", async () => {
  const h = await harness(labelled, { objects: [namespace("shop"), pod("shop/cart-1")] });
  const applying = h.apply(pod("shop/web-1")).catch((error: unknown) => error);
  await Promise.all([h.stop(), h.stop()]);
  await applying;
  await assert.rejects(h.settled(), { code: "TESTING_NOT_SETTLED", message: /was stopped/ });
});

test("custom resources are followed once their definition is there", async () => {
  const widgets = {
    name: "widgets",
    apiVersion: "fairlead/v1",
    needs: {
      "widgets.example.org": {
        apiVersion: "example.org/v1",
        kind: "Widget",
        namespaced: true,
        fields: { size: { type: "int", path: "spec.size" } },
      },
    },
    setup({ hooks, metrics, store }) {
      const count = metrics.gauge("widgets", "Widgets.");
      hooks.changes("widgets.example.org").tap(() => {
        count.set(store.read((view) => view["widgets.example.org"].size));
      });
    },
  } satisfies Plugin<undefined, { "widgets.example.org": NeededCustomKind }>;
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.org" },
    spec: {
      group: "example.org",
      scope: "Namespaced",
      names: { kind: "Widget", plural: "widgets", singular: "widget", listKind: "WidgetList" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { spec: { type: "object", properties: { size: { type: "integer" } } } },
            },
          },
        },
      ],
    },
  };
  const widget = { apiVersion: "example.org/v1", kind: "Widget", metadata: { name: "one", namespace: "shop" } };
  await using h = await harness(widgets, { objects: [definition, { ...widget, spec: { size: 3 } }] });
  assert.equal(h.metrics("widgets"), 1);
  await h.delete(widget);
  assert.equal(h.metrics("widgets"), 0);
  await using without = await harness(widgets);
  assert.equal(without.metrics("widgets"), 0);
});
