import assert from "node:assert/strict";
import { test } from "node:test";
import { deployments } from "../kinds/apps.ts";
import { detached } from "./cached-object.ts";
import { ownedKind } from "./owned-kind.ts";

const KIND = ownedKind(deployments, ["readyReplicas", "conditions"], "webapp");

/** As a view of the store: getters, and elements that can be copied. */
const view = {
  key: "shop/a",
  metadata: {
    name: "a",
    namespace: "shop",
    uid: "u",
    resourceVersion: "1",
    labels: { app: "a" },
    ownerReferences: [{ toJSON: () => ({ uid: "o" }) }],
    finalizers: ["x/y"],
    generation: 2,
  },
  status: { readyReplicas: 0, conditions: [] },
};

test("a copy has what is followed, with the levels on the way to it", () => {
  const copy = detached(KIND, view) as typeof view;
  assert.deepEqual(
    [copy.key, copy.metadata.name, copy.metadata.labels, copy.metadata.ownerReferences, copy.status.readyReplicas],
    ["shop/a", "a", { app: "a" }, [{ uid: "o" }], 0],
  );
  assert.deepEqual(Object.keys(copy), ["key", "metadata", "status"]);
  assert.notEqual(copy.metadata.labels, view.metadata.labels);
  assert.doesNotThrow(() => JSON.stringify(copy));
});

test("a field that is not followed says so, on every level, and one that nobody knows is undefined", () => {
  const copy = detached(KIND, view);
  const read = (path: string) =>
    path.split(".").reduce<unknown>((value, step) => Reflect.get(Object(value), step), copy);
  for (const path of ["spec.replicas", "status.updatedReplicas", "spec.strategy.rollingUpdate.maxSurge", "available"]) {
    assert.throws(() => read(path), { code: "STORE_FIELD_NOT_DECLARED", message: new RegExp(`without "${path}"`) });
  }
  assert.equal(read("status.nothing"), undefined);
});
