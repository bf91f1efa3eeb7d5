import assert from "node:assert/strict";
import { test } from "node:test";
import { type AnyPredicate, fieldsOf, type ObjectChange, type ObjectLike, predicates, valueAt } from "./predicate.ts";

interface Parts {
  readonly generation?: number;
  readonly version?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deleting?: string;
  readonly replicas?: number;
}

function view({ generation, version = "1", deleting, replicas, ...more }: Parts): ObjectLike {
  const metadata = { name: "a", namespace: "shop", uid: "u", resourceVersion: version, deletionTimestamp: deleting };
  return Object.assign({ key: "shop/a", metadata: { ...metadata, generation, ...more } }, { spec: { replicas } });
}

const updated = (before: Parts, after: Parts): ObjectChange<ObjectLike> => ({
  op: "updated",
  old: view(before),
  new: view(after),
});

const CASES: readonly (readonly [string, AnyPredicate, Parts, Parts, boolean])[] = [
  ["generation: another one", predicates.generation(), { generation: 1 }, { generation: 2 }, true],
  ["generation: a status", predicates.generation(), { generation: 1 }, { generation: 1, version: "2" }, false],
  ["generation: a kind without", predicates.generation(), {}, { version: "2" }, true],
  ["generation: a deletion", predicates.generation(), { generation: 1 }, { generation: 1, deleting: "now" }, true],
  ["labels: another value", predicates.labels(), { labels: { a: "1" } }, { labels: { a: "2" } }, true],
  ["labels: one more", predicates.labels(), { labels: {} }, { labels: { a: "2" } }, true],
  ["labels: an annotation", predicates.labels(), { labels: { a: "1" } }, { labels: { a: "1" }, version: "2" }, false],
  ["annotations: another", predicates.annotations(), { annotations: {} }, { annotations: { a: "1" } }, true],
  ["annotations: a label", predicates.annotations(), { labels: {} }, { labels: { a: "1" } }, false],
  ["field: it", predicates.field("spec.replicas"), { replicas: 1 }, { replicas: 2 }, true],
  ["field: another", predicates.field("spec.replicas"), { replicas: 1, version: "1" }, { replicas: 1 }, false],
  ["field: one of two", predicates.field("spec.x", "spec.replicas"), { replicas: 1 }, { replicas: 2 }, true],
  ["resourceVersion: the same", predicates.resourceVersion(), { version: "1" }, { version: "1" }, false],
  ["resourceVersion: another", predicates.resourceVersion(), { version: "1" }, { version: "2" }, true],
  ["and", predicates.and(predicates.generation(), () => false), { generation: 1 }, { generation: 2 }, false],
  ["or", predicates.or(() => false, predicates.generation()), { generation: 1 }, { generation: 2 }, true],
  ["not", predicates.not(predicates.generation()), { generation: 1 }, { generation: 2 }, false],
];

for (const [name, predicate, before, after, expected] of CASES) {
  test(`${name}: ${expected ? "of interest" : "passed over"}`, () => {
    assert.equal(predicate.test(updated(before, after)), expected);
  });
}

test("what is added, deleted or seen anew is of interest to each of them", () => {
  const one = view({});
  for (const [, predicate] of CASES.filter(([name]) => !/and|or|not/.test(name) || name.startsWith("annotations"))) {
    assert.equal(predicate.test({ op: "added", old: undefined, new: one }), true);
    assert.equal(predicate.test({ op: "deleted", old: one, new: undefined }), true);
    assert.equal(predicate.test({ op: "resync", old: undefined, new: one }), true);
  }
});

test("fields that predicates look at are known, so that kinds are followed with them", () => {
  const nested = predicates.and(
    predicates.or(predicates.labels(), () => true),
    predicates.not(predicates.annotations()),
  );
  assert.deepEqual(fieldsOf([nested, predicates.generation()]), ["labels", "annotations", "generation"]);
});

test("a path is looked up in the JSON of a kind that keeps it", () => {
  const kept = Object.assign(view({}), { json: { spec: { image: "cart:1", list: [1] } } });
  assert.equal(valueAt(kept, "spec.image"), "cart:1");
  assert.deepEqual(valueAt(kept, "spec.list"), [1]);
  assert.equal(valueAt(kept, "spec.none.deeper"), undefined);
});
