import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ApiServer, createApiServer, deployment, namespace, node, pod, service } from "../core/testing/index.ts";
import { ProgramRun } from "./program-run.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-inventory-"));
let server: ApiServer;

before(async () => {
  server = await createApiServer();
  for (const object of [
    namespace("shop"),
    node("node-1"),
    service("shop/cart", { selector: { app: "cart" } }),
    deployment("shop/cart"),
    pod("shop/cart-1", { labels: { app: "cart" }, node: "node-1" }),
    pod("shop/lone-1", { node: "node-1" }),
  ]) {
    server.objects.apply(object);
  }
  writeFileSync(join(folder, "kubeconfig"), server.kubeconfig());
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function shown(...args: readonly string[]): Promise<string> {
  await using run = new ProgramRun(["inventory", ...args, "--kubeconfig", "kubeconfig"], { folder });
  const { code, stdout, stderr } = await run.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

test("the summary counts what runs", async () => {
  const summary = JSON.parse(await shown("summary", "--output", "json"));
  assert.deepEqual(
    [summary.nodes, summary.services, summary.workloadsByKind, summary.pods.total],
    [{ total: 1, ready: 1 }, 1, { Deployment: 1, Pod: 2 }, 2],
  );
  assert.match(await shown("summary"), /^what +count\nnodes +1\n/);
});

test("half an inventory is an error that names what is missing, and an option that changes nothing is refused", async () => {
  await using limited = await createApiServer();
  limited.tokens.set("reader", {
    name: "reader",
    rules: [{ verbs: ["list", "watch"], apiGroups: [""], resources: ["pods", "nodes", "namespaces", "services"] }],
  });
  writeFileSync(join(folder, "reader"), limited.kubeconfig("reader"));
  await using run = new ProgramRun(["inventory", "summary", "--kubeconfig", "reader"], { folder });
  const { code, stdout, stderr } = await run.ended;
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /endpointslices.*deployments.*could not be loaded.*\(CLI_NOT_SYNCED\)\n$/);
  await using wrong = new ProgramRun(["inventory", "nodes", "--namespace", "shop"], { folder });
  const refused = await wrong.ended;
  assert.deepEqual(
    [refused.code, refused.stderr],
    [2, 'fairlead: "inventory nodes" takes no --namespace (CLI_BAD_ARGUMENT)\n'],
  );
});

test("lists are tables, or one object a line", async () => {
  const services = await shown("services");
  assert.match(services, /^namespace +name +type +pods +behind it\nshop +cart +ClusterIP +1 +Pod cart-1\n$/);
  const workloads = (await shown("workloads", "--text", "cart", "--output", "json")).trim().split("\n");
  assert.deepEqual(
    workloads.map((line) => JSON.parse(line).name),
    ["cart", "cart-1"],
  );
  assert.equal((await shown("workloads", "--limit", "1", "--output", "json")).trim().split("\n").length, 1);
  assert.match(await shown("nodes"), /\nnode-1 +ready +2 +/);
  assert.match(await shown("namespaces"), /\nshop +3 +1 +2 +/);
});
