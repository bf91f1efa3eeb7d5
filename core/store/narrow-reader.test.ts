import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { FieldTable } from "../kinds/field.ts";
import { defineCustomKind, nodes, pods, services, text } from "../kinds/index.ts";
import { mergeKinds } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { createStore } from "./create-store.ts";
import { narrowReader } from "./narrow-reader.ts";
import type { StoreReader } from "./reader.ts";
import { type RowInput, RowMaker } from "./row-maker.test-support.ts";
import type { KindWriter } from "./store.ts";

const MINE = pods.select("phase", "labels", "podIP", "containers.image");
const THEIRS = pods.select("nodeName", "podIPs", "containers.name", "owners", "restarts").keep("slim");
const WIDGETS = defineCustomKind({
  apiVersion: "example.org/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
  fields: { size: text("spec.size"), colour: text("spec.colour") },
  indexes: { colour: true },
});

const POD: RowInput = {
  namespace: "shop",
  name: "cart-1",
  uid: "u-1",
  resourceVersion: "1",
  fields: {
    phase: "Running",
    labels: { app: "cart" },
    podIP: "192.0.2.1",
    podIPs: [{ ip: "192.0.2.1" }],
    nodeName: "node-1",
    containers: [{ name: "web", image: "example.org/cart:1" }],
    restarts: 3,
    json: '{"kind":"Pod","spec":{"secret":"hidden"}}',
  },
};

function open() {
  const errors: unknown[] = [];
  const plans = [mergeKinds<string, FieldTable, string, boolean, string>([MINE, THEIRS]).plan(), services.plan()];
  const store = createStore({ plans, maxBytes: 1 << 20, onError: (error) => errors.push(error) });
  const writer = store.writer();
  const kinds = plans.map((plan) => writer.open(plan));
  put(kinds[0], POD);
  writer.commit();
  for (const kind of kinds) {
    kind.status.synced(true);
  }
  return { store, writer, pod: kinds[0], reader: store.reader(), errors };
}

function put(kind: KindWriter, row: RowInput): void {
  kind.put(new RowMaker(kind.plan, kind.interner).make(row));
}

test("shows the needed kinds and fields only, also as JSON and in a dump", () => {
  const { reader } = open();
  const narrow = narrowReader(reader, [MINE]);
  assert.deepEqual(narrow.kinds, ["pods"]);
  const shape = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "cart-1", namespace: "shop", uid: "u-1", resourceVersion: "1", labels: { app: "cart" } },
    status: { phase: "Running", podIP: "192.0.2.1" },
    spec: { containers: [{ image: "example.org/cart:1" }] },
  };
  narrow.read((view) => {
    const [pod] = view.pods.all();
    assert.equal(pod.status.phase, "Running");
    assert.equal(pod.spec.containers[0].image, "example.org/cart:1");
    const refused = (read: () => unknown, field: string): void =>
      assert.throws(read, (error: Error & { code: string }) => {
        assert.equal(error.code, "STORE_FIELD_NOT_DECLARED");
        assert.match(error.message, new RegExp(`"pods" is read without .*add .*${field}.* to "pods" in "needs"`));
        return true;
      });
    // @ts-expect-error not selected, though the store has it
    refused(() => pod.spec.nodeName, '"nodeName"');
    // @ts-expect-error not selected, though the store has it
    refused(() => pod.restarts, '"restarts"');
    // @ts-expect-error not selected by anybody
    refused(() => pod.status.hostIP, '"hostIP"');
    // @ts-expect-error the name of a container was not selected
    refused(() => pod.spec.containers[0].name, '"containers.name"');
    // @ts-expect-error the whole object is kept for somebody else
    refused(() => pod.json, 'keep: "slim"');
    assert.deepEqual(pod.toJSON(), shape);
  });
  assert.deepEqual(narrow.dump("pods"), [shape]);
  assert.deepEqual(Object.keys(narrow.stats().kinds), ["pods"]);
  assert.deepEqual(
    reader.read((view) => view.kind("pods").all()[0].toJSON()),
    { kind: "Pod", spec: { secret: "hidden" } },
    "the plain reader sees all",
  );
});

test("refuses other kinds wherever they can be named", () => {
  const { reader } = open();
  const narrow = narrowReader(
    reader,
    [MINE, nodes].map((kind) => kind.plan()),
  );
  const refusal = {
    code: "STORE_KIND_NOT_NEEDED",
    message: '"services" is not among the kinds that are needed (pods, nodes); add "services" to "needs"',
  };
  assert.throws(() => narrow.read((view) => view.services), refusal);
  assert.throws(() => narrow.read((view) => view.kind("services").size), refusal);
  assert.throws(() => narrow.status("services"), refusal);
  assert.throws(() => narrow.staleness("services"), refusal);
  assert.throws(() => narrow.dump("services"), refusal);
  assert.throws(() => narrow.changes(services, () => {}), refusal);
  assert.deepEqual(
    narrow.read((view) => [view.nodes.size, `${typeof view.toString}`, view.kind("nodes").has("x")]),
    [0, "function", false],
    "a needed kind that is not in the store is empty",
  );
  assert.equal(narrow.status("nodes").synced, false);
  assert.throws(() => narrowReader(narrow, [MINE]), { code: "STORE_BAD_OPTION" });
  assert.throws(() => narrowReader(reader, [MINE, pods]), { code: "STORE_KIND_EXISTS" });
});

test("refuses indexes over hidden fields, and answers by those that were asked for", () => {
  const { reader } = open();
  narrowReader(reader, [MINE]).read((view) => {
    assert.equal(view.pods.byLabel("app", "cart").length, 1);
    assert.equal(view.pods.inNamespace("shop").length, 1);
    assert.equal(view.pods.by("podIP", "192.0.2.1").length, 1, "though somebody else made it one over podIPs");
    assert.throws(() => view.pods.by("nodeName", "node-1"), {
      code: "STORE_INDEX_NOT_DECLARED",
      message: /"pods" has no index "nodeName" .* in "needs"/,
    });
    assert.throws(() => view.pods.byOwner("u-2"), { code: "STORE_INDEX_NOT_DECLARED" });
  });
  const blind = narrowReader(reader, [pods.select("phase")]);
  blind.read((view) => {
    assert.throws(() => view.pods.byLabel("app", "cart"), { code: "STORE_INDEX_NOT_DECLARED" });
    assert.throws(() => view.pods.select({ labels: { app: "cart" } }), { code: "STORE_INDEX_NOT_DECLARED" });
    const expressions = [{ key: "app", operator: "Exists" }] as const;
    assert.throws(() => view.pods.select({ expressions }), { code: "STORE_INDEX_NOT_DECLARED" });
  });
});

test("hides fields of custom kinds too", () => {
  const plan = WIDGETS.plan();
  const store = createStore({ plans: [plan], maxBytes: 1 << 20 });
  const writer = store.writer();
  const kind = writer.open(plan);
  put(kind, { namespace: "shop", name: "w", uid: "u", fields: { size: "big", colour: "red" } });
  writer.commit();
  const narrow = narrowReader(store.reader(), [WIDGETS.select("size").plan()]);
  narrow.read((view) => {
    const [widget] = view.kind(plan.name).all();
    assert.ok("spec" in widget && typeof widget.spec === "object" && widget.spec !== null);
    const { spec } = widget;
    assert.equal("size" in spec && spec.size, "big");
    assert.throws(() => "colour" in spec && spec.colour, { code: "STORE_FIELD_NOT_DECLARED", message: /"colour"/ });
    assert.throws(() => view.kind(plan.name).by("colour", "red"), { code: "STORE_INDEX_NOT_DECLARED" });
  });
});

test("a kind is empty and not synced until it has all that is needed; then it is told as a whole", async () => {
  const few = pods.select("phase");
  const errors: unknown[] = [];
  const store = createStore({ plans: [few.plan()], maxBytes: 1 << 20, onError: (error) => errors.push(error) });
  const writer = store.writer();
  const old = writer.open(few.plan());
  put(old, POD);
  writer.commit();
  old.status.synced(true);
  const wide = narrowReader(store.reader(), [MINE]);
  const plain = narrowReader(store.reader(), [few]);
  const told: string[] = [];
  const listen = (reader: Pick<StoreReader, "changes">, name: string): void => {
    reader.changes(pods, (batch) => {
      told.push(`${name} ${batch.kind} ${[...batch].map((change) => `${change.op} ${change.new?.key}`)}`);
    });
  };
  listen(wide, "wide");
  listen(plain, "plain");
  store.reader().flush();
  assert.deepEqual(told, ["plain synced added shop/cart-1"]);
  assert.equal(
    wide.read((view) => view.pods.size),
    0,
  );
  assert.equal(wide.status("pods").synced, false);
  const synced = wide.whenSynced();
  const next = writer.replace(mergeKinds<string, FieldTable, string, boolean, string>([few, MINE]).plan());
  put(next, POD);
  put(next, { ...POD, name: "cart-2", uid: "u-2" });
  writer.commit();
  assert.equal(
    plain.read((view) => view.pods.size),
    1,
  );
  next.status.synced(true);
  writer.show(next);
  writer.commit();
  await synced;
  store.reader().flush();
  assert.deepEqual(told.slice(1).sort(), [
    "plain changes added shop/cart-2",
    "wide synced added shop/cart-1,added shop/cart-2",
  ]);
  assert.equal(
    wide.read((view) => view.pods.get("shop/cart-2")?.status.podIP),
    "192.0.2.1",
  );
  assert.deepEqual(errors, []);
});

test("changes give narrow views, and close ends only the narrow reader's own", async () => {
  const { store, writer, pod, reader, errors } = open();
  const told: string[] = [];
  reader.changes(pods, (batch) => told.push(`all ${batch.kind}`));
  const narrow = narrowReader(reader, [MINE]);
  narrow.changes(MINE, (batch) => {
    for (const change of batch) {
      told.push(`mine ${change.op} ${change.old?.status.phase} ${change.new?.status.phase}`);
      assert.throws(() => (change.new as { restarts?: number } | undefined)?.restarts, {
        code: "STORE_FIELD_NOT_DECLARED",
      });
    }
  });
  reader.flush();
  put(pod, { ...POD, resourceVersion: "2", fields: { phase: "Failed" } });
  writer.commit();
  reader.flush();
  const waiting = narrowReader(reader, [nodes]);
  const wait = waiting.whenSynced();
  waiting.close();
  await assert.rejects(wait, { code: "STORE_CLOSED" });
  narrow.close();
  put(pod, { ...POD, resourceVersion: "3" });
  writer.commit();
  reader.flush();
  assert.deepEqual(told, [
    "all synced",
    "mine added undefined Running",
    "all changes",
    "mine updated Running Failed",
    "all changes",
  ]);
  assert.throws(() => narrow.read(() => 1), { code: "STORE_CLOSED" });
  assert.throws(() => narrow.changes(MINE, () => {}), { code: "STORE_CLOSED" });
  await assert.rejects(narrow.whenSynced(), { code: "STORE_CLOSED" });
  assert.equal(
    reader.read((view) => view.kind("pods").size),
    1,
  );
  assert.deepEqual(errors, []);
  store.close();
});

test("works in another thread, made of plain data, and sees a kind that gets another plan", async () => {
  const { store, writer } = open();
  const plans: RowPlan[] = [MINE.plan()];
  const worker = new Worker(new URL("./narrow-thread.test-support.ts", import.meta.url), {
    workerData: { handle: store.handle(), plans },
  });
  const said: string[] = [];
  const done = Promise.withResolvers<void>();
  worker.on("error", done.reject);
  worker.on("message", (line: string) => {
    said.push(line);
    if (said.length === 1) {
      const next = writer.replace(MINE.plan());
      put(next, POD);
      put(next, { ...POD, name: "cart-2", uid: "u-2" });
      next.status.synced(true);
      writer.show(next);
      writer.commit();
    } else {
      done.resolve();
    }
  });
  await done.promise;
  assert.deepEqual(said, [
    "synced shop/cart-1 Running STORE_FIELD_NOT_DECLARED STORE_KIND_NOT_NEEDED",
    "changes shop/cart-2 Running STORE_FIELD_NOT_DECLARED STORE_KIND_NOT_NEEDED",
  ]);
  await worker.terminate();
});
