import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../kube/client.ts";
import { apply, configurationOf } from "./apply.ts";

const MAP = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "shop" } };

test("what is applied is what can be owned: nothing that is null or undefined, nothing of the server's", () => {
  const { object, name, namespace, owner } = configurationOf({
    ...MAP,
    metadata: {
      ...MAP.metadata,
      uid: "u",
      resourceVersion: "1",
      generation: 2,
      creationTimestamp: null,
      managedFields: [],
      labels: { a: "1", b: undefined, c: null },
    },
    spec: { at: new Date(0), list: [{ x: null, y: 0 }], empty: {}, text: "" },
    status: undefined,
  });
  assert.deepEqual([name, namespace, owner], ["a", "shop", undefined]);
  assert.deepEqual(object, {
    ...MAP,
    metadata: { ...MAP.metadata, labels: { a: "1" } },
    spec: { at: "1970-01-01T00:00:00.000Z", list: [{ y: 0 }], empty: {}, text: "" },
  });
});

test("the texts of a secret join its data, and nothing else is touched", () => {
  const secret = { apiVersion: "v1", kind: "Secret", metadata: MAP.metadata };
  const { object } = configurationOf({ ...secret, data: { a: "MQ==" }, stringData: { b: "2" } });
  assert.deepEqual(object, { ...secret, data: { a: "MQ==", b: "Mg==" } });
  const other = configurationOf({ ...MAP, stringData: { b: "2" } }).object;
  assert.deepEqual(other, { ...MAP, stringData: { b: "2" } });
});

test("a child gets its owner's namespace, and its owner with it", () => {
  const owner = { apiVersion: "v1", kind: "Shop", metadata: { name: "one", namespace: "shop", uid: "u" } };
  const child = apply.owned(owner, { ...MAP, metadata: { name: "a" } });
  const read = configurationOf(child);
  assert.deepEqual([read.namespace, read.owner], ["shop", owner]);
  assert(Object.isFrozen(child));
});

test("what is no object of the API is refused by what it is", () => {
  const bad: readonly (readonly [given: unknown, message: RegExp])[] = [
    [undefined, /this is undefined/],
    ["x", /this is x/],
    [[], /undefined undefined "undefined"/],
    [{ ...MAP, metadata: null }, /v1 ConfigMap "undefined"/],
    [{ ...MAP, metadata: { generateName: "a-" } }, /v1 ConfigMap "undefined"/],
    [{ ...MAP, metadata: { name: "a", namespace: 1 } }, /the namespace of ConfigMap "a" is no text/],
  ];
  for (const [given, message] of bad) {
    // As JavaScript may call it.
    assert.throws(() => configurationOf(given as KubeObject), { code: "RECONCILE_BAD_OBJECT", message });
  }
});
