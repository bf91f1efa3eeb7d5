import assert from "node:assert/strict";
import { test } from "node:test";
import { type CachedCopy, planFor, type SeenCopy, type Surroundings } from "./plan.ts";

const copyIn = (namespace: string, resourceVersion = "5"): CachedCopy => ({
  namespace,
  uid: `uid-${namespace}`,
  resourceVersion,
});
const around = (given: Partial<Surroundings>): Surroundings => ({
  isSource: true,
  targets: [],
  copies: [],
  foreign: [],
  ...given,
});
const known = (seen: Record<string, SeenCopy>) => (namespace: string) => seen[namespace];
const nothing = { create: [], compare: [], remove: [], collisions: [] };

test("a source without copies gets one in every target", () => {
  const plan = planFor(around({ targets: ["team-a", "team-b"] }), "d", known({}));
  assert.deepEqual(plan, { ...nothing, create: ["team-a", "team-b"] });
});

test("copies that are known to be right are left alone", () => {
  const seen = known({ "team-a": { resourceVersion: "5", digest: "d" } });
  assert.deepEqual(planFor(around({ targets: ["team-a"], copies: [copyIn("team-a")] }), "d", seen), nothing);
});

test("a copy is compared when it changed, when its source did, and when nothing is known of it", () => {
  const copies = [copyIn("team-a", "6"), copyIn("team-b"), copyIn("team-c")];
  const seen = known({
    "team-a": { resourceVersion: "5", digest: "d" },
    "team-b": { resourceVersion: "5", digest: "old" },
  });
  const plan = planFor(around({ targets: ["team-a", "team-b", "team-c"], copies }), "d", seen);
  assert.deepEqual(plan, { ...nothing, compare: copies });
});

test("copies outside of the targets go, and all of them without a source", () => {
  const copies = [copyIn("team-a"), copyIn("elsewhere")];
  const seen = known({ "team-a": { resourceVersion: "5", digest: "d" } });
  const here = around({ targets: ["team-a"], copies, foreign: [] });
  assert.deepEqual(planFor(here, "d", seen), { ...nothing, remove: [copyIn("elsewhere")] });
  assert.deepEqual(planFor({ ...here, isSource: false }, undefined, seen), { ...nothing, remove: copies });
});

test("what is foreign is reported and left alone", () => {
  const plan = planFor(around({ targets: ["team-a", "team-b"], foreign: ["team-a"] }), "d", known({}));
  assert.deepEqual(plan, { ...nothing, create: ["team-b"], collisions: ["team-a"] });
});
