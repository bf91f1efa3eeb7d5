import assert from "node:assert/strict";
import { test } from "node:test";
import { configMaps, deployments, pods, replicaSets, services } from "../kinds/index.ts";
import { controller } from "./builder.ts";
import { mapping } from "./mapping.ts";
import { predicates } from "./predicate.ts";

const nothing = (): void => {};

test("a definition is plain, frozen data with defaults, and a step never changes an earlier one", () => {
  const start = controller("webapp").for(configMaps);
  const more = start.concurrency(3).deadline("5s").runOn("every").fieldManager("other");
  const plain = start.reconcile(nothing);
  const chosen = more.reconcile(nothing);
  assert.deepEqual(
    [plain.concurrency, plain.deadlineMs, plain.runOn, plain.fieldManager, plain.deleted],
    [10, 60_000, "leader", "webapp", undefined],
  );
  assert.deepEqual(
    [chosen.concurrency, chosen.deadlineMs, chosen.runOn, chosen.fieldManager],
    [3, 5000, "every", "other"],
  );
  assert.ok(Object.isFrozen(plain) && Object.isFrozen(plain.sources[0]));
});

test("kinds are followed with what predicates, mappings and owners look at, each once", () => {
  const { kinds, sources } = controller("webapp")
    .for(configMaps.select("labels"), { when: predicates.generation() })
    .owns(deployments, { fields: ["readyReplicas"] })
    .watches(pods.select("phase"), mapping.ownerChain(replicaSets.select("replicas"), deployments.select("replicas")))
    .when(predicates.annotations())
    .reconcile(nothing);
  const selected = (name: string): readonly string[] =>
    kinds.find((kind) => kind.name === name)?.selected.toSorted() ?? [];
  assert.deepEqual(
    kinds.map(({ name }) => name),
    ["configmaps", "deployments", "pods", "replicasets"],
  );
  assert.deepEqual(selected("configmaps"), ["annotations", "generation", "labels"]);
  assert.deepEqual(selected("pods"), ["annotations", "owners", "phase"]);
  assert.deepEqual(selected("replicasets"), ["owners", "replicas"]);
  assert.deepEqual(selected("deployments"), [
    "annotations",
    "finalizers",
    "generation",
    "labels",
    "owned:webapp",
    "owners",
    "readyReplicas",
    "replicas",
  ]);
  assert.deepEqual(
    sources.map(({ role, when }) => [role, when.length]),
    [
      ["for", 2],
      ["owns", 1],
      ["watches", 1],
    ],
  );
});

const WRONG: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["a name", () => controller("Web App"), /small letters/],
  ["no name", () => controller(undefined as never), /undefined/],
  ["no kind", () => controller("a").for("pods" as never), /needs a kind/],
  [
    "no mapping",
    () =>
      controller("a")
        .for(pods)
        .watches(services, undefined as never),
    /needs a mapping/,
  ],
  ["owns without for", () => controller("a").keys().owns(pods), /needs a kind that owns/],
  ["concurrency", () => controller("a").for(pods).concurrency(0), /from 1 to/],
  ["half a key", () => controller("a").for(pods).concurrency(1.5), /from 1 to/],
  ["no deadline", () => controller("a").for(pods).deadline(0), /longer than nothing/],
  [
    "run on",
    () =>
      controller("a")
        .for(pods)
        .runOn("some" as never),
    /"leader" or "every"/,
  ],
  ["field manager", () => controller("a").for(pods).fieldManager(""), /field manager/],
  [
    "deleted",
    () =>
      controller("a")
        .for(pods)
        .deleted("x" as never),
    /needs a function/,
  ],
  [
    "reconcile",
    () =>
      controller("a")
        .for(pods)
        .reconcile(undefined as never),
    /needs a function/,
  ],
  [
    "when",
    () =>
      controller("a")
        .for(pods)
        .when("x" as never),
    /takes predicates/,
  ],
  ["when of a kind", () => controller("a").for(pods, { when: 5 as never }), /takes predicates/],
];

for (const [name, make, message] of WRONG) {
  test(`refused at once: ${name}`, () => {
    assert.throws(make, { code: "CONTROLLER_BAD_DEFINITION", message });
  });
}

test("a deadline that is no time is refused", () => {
  assert.throws(() => controller("a").for(pods).deadline("soon"), { code: "PLUGIN_BAD_DURATION" });
});
