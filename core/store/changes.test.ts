import assert from "node:assert/strict";
import { test } from "node:test";
import { pods } from "../kinds/index.ts";
import { createStore } from "./create-store.ts";
import { RowMaker } from "./row-maker.test-support.ts";

const few = pods.select("phase", "labels");
type Kinds = readonly [typeof few];

function open(maxBytes = 1 << 22) {
  const errors: unknown[] = [];
  const store = createStore<Kinds>({ plans: [few.plan()], maxBytes, onError: (error) => errors.push(error) });
  const writer = store.writer();
  const kind = writer.open(few.plan());
  const maker = new RowMaker(kind.plan, kind.interner);
  const put = (name: string, version: number, phase = "Running") =>
    kind.put(
      maker.make({ namespace: "shop", name, uid: `u-${name}`, resourceVersion: `${version}`, fields: { phase } }),
    );
  const remove = (name: string) => kind.remove(maker.make({ namespace: "shop", name }));
  return { store, writer, kind, reader: store.reader(), put, remove, errors };
}

test("wakes a listener by itself: the initial set once the kind is complete, then one batch of changes", async () => {
  const { writer, kind, reader, put, remove } = open();
  const batches: string[][] = [];
  let wake = () => {};
  reader.changes(few, (batch) => {
    batches.push([batch.kind, ...[...batch].map((change) => `${change.op} ${(change.new ?? change.old)?.key}`)]);
    wake();
  });
  const woken = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    return promise;
  };
  put("a", 1);
  put("b", 1);
  writer.commit();
  reader.flush();
  assert.deepEqual(batches, [], "nothing before the kind is complete");
  const first = woken();
  kind.status.synced(true);
  await first;
  assert.deepEqual(batches, [["synced", "added shop/a", "added shop/b"]]);
  const second = woken();
  put("a", 2);
  put("a", 3);
  put("c", 3);
  remove("b");
  put("d", 4);
  remove("d");
  writer.commit();
  await second;
  assert.deepEqual(batches[1], ["changes", "updated shop/a", "added shop/c", "deleted shop/b"]);
  reader.close();
});

test("a listener that throws is reported and the others go on; a stopped one is not called", () => {
  const { writer, kind, reader, put, errors } = open();
  kind.status.synced(true);
  const calls: string[] = [];
  const bad = reader.changes(few, () => {
    calls.push("bad");
    throw new Error("listener failed");
  });
  reader.changes(few, (batch) => {
    calls.push(batch.kind);
    bad.stop();
  });
  put("a", 1);
  writer.commit();
  reader.flush();
  assert.deepEqual(calls, ["bad", "synced"]);
  assert.match(String(errors[0]), /listener failed/);
  put("a", 2);
  writer.commit();
  reader.flush();
  assert.deepEqual(calls, ["bad", "synced", "changes"]);
});

test("old is the state that was shown, views expire with the batch, and a late listener begins with all", () => {
  const { writer, kind, reader, put, errors } = open();
  kind.status.synced(true);
  const seen: string[] = [];
  let kept: { readonly key: string } | undefined;
  put("a", 1, "Pending");
  writer.commit();
  reader.changes(few, (batch) => {
    for (const change of batch) {
      kept = change.new;
      seen.push(`${change.op} ${change.old?.status.phase ?? "-"} ${change.new?.status.phase ?? "-"}`);
    }
  });
  reader.flush();
  put("a", 2, "Running");
  writer.commit();
  put("a", 3, "Failed");
  writer.commit();
  reader.changes(few, (batch) => seen.push(`late ${batch.kind} ${batch.size}`));
  reader.flush();
  assert.deepEqual(seen, ["added - Pending", "updated Pending Failed", "late synced 1"]);
  assert.throws(() => kept?.key, { code: "STORE_VIEW_EXPIRED" });
  assert.deepEqual(errors, []);
});

test("a listener that fell far behind is told what vanished and does not hold old states for ever", () => {
  const { writer, kind, reader, put, remove } = open();
  kind.status.synced(true);
  put("gone", 1);
  put("stays", 1);
  put("same", 1);
  writer.commit();
  const seen: string[] = [];
  reader.changes(few, (batch) => {
    seen.push(batch.kind, ...[...batch].map((change) => `${change.op} ${(change.new ?? change.old)?.metadata.name}`));
  });
  reader.flush();
  seen.length = 0;
  remove("gone");
  for (let version = 2; version < 20_000; version++) {
    assert.equal(put("stays", version), "updated");
    writer.commit();
    if (version % 1000 === 0) {
      writer.maintain(version);
      put("short", version);
      remove("short");
    }
  }
  put("new", 1);
  writer.commit();
  writer.maintain(400_000);
  assert(reader.stats().pendingRecords < 10_000, `${reader.stats().pendingRecords} records are held`);
  reader.flush();
  assert.deepEqual(seen, ["resync", "deleted gone", "resync stays", "added new"]);
  writer.maintain(800_000);
  assert.deepEqual(
    reader.read((view) => view.pods.deleted.all()),
    [],
  );
});

test("a full store refuses new objects, goes on with those it has, and asks for a list when there is room", () => {
  const { writer, kind, reader, put, remove } = open(1 << 20);
  let fitted = 0;
  while (put(`pod-${fitted}`, 1) !== "refused") {
    fitted++;
  }
  writer.commit();
  assert(fitted > 5000, `${fitted} objects of about 100 bytes in one MiB`);
  assert.equal(reader.status(few).refused, 1);
  assert.equal(put("pod-0", 2), "updated");
  assert.equal(put("pod-1", 1), "unchanged");
  assert.equal(kind.needsRelist(), false);
  for (let i = 0; i < fitted; i += 2) {
    assert.equal(remove(`pod-${i}`), true);
  }
  writer.commit();
  for (let second = 0; second < 8; second++) {
    writer.maintain(second * 100_000);
  }
  assert.equal(kind.needsRelist(), true);
  assert.equal(kind.needsRelist(), false);
  assert.equal(put("once-more", 3), "added");
  writer.commit();
  reader.read((view) => {
    assert.equal(view.pods.size, Math.floor(fitted / 2) + 1);
    assert.equal(view.pods.get("shop/pod-1")?.status.phase, "Running");
    assert.equal(view.pods.get("shop/once-more")?.status.phase, "Running");
  });
});
