import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COPY_LABEL, SOURCE_LABEL } from "./content.ts";
import { isCopy, SourceIndex } from "./sources.ts";

const MIRROR = { mirror: "true" };
const copyOf = (namespace: string) => ({ [COPY_LABEL]: "true", [SOURCE_LABEL]: namespace });
const index = () => new SourceIndex((labels) => labels.mirror === "true");
const names = (keys: Iterable<string>) => [...keys].sort();

test("a change concerns the source itself, the source of a copy, and sources of that name", () => {
  const sources = index();
  assert.deepEqual(names(sources.take({ namespace: "shop", name: "ca" }, MIRROR)), ["shop/ca"]);
  assert.deepEqual(names(sources.take({ namespace: "team-a", name: "ca" }, copyOf("shop"))), ["shop/ca"]);
  assert.deepEqual(names(sources.take({ namespace: "team-b", name: "ca" }, {})), ["shop/ca"], "a foreign one");
  assert.deepEqual(
    names(sources.take({ namespace: "team-b", name: "ca" }, undefined)),
    ["shop/ca"],
    "its place is free",
  );
  assert.deepEqual(names(sources.take({ namespace: "team-b", name: "other" }, {})), []);
  assert.deepEqual([sources.sources, sources.copies], [1, 1]);
});

test("a source that is unlabelled or gone, and a copy that lost its labels, are still told once", () => {
  const sources = index();
  sources.take({ namespace: "shop", name: "ca" }, MIRROR);
  sources.take({ namespace: "team-a", name: "ca" }, copyOf("shop"));
  assert.deepEqual(names(sources.take({ namespace: "team-a", name: "ca" }, {})), ["shop/ca"]);
  assert.deepEqual(names(sources.take({ namespace: "shop", name: "ca" }, {})), ["shop/ca"]);
  assert.deepEqual(names(sources.take({ namespace: "shop", name: "ca" }, {})), []);
  assert.deepEqual([sources.sources, sources.copies, ...sources.all()], [0, 0]);
});

test("a copy is never a source, whatever its labels", () => {
  const sources = index();
  assert.equal(sources.isSource({ ...MIRROR, ...copyOf("shop") }), false);
  assert.deepEqual(names(sources.take({ namespace: "team-a", name: "ca" }, { ...MIRROR, ...copyOf("shop") })), [
    "shop/ca",
  ]);
  assert.equal(sources.sources, 0);
});

test("counts and names are those of the last state of each, whatever the order of changes", () => {
  const states: readonly (Record<string, string> | undefined)[] = [
    undefined,
    {},
    MIRROR,
    copyOf("shop"),
    { ...MIRROR, ...copyOf("team-a") },
  ];
  const change = fc.record({
    namespace: fc.constantFrom("shop", "team-a", "team-b"),
    name: fc.constantFrom("ca", "tz"),
    labels: fc.constantFrom(...states),
  });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const sources = index();
      const last = new Map<string, Record<string, string> | undefined>();
      for (const { namespace, name, labels } of changes) {
        const before = last.get(`${namespace}/${name}`);
        last.set(`${namespace}/${name}`, labels);
        const told = sources.take({ namespace, name }, labels);
        for (const state of [before, labels]) {
          if (state !== undefined && isCopy(state)) {
            assert.ok(told.has(`${state[SOURCE_LABEL]}/${name}`));
          } else if (state !== undefined && sources.isSource(state)) {
            assert.ok(told.has(`${namespace}/${name}`));
          }
        }
      }
      const now = [...last].flatMap(([key, labels]) => (labels === undefined ? [] : [[key, labels] as const]));
      const expected = now.filter(([, labels]) => sources.isSource(labels)).map(([key]) => key);
      assert.deepEqual(names(sources.all()), expected.sort());
      assert.equal(sources.sources, expected.length);
      assert.equal(sources.copies, now.filter(([, labels]) => isCopy(labels)).length);
    }),
  );
});
