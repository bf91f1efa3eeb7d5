import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { pino } from "pino";
import { Registry } from "prom-client";
import type { Plugin } from "../../core/api/index.ts";
import { createController } from "../../core/index.ts";
import { pods } from "../../core/kinds/index.ts";
import { type ApiServer, createApiServer } from "../../core/testing/index.ts";

let server: ApiServer;

before(async () => {
  server = await createApiServer();
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply(podNamed("cart-1"));
});
after(() => server.stop());

const podNamed = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop" },
  spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
  status: { phase: "Running" },
});

const here = () => ({ kubeconfig: { text: server.kubeconfig() } });

const needs = { pods: ["phase"] } as const;

/** Counts pods in a metric, and fails in a timer now and then. */
const counting = {
  name: "counting",
  apiVersion: "fairlead/v1",
  needs,
  setup({ hooks, metrics, timers }) {
    const seen = metrics.counter("pods_total", "Pods seen.");
    hooks.changes("pods").tap((batch) => seen.add(batch.size));
    timers.after(1, () => {
      throw new Error("a timer of the plugin fails");
    });
  },
} satisfies Plugin<undefined, typeof needs>;

/** All of a process that an embedded library must leave alone. */
function processState(): unknown {
  const emitters = { process, stdout: process.stdout, stderr: process.stderr };
  const listeners = Object.entries(emitters).flatMap(([name, emitter]) =>
    emitter
      .eventNames()
      // Node's own bookkeeping of threads is not a handler of anybody.
      .filter((event) => event !== "newListener" && event !== "removeListener")
      .map((event) => `${name} ${String(event)} ${emitter.listenerCount(event)}`),
  );
  return {
    listeners: listeners.sort(),
    globals: Reflect.ownKeys(globalThis).map(String).sort(),
    env: { ...process.env },
    cwd: process.cwd(),
    umask: process.umask(),
    title: process.title,
    exitCode: process.exitCode,
    maxListeners: process.getMaxListeners(),
  };
}

test("a controller with plugins leaves signals, globals and everything else of the process alone", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-embedding-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "apart.mjs");
  writeFileSync(
    file,
    'export default { name: "apart", apiVersion: "fairlead/v1", needs: { pods: true }, setup() {} };',
  );
  const apart = { use: pathToFileURL(file), isolation: "worker" } as const;
  const status = { host: "127.0.0.1", port: 0 };
  const was = processState();
  const controller = createController({ cluster: here(), kinds: [pods], plugins: [counting, apart], status });
  await controller.start();
  assert.deepEqual(
    controller.plugins().map(({ name, state }) => `${name} ${state}`),
    ["counting running", "apart running"],
  );
  assert.deepEqual(processState(), was, "while it runs");
  await controller.stop();
  assert.deepEqual(processState(), was, "after it");
});

test("a controller that cannot start rejects, and the process goes on and ends by itself", () => {
  const index = new URL("../../core/index.ts", import.meta.url).href;
  const script = `
    import { createController } from ${JSON.stringify(index)};
    import { pods } from ${JSON.stringify(new URL("../../core/kinds/index.ts", import.meta.url).href)};
    const controller = createController({ cluster: { server: "http://127.0.0.1:9" }, kinds: [pods], startTimeoutMs: 200 });
    const error = await controller.start().catch((reason) => reason);
    console.log(error.code, process.exitCode);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 30_000,
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
  });
  assert.deepEqual([status, stdout.trim(), stderr], [0, "CONTROLLER_START_TIMEOUT undefined", ""]);
});

test("two controllers live in one process, and each has its own caches, plugins and end", async () => {
  await using other = await createApiServer();
  other.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  other.objects.apply(podNamed("basket-1"));
  other.objects.apply(podNamed("basket-2"));
  const first = createController({ cluster: here(), kinds: [pods], plugins: [counting] });
  const second = createController({
    cluster: { kubeconfig: { text: other.kubeconfig() } },
    kinds: [pods],
    plugins: [counting],
  });
  await using _second = second;
  await Promise.all([first.start(), second.start()]);
  const names = (controller: typeof first): string[] =>
    controller.store.read((view) => view.pods.all().map((pod) => pod.metadata.name)).sort();
  assert.deepEqual([names(first), names(second)], [["cart-1"], ["basket-1", "basket-2"]]);
  await first.stop();
  assert.equal(second.plugins()[0]?.state, "running");
  const heard = Promise.withResolvers<void>();
  second.on(pods, (batch) => {
    if ([...batch].some((change) => change.new?.metadata.name === "basket-3")) {
      heard.resolve();
    }
  });
  other.objects.apply(podNamed("basket-3"));
  await heard.promise;
  assert.deepEqual(names(second), ["basket-1", "basket-2", "basket-3"]);
});

test("a pino logger of the service gets the lines, its level and fields as it set them", async () => {
  const lines: Record<string, unknown>[] = [];
  const failed = Promise.withResolvers<void>();
  const write = (text: string): void => {
    lines.push(JSON.parse(text));
    if (text.includes("a timer of the plugin fails")) {
      failed.resolve();
    }
  };
  const log = pino({ level: "debug", base: { service: "shop" } }, { write });
  await using controller = createController({
    cluster: here(),
    plugins: [counting],
    log: log.child({ part: "cluster" }),
  });
  await controller.start();
  await failed.promise;
  assert.ok(
    lines.every((line) => line.service === "shop" && line.part === "cluster" && typeof line.level === "number"),
  );
  assert.ok(lines.some((line) => line.plugin === "counting"));
});

test("a registry of the service shows the controller's metrics beside its own, and forgets them after", async () => {
  const registry = new Registry();
  const controller = createController({
    cluster: here(),
    kinds: [pods],
    plugins: [counting],
    metrics: { registry },
  });
  await controller.start();
  const text = await registry.metrics();
  assert.match(text, /^fairlead_\w*objects\{kind="pods"\} 1$/m);
  assert.match(text, /^fairlead_counting_pods_total 1$/m);
  await controller.stop();
  assert.equal((await registry.metrics()).includes("fairlead_"), false);
});
