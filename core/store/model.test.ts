import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attachReader } from "./attach-reader.ts";
import { attachWriter, createStore } from "./create-store.ts";
import { KIND_FROM, kindAt, VERSION } from "./layout.ts";
import {
  checkObjects,
  type Gone,
  MODEL_KIND,
  type ModelObject,
  rowOf,
  stateOf,
  stateOfView,
} from "./oracle.test-support.ts";
import type { StoreReader } from "./reader.ts";
import { RowMaker } from "./row-maker.test-support.ts";
import type { KindWriter, StoreWriter } from "./store.ts";

const NAMESPACES = 2;
const NAMES = 12;
const VALUES = 4;
const KEEP_SECONDS = 300;

type Kinds = readonly [typeof MODEL_KIND];

/** Numbers that decide an object. */
type Choice = readonly [namespace: number, name: number, values: number, sameUid: boolean];

type Operation =
  | { readonly op: "put"; readonly choice: Choice }
  | { readonly op: "remove"; readonly choice: Choice }
  | { readonly op: "replace"; readonly choices: readonly Choice[]; readonly scope: number }
  | { readonly op: "churn"; readonly rounds: number; readonly values: number }
  | { readonly op: "commit" | "subscribe" | "unsubscribe" | "flush" | "check" }
  | { readonly op: "maintain"; readonly seconds: number }
  | { readonly op: "read"; readonly inside: readonly Operation[] };

const choice: fc.Arbitrary<Choice> = fc.tuple(
  fc.nat(NAMESPACES - 1),
  fc.nat(NAMES - 1),
  fc.nat(9999),
  fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
);

const simple: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant("put" as const), choice }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("remove" as const), choice }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("replace" as const),
      choices: fc.array(choice, { maxLength: 12 }),
      scope: fc.integer({ min: -1, max: NAMESPACES - 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("churn" as const),
      rounds: fc.oneof({ weight: 20, arbitrary: fc.nat(60) }, { weight: 1, arbitrary: fc.constant(700) }),
      values: fc.nat(9999),
    }),
  },
  { weight: 8, arbitrary: fc.record({ op: fc.constant("commit" as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom("subscribe" as const, "unsubscribe" as const) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("flush" as const) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("check" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant("maintain" as const), seconds: fc.constantFrom(0, 1, 100, 400) }),
  },
);

const operations = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: simple },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constant("read" as const), inside: fc.array(simple, { maxLength: 20 }) }),
    },
  ),
  { maxLength: 80 },
);

/** The store beside a model of it that is as simple as can be. */
class Model {
  readonly #writer: StoreWriter;
  readonly #kind: KindWriter;
  readonly #maker: RowMaker;
  readonly #reader: StoreReader<Kinds>;
  readonly #objects = new Map<string, ModelObject>();
  #gone: Gone[] = [];
  #committed = new Map<string, ModelObject>();
  #committedGone: readonly Gone[] = [];
  #seconds = 0;
  #version = 0;
  #uids = 0;
  #folds: { readonly shown: Map<string, string>; isSynced: boolean; stop: () => void }[] = [];

  constructor(writer: StoreWriter, reader: StoreReader<Kinds>) {
    this.#writer = writer;
    this.#kind = writer.open(MODEL_KIND.plan());
    this.#kind.status.synced(true);
    this.#maker = new RowMaker(this.#kind.plan, this.#kind.interner);
    this.#reader = reader;
  }

  run(operation: Operation): void {
    switch (operation.op) {
      case "put":
        this.#put(operation.choice);
        return;
      case "remove":
        this.#remove(operation.choice);
        return;
      case "replace":
        this.#replace(operation.choices, operation.scope);
        return;
      case "churn":
        this.#churn(operation.rounds, operation.values);
        return;
      case "commit":
        this.#commit();
        return;
      case "maintain":
        this.#maintain(operation.seconds);
        return;
      case "subscribe":
        this.#subscribe();
        return;
      case "unsubscribe":
        this.#folds.pop()?.stop();
        return;
      case "flush":
        this.#flush();
        return;
      case "check":
        this.#reader.read((view) =>
          checkObjects(view.pods, this.#expected(), { namespaces: NAMESPACES, values: VALUES }),
        );
        return;
      case "read":
        this.#snapshot(operation.inside);
    }
  }

  /** Everything must add up at the end, and old deleted objects must be gone. */
  finish(): void {
    this.#commit();
    this.#flush();
    this.#maintain(1000);
    this.#maintain(1000);
    this.run({ op: "check" });
    this.#reader.read((view) => assert.deepEqual(view.pods.deleted.all(), []));
    for (const fold of this.#folds) {
      fold.stop();
    }
    this.#maintain(0);
    this.#maintain(0);
    const stats = this.#reader.stats();
    assert.equal(stats.pendingRecords, 0);
    assert.equal(stats.liveBytes, stats.kinds.pods.bytes);
    assert.equal(this.#kind.size, this.#objects.size);
  }

  /** All that happens inside must not change what this read sees. */
  #snapshot(inside: readonly Operation[]): void {
    this.#reader.read((view) => {
      const expected = this.#expected();
      for (const operation of inside) {
        // A flush belongs to a read of its own; inside of this one it would stay at this version.
        if (operation.op !== "flush" && operation.op !== "subscribe" && operation.op !== "check") {
          this.run(operation);
        }
      }
      checkObjects(view.pods, { ...expected, gone: [] }, { namespaces: NAMESPACES, values: VALUES });
    });
  }

  #expected(): { objects: Map<string, ModelObject>; gone: ModelObject[] } {
    const gone = this.#committedGone.filter((one) => one.stamp < 0 || this.#seconds - one.stamp < KEEP_SECONDS);
    return { objects: this.#committed, gone: gone.map((one) => one.object) };
  }

  #put([namespace, name, values, sameUid]: Choice): void {
    const before = this.#objects.get(`ns-${namespace}/pod-${name}`);
    const isUnchanged = before !== undefined && sameUid && values % 11 === 0;
    const object: ModelObject = isUnchanged
      ? before
      : {
          namespace: `ns-${namespace}`,
          name: `pod-${name}`,
          uid: before !== undefined && sameUid ? before.uid : `uid-${++this.#uids}`,
          version: ++this.#version,
          node: values % (VALUES + 1),
          app: Math.floor(values / 5) % (VALUES + 1),
          ip: Math.floor(values / 25) % (VALUES + 1),
          owner: Math.floor(values / 125) % (VALUES + 1),
        };
    const result = this.#kind.put(this.#maker.make(rowOf(object)));
    const isSame = before?.uid === object.uid;
    assert.equal(result, isUnchanged ? "unchanged" : isSame ? "updated" : "added");
    if (before !== undefined && !isSame) {
      this.#gone.push({ object: before, stamp: -1 });
    }
    this.#objects.set(`${object.namespace}/${object.name}`, object);
  }

  #remove([namespace, name]: Choice): void {
    const key = `ns-${namespace}/pod-${name}`;
    const before = this.#objects.get(key);
    const removed = this.#kind.remove(this.#maker.make({ namespace: `ns-${namespace}`, name: `pod-${name}` }));
    assert.equal(removed, before !== undefined);
    this.#forget(key);
  }

  #forget(key: string): void {
    const before = this.#objects.get(key);
    if (before !== undefined) {
      this.#objects.delete(key);
      this.#gone.push({ object: before, stamp: -1 });
    }
  }

  #replace(choices: readonly Choice[], scope: number): void {
    const namespace = scope < 0 ? undefined : `ns-${scope}`;
    this.#kind.beginReplace(namespace === undefined ? undefined : { namespace });
    const put = new Set<string>();
    for (const [inNamespace, name, values, sameUid] of choices) {
      const chosen: Choice = [scope < 0 ? inNamespace : scope, name, values, sameUid];
      this.#put(chosen);
      put.add(`ns-${chosen[0]}/pod-${name}`);
    }
    const missing = [...this.#objects.values()].filter(
      (object) =>
        (namespace === undefined || object.namespace === namespace) && !put.has(`${object.namespace}/${object.name}`),
    );
    assert.equal(this.#kind.endReplace(), missing.length);
    for (const object of missing) {
      this.#forget(`${object.namespace}/${object.name}`);
    }
  }

  #churn(rounds: number, values: number): void {
    for (let i = 0; i < rounds; i++) {
      for (let name = 0; name < NAMES; name++) {
        this.#put([(i + name) % NAMESPACES, name, (values * (i + 1) * (name + 3)) % 9973, name !== i % NAMES]);
      }
      if (i % 3 === 0) {
        this.#commit();
      }
      if (i % 50 === 49) {
        this.#maintain(0);
      }
    }
  }

  #commit(): void {
    this.#writer.commit();
    this.#committed = new Map(this.#objects);
    this.#committedGone = [...this.#gone];
  }

  #maintain(seconds: number): void {
    this.#seconds += seconds;
    this.#writer.maintain(this.#seconds * 1000);
    for (const one of this.#gone) {
      if (one.stamp < 0) {
        one.stamp = this.#seconds;
      }
    }
    this.#gone = this.#gone.filter((one) => this.#seconds - one.stamp < KEEP_SECONDS);
  }

  #subscribe(): void {
    const shown = new Map<string, string>();
    const fold = { shown, isSynced: false, stop: () => {} };
    const subscription = this.#reader.changes(MODEL_KIND, (batch) => {
      assert.equal(batch.kind === "synced", !fold.isSynced, "the initial set comes first, once");
      fold.isSynced = true;
      for (const change of batch) {
        const key = (change.new ?? change.old)?.key ?? "";
        if (change.op === "added") {
          assert.equal(shown.has(key), false, "added what was there");
        } else if (change.op === "resync") {
          assert.equal(shown.has(key), true, "resync of what was not there");
        } else if (batch.kind === "changes") {
          assert.equal(stateOfView(change.old), shown.get(key), "old is what was shown last");
        }
        if (change.op === "deleted") {
          assert.equal(shown.delete(key), true, "deleted what was not there");
        } else {
          shown.set(key, stateOfView(change.new));
        }
      }
    });
    fold.stop = subscription.stop;
    this.#folds.push(fold);
  }

  #flush(): void {
    this.#reader.flush();
    const expected = [...this.#committed.values()].map(stateOf).sort();
    for (const fold of this.#folds) {
      assert.deepEqual([...fold.shown.values()].sort(), expected, "the sum of all changes is the state");
    }
  }
}

const NUM_RUNS = Number(process.env.FAIRLEAD_MODEL_RUNS ?? 150);

for (const backend of ["local", "shared"] as const) {
  test(`the ${backend} store behaves like a map`, () => {
    fc.assert(
      fc.property(operations, fc.boolean(), (list, isNearWrap) => {
        const store = createStore<Kinds>({ backend, plans: [MODEL_KIND.plan()], maxBytes: 1 << 23, onError: rethrow });
        let writer: StoreWriter;
        let reader: StoreReader<Kinds>;
        if (backend === "shared") {
          const handle = { ...store.handle() };
          if (isNearWrap) {
            const words = new Int32Array(handle.buffer);
            words[VERSION] = 0x7ffffff8;
            words[kindAt(0) + KIND_FROM] = words[VERSION];
          }
          writer = attachWriter(handle);
          reader = attachReader<Kinds>(handle, { onError: rethrow });
        } else {
          writer = store.writer();
          reader = store.reader();
        }
        const model = new Model(writer, reader);
        failure = undefined;
        try {
          for (const operation of list) {
            model.run(operation);
            if (failure !== undefined) {
              throw failure;
            }
          }
          model.finish();
        } finally {
          reader.close();
        }
      }),
      { numRuns: NUM_RUNS },
    );
  });
}

let failure: unknown;

function rethrow(error: unknown): void {
  failure ??= error;
}
