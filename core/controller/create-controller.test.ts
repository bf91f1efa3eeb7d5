import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { defineCustomKind } from "../kinds/custom.ts";
import { text } from "../kinds/field.ts";
import { configMaps, pods, services } from "../kinds/index.ts";
import type { LogFields, Logger } from "../log.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { createController } from "./create-controller.ts";

let server: ApiServer;

const pod = (name: string, more: { labels?: Record<string, string>; phase?: string; podIP?: string } = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: more.labels ?? { app: "cart" } },
  spec: { nodeName: "node-1", containers: [{ name: "web", image: "example.org/cart:1" }] },
  status: { phase: more.phase ?? "Running", podIP: more.podIP ?? "192.0.2.7" },
});

/** A log that keeps its lines and lets a test wait for one. */
function recordingLog(): Logger & { lines: string[]; waitFor(pattern: RegExp): Promise<string> } {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const keep = (fields: LogFields, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
    for (const look of waiting) {
      look();
    }
  };
  return {
    lines,
    debug: () => {},
    info: keep,
    warn: keep,
    error: keep,
    waitFor: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          const line = lines.find((candidate) => pattern.test(candidate));
          if (line !== undefined) {
            waiting.delete(look);
            resolve(line);
          }
        };
        waiting.add(look);
        look();
      }),
  };
}

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
});
afterEach(() => server.stop());

const here = (): { kubeconfig: { text: string } } => ({ kubeconfig: { text: server.kubeconfig() } });

for (const ingest of ["thread", "inline"] as const) {
  test(`${ingest}: reads by index and hears of changes, the initial set first`, async () => {
    server.objects.apply(pod("cart-1"));
    const controller = createController({ cluster: here(), kinds: [pods.select("phase", "podIP", "labels")], ingest });
    const seen: string[] = [];
    const third = new Promise<void>((resolve) => {
      controller.on(pods, (batch) => {
        for (const change of batch) {
          seen.push(`${batch.kind} ${change.op} ${(change.new ?? change.old)?.key}`);
        }
        if (seen.length === 3) {
          resolve();
        }
      });
    });
    await controller.start();
    const addresses = controller.store.read((view) =>
      view.pods.byLabel("app", "cart").map((found) => found.status.podIP),
    );
    assert.deepEqual(addresses, ["192.0.2.7"]);
    server.objects.apply(pod("cart-2", { podIP: "192.0.2.8" }));
    while (seen.length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    server.objects.delete({ apiVersion: "v1", kind: "Pod", name: "cart-1", namespace: "shop" });
    await third;
    assert.deepEqual(seen, ["synced added shop/cart-1", "changes added shop/cart-2", "changes deleted shop/cart-1"]);
    const gone = controller.store.read((view) => view.pods.deleted.by("podIP", "192.0.2.7").map((found) => found.key));
    assert.deepEqual(gone, ["shop/cart-1"]);
    await controller.stop();
  });

  test(`${ingest}: stop leaves no socket, timer or thread, whenever it comes`, async () => {
    const count = (): number =>
      process.getActiveResourcesInfo().filter((name) => /Timeout|Worker|MessagePort|TCPSocketWrap/.test(name)).length;
    await new Promise((resolve) => setImmediate(resolve));
    const before = count();
    for (let turns = 0; turns < 12; turns++) {
      const controller = createController({ cluster: here(), kinds: [pods, services], ingest });
      const starting = controller.start().catch((error: unknown) => error);
      for (let i = 0; i < turns; i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await controller.stop();
      await starting;
    }
    server.dropConnections();
    for (let i = 0; i < 200 && count() > before; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(count() <= before, process.getActiveResourcesInfo().join());
  });
}

test("after a crash of the ingest thread reads go on, and listeners hear once of what changed meanwhile", async () => {
  server.objects.apply(pod("cart-1"));
  server.objects.apply(pod("cart-2"));
  const threads: Worker[] = [];
  const onWorker = (worker: Worker): void => void threads.push(worker);
  process.on("worker", onWorker);
  const log = recordingLog();
  await using controller = createController({ cluster: here(), kinds: [pods.select("phase")], log });
  const seen: string[] = [];
  const told = Promise.withResolvers<void>();
  controller.on(pods, (batch) => {
    seen.push(
      [batch.kind, ...[...batch].map(({ op, ...change }) => `${op} ${(change.new ?? change.old)?.key}`)].join(),
    );
    if (batch.kind === "changes") {
      told.resolve();
    }
  });
  await controller.start();
  await threads[0].terminate();
  process.off("worker", onWorker);
  server.objects.delete({ apiVersion: "v1", kind: "Pod", name: "cart-1", namespace: "shop" });
  server.objects.apply(pod("cart-3"));
  assert.equal(
    controller.store.read((view) => view.pods.size),
    2,
  );
  await told.promise;
  assert.equal(
    controller.store.read((view) => view.pods.has("shop/cart-1")),
    false,
  );
  assert.deepEqual(seen, [
    "synced,added shop/cart-1,added shop/cart-2",
    "changes,deleted shop/cart-1,added shop/cart-3",
  ]);
  assert.match(await log.waitFor(/store renewed/), /crashed/);
});

test("two selections of one kind are watched once, with the fields of both", async () => {
  server.objects.apply(pod("cart-1"));
  const kinds = [pods.select("phase"), pods.select("podIP")] as const;
  await using controller = await createController({ cluster: here(), kinds, ingest: "inline" }).start();
  const [found] = controller.store.dump("pods");
  assert.deepEqual(found.status, { phase: "Running", podIP: "192.0.2.7" });
  const watches = server.requests.count({ path: /\/pods/, query: /watch=/ });
  assert.equal(watches, 1);
});

test("a kind that is not served does not hold up the others", async () => {
  const widgets = defineCustomKind({
    apiVersion: "example.org/v1",
    kind: "Widget",
    plural: "widgets",
    namespaced: true,
    fields: { size: text("spec.size") },
  });
  const log = recordingLog();
  const kinds = [pods, widgets] as const;
  await using controller = await createController({ cluster: here(), kinds, ingest: "inline", log }).start();
  assert.equal(controller.store.status("pods").synced, true);
  assert.equal(controller.store.status(widgets).synced, false);
  assert.match(await log.waitFor(/widgets/), /KUBE_KIND_NOT_SERVED/);
});

test("a kind that may not be read is named with the rule that is missing", async () => {
  server.tokens.set("reader", {
    name: "reader",
    rules: [{ verbs: ["list", "watch"], apiGroups: [""], resources: ["pods"] }],
  });
  const log = recordingLog();
  await using controller = await createController({
    cluster: { kubeconfig: { text: server.kubeconfig("reader") } },
    kinds: [pods, configMaps],
    ingest: "inline",
    log,
  }).start();
  assert.equal(controller.store.status("configmaps").synced, false);
  const line = await log.waitFor(/configmaps/);
  assert.match(line, /"?configmaps"?/);
  assert.match(line, /list/);
});

test("start fails with a code when nothing answers, and leaves nothing", async () => {
  const { port } = server;
  await server.stop();
  const controller = createController({
    cluster: { server: `http://127.0.0.1:${port}` },
    kinds: [pods],
    ingest: "inline",
    startTimeoutMs: 300,
  });
  await assert.rejects(controller.start(), { code: "CONTROLLER_START_TIMEOUT", message: /KUBE_UNREACHABLE/ });
  await assert.rejects(controller.start(), { code: "CONTROLLER_START_TIMEOUT" });
});

test("start fails with a code when the cluster is not described", async () => {
  const controller = createController({ cluster: { kubeconfig: "/nowhere/kubeconfig" }, kinds: [pods] });
  await assert.rejects(controller.start(), { code: /^KUBE_/ });
});

test("an aborted signal stops it", async () => {
  const abort = new AbortController();
  const controller = createController({ cluster: here(), kinds: [pods], ingest: "inline", signal: abort.signal });
  await controller.start();
  abort.abort();
  await controller.stop();
  await assert.rejects(createController({ cluster: here(), kinds: [pods], signal: abort.signal }).start(), {
    code: "CONTROLLER_STOPPED",
  });
});

test("a controller that was stopped cannot be started again", async () => {
  const controller = await createController({ cluster: here(), kinds: [pods], ingest: "inline" }).start();
  await controller.stop();
  await assert.rejects(controller.start(), { code: "CONTROLLER_STOPPED" });
});

test("a listener that throws is logged and does not keep the batch from others", async () => {
  server.objects.apply(pod("cart-1"));
  const log = recordingLog();
  const controller = createController({ cluster: here(), kinds: [pods], ingest: "inline", log });
  controller.on(pods, () => {
    throw new Error("broken listener");
  });
  const heard = new Promise((resolve) => controller.on(pods, (batch) => resolve(batch.size)));
  await controller.start();
  assert.equal(await heard, 1);
  assert.match(await log.waitFor(/listener failed/), /broken listener/);
  await controller.stop();
});

test("a controller without kinds is refused", () => {
  assert.throws(() => createController({ kinds: [] }), { code: "CONTROLLER_NO_KINDS" });
});
