import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Plugin } from "../api/plugin.ts";
import { pods, secrets } from "../kinds/index.ts";
import { type LogFields, type Logger, silentLogger } from "../log.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type ControllerOptions, createController } from "./create-controller.ts";

let server: ApiServer;

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply(pod("cart-1"));
});
afterEach(() => server.stop());

const pod = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels },
  spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
});

const here = (user?: string) =>
  ({ cluster: { kubeconfig: { text: server.kubeconfig(user) } }, ingest: "inline" }) as const;

/** Packages that are loaded by now. */
function packages(): string[] {
  const paths = Object.keys(createRequire(import.meta.url).cache);
  return ["prom-client", "pino", "piscina", "tapable"].filter((name) =>
    paths.some((path) => path.includes(`/node_modules/${name}/`)),
  );
}

async function get(url: string | undefined, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, text: await response.text() };
}

test("who asks for no figures loads nothing for them; metrics load prom-client, health does not", async () => {
  await using controller = await createController({ ...here(), kinds: [pods] }).start();
  assert.equal(controller.statusUrl, undefined);
  assert.equal((await controller.health()).ready, true);
  assert.deepEqual(packages(), []);
  assert.match(await controller.metrics(), /^fairlead_kind_objects\{kind="pods"\} 1$/m);
  assert.deepEqual(packages(), ["prom-client"]);
});

test("status is served from the start to the end", async () => {
  const hold = server.faults.add({ fault: { kind: "status", code: 503 }, match: { path: /\/pods/ } });
  const status = { host: "127.0.0.1", port: 0 };
  const controller = createController({ ...here(), kinds: [pods], status });
  const starting = controller.start();
  while (controller.statusUrl === undefined) {
    await turn();
  }
  assert.equal((await get(controller.statusUrl, "/livez")).text, "ok");
  const early = await get(controller.statusUrl, "/readyz");
  assert.equal(early.status, 500);
  assert.match(early.text, /^\[-\]kind\/pods failed: its initial set is not complete/m);
  hold.remove();
  server.dropConnections();
  await starting;
  assert.equal((await get(controller.statusUrl, "/readyz")).text, "ok");
  assert.match((await get(controller.statusUrl, "/metrics")).text, /^fairlead_kind_synced\{kind="pods"\} 1$/m);
  const url = controller.statusUrl;
  await controller.stop();
  await assert.rejects(get(url, "/livez"));
});

test("a kind that may not be read makes it unready, and says which", async () => {
  server.tokens.set("reader", {
    name: "reader",
    rules: [{ verbs: ["list", "watch"], apiGroups: [""], resources: ["pods"] }],
  });
  await using controller = await createController({ ...here("reader"), kinds: [pods, secrets] }).start();
  const { live, ready, checks } = await controller.health();
  assert.deepEqual([live, ready], [true, false]);
  assert.deepEqual(
    checks.filter(({ ok }) => !ok).map(({ name }) => name),
    ["kind/secrets"],
  );
});

test("a port that is taken fails the start and leaves nothing behind", async () => {
  const status = { host: "127.0.0.1", port: 0 };
  await using first = await createController({ ...here(), kinds: [pods], status }).start();
  const port = Number(new URL(String(first.statusUrl)).port);
  const second = createController({ ...here(), kinds: [pods], status: { ...status, port } });
  await assert.rejects(second.start(), { code: "STATUS_LISTEN_FAILED" });
  await assert.rejects(second.metrics(), { code: "CONTROLLER_STOPPED" });
});

test("health and metrics can be asked before the start and after the end", async () => {
  const controller = createController({ ...here(), kinds: [pods] });
  assert.equal((await controller.health()).ready, false);
  assert.match(await controller.metrics(), /^fairlead_kind_synced\{kind="pods"\} 0$/m);
  await controller.start();
  assert.match(await controller.metrics(), /^fairlead_kind_synced\{kind="pods"\} 1$/m);
  await controller.stop();
  const { live, ready } = await controller.health();
  assert.deepEqual([live, ready], [true, false]);
});

test("status, metrics and statistics leave no timer and no socket behind", async () => {
  const count = (): number =>
    process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|MessagePort/.test(name)).length;
  const once = async (options: Partial<ControllerOptions>): Promise<void> => {
    const controller = createController({ ...here(), kinds: [pods], ...options });
    await controller.start();
    await controller.metrics();
    await controller.stop();
  };
  await once({});
  await turn();
  const before = count();
  for (let i = 0; i < 5; i++) {
    await once({ status: { host: "127.0.0.1", port: 0 }, statisticsEveryMs: 1000 });
  }
  while (count() > before) {
    await turn();
  }
});

test("a logger with a level can be turned by PUT /loglevel", async () => {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, level: "info" };
  const status = { host: "127.0.0.1", port: 0, token: "s3cret" };
  await using controller = await createController({ ...here(), kinds: [pods], log, status }).start();
  const headers = { authorization: "Bearer s3cret" };
  const response = await fetch(`${controller.statusUrl}/loglevel`, { method: "PUT", body: "debug", headers });
  assert.equal(response.status, 200);
  assert.equal(log.level, "debug");
});

for (const ingest of ["inline", "thread"] as const) {
  test(`${ingest}: a thousand events write no log line, whatever the level`, async () => {
    const lines: string[] = [];
    const keep = (fields: LogFields, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const log: Logger = { debug: keep, info: keep, warn: keep, error: keep };
    await using controller = await createController({ ...here(), kinds: [pods], log, ingest }).start();
    const done = Promise.withResolvers<void>();
    controller.on(pods, (batch) => {
      for (const change of batch) {
        if (change.new?.metadata.name === "last") {
          done.resolve();
        }
      }
    });
    await controller.health();
    const before = lines.length;
    for (let i = 0; i < 1000; i++) {
      server.objects.apply(pod(`cart-${i % 100}`, { round: String(i) }));
    }
    server.objects.apply(pod("last"));
    await done.promise;
    assert.ok(controller.store.status("pods").events >= 1000);
    assert.deepEqual(lines.slice(before), []);
  });
}

/** A plugin that tells all that a plugin can tell. */
const telling = {
  name: "telling",
  apiVersion: "fairlead/v1",
  needs: { pods: ["labels"] },
  setup({ metrics, hooks }) {
    const seen = metrics.counter("seen_total", "Pods seen.", { op: ["added", "other"] });
    hooks.changes("pods").tap((batch) => {
      for (const { op } of batch) {
        seen.inc({ op: op === "added" ? "added" : "other" });
        metrics.counter("sum_total", "Of all.").add(2);
      }
    });
    hooks.health("mood", () => ({ ok: false, detail: "not today" }));
    hooks.stats(() => ({ pods: 1 }));
  },
} satisfies Plugin<undefined, { readonly pods: readonly ["labels"] }>;

test("plugins show in metrics, health and statistics", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const told = Promise.withResolvers<LogFields>();
  const log: Logger = {
    ...silentLogger,
    info: (fields, message) => {
      if (message === "statistics") {
        told.resolve(fields);
      }
    },
  };
  const status = { host: "127.0.0.1", port: 0 };
  const broken = {
    name: "broken",
    apiVersion: "fairlead/v1",
    setup: () => Promise.reject(new Error("out of order")),
  } satisfies Plugin;
  await using controller = await createController({
    ...here(),
    plugins: [telling, { use: broken, required: false }],
    log,
    status,
    statisticsEveryMs: 60_000,
  }).start();
  const { text } = await get(controller.statusUrl, "/metrics");
  for (const line of [
    'fairlead_telling_seen_total{op="added"} 1',
    "fairlead_telling_sum_total 2",
    'fairlead_plugin_state{plugin="telling",state="running"} 1',
    'fairlead_plugin_state{plugin="broken",state="failed"} 1',
    'fairlead_hook_calls_total{hook="changes:pods",plugin="telling"} 1',
  ]) {
    assert.ok(text.split("\n").includes(line), line);
  }
  const ready = await get(controller.statusUrl, "/readyz");
  assert.match(ready.text, /^\[\+\]plugin\/telling ok$/m);
  assert.match(ready.text, /^\[\+\]plugin\/broken ok: not required; failed: .*out of order/m);
  assert.match(ready.text, /^\[-\]vote\/telling\/mood failed: not today$/m);
  assert.equal((await get(controller.statusUrl, "/readyz?exclude=vote/telling/mood")).status, 200);
  assert.equal((await get(controller.statusUrl, "/livez")).status, 200);
  t.mock.timers.tick(60_000);
  const fields = await told.promise;
  assert.deepEqual([fields.objects, fields.plugins], [{ pods: 1 }, { telling: { pods: 1 } }]);
});
