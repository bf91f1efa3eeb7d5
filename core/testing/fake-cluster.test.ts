import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { configMaps } from "../kinds/core.ts";
import { apply, controller, defineResource, terminal } from "../reconcile/index.ts";
import { fakeCluster } from "./fake-cluster.ts";
import { configMap, namespace } from "./objects-sample.ts";

const START = Date.UTC(2026, 0, 1);

const Note = defineResource({
  group: "notes.example.org",
  version: "v1",
  kind: "Note",
  plural: "notes",
  spec: z.strictObject({ text: z.string() }),
  status: z.object({ length: z.int().optional() }),
});

const note = (name: string, text: string) => ({
  apiVersion: "notes.example.org/v1",
  kind: "Note",
  metadata: { name, namespace: "shop" },
  spec: { text },
});

const mapOf = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", namespace: "shop", name });

/** Keeps a ConfigMap with the text of each note. */
const notes = controller("notes")
  .for(Note)
  .owns(configMaps)
  .reconcile(async (object, { kube, events }) => {
    const { name, namespace } = object.metadata;
    if (object.spec.text === "bad") {
      throw terminal("bad text");
    }
    const [outcome] = await kube.apply(
      apply.owned(object, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace },
        data: { text: object.spec.text },
      }),
    );
    if (outcome !== "unchanged") {
      events.normal(object, "Written", object.spec.text);
    }
    return { status: { length: object.spec.text.length } };
  });

const shop = namespace("shop");

test("what changes the cluster waits until the controller is done, and its writes are recorded", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop, note("one", "hello")] });
  assert.deepEqual(
    cluster.requests().map(({ by, verb, plural, subresource = "" }) => `${by} ${verb} ${plural} ${subresource}`.trim()),
    ["notes apply configmaps", "notes patch notes status"],
  );
  cluster.forget();
  await cluster.patch(note("one", ""), { spec: { text: "hi" } });
  assert.deepEqual((await cluster.get<{ data: object }>(mapOf("one")))?.data, { text: "hi" });
  assert.equal(cluster.requests().length, 2);
  assert.deepEqual(
    (await cluster.events()).map(({ reason, about, message }) => [reason, about, message]),
    [["Written", "shop/one", "hello"]],
  );
});

test("owned objects go with their owner; finalizers hold them", async () => {
  await using cluster = await fakeCluster({
    controllers: [notes],
    objects: [shop, note("one", "a"), note("two", "b")],
  });
  await cluster.patch(mapOf("two"), { metadata: { finalizers: ["example.org/held"] } });
  await cluster.delete(note("one", ""));
  await cluster.delete(note("two", ""));
  assert.equal(await cluster.get(mapOf("one")), undefined);
  const held = await cluster.get(mapOf("two"));
  assert.equal(typeof held?.metadata?.deletionTimestamp, "string");
  await cluster.patch(mapOf("two"), { metadata: { finalizers: null } });
  assert.deepEqual(await cluster.list("v1", "ConfigMap", "shop"), []);
});

test("one key is reconciled on demand, and what it throws comes out", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop, note("one", "bad")] });
  await assert.rejects(cluster.reconcile("shop/one"), { code: "RECONCILE_TERMINAL" });
  await assert.rejects(cluster.reconcile("shop/one", "no-such"), { code: "TESTING_UNKNOWN_CONTROLLER" });
  cluster.forget();
  await cluster.patch(note("one", ""), { spec: { text: "good" } });
  await cluster.reconcile("shop/one", "notes");
  assert.equal((await cluster.get<{ data: object }>(mapOf("one")))?.data !== undefined, true);
});

test("time stands still until it is moved: a retry waits for it", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop], clock: START });
  cluster.server.faults.add({
    match: { verb: "patch", times: 2 },
    fault: { kind: "status", code: 422, reason: "Invalid" },
  });
  await cluster.apply(note("one", "a"));
  assert.equal(await cluster.get(mapOf("one")), undefined);
  assert.equal(cluster.waiting(), 1);
  await cluster.advance(5);
  assert.equal(await cluster.get(mapOf("one")), undefined);
  await cluster.advance(10);
  assert.notEqual(await cluster.get(mapOf("one")), undefined);
  assert.equal(cluster.waiting(), 0);
});

test("caches that lag are told what they missed, and nothing is written twice", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop], clock: START });
  const catchUp = cluster.lag();
  await cluster.client.put(note("one", "a"));
  assert.deepEqual(cluster.requests(), []);
  catchUp();
  await cluster.settled();
  assert.equal(cluster.requests().filter(({ verb }) => verb === "apply").length, 1);
});

test("a killed controller writes nothing, and a restarted one only what differs", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop, note("one", "a")] });
  await cluster.kill();
  cluster.forget();
  await cluster.apply(note("two", "b"));
  assert.throws(() => cluster.controller, { code: "TESTING_NOT_STARTED" });
  assert.equal(await cluster.get(mapOf("two")), undefined);
  await cluster.start();
  assert.deepEqual(
    cluster.requests().map(({ verb, name }) => `${verb} ${name}`),
    ["apply two", "patch two"],
  );
});

test("nothing runs before start where that is asked for", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop, note("one", "a")], start: false });
  await cluster.settled();
  assert.equal(await cluster.get(mapOf("one")), undefined);
  await cluster.start();
  assert.notEqual(await cluster.get(mapOf("one")), undefined);
});

test("a controller that never ceases to write is told", async () => {
  let count = 0;
  const restless = controller("restless")
    .for(configMaps)
    .reconcile(async (object, { kube }) => {
      const { name, namespace } = object.metadata;
      await kube.apply({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name, namespace },
        data: { count: String(count++) },
      });
    });
  await using cluster = await fakeCluster({ controllers: [restless], objects: [shop], timeoutMs: 500 });
  await assert.rejects(cluster.apply(configMap("shop/one")), { code: "TESTING_NOT_SETTLED" });
});

test("a reconcile that does not end is named, reaches its deadline by the clock, and holds up no stop", async () => {
  let began = Promise.withResolvers<AbortSignal>();
  const hanging = controller("hanging")
    .for(configMaps)
    .deadline("5s")
    .reconcile((_, { signal }) => {
      began.resolve(signal);
      return new Promise<void>(() => {});
    });
  const cart = configMap("cart", { namespace: "shop" });
  const options = { controllers: [hanging], clock: Date.UTC(2026, 0, 1) };
  await assert.rejects(fakeCluster({ ...options, objects: [namespace("shop"), cart], timeoutMs: 100 }), {
    code: "TESTING_NOT_SETTLED",
    message: /^"hanging" was still at work after 100 ms/,
  });
  began = Promise.withResolvers();
  await using cluster = await fakeCluster({ ...options, objects: [namespace("shop")], timeoutMs: 100 });
  await cluster.client.put(cart);
  const signal = await began.promise;
  await assert.rejects(cluster.advance("6s"), { code: "TESTING_NOT_SETTLED" });
  assert.equal(signal.reason?.code, "RECONCILE_TIMEOUT");
});

test("a lost lease stops all writes, and the next term makes up for it", async () => {
  const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "shop", name: "notes" };
  await using cluster = await fakeCluster({
    controllers: [notes],
    objects: [shop],
    clock: START,
    leaderElection: { namespace: "shop", lease: "notes", identity: "me" },
  });
  await cluster.advance("3s");
  assert.equal(cluster.controller.isLeader, true);
  await cluster.apply(note("one", "a"));
  assert.notEqual(await cluster.get(mapOf("one")), undefined);
  const now = new Date(START + 3_000).toISOString().replace("Z", "000Z");
  await cluster.patch(lease, { spec: { holderIdentity: "other", renewTime: now, acquireTime: now } });
  await cluster.advance("11s");
  assert.equal(cluster.controller.isLeader, false);
  cluster.forget();
  await cluster.apply(note("two", "b"));
  await assert.rejects(cluster.reconcile("shop/two"), { code: "ELECTION_LOST" });
  assert.deepEqual(cluster.requests(), []);
  // The other one says nothing more.
  await cluster.advance("40s");
  assert.equal(cluster.controller.isLeader, true);
  assert.notEqual(await cluster.get(mapOf("two")), undefined);
});

test("without a clock there is nothing to advance", async () => {
  await using cluster = await fakeCluster({ controllers: [notes], objects: [shop] });
  await assert.rejects(cluster.advance("1s"), { code: "TESTING_NO_CLOCK" });
});
