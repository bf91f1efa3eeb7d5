import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ApiServer, createApiServer } from "fairlead/testing";
import { createService } from "./service.ts";

let server: ApiServer;

before(async () => {
  server = await createApiServer();
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "cart-1", namespace: "shop", labels: { app: "cart" } },
    spec: { containers: [{ name: "web", image: "example.org/cart:1" }] },
    status: { phase: "Running", podIP: "192.0.2.7", conditions: [{ type: "Ready", status: "True" }] },
  });
  server.objects.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "cart", namespace: "shop" },
    spec: { selector: { app: "cart" }, clusterIP: "192.0.2.80", ports: [{ port: 80 }] },
  });
});

after(() => server.stop());

test("answers from the caches, and says when they are complete", async (t) => {
  const { app, cluster } = createService({ cluster: { kubeconfig: { text: server.kubeconfig() } } });
  t.after(() => app.close());
  assert.equal((await app.inject("/readyz")).statusCode, 503);
  await cluster.start();
  assert.equal((await app.inject("/readyz")).statusCode, 200);
  assert.deepEqual((await app.inject("/apps/cart")).json(), {
    pods: [{ name: "shop/cart-1", phase: "Running", address: "192.0.2.7", ready: "True" }],
  });
  const found = (await app.inject("/services/shop/cart")).json();
  assert.equal(found.spec.clusterIP, "192.0.2.80");
  assert.equal((await app.inject("/services/shop/basket")).statusCode, 404);
  await app.close();
  assert.throws(() => cluster.store.read((view) => view.pods.size), { code: "STORE_CLOSED" });
});

/** Resolves with the first log line that has this message. */
function logged(child: ChildProcess, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    assert.ok(child.stdout);
    createInterface({ input: child.stdout }).on("line", (text) => {
      if (JSON.parse(text).msg === message) {
        resolve();
      }
    });
    child.once("exit", () => reject(new Error(`the program ended without saying "${message}"`)));
  });
}

test("the program listens, follows, and ends with 0 on SIGTERM", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-example-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, server.kubeconfig());
  const child = spawn(process.execPath, [fileURLToPath(new URL("./main.ts", import.meta.url))], {
    env: { ...process.env, KUBECONFIG: kubeconfig, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await logged(child, "cluster followed");
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
