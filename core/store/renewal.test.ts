import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodes, pods, services } from "../kinds/index.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { attachReader } from "./attach-reader.ts";
import { createStore, type Store } from "./create-store.ts";
import { narrowReader } from "./narrow-reader.ts";
import { MODEL_KIND, type ModelObject, rowOf, stateOf, stateOfView } from "./oracle.test-support.ts";
import type { StoreReader } from "./reader.ts";
import { RowMaker } from "./row-maker.test-support.ts";
import type { StoreWriter } from "./store.ts";

const KINDS = [MODEL_KIND, nodes] as const;
type Kinds = readonly [typeof MODEL_KIND, typeof nodes];

/** An object that is decided by its name, uid and version, as on a server. */
function object(name: number, uid: number, version: number): ModelObject {
  const namespace = `ns-${name % 2}`;
  const some = name + version;
  return {
    namespace,
    name: `pod-${name}`,
    uid: `uid-${name}-${uid}`,
    version,
    node: some % 3,
    app: some % 4,
    ip: some % 5,
    owner: uid,
  };
}

/** Writes one memory, as an ingest thread does that may end at any moment. */
class Filling {
  readonly writer: StoreWriter;
  readonly pods;
  readonly nodes;
  readonly #maker: RowMaker;

  constructor(store: Store<Kinds>) {
    this.writer = store.writer();
    this.pods = this.writer.open(MODEL_KIND.plan());
    this.nodes = this.writer.open(nodes.plan());
    this.#maker = new RowMaker(this.pods.plan, this.pods.interner);
  }

  put(one: ModelObject): void {
    this.pods.put(this.#maker.make(rowOf(one)));
  }

  remove(one: ModelObject): void {
    this.pods.remove(this.#maker.make({ namespace: one.namespace, name: one.name }));
  }

  synced(): void {
    this.writer.commit();
    this.pods.status.synced(true);
    this.nodes.status.synced(true);
  }
}

/** What a listener knows, and a check that every batch fits on it. */
class Fold {
  readonly shown = new Map<string, string>();
  readonly batches: string[] = [];

  constructor(reader: StoreReader<Kinds>) {
    reader.changes(MODEL_KIND, (batch) => {
      this.batches.push(batch.kind);
      for (const change of batch) {
        const key = (change.new ?? change.old)?.key ?? "";
        assert.equal(change.op !== "added", this.shown.has(key), `${change.op} ${key}`);
        if (change.op !== "added" && change.op !== "resync" && batch.kind === "changes") {
          assert.equal(stateOfView(change.old), this.shown.get(key), "old is what was shown last");
        }
        if (change.op === "deleted") {
          this.shown.delete(key);
        } else {
          const isSame = stateOfView(change.new) === this.shown.get(key);
          assert.equal(isSame && batch.kind === "changes", false, "told of what is the same");
          this.shown.set(key, stateOfView(change.new));
        }
      }
      const seen = reader.read((view) => view.pods.all().map(stateOfView)).sort();
      assert.deepEqual([...this.shown.values()].sort(), seen, "a read in a listener sees what the batch leads to");
    });
  }

  get states(): string[] {
    return [...this.shown.values()].sort();
  }
}

function open(maxBytes = 1 << 22) {
  const errors: unknown[] = [];
  const store = createStore<Kinds>({
    plans: KINDS.map((kind) => kind.plan()),
    maxBytes,
    onError: (error) => errors.push(error),
  });
  const reader = store.reader();
  const read = (): string[] => reader.read((view) => view.pods.all().map(stateOfView)).sort();
  return { store, reader, errors, read };
}

const content = fc.uniqueArray(fc.tuple(fc.nat(15), fc.nat(1), fc.integer({ min: 1, max: 3 })), {
  selector: ([name]) => name,
  maxLength: 16,
});

test("whatever the old and the new memory hold, the sum of all changes is what the new one holds", () => {
  const property = fc.property(
    fc.record({
      shown: content,
      unseen: content,
      next: content,
      later: content,
      isLost: fc.nat(9).map((n) => n === 0),
    }),
    ({ shown, unseen, next, later, isLost }) => {
      const { store, reader, errors, read } = open(1 << 18);
      const states = (list: typeof shown): string[] => list.map((one) => stateOf(object(...one))).sort();
      const old = new Filling(store);
      for (const one of shown) {
        old.put(object(...one));
      }
      old.synced();
      const fold = new Fold(reader);
      reader.flush();
      assert.deepEqual(fold.states, states(shown));
      old.pods.beginReplace();
      for (const one of unseen) {
        old.put(object(...one));
      }
      old.pods.endReplace();
      old.writer.commit();
      if (isLost) {
        loseHeld(old);
      }
      // Written, not committed: the writer ends here.
      old.put(object(20, 1, 1));
      store.renew();
      const fresh = new Filling(store);
      for (const one of next) {
        fresh.put(object(...one));
        fresh.writer.commit();
        assert.deepEqual(read(), isLost ? [...states(unseen), CHURNED].sort() : states(unseen));
      }
      fold.batches.length = 0;
      fresh.synced();
      reader.flush();
      assert.deepEqual(errors, []);
      assert.deepEqual(fold.states, states(next));
      assert.ok(fold.batches.length <= 1, "one batch at most");
      assert.deepEqual(read(), states(next));
      assert.equal(reader.stats().memories, 1);
      fresh.pods.beginReplace();
      for (const one of later) {
        fresh.put(object(...one));
      }
      fresh.pods.endReplace();
      fresh.writer.commit();
      reader.flush();
      assert.deepEqual(errors, []);
      assert.deepEqual(fold.states, states(later));
      store.close();
    },
  );
  fc.assert(property, { numRuns: 200 });
});

const CHURNED = stateOf(object(99, 1, 2499));

/** Makes so many states that those which the listener was shown are dropped. */
function loseHeld(filling: Filling): void {
  for (let version = 1; version < 2500; version++) {
    filling.put(object(99, 1, version));
    filling.writer.commit();
  }
}

test("a listener that had fallen far behind is told so by the batch of the switch", () => {
  const { store, reader, errors } = open(1 << 18);
  const old = new Filling(store);
  old.put(object(1, 1, 1));
  old.put(object(2, 1, 1));
  old.put(object(3, 1, 1));
  old.synced();
  const seen: string[] = [];
  reader.changes(MODEL_KIND, (batch) => {
    seen.push(batch.kind, ...[...batch].map((change) => `${change.op} ${(change.new ?? change.old)?.metadata.name}`));
  });
  reader.flush();
  seen.length = 0;
  old.put(object(2, 1, 2));
  old.remove(object(3, 1, 1));
  loseHeld(old);
  store.renew();
  const next = new Filling(store);
  next.put(object(1, 1, 1));
  next.put(object(2, 1, 2));
  next.synced();
  reader.flush();
  assert.deepEqual(seen, ["resync", "deleted pod-3", "resync pod-2"]);
  assert.deepEqual(errors, []);
});

test("goes over by itself, when each kind that was complete is so again, and not within a read", async () => {
  const { store, reader, read } = open();
  const old = new Filling(store);
  old.put(object(1, 1, 1));
  old.synced();
  const told = Promise.withResolvers<string[]>();
  reader.changes(MODEL_KIND, (batch) => {
    if (batch.kind === "changes") {
      told.resolve([...batch].map((change) => `${change.op} ${change.old?.restarts} ${change.new?.restarts}`));
    }
  });
  reader.flush();
  store.renew();
  assert.equal(reader.stats().memories, 2);
  const next = new Filling(store);
  next.put(object(1, 1, 2));
  next.writer.commit();
  next.pods.status.synced(true);
  reader.flush();
  assert.deepEqual(read(), [stateOf(object(1, 1, 1))], "the nodes are not complete");
  reader.read((view) => {
    next.nodes.status.synced(true);
    reader.flush();
    assert.deepEqual(view.pods.all().map(stateOfView), [stateOf(object(1, 1, 1))]);
  });
  assert.deepEqual(await told.promise, ["updated 1 2"]);
  assert.deepEqual(read(), [stateOf(object(1, 1, 2))]);
  assert.equal(reader.stats().memories, 1);
  store.close();
});

test("the state and counters of a kind are the old ones until the switch, and counters go on", () => {
  const { store, reader } = open();
  const old = new Filling(store);
  old.synced();
  old.pods.status.add("events", 5);
  old.pods.status.currentAt(1000);
  old.pods.status.phase(3);
  store.renew();
  const failed = new Filling(store);
  failed.pods.status.add("errors", 2);
  failed.pods.status.phase(2);
  assert.equal(reader.status("pods").phase, 3);
  assert.equal(reader.staleness("pods", 61_000), 60);
  store.renew();
  const next = new Filling(store);
  next.pods.status.add("events", 3);
  next.pods.status.currentAt(2000);
  next.synced();
  reader.flush();
  const { events, errors, currentAtMs, phase } = reader.status("pods");
  assert.deepEqual({ events, errors, currentAtMs, phase }, { events: 8, errors: 2, currentAtMs: 2000, phase: 0 });
  store.close();
});

test("a second renewal before the switch replaces only the memory that was being filled", () => {
  const { store, reader, read } = open();
  const old = new Filling(store);
  old.put(object(1, 1, 1));
  old.synced();
  const fold = new Fold(reader);
  reader.flush();
  store.renew();
  const failed = new Filling(store);
  failed.put(object(2, 1, 1));
  failed.writer.commit();
  failed.pods.status.synced(true);
  store.renew();
  failed.nodes.status.synced(true);
  reader.flush();
  assert.deepEqual(read(), [stateOf(object(1, 1, 1))]);
  const next = new Filling(store);
  next.put(object(3, 1, 1));
  next.synced();
  reader.flush();
  assert.deepEqual(read(), [stateOf(object(3, 1, 1))]);
  assert.deepEqual(fold.states, read());
  assert.deepEqual(fold.batches, ["synced", "changes"]);
});

test("a kind that nobody follows any more is not waited for; one that is out of reach for a while only", () => {
  const { store, reader, read } = open();
  const old = new Filling(store);
  old.put(object(1, 1, 1));
  old.synced();
  store.renew({ plans: [MODEL_KIND.plan()], outOfReachMs: 0 });
  const next = store.writer().open(MODEL_KIND.plan());
  reader.flush();
  assert.equal(reader.stats().memories, 2);
  next.status.phase(6);
  reader.flush();
  assert.deepEqual(read(), []);
  assert.deepEqual(reader.kinds, ["pods"]);
  assert.equal(
    reader.read((view) => view.nodes.size),
    0,
    "a kind that is gone is empty",
  );
  store.renew({ plans: KINDS.map((kind) => kind.plan()), outOfReachMs: 60_000 });
  reader.flush();
  assert.equal(reader.stats().memories, 1, "nothing was complete: nothing is waited for");
  const third = new Filling(store);
  third.synced();
  store.renew({ outOfReachMs: 60_000 });
  const fourth = new Filling(store);
  fourth.nodes.status.synced(true);
  fourth.pods.status.phase(6);
  reader.flush();
  assert.equal(reader.stats().memories, 2);
  store.close();
});

test("kinds that were announced later are in the new memory too, in their places", () => {
  const store = createStore({ plans: [], maxBytes: 1 << 20 });
  const reader = store.reader();
  const plan = MODEL_KIND.plan();
  const announced = store.writer().open(plan);
  const maker = new RowMaker(plan, announced.interner);
  announced.put(maker.make(rowOf(object(1, 1, 1))));
  announced.status.synced(true);
  store.renew();
  assert.deepEqual(
    store.handle().plans.map((known) => known.name),
    ["pods"],
  );
  const writer = store.writer();
  const again = writer.open(plan);
  again.put(new RowMaker(plan, again.interner).make(rowOf(object(2, 1, 1))));
  writer.commit();
  again.status.synced(true);
  reader.flush();
  assert.deepEqual(
    reader.read((view) => view.kind("pods").get("ns-0/pod-2")?.key),
    "ns-0/pod-2",
  );
  store.close();
});

test("a reader of another thread goes over with the new handle, at the latest when the store's own reader does", async () => {
  const { store, reader, errors } = open();
  const old = new Filling(store);
  old.put(object(1, 1, 1));
  old.synced();
  const other = attachReader<Kinds>(store.handle(), { readerId: 7, onError: (error) => errors.push(error) });
  const fold = new Fold(other);
  other.flush();
  store.renew({ outOfReachMs: 0 });
  other.renew(store.handle());
  assert.equal(other.readerId, 7);
  const next = new Filling(store);
  next.put(object(2, 1, 1));
  next.writer.commit();
  next.pods.status.synced(true);
  next.nodes.status.phase(6);
  other.flush();
  assert.equal(other.stats().memories, 2, "it does not know that nodes are not waited for");
  reader.flush();
  while (other.stats().memories === 2) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(fold.states, [stateOf(object(2, 1, 1))]);
  assert.deepEqual(fold.batches, ["synced", "changes"]);
  assert.deepEqual(errors, []);
  assert.equal(other.stats().readers, 2);
  other.close();
  assert.equal(reader.stats().readers, 1);
  assert.throws(() => reader.renew(createStore({ maxBytes: 1 << 20 }).handle()), { code: "STORE_BAD_PLAN" });
  store.close();
  assert.throws(() => store.renew(), { code: "STORE_CLOSED" });
});

test("the new memory may have other kinds, and kinds under other plans: they are known at once, and seen when it is gone over to", async () => {
  const wide = pods.select("phase", "labels", "owners", "podIP", "nodeName");
  const { store, reader, errors, read } = open();
  const old = new Filling(store);
  old.put(object(1, 1, 1));
  old.synced();
  const other = attachReader(store.handle(), { onError: (error) => errors.push(error) });
  const told: string[] = [];
  const listen = (name: string, from: Pick<StoreReader, "changes">, kind: AnyKind): void => {
    from.changes(kind, (batch) => told.push(`${name} ${batch.kind} ${[...batch].map((change) => change.op)}`));
  };
  listen("pods", reader, MODEL_KIND);
  listen("other's pods", other, MODEL_KIND);
  const narrow = narrowReader(other, [wide, services]);
  listen("narrow pods", narrow, wide);
  listen("narrow services", narrow, services);
  reader.flush();
  other.flush();
  assert.deepEqual(told, ["pods synced added", "other's pods synced added", "narrow pods synced added"]);
  told.length = 0;
  const plans = [services.plan(), pods.select("phase", "labels").plan()];
  store.renew({ plans });
  other.renew(store.handle());
  for (const one of [reader, other]) {
    assert.deepEqual([...one.kinds].sort(), ["nodes", "pods", "services"]);
    assert.equal(one.status("services").synced, false);
  }
  listen("services", reader, services);
  const synced = reader.whenSynced(["services"]);
  const writer = store.writer();
  const kinds = plans.map((plan) => writer.open(plan));
  kinds[0].put(new RowMaker(plans[0], kinds[0].interner).make({ namespace: "shop", name: "web", uid: "u-9" }));
  kinds[1].put(new RowMaker(plans[1], kinds[1].interner).make({ ...rowOf(object(1, 1, 1)), fields: {} }));
  writer.commit();
  kinds[0].status.synced(true);
  assert.equal(
    reader.read((view) => view.kind("services").size),
    0,
  );
  assert.deepEqual(read(), [stateOf(object(1, 1, 1))]);
  kinds[1].status.synced(true);
  await synced;
  reader.flush();
  other.flush();
  assert.deepEqual([...other.kinds].sort(), ["pods", "services"]);
  assert.deepEqual(told.toSorted(), [
    "narrow pods changes deleted",
    "narrow services synced added",
    "services synced added",
  ]);
  assert.equal(narrow.status("pods").synced, false, "the plan has not what it needs");
  assert.deepEqual(errors, []);
  other.close();
  store.close();
});

test("listeners may stop, close or renew while they are told of the switch", () => {
  for (const action of ["stop", "close", "renew"] as const) {
    const { store, reader, errors } = open();
    const old = new Filling(store);
    old.put(object(1, 1, 1));
    old.synced();
    const calls: string[] = [];
    const second = reader.changes(MODEL_KIND, (batch) => {
      calls.push(`first ${batch.kind}`);
      if (batch.kind === "changes") {
        ({ stop: () => third.stop(), close: () => store.close(), renew: () => store.renew() })[action]();
      }
    });
    const third = reader.changes(MODEL_KIND, (batch) => calls.push(`second ${batch.kind}`));
    reader.flush();
    store.renew();
    const next = new Filling(store);
    next.synced();
    reader.flush();
    const told = ["first synced", "second synced", "first changes"];
    assert.deepEqual(calls, action === "renew" ? [...told, "second changes"] : told);
    assert.deepEqual(errors, []);
    if (action !== "close") {
      assert.equal(reader.stats().memories, action === "renew" ? 2 : 1);
      second.stop();
      store.close();
    }
  }
});

test("the old memory is given back", async () => {
  const { store, reader } = open();
  const renewed = (): WeakRef<SharedArrayBuffer> => {
    const old = new Filling(store);
    old.put(object(1, 1, 1));
    old.synced();
    new Fold(reader);
    reader.flush();
    const memory = new WeakRef(store.handle().buffer);
    store.renew();
    new Filling(store).synced();
    return memory;
  };
  const memory = renewed();
  await new Promise((resolve) => setImmediate(resolve));
  assert.notEqual(memory.deref(), undefined);
  reader.flush();
  const end = performance.now() + 10_000;
  while (memory.deref() !== undefined) {
    assert.ok(performance.now() < end, "the old memory is still there after 10 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  store.close();
});
