import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pods, services } from "../kinds/index.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { attachReader } from "./attach-reader.ts";
import { createStore, type Store } from "./create-store.ts";
import { KIND_COUNT, VERSION } from "./layout.ts";
import type { KindStats, StoreReader, Subscription } from "./reader.ts";
import { RowMaker } from "./row-maker.test-support.ts";
import type { KindWriter, StoreWriter } from "./store.ts";

/** Each kind under three plans. */
const PLANS: readonly (readonly RowPlan[])[] = [
  [pods.select("phase"), pods.select("phase", "labels", "nodeName"), pods.select("labels", "podIP")].map((k) =>
    k.plan(),
  ),
  [services.select("type"), services.select("type", "labels"), services.select("labels", "ports")].map((k) => k.plan()),
];
const NAMES = PLANS.map(([plan]) => plan.name);
const KINDS = [pods, services] as const;

type Objects = Map<string, string>;

/** A kind as the oracle has it. */
interface ModelKind {
  readonly writer: KindWriter;
  readonly objects: Objects;
  synced: boolean;
}

type Operation =
  | { op: "put" | "remove"; kind: number; inShadow: boolean; name: number; uid: number }
  | { op: "open" | "replace"; kind: number; plan: number }
  | { op: "show" | "drop" | "dropShadow" | "sync" | "subscribe"; kind: number }
  | { op: "commit" | "maintain" | "flush" | "check" | "unsubscribe" }
  | { op: "read"; inside: Operation[] };

const kind = fc.nat(1);
const plan = fc.nat(2);
const simple: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constantFrom("put" as const, "put" as const, "remove" as const),
      kind,
      inShadow: fc.boolean(),
      name: fc.nat(4),
      uid: fc.nat(1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constantFrom("open" as const, "replace" as const), kind, plan }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom("show" as const, "drop" as const, "dropShadow" as const, "sync" as const),
      kind,
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom("commit" as const, "maintain" as const) }) },
);
const operations = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: simple },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("subscribe" as const), kind }) },
    { weight: 5, arbitrary: fc.record({ op: fc.constantFrom("flush" as const, "check" as const) }) },
    { weight: 1, arbitrary: fc.constant({ op: "unsubscribe" as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constant("read" as const), inside: fc.array(simple, { maxLength: 12 }) }),
    },
  ),
  { maxLength: 60 },
);

interface Fold {
  readonly kind: number;
  readonly shown: Objects;
  readonly subscription: Subscription;
}

/** Runs operations on a store and on Maps. */
class Model {
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  readonly #shown: (ModelKind | undefined)[] = [];
  readonly #shadows: (ModelKind | undefined)[] = [];
  /** What the last commit left, by kind; undefined: not there. */
  #committed: (Objects | undefined)[] = [];
  readonly #folds: Fold[] = [];
  #version = 0;
  #seconds = 0;

  constructor(store: Store) {
    this.#writer = store.writer();
    this.#reader = store.reader();
  }

  run(operation: Operation): void {
    switch (operation.op) {
      case "put":
      case "remove":
        this.#write(operation);
        return;
      case "open":
        this.#open(operation.kind, operation.plan);
        return;
      case "replace":
        this.#replace(operation.kind, operation.plan);
        return;
      case "show":
        this.#show(operation.kind);
        return;
      case "drop":
        this.#drop(this.#shown, operation.kind);
        return;
      case "dropShadow":
        this.#drop(this.#shadows, operation.kind);
        return;
      case "sync":
        this.#sync(this.#shown[operation.kind]);
        return;
      case "subscribe":
        this.#subscribe(operation.kind);
        return;
      case "unsubscribe":
        this.#folds.pop()?.subscription.stop();
        return;
      case "commit":
        this.#commit();
        return;
      case "maintain":
        this.#writer.maintain(++this.#seconds * 1000);
        return;
      case "flush":
        this.#flush();
        return;
      case "check":
        this.#check();
        return;
      case "read":
        this.#read(operation.inside);
        return;
      default:
        operation satisfies never;
    }
  }

  /** When all kinds are gone, so is all that they took. */
  finish(): void {
    this.#commit();
    this.#flush();
    this.#check();
    for (const kind of KINDS.keys()) {
      this.#drop(this.#shown, kind);
      this.#drop(this.#shadows, kind);
    }
    this.#commit();
    this.#flush();
    this.#check();
    this.#writer.maintain(++this.#seconds * 1000);
    const { kinds, liveBytes, pendingRecords } = this.#reader.stats();
    assert.deepEqual({ kinds, liveBytes, pendingRecords }, { kinds: {}, liveBytes: 0, pendingRecords: 0 });
  }

  #write({ op, kind, inShadow, name, uid }: Extract<Operation, { op: "put" | "remove" }>): void {
    const target = (inShadow ? this.#shadows : this.#shown)[kind];
    if (target === undefined) {
      return;
    }
    const key = `shop/o-${name}`;
    const maker = new RowMaker(target.writer.plan, target.writer.interner);
    if (op === "remove") {
      assert.equal(target.writer.remove(maker.make({ namespace: "shop", name: `o-${name}` })), target.objects.has(key));
      target.objects.delete(key);
      return;
    }
    // Two rows of the same version are the same object, under whatever plan.
    const other = inShadow && uid === 0 ? this.#shown[kind]?.objects.get(key) : undefined;
    const state = other ?? `${key} u-${uid} ${++this.#version}`;
    const [, objectUid, resourceVersion] = state.split(" ");
    target.writer.put(maker.make({ namespace: "shop", name: `o-${name}`, uid: objectUid, resourceVersion }));
    target.objects.set(key, state);
  }

  #open(kind: number, plan: number): void {
    const chosen = PLANS[kind][plan];
    if (this.#shown[kind] !== undefined) {
      assert.throws(() => this.#writer.open(chosen), { code: "STORE_KIND_EXISTS" });
      return;
    }
    this.#shown[kind] = { writer: this.#writer.open(chosen), objects: new Map(), synced: false };
  }

  #replace(kind: number, plan: number): void {
    const chosen = PLANS[kind][plan];
    if (this.#shadows[kind] !== undefined) {
      assert.throws(() => this.#writer.replace(chosen), { code: "STORE_KIND_EXISTS" });
      return;
    }
    const list = this.#shown[kind] === undefined ? this.#shown : this.#shadows;
    list[kind] = { writer: this.#writer.replace(chosen), objects: new Map(), synced: false };
  }

  /** As an engine does: the successor is complete, and takes the place of the other in one commit. */
  #show(kind: number): void {
    const shadow = this.#shadows[kind];
    if (shadow !== undefined) {
      shadow.writer.status.synced(true);
      shadow.synced = true;
      this.#writer.show(shadow.writer);
      this.#shown[kind] = shadow;
      this.#shadows[kind] = undefined;
      this.#commit();
    }
  }

  #drop(list: (ModelKind | undefined)[], kind: number): void {
    const target = list[kind];
    if (target !== undefined) {
      this.#writer.drop(target.writer);
      list[kind] = undefined;
      if (list === this.#shown && this.#shadows[kind] !== undefined) {
        this.#drop(this.#shadows, kind);
      }
    }
  }

  #sync(target: ModelKind | undefined): void {
    if (target !== undefined) {
      this.#commit();
      target.synced = true;
      target.writer.status.synced(true);
    }
  }

  #commit(): void {
    this.#writer.commit();
    this.#committed = KINDS.map((_, kind) => {
      const shown = this.#shown[kind];
      return shown && new Map(shown.objects);
    });
  }

  #subscribe(number: number): void {
    const kind = KINDS[number];
    if (!this.#reader.kinds.includes(kind.name)) {
      return;
    }
    const shown: Objects = new Map();
    let isFirst = true;
    const subscription = this.#reader.changes(kind, (batch) => {
      assert.equal(batch.kind === "synced", isFirst, "the initial set comes first, once");
      isFirst = false;
      for (const change of batch) {
        const view = change.new ?? change.old;
        const key = view?.key ?? "";
        const stateOf = (one: typeof view): string =>
          `${one?.key} ${one?.metadata.uid} ${one?.metadata.resourceVersion}`;
        assert.equal(change.op === "added", !shown.has(key), `${change.op} ${key}`);
        if (change.old !== undefined) {
          assert.equal(stateOf(change.old), shown.get(key), "old is what was shown last");
        }
        assert.notEqual(change.op === "updated" ? stateOf(change.new) : "", shown.get(key), "told of what is the same");
        if (change.op === "deleted") {
          shown.delete(key);
        } else {
          shown.set(key, stateOf(change.new));
        }
      }
    });
    this.#folds.push({ kind: number, shown, subscription });
  }

  #flush(): void {
    this.#reader.flush();
    for (const { kind, shown } of this.#folds) {
      const isTold = this.#committed[kind] !== undefined && this.#isSynced(kind);
      const expected = isTold ? this.#sorted(this.#committed[kind]) : [];
      assert.deepEqual(this.#sorted(shown), expected, `the sum of all changes of ${NAMES[kind]} is what is there`);
    }
  }

  /** Of the kind that readers see; a change that is not committed yet is not seen. */
  #isSynced(kind: number): boolean {
    return this.#reader.status(NAMES[kind]).synced;
  }

  #sorted(objects: Objects | undefined): string[] {
    return [...(objects?.values() ?? [])].sort();
  }

  #seen(): string[][] {
    return this.#reader.read((view) =>
      NAMES.map((name) => {
        if (!this.#reader.kinds.includes(name)) {
          return [];
        }
        const objects = view.kind(name);
        const found = objects.all().map((one) => `${one.key} ${one.metadata.uid} ${one.metadata.resourceVersion}`);
        assert.equal(objects.size, found.length);
        for (const state of found) {
          assert.ok(objects.has(state.split(" ")[0]), "is found by its key");
        }
        assert.equal(objects.inNamespace("shop").length, found.length);
        return found.sort();
      }),
    );
  }

  #check(): void {
    assert.deepEqual(
      this.#seen(),
      NAMES.map((_, kind) => this.#sorted(this.#committed[kind])),
    );
    const there = new Set(this.#reader.kinds);
    for (const [kind, name] of NAMES.entries()) {
      assert.ok(this.#committed[kind] === undefined || there.has(name), `${name} is there`);
    }
  }

  /** All that happens inside must not change what this read sees. */
  #read(inside: readonly Operation[]): void {
    this.#reader.read((view) => {
      const names = this.#reader.kinds.filter((name) => NAMES.includes(name));
      const look = (): string[][] =>
        names.map((name) =>
          view
            .kind(name)
            .all()
            .map((one) => `${one.key} ${one.metadata.resourceVersion} ${JSON.stringify(one.toJSON())}`),
        );
      const before = look();
      for (const operation of inside) {
        this.run(operation);
        assert.deepEqual(look(), before);
      }
    });
  }
}

test("whatever kinds come, go and get other plans: reads are of one moment, and the sum of all changes is the state", () => {
  let failure: unknown;
  fc.assert(
    fc.property(operations, fc.boolean(), (list, isNearWrap) => {
      failure = undefined;
      const onError = (error: unknown): void => {
        failure ??= error;
      };
      const store = createStore({ maxBytes: 1 << 20, onError });
      if (isNearWrap) {
        new Int32Array(store.handle().buffer)[VERSION] = 0x7ffffff8;
      }
      const model = new Model(store);
      try {
        for (const operation of list) {
          model.run(operation);
          if (failure !== undefined) {
            throw failure;
          }
        }
        model.finish();
        assert.equal(failure, undefined);
      } finally {
        store.close();
      }
    }),
    { numRuns: Number(process.env.FAIRLEAD_MODEL_RUNS ?? 400) },
  );
});

function filled(writer: StoreWriter, kind: KindWriter, count: number): void {
  const maker = new RowMaker(kind.plan, kind.interner);
  for (let i = 0; i < count; i++) {
    const fields = { phase: "Running", labels: { app: `app-${i % 7}` } };
    kind.put(maker.make({ namespace: "shop", name: `o-${i}`, uid: `u-${i}`, resourceVersion: "1", fields }));
  }
  writer.commit();
  kind.status.synced(true);
}

test("a kind that gets another plan a thousand times takes no more memory, nor numbers, than one that did so twice", () => {
  const store = createStore({ maxBytes: 1 << 22 });
  const writer = store.writer();
  const reader = store.reader();
  const heard: number[] = [];
  filled(writer, writer.open(PLANS[0][0]), 500);
  reader.changes(pods, (batch) => heard.push(batch.size));
  reader.flush();
  const taken = (): object => {
    const { segments, kinds } = reader.stats();
    const { bytes, indexBytes }: KindStats = kinds.pods;
    return { records: segments.records, tables: segments.tables, bytes, indexBytes };
  };
  const round = (i: number): void => {
    const next = writer.replace(PLANS[0][1 + (i % 2)]);
    filled(writer, next, 500);
    writer.show(next);
    writer.commit();
    reader.flush();
    writer.maintain(i * 300);
    if (i % 10 === 0) {
      assert.equal(
        reader.read((view) => view.kind("pods").byLabel("app", "app-3").length),
        71,
      );
    }
  };
  for (let i = 0; i < 20; i++) {
    round(i);
  }
  const early = taken();
  for (let i = 20; i < 1000; i++) {
    round(i);
  }
  assert.deepEqual(taken(), early);
  assert.ok(new Int32Array(store.handle().buffer)[KIND_COUNT] <= 4);
  assert.deepEqual(heard, [500], "nothing differs");
  store.close();
});

test("a reader that stands still keeps what it was shown, and nothing of what came and went meanwhile", () => {
  const store = createStore({ maxBytes: 1 << 22 });
  const writer = store.writer();
  const reader = store.reader();
  filled(writer, writer.open(PLANS[0][0]), 300);
  const other = attachReader(store.handle());
  const told: string[] = [];
  other.changes(pods, (batch) => told.push(`${batch.kind} ${batch.size}`));
  other.flush();
  const size = (): number => reader.stats().liveBytes;
  const one = size();
  for (let i = 0; i < 20; i++) {
    const next = writer.replace(PLANS[0][1 + (i % 2)]);
    filled(writer, next, 300 - i);
    writer.show(next);
    writer.commit();
    writer.maintain(i * 300);
    assert.ok(size() < 4 * one, `${size()} after ${i} plans, ${one} for one`);
  }
  other.flush();
  assert.deepEqual(told, ["synced 300", "changes 19"]);
  writer.maintain(10_000);
  assert.ok(size() < 2 * one);
  other.close();
  store.close();
});

test("a kind that is dropped is empty for who knew it, unknown to others, and told as deleted; it may come back", () => {
  const store = createStore({ plans: [PLANS[0][0]], maxBytes: 1 << 20 });
  const writer = store.writer();
  const reader = store.reader();
  const kind = writer.open(PLANS[0][0]);
  filled(writer, kind, 3);
  const told: string[] = [];
  const objects = reader.read((view) => view.kind("pods"));
  reader.changes(pods, (batch) => {
    told.push(
      `${batch.kind} ${[...batch].map((change) => `${change.op} ${(change.new ?? change.old)?.metadata.name}`)}`,
    );
  });
  reader.flush();
  writer.drop(kind);
  assert.deepEqual(reader.kinds, ["pods"], "not before the commit");
  writer.commit();
  reader.flush();
  assert.deepEqual(told, ["synced added o-0,added o-1,added o-2", "changes deleted o-0,deleted o-1,deleted o-2"]);
  assert.deepEqual(reader.kinds, []);
  reader.read((view) => {
    assert.equal(view.kind("pods").size, 0);
    assert.deepEqual(view.kind("pods").all(), []);
    assert.deepEqual(objects.all(), [], "a view that somebody kept is empty too");
    assert.equal(objects.get("shop/o-1"), undefined);
  });
  const { phase, synced } = reader.status("pods");
  assert.deepEqual({ phase, synced }, { phase: 7, synced: false });
  assert.deepEqual(reader.dump("pods"), []);
  const late = attachReader(store.handle());
  assert.throws(() => late.status("pods"), { code: "STORE_UNKNOWN_KIND" });
  assert.throws(() => late.read((view) => view.kind("pods")), { code: "STORE_UNKNOWN_KIND" });
  writer.maintain(0);
  const again = writer.open(PLANS[0][1]);
  filled(writer, again, 2);
  reader.flush();
  assert.equal(told[2], "changes added o-0,added o-1");
  assert.deepEqual(late.kinds, ["pods"]);
  reader.read((view) => {
    assert.equal(view.kind("pods").size, 2);
    assert.equal(objects.size, 0, "another kind of that name is not the kept one");
  });
  late.close();
  store.close();
});

test("the counters of a kind go on under another plan, and a full store has room for the exchange", () => {
  const store = createStore({ maxBytes: 1 << 20 });
  const writer = store.writer();
  const reader = store.reader();
  const kind = writer.open(PLANS[0][0]);
  const maker = new RowMaker(kind.plan, kind.interner);
  let count = 0;
  const row = (i: number) => maker.make({ namespace: "shop", name: `o-${i}`, uid: `u-${i}`, resourceVersion: "1" });
  while (kind.put(row(count)) === "added") {
    count++;
  }
  writer.commit();
  kind.status.synced(true);
  kind.status.add("events", 5);
  const next = writer.replace(PLANS[0][0]);
  next.status.add("events", 3);
  for (let i = 0; i < count; i++) {
    assert.equal(next.put(row(i)), "added", `object ${i} of ${count}`);
  }
  assert.equal(reader.status("pods").events, 5);
  next.status.synced(true);
  writer.show(next);
  writer.commit();
  const { events, refused, objects } = reader.status("pods");
  assert.deepEqual({ events, refused, objects }, { events: 8, refused: 1, objects: count });
  store.close();
});

test("what waits for readers of a kind goes with it: the next one under its number is not taken for it", () => {
  const store = createStore({ maxBytes: 1 << 20 });
  const writer = store.writer();
  const reader = store.reader();
  writer.open(PLANS[0][0]);
  const shadow = writer.replace(PLANS[0][1]);
  const maker = new RowMaker(shadow.plan, shadow.interner);
  for (const resourceVersion of ["1", "2"]) {
    for (let i = 0; i < 1000; i++) {
      shadow.put(maker.make({ namespace: "shop", name: `o-${i}`, uid: `u-${i}`, resourceVersion }));
    }
    writer.commit();
  }
  for (let i = 0; i < 500; i++) {
    shadow.remove(maker.make({ namespace: "shop", name: `o-${i}` }));
  }
  writer.commit();
  assert.ok(reader.stats().pendingRecords > 0);
  writer.drop(shadow);
  filled(writer, writer.replace(PLANS[0][2]), 10);
  assert.deepEqual([reader.stats().pendingRecords, reader.read((view) => view.kind("pods").size)], [0, 0]);
  writer.maintain(0);
  writer.maintain(400_000);
  store.close();
});

test("whoever gave the handle to other threads is told of the new one", () => {
  const store = createStore({ plans: [PLANS[0][0]], maxBytes: 1 << 20, onError: (error) => errors.push(error) });
  const errors: unknown[] = [];
  const told: unknown[] = [];
  store.onRenewed(() => {
    throw new Error("not my day");
  });
  const subscription = store.onRenewed((handle) => told.push(handle));
  store.renew();
  const first = store.handle();
  assert.equal(told[0], first);
  subscription.stop();
  store.renew();
  assert.equal(told.length, 1);
  assert.equal(errors.length, 2);
  store.close();
});
