import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, ownedOf } from "../kinds/owned.ts";
import { ownedDifferences, type Wanted } from "./owned-compare.ts";
import { sameQuantity } from "./quantity.ts";

const WANTED = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "cart", namespace: "shop", labels: { app: "cart" }, annotations: {} },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "cart" } },
    template: {
      spec: {
        containers: [
          { name: "web", image: "cart:1", ports: [{ containerPort: 80 }], resources: { limits: { cpu: "1000m" } } },
          { name: "side", image: "side:1", env: [{ name: "A", value: "" }] },
        ],
        tolerations: [{ key: "a", operator: "Exists" }],
      },
    },
  },
};

const OWNED = {
  "f:metadata": { "f:labels": { "f:app": ["cart"] }, "f:annotations": [] },
  "f:spec": {
    "f:replicas": [2],
    "f:selector": [{ matchLabels: { app: "cart" } }],
    "f:template": {
      "f:spec": {
        "f:containers": {
          'k:{"name":"web"}': {
            "f:name": ["web"],
            "f:image": ["cart:1"],
            "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { "f:containerPort": [80] } },
            "f:resources": { "f:limits": { "f:cpu": ["1"] } },
          },
          'k:{"name":"side"}': {
            "f:name": ["side"],
            "f:image": ["side:1"],
            "f:env": { 'k:{"name":"A"}': { "f:name": ["A"], "f:value": [] } },
          },
        },
        "f:tolerations": [[{ key: "a", operator: "Exists" }]],
      },
    },
  },
};

type Path = readonly (string | number)[];

/** A copy with another value at a path; undefined: without it. */
function changed<T>(value: T, [step, ...rest]: Path, to: unknown): T {
  // Whatever it is, a copy with that key in it is of the same shape for the test.
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>;
  copy[step] = rest.length === 0 ? to : changed(copy[step], rest, to);
  if (to === undefined && rest.length === 0) {
    delete copy[step];
  }
  return copy as T;
}

const POD: Path = ["spec", "template", "spec"];
const LIVE_POD: Path = ["f:spec", "f:template", "f:spec"];

const WANT: readonly (readonly [name: string, at: Path, to: unknown, expected: readonly string[]])[] = [
  ["another value", ["spec", "replicas"], 3, ["value .spec.replicas"]],
  ["a new label", ["metadata", "labels", "tier"], "web", ["missing .metadata.labels.tier"]],
  ["a label less", ["metadata", "labels", "app"], undefined, ["extra .metadata.labels.app"]],
  ["all labels less", ["metadata", "labels"], {}, ["extra .metadata.labels.app"]],
  ["labels not named", ["metadata", "labels"], undefined, ["extra .metadata.labels"]],
  ["a field less", ["spec", "replicas"], undefined, ["extra .spec.replicas"]],
  ["a selector with more", ["spec", "selector", "matchLabels", "b"], "c", ["value .spec.selector.matchLabels.b"]],
  ["a selector with less", ["spec", "selector", "matchLabels"], {}, ["value .spec.selector.matchLabels.app"]],
  ["another container", [...POD, "containers", 2], { name: "x" }, ["missing .spec.template.spec.containers[2]"]],
  [
    "a container less",
    [...POD, "containers"],
    [WANTED.spec.template.spec.containers[1]],
    ['extra .spec.template.spec.containers[name="web"]'],
  ],
  [
    "containers turned round",
    [...POD, "containers"],
    WANTED.spec.template.spec.containers.toReversed(),
    ["order .spec.template.spec.containers"],
  ],
  ["a list where an object is", ["spec", "selector"], [], ["value .spec.selector"]],
  ["a scalar where an object is", ["metadata", "labels"], "x", ["value .metadata.labels"]],
  [
    "another protocol",
    [...POD, "containers", 0, "ports", 0, "protocol"],
    "UDP",
    [
      'extra .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]',
      'missing .spec.template.spec.containers[name="web"].ports[0]',
    ],
  ],
  [
    "another amount",
    [...POD, "containers", 0, "resources", "limits", "cpu"],
    "1001m",
    ['value .spec.template.spec.containers[name="web"].resources.limits.cpu'],
  ],
  ["a toleration more", [...POD, "tolerations", 1], { key: "b" }, ["value .spec.template.spec.tolerations"]],
  ["a toleration changed", [...POD, "tolerations", 0, "key"], "b", ["value .spec.template.spec.tolerations[0].key"]],
  ["the same amount", [...POD, "containers", 0, "resources", "limits", "cpu"], 1, []],
  [
    "the protocol by name",
    [...POD, "containers", 0, "ports", 0, "protocol"],
    "TCP",
    ['missing .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].protocol'],
  ],
];

const LIVE: readonly (readonly [name: string, at: Path, to: unknown, expected: readonly string[]])[] = [
  ["was changed", ["f:spec", "f:replicas"], [5], ["value .spec.replicas"]],
  ["was taken over by another manager", ["f:spec", "f:replicas"], undefined, ["missing .spec.replicas"]],
  ["was removed", ["f:spec", "f:replicas"], [], ["value .spec.replicas"]],
  [
    "is an item that somebody removed",
    [...LIVE_POD, "f:containers", 'k:{"name":"side"}'],
    [],
    ['value .spec.template.spec.containers[name="side"]'],
  ],
  ["was ours before", ["f:metadata", "f:labels", "f:old"], ["x"], ["extra .metadata.labels.old"]],
  ["lost all metadata", ["f:metadata"], undefined, ["missing .metadata.labels", "missing .metadata.annotations"]],
  ["is an empty map that others filled", ["f:metadata", "f:annotations"], [{ a: "b" }], []],
];

const shown = (live: typeof OWNED | undefined, wanted: Wanted) =>
  ownedDifferences(live, wanted).map(({ what, path }) => `${what} ${path}`);

test("what was applied as it is differs nowhere, quantities, default keys and left out zeros included", () => {
  assert.deepEqual(shown(OWNED, WANTED), []);
});

test("an object of which nothing is ours differs as a whole", () => {
  assert.deepEqual(shown(undefined, WANTED), ["missing "]);
});

for (const [name, at, to, expected] of WANT) {
  test(`wanted is ${name}`, () => {
    assert.deepEqual(shown(OWNED, changed(WANTED, at, to)), expected);
  });
}

for (const [name, at, to, expected] of LIVE) {
  test(`a field ${name}`, () => {
    assert.deepEqual(shown(changed(OWNED, at, to), WANTED), expected);
  });
}

test("sets have no order", () => {
  const finalizers = { "f:finalizers": { 'v:"a/x"': [], 'v:"b/y"': [] } };
  const wanted = (list: readonly string[]) => ({ metadata: { finalizers: list } });
  assert.deepEqual(ownedDifferences({ "f:metadata": finalizers }, wanted(["b/y", "a/x"])), []);
  const [difference] = ownedDifferences({ "f:metadata": finalizers }, wanted(["b/y"]));
  assert.deepEqual([difference.what, difference.path], ["extra", '.metadata.finalizers[="a/x"]']);
});

test("amounts are compared as the API server reads them", () => {
  const same = [
    ["1000m", "1"],
    [1, "1"],
    ["1Gi", "1024Mi"],
    ["1e3", "1k"],
    ["0.5", "500m"],
    ["-1", "-1000m"],
    ["1.50", "1500m"],
    ["0", "0Gi"],
    ["100n", "0.1u"],
    ["1E", "1000P"],
    [".5", "0.5"],
  ];
  const different = [
    ["1", "2"],
    ["1Gi", "1G"],
    ["", "0"],
    ["a", "a"],
    ["1x", "1x"],
    [undefined, undefined],
    [null, 0],
    ["1 ", "1"],
  ];
  assert.deepEqual(
    same.filter(([a, b]) => !sameQuantity(a, b)),
    [],
  );
  assert.deepEqual(
    different.filter(([a, b]) => sameQuantity(a, b)),
    [],
  );
});

test("long texts, and those of secrets, are compared by their digest", () => {
  const long = "ü".repeat(200);
  const owned = ownedOf(
    {
      data: { a: long, b: "short" },
      metadata: {
        managedFields: [{ manager: "me", operation: "Apply", fieldsV1: { "f:data": { "f:a": {}, "f:b": {} } } }],
      },
    },
    "me",
  );
  assert(!JSON.stringify(owned).includes("ü"));
  assert.deepEqual(ownedDifferences(owned, { data: { a: long, b: "short" } }), []);
  const [difference] = ownedDifferences(owned, { data: { a: `${long}x`, b: "short" } });
  assert.deepEqual(
    [difference.what, difference.path, difference.live],
    ["value", ".data.a", `sha256:${digestOf(long)}`],
  );
  assert.equal(ownedDifferences(owned, { data: { a: 1, b: "short" } }).length, 1);
});

test("defaults that the server gives inside of atomic values are known where they belong", () => {
  const owned = { "f:fieldRef": [{ fieldPath: "a", apiVersion: "v1" }], "f:ports": [[{ port: 1, protocol: "TCP" }]] };
  assert.deepEqual(ownedDifferences(owned, { fieldRef: { fieldPath: "a" }, ports: [{ port: 1 }] }), []);
  const other = { "f:fieldRef": [{ fieldPath: "a", apiVersion: "v2" }], "f:ports": [[{ port: 1, protocol: "UDP" }]] };
  assert.deepEqual(
    ownedDifferences(other, { fieldRef: { fieldPath: "a" }, ports: [{ port: 1 }] }).map(({ path }) => path),
    [".fieldRef.apiVersion", ".ports[0].protocol"],
  );
});

test("an empty list with keys is wanted in vain, and an atomic one is not", () => {
  assert.deepEqual(ownedDifferences({}, { env: [], ports: [] }), []);
  assert.deepEqual(
    ownedDifferences({ "f:env": { 'k:{"name":"A"}': [{}] } }, { env: [], args: [] }).map(
      ({ what, path }) => `${what} ${path}`,
    ),
    ['extra .env[name="A"]', "missing .args"],
  );
});
