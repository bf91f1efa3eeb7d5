import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deployments } from "../kinds/apps.ts";
import { secrets, services } from "../kinds/core.ts";
import { ownedOf } from "../kinds/owned.ts";
import { acceptHeader, createWatchDecoder } from "../wire/decoder.ts";
import { eventBytes, type Json, listBytes, readList, readOne } from "../wire/stream.test-support.ts";
import { ownedKind } from "./owned-kind.ts";

const PLAN = ownedKind(deployments, ["readyReplicas"], "webapp").plan();

const DEPLOYMENT: Json = {
  metadata: {
    name: "cart",
    namespace: "shop",
    uid: "8f14e45f-ceea-467f-a0e6-6a2f1c5b7d10",
    resourceVersion: "7",
    labels: { app: "cart", "example.org/ünï": 'a"b\\c', foreign: "yes" },
    ownerReferences: [
      { uid: "other", name: "x" },
      { uid: "u-1", name: "cart", kind: "WebApp", controller: true },
    ],
    managedFields: [
      { manager: "webapp", operation: "Update", fieldsV1: { "f:spec": { "f:paused": {} } } },
      { manager: "webapp", operation: "Apply", subresource: "status", fieldsV1: { "f:status": {} } },
      {
        fieldsV1: {
          "f:metadata": {
            "f:labels": { "f:app": {}, "f:example.org/ünï": {}, "f:gone": {} },
            "f:ownerReferences": { 'k:{"uid":"u-1"}': {} },
          },
          "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
              "f:spec": {
                "f:containers": {
                  'k:{"name":"side"}': { ".": {}, "f:name": {} },
                  'k:{"name":"web"}': {
                    ".": {},
                    "f:image": {},
                    "f:name": {},
                    "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
                  },
                },
              },
            },
          },
        },
        operation: "Apply",
        manager: "webapp",
      },
    ],
  },
  spec: {
    replicas: 2,
    paused: true,
    selector: { matchLabels: { app: "cart" } },
    template: {
      spec: {
        restartPolicy: "Always",
        containers: [
          { name: "web", image: "cart:1", ports: [{ containerPort: 80, protocol: "TCP" }], env: [{ name: "A" }] },
          { name: "side", image: "side:1" },
        ],
      },
    },
  },
  status: { readyReplicas: 1 },
};

const OWNED = {
  "f:metadata": {
    "f:labels": { "f:app": ["cart"], "f:example.org/ünï": ['a"b\\c'], "f:gone": [] },
    "f:ownerReferences": { 'k:{"uid":"u-1"}': [{ uid: "u-1", name: "cart", kind: "WebApp", controller: true }] },
  },
  "f:spec": {
    "f:replicas": [2],
    "f:selector": [{ matchLabels: { app: "cart" } }],
    "f:template": {
      "f:spec": {
        "f:containers": {
          'k:{"name":"web"}': {
            "f:image": ["cart:1"],
            "f:name": ["web"],
            "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { "f:containerPort": [80] } },
          },
          'k:{"name":"side"}': { "f:name": ["side"] },
        },
      },
    },
  },
};

test("a row holds what a field manager owns by apply, with its values, and the same is read from a parsed object", () => {
  const row = readOne(PLAN, "json", eventBytes("json", "ADDED", "apps/v1", "Deployment", DEPLOYMENT));
  assert.deepEqual(row.cells["owned:webapp"], OWNED);
  assert.equal(row.cells.readyReplicas, 1);
  assert.deepEqual(ownedOf(DEPLOYMENT, "webapp"), OWNED);
  const spaced = JSON.stringify({ type: "MODIFIED", object: DEPLOYMENT }, undefined, 1).replaceAll("\n", " ");
  assert.deepEqual(readOne(PLAN, "json", Buffer.from(`${spaced}\n`)).cells["owned:webapp"], OWNED);
});

test("a manager that owns nothing has no cell, and elements are listed in their order", () => {
  const other = ownedKind(deployments, [], "other").plan();
  const event = eventBytes("json", "ADDED", "apps/v1", "Deployment", DEPLOYMENT);
  assert.equal(readOne(other, "json", event).cells["owned:other"], undefined);
  const row = readOne(PLAN, "json", event);
  const steps = JSON.stringify(row.cells["owned:webapp"]);
  assert(steps.indexOf("web\\") < steps.indexOf("side\\"));
});

test("what is owned is read as JSON, in lists too, and never from protobuf", () => {
  assert.equal(acceptHeader(PLAN, "list"), "application/json");
  assert.match(acceptHeader(PLAN, "audit"), /protobuf/);
  assert.throws(
    () => createWatchDecoder(PLAN, "protobuf", undefined as never, undefined as never, undefined as never),
    { code: "WIRE_BAD_FORMAT" },
  );
  const page = listBytes("json", PLAN, { resourceVersion: "9" }, [DEPLOYMENT, { ...DEPLOYMENT }]);
  const { items } = readList(PLAN, "json", [page]);
  assert.deepEqual(
    items.map((row) => row.cells["owned:webapp"]),
    [OWNED, OWNED],
  );
});

const leaf = fc.oneof(
  fc.string(),
  fc.string({ minLength: 100, maxLength: 400, unit: "binary" }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constant("x☃\u{1d11e}\n"),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 4 },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom("a", "b", "name", "ü"), fc.string()), tie("value"), { maxKeys: 4 }),
  ),
}));
const step = fc.oneof(
  fc.constantFrom("f:a", "f:b", "f:name", "f:ü", "f:spec", "f:metadata", "f:__proto__", ".", "odd", "i:0"),
  fc.string().map((name) => `k:${JSON.stringify({ name })}`),
  leaf.map((one) => `v:${JSON.stringify(one)}`),
);
const { fields } = fc.letrec((tie) => ({
  fields: fc.dictionary(step, fc.oneof({ maxDepth: 4 }, fc.constant({}), tie("fields")), { maxKeys: 4 }),
}));

test("whatever an object and its managedFields are, the row holds what the parsed object gives", () => {
  const plans = [services, secrets].map((kind) => ownedKind(kind, [], "webapp").plan());
  fc.assert(
    fc.property(value, value, fields, fc.constantFrom(...plans), (spec, labels, fieldsV1, plan) => {
      const object = {
        apiVersion: plan.apiVersion,
        kind: plan.kind,
        metadata: {
          name: "x",
          namespace: "y",
          resourceVersion: "1",
          managedFields: [{ manager: "webapp", operation: "Apply", fieldsV1 }],
          odd: labels,
        },
        spec,
      };
      const text = JSON.stringify(object);
      const bytes = Buffer.from(`{"type":"ADDED","object":${text}}\n`);
      assert.deepEqual(readOne(plan, "json", bytes).cells["owned:webapp"], ownedOf(JSON.parse(text), "webapp"));
    }),
    { numRuns: 500 },
  );
});

test("managedFields that are none give no cell or a broken frame, and nothing else", () => {
  const read = (managed: string) =>
    readOne(
      PLAN,
      "json",
      Buffer.from(
        `{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"1","managedFields":${managed}}}}\n`,
      ),
    ).cells["owned:webapp"];
  for (const managed of ["null", "{}", "[]", "[1]", '["x"]', "[null]", '[{"manager":"webapp"}]', '[{"manager":1}]']) {
    assert.equal(read(managed), undefined, managed);
  }
  const entry = (fields: string) => `[{"manager":"webapp","operation":"Apply","fieldsV1":${fields}}]`;
  assert.equal(read(entry("null")), undefined);
  assert.deepEqual(read(entry('{"f:spec":1,"f:metadata":{"f:name":"y"}}')), {
    "f:metadata": { "f:name": ["x"] },
    "f:spec": [],
  });
  assert.throws(() => read(entry("{x}")), { code: "WIRE_BAD_FRAME" });
  assert.throws(
    () =>
      read(
        `[{"manager":"webapp","odd":[x],"operation":"Apply","fieldsV1":{"f:metadata":{"f:managedFields":{"k:{}":{"f:a":{}}}}}}]`,
      ),
    { code: "WIRE_BAD_FRAME" },
  );
});
