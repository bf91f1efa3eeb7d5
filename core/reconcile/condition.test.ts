import assert from "node:assert/strict";
import { test } from "node:test";
import { type Condition, condition, setCondition } from "./condition.ts";
import { withOwner } from "./owner.ts";
import { isSameJson, statusPatch } from "./status-patch.ts";

const NOW = { nowMs: Date.parse("2026-01-31T08:00:00.900Z"), generation: 3 };
const EARLIER = "2026-01-30T08:00:00Z";

test("a condition has the status, reason and message that are left out by rule", () => {
  assert.deepEqual(
    [
      condition("Ready", true),
      condition("Ready", false),
      condition("Ready", undefined),
      condition("Ready", "Unknown", "Why", "so"),
    ],
    [
      { type: "Ready", status: "True", reason: "Ready", message: "" },
      { type: "Ready", status: "False", reason: "NotReady", message: "" },
      { type: "Ready", status: "Unknown", reason: "Unknown", message: "" },
      { type: "Ready", status: "Unknown", reason: "Why", message: "so" },
    ],
  );
});

test("the time of a transition is that of the last change of status", () => {
  const first = setCondition(undefined, condition("Ready", true), NOW);
  assert.deepEqual(first, [
    {
      type: "Ready",
      status: "True",
      observedGeneration: 3,
      lastTransitionTime: "2026-01-31T08:00:00Z",
      reason: "Ready",
      message: "",
    },
  ]);
  const old: Condition[] = [
    { ...first[0], lastTransitionTime: EARLIER },
    { ...first[0], type: "Other" },
  ];
  const same = setCondition(old, condition("Ready", true, "Still"), NOW);
  assert.deepEqual([same[0].lastTransitionTime, same[0].reason, same[1]], [EARLIER, "Still", old[1]]);
  assert.equal(setCondition(old, condition("Ready", false), NOW)[0].lastTransitionTime, "2026-01-31T08:00:00Z");
  const given = { ...condition("Ready", false), lastTransitionTime: EARLIER, observedGeneration: 2 };
  assert.deepEqual(setCondition(old, given, NOW)[0], { ...given });
});

const CASES: readonly (readonly [name: string, current: object, wanted: object, expected: unknown])[] = [
  ["the same", { a: 1, b: { c: [1] } }, { a: 1, b: { c: [1] } }, undefined],
  ["less than there is", { a: 1, b: 2 }, { a: 1 }, undefined],
  ["another scalar", { a: 1 }, { a: 2 }, { status: { a: 2 }, needsVersion: false }],
  ["a field to remove", { a: 1 }, { a: undefined }, { status: { a: null }, needsVersion: false }],
  ["a field to remove that is not there", {}, { a: null, b: undefined }, undefined],
  [
    "part of an object",
    { a: { b: 1, c: 2, d: { e: 1 } } },
    { a: { b: 1, d: { e: 2 } } },
    { status: { a: { c: null, d: { e: 2 } } }, needsVersion: false },
  ],
  ["another list", { a: [1] }, { a: [1, 2] }, { status: { a: [1, 2] }, needsVersion: true }],
  ["an object for a scalar", { a: 1 }, { a: { b: 1 } }, { status: { a: { b: 1 } }, needsVersion: false }],
  ["conditions that are none", {}, { conditions: ["x"] }, { status: { conditions: ["x"] }, needsVersion: true }],
];

for (const [name, current, wanted, expected] of CASES) {
  test(`patches a status to ${name}`, () => {
    // Tables of plain objects.
    assert.deepEqual(statusPatch(current as Record<string, unknown>, wanted as Record<string, unknown>, NOW), expected);
  });
}

test("conditions that are as they were are not written, whatever the time is", () => {
  const [one] = setCondition([], condition("Ready", true), NOW);
  const current = { conditions: [{ ...one, lastTransitionTime: EARLIER }] };
  assert.equal(statusPatch(current, { conditions: [condition("Ready", true)] }, NOW), undefined);
  const newer = statusPatch(current, { conditions: [condition("Ready", true)] }, { ...NOW, generation: 4 });
  assert.deepEqual(newer, {
    status: { conditions: [{ ...one, lastTransitionTime: EARLIER, observedGeneration: 4 }] },
    needsVersion: true,
  });
});

test("JSON is the same without what is null or undefined", () => {
  assert(isSameJson({ a: null, b: [{ c: undefined }] }, { b: [{}] }));
  assert(!isSameJson({ a: 0 }, {}));
  assert(!isSameJson([1], [1, 2]));
  assert(!isSameJson([], {}));
});

const OWNER = { apiVersion: "v1", kind: "Shop", metadata: { name: "one", namespace: "shop", uid: "u-1" } };
const OBJECT = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "shop" } };
const REFERENCE = { apiVersion: "v1", kind: "Shop", name: "one", uid: "u-1" };

test("an object is owned once by each owner, and controlled by one", () => {
  const owned = withOwner(OWNER, OBJECT);
  const controlled = { ...REFERENCE, controller: true, blockOwnerDeletion: true };
  assert.deepEqual(owned.metadata?.ownerReferences, [controlled]);
  assert.deepEqual(withOwner(OWNER, owned, { controller: false }).metadata?.ownerReferences, [REFERENCE]);
  const second = { ...OWNER, metadata: { ...OWNER.metadata, name: "two", uid: "u-2" } };
  assert.throws(() => withOwner(second, owned), { code: "RECONCILE_ALREADY_OWNED", message: /belongs to Shop "one"/ });
  const { ownerReferences } = withOwner(second, owned, { controller: false, blockOwnerDeletion: true }).metadata ?? {};
  assert.deepEqual(ownerReferences, [controlled, { ...REFERENCE, name: "two", uid: "u-2", blockOwnerDeletion: true }]);
});

test("an owner without namespace owns objects anywhere; one in a namespace only there", () => {
  const cluster = { ...OWNER, metadata: { name: "one", uid: "u-1" } };
  assert.doesNotThrow(() => withOwner(cluster, OBJECT));
  assert.doesNotThrow(() => withOwner(cluster, { ...OBJECT, metadata: { name: "a" } }));
  assert.throws(() => withOwner(OWNER, { ...OBJECT, metadata: { name: "a" } }), {
    code: "RECONCILE_BAD_OWNER",
    message: /which has no namespace/,
  });
});
