import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { z } from "zod";
import { deployments, services } from "../kinds/index.ts";
import { apply, condition, controller, defineResource } from "../reconcile/index.ts";
import { type ApiServer, createApiServer } from "../testing/api-server.ts";
import { type Controller, type ControllerOptions, createController } from "./create-controller.ts";

const WebApp = defineResource({
  group: "apps.example.org",
  version: "v1",
  kind: "WebApp",
  plural: "webapps",
  spec: z.strictObject({ image: z.string(), replicas: z.int().min(0).default(1) }),
  status: z.object({ readyReplicas: z.int().default(0) }),
});

let server: ApiServer;
let reconciled: string[];

beforeEach(async () => {
  server = await createApiServer({});
  server.objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  server.objects.apply(WebApp.crd() as Parameters<ApiServer["objects"]["apply"]>[0]);
  reconciled = [];
});
afterEach(() => server.stop());

const webapp = controller("webapp")
  .for(WebApp)
  .owns(deployments, { fields: ["readyReplicas"] })
  .owns(services)
  .reconcile(async (app, { kube, events }) => {
    reconciled.push(app.key);
    const labels = { app: app.metadata.name };
    const { name } = app.metadata;
    await kube.apply(
      apply.owned(app, {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name, labels },
        spec: {
          replicas: app.spec.replicas,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: "web", image: app.spec.image }] } },
        },
      }),
      apply.owned(app, {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name },
        spec: { selector: labels, ports: [{ port: 80 }] },
      }),
    );
    const ready = kube.cached(deployments, app.key)?.status.readyReplicas ?? 0;
    if (ready === 0) {
      events.normal(app, "Waiting", "for the first pod");
    }
    return { status: { readyReplicas: ready, conditions: [condition("Available", ready > 0)] } };
  });

const app = (name: string, image = "example.org/cart:1") => ({
  apiVersion: "apps.example.org/v1",
  kind: "WebApp",
  metadata: { name, namespace: "shop" },
  spec: { image, replicas: 2 },
});

/** Resolves when all that was under way is over: nothing to do, nothing asked, for some turns of the loop. */
async function settled(cluster: Pick<Controller, "controllers">): Promise<void> {
  for (let quiet = 0; quiet < 20; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const isBusy = cluster.controllers().some(({ isIdle }) => !isIdle);
    quiet = isBusy || server.requests.open().some(({ verb }) => verb !== "watch") ? 0 : quiet + 1;
  }
}

/** What was written, events apart. */
const writes = () =>
  server.requests
    .all()
    .filter(({ method, path }) => method !== "GET" && !path.includes("/events"))
    .map(({ method, path }) => `${method} ${path}`);

const start = (more: Partial<ControllerOptions> = {}) =>
  createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    controllers: [webapp],
    ingest: "inline",
    ...more,
  }).start();

test("the example of the guide converges, once for each object, heals its children and is quiet then", async () => {
  server.objects.apply(app("one"));
  server.objects.apply(app("two"));
  await using cluster = await start();
  await settled(cluster);
  assert.deepEqual(reconciled, ["shop/one", "shop/two"]);
  const deployment = () =>
    server.objects.get({ apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name: "one" });
  assert.match(JSON.stringify(deployment()?.spec), /"replicas":2/);
  server.objects.delete({ apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name: "one" });
  await settled(cluster);
  assert.ok(deployment());
  server.objects.apply(app("one", "example.org/cart:2"));
  await settled(cluster);
  assert.match(JSON.stringify(deployment()), /cart:2/);
  const before = writes().length;
  const count = reconciled.length;
  await cluster.controllers()[0].reconcile("shop/one");
  assert.deepEqual([writes().length, reconciled.length], [before, count + 1]);
});

test("a restart over what has converged writes nothing", async () => {
  for (let i = 0; i < 20; i++) {
    server.objects.apply(app(`app-${i}`));
  }
  const first = await start();
  await settled(first);
  await first.stop();
  const before = writes().length;
  reconciled = [];
  await using second = await start();
  await settled(second);
  assert.deepEqual([reconciled.length, writes().slice(before)], [20, []]);
});

test("metrics carry the names of controller-runtime, and health knows the controllers", async () => {
  server.objects.apply(app("one"));
  await using cluster = await start();
  await settled(cluster);
  const text = await cluster.metrics();
  for (const line of [
    'controller_runtime_reconcile_total{controller="webapp",result="success"} 1',
    'controller_runtime_reconcile_time_seconds_count{controller="webapp"} 1',
    'controller_runtime_max_concurrent_reconciles{controller="webapp"} 10',
    'workqueue_adds_total{name="webapp",controller="webapp"} 1',
    'workqueue_depth{name="webapp",controller="webapp",priority="-100"} 0',
  ]) {
    assert.ok(
      text.includes(line),
      `${line}\n${text
        .split("\n")
        .filter((one) => /^(controller_runtime|workqueue)/.test(one))
        .join("\n")}`,
    );
  }
  assert.match(text, /rest_client_requests_total\{code="201",method="PATCH",host="127.0.0.1:\d+"\} 2/);
  const { checks } = await cluster.health();
  assert.deepEqual(
    checks.filter(({ name }) => name.startsWith("controller/")),
    [{ name: "controller/webapp", ok: true, live: false }],
  );
});

test("a dry run asks the server for everything, stores nothing, and waits for none of it", async () => {
  server.objects.apply(app("one"));
  await using cluster = await createController({
    cluster: { kubeconfig: { text: server.kubeconfig() } },
    controllers: [webapp],
    ingest: "inline",
    dryRun: true,
  }).start();
  await settled(cluster);
  await cluster.controllers()[0].reconcile("shop/one");
  assert.deepEqual(reconciled, ["shop/one", "shop/one"]);
  assert.equal(writes().length, 6);
  const name = { apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name: "one" };
  assert.equal(server.objects.get(name), undefined);
  assert.match(await cluster.metrics(), /fairlead_reconcile_stale_total\{controller="webapp"\} 0/);
});

test("of two processes the one that leads reconciles; the other one takes over from its warm cache, without a list", async () => {
  server.objects.apply(app("one"));
  const leaderElection = (identity: string) => ({
    lease: "webapp",
    namespace: "shop",
    identity,
    leaseDurationMs: 6000,
    renewDeadlineMs: 4000,
    retryPeriodMs: 50,
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const first = await start({ leaderElection: leaderElection("first") });
  await until(() => reconciled.length === 1);
  await using second = await start({ leaderElection: leaderElection("second") });
  await settled(first);
  assert.deepEqual([first.isLeader, second.isLeader, reconciled.length], [true, false, 1]);
  await assert.rejects(second.controllers()[0].reconcile("shop/one"), { code: "ELECTION_NOT_LEADER" });
  const lists = (): number => server.requests.count({ verb: "list" }) + server.requests.count({ verb: "watch" });
  const before = lists();
  const written = writes().filter((line) => !line.includes("leases")).length;
  await first.stop();
  await until(() => second.isLeader && reconciled.length === 2);
  await settled(second);
  assert.deepEqual([lists(), writes().filter((line) => !line.includes("leases")).length], [before, written]);
  server.objects.apply(app("two"));
  await until(() => reconciled.includes("shop/two"));
});

test("a resource whose definition is not there yet is reconciled when it is", async () => {
  server.objects.delete({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    name: "webapps.apps.example.org",
  });
  await using cluster = await start({ retry: { notServedMs: 20 } });
  assert.deepEqual([cluster.controllers()[0].isIdle, reconciled], [false, []]);
  const { ready, checks } = await cluster.health();
  assert.deepEqual([ready, checks.find(({ name }) => name === "controller/webapp")?.ok], [false, false]);
  server.objects.apply(WebApp.crd() as Parameters<ApiServer["objects"]["apply"]>[0]);
  server.objects.apply(app("late"));
  while (reconciled.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(reconciled, ["shop/late"]);
});

test("a reconcile that edits its object and returns that status has it written, to the object that it was given", async () => {
  const editing = controller("editing")
    .for(WebApp)
    .reconcile(async (object) => {
      const edited = object as { metadata: { name: string }; status?: Record<string, unknown> };
      edited.metadata.name = "other";
      edited.status = Object.assign(edited.status ?? {}, { readyReplicas: 3 });
      return { status: edited.status };
    });
  server.objects.apply({ ...app("cart"), status: { readyReplicas: 1 } });
  server.objects.apply(app("other"));
  await using cluster = await start({ controllers: [editing] });
  await cluster.controllers()[0].reconcile("shop/cart");
  const { apiVersion, kind } = app("cart");
  const cart = server.objects.get({ apiVersion, kind, namespace: "shop", name: "cart" });
  assert.deepEqual(cart?.status, { readyReplicas: 3 });
});

test("a write that nobody awaits is told when it fails, and does not end the process", async () => {
  const told = Promise.withResolvers<object>();
  const forgetful = controller("forgetful")
    .for(WebApp)
    .reconcile(async (_, { kube }) => {
      kube.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "BAD NAME", namespace: "shop" } });
    });
  server.objects.apply(app("cart"));
  const log = { debug: () => {}, info: () => {}, warn: (fields: object) => told.resolve(fields), error: () => {} };
  await using cluster = await start({ controllers: [forgetful], log });
  assert.equal(cluster.controllers().length, 1);
  const { code, key } = (await told.promise) as { readonly code?: string; readonly key?: string };
  assert.deepEqual([code, key], ["KUBE_INVALID", "shop/cart"]);
});
