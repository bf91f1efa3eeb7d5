import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FairleadError } from "../errors.ts";
import { type BootNeeds, bootOrder, withDependants } from "./boot-order.ts";

const plugin = (name: string, more: { after?: string[]; provides?: string[] } = {}): BootNeeds => ({
  name,
  after: more.after ?? [],
  provides: more.provides ?? [],
});

const namesOf = (plugins: readonly BootNeeds[]): string[] => bootOrder(plugins).map(({ name }) => name);

test("plugins start as they are listed, those that others wait for sooner", () => {
  assert.deepEqual(namesOf([plugin("a"), plugin("b")]), ["a", "b"]);
  assert.deepEqual(namesOf([plugin("a", { after: ["c"] }), plugin("b"), plugin("c")]), ["c", "a", "b"]);
  assert.deepEqual(namesOf([plugin("a", { after: ["store"] }), plugin("c", { provides: ["store"] })]), ["c", "a"]);
  assert.deepEqual(namesOf([plugin("a", { after: ["not-there"] })]), ["a"]);
});

const refusal = (plugins: readonly BootNeeds[]): [string, string] => {
  try {
    bootOrder(plugins);
  } catch (error) {
    const { code, message } = error as FairleadError;
    return [code, message];
  }
  return ["none", ""];
};

test("a cycle is refused and shown, also one of a single plugin", () => {
  assert.deepEqual(
    refusal([
      plugin("a", { after: ["b"] }),
      plugin("b", { after: ["s"] }),
      plugin("c", { after: ["a"], provides: ["s"] }),
    ]),
    ["PLUGIN_CYCLE", 'plugins wait for each other: a after b after c after a; take one of these names out of "after"'],
  );
  assert.equal(refusal([plugin("a", { after: ["a"] })])[0], "PLUGIN_CYCLE");
});

test("two plugins of one name and two providers of one service are refused", () => {
  assert.equal(refusal([plugin("a"), plugin("a")])[0], "PLUGIN_DUPLICATE");
  assert.deepEqual(refusal([plugin("a", { provides: ["s"] }), plugin("b", { provides: ["s"] })]), [
    "SERVICE_DUPLICATE",
    'the plugins "a" and "b" both provide the service "s"; take one of them out',
  ]);
});

test("dependants are found through services and over several steps", () => {
  const plugins = [
    plugin("a", { provides: ["s"] }),
    plugin("b", { after: ["s"] }),
    plugin("c", { after: ["b"] }),
    plugin("d"),
  ];
  assert.deepEqual([...withDependants(new Set(["a"]), plugins)].sort(), ["a", "b", "c"]);
  assert.deepEqual([...withDependants(new Set(["d"]), plugins)], ["d"]);
});

test("whatever waits for whatever: everyone comes once and after what it waits for, or there is a cycle", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const graph = fc.tuple(...names.map(() => fc.subarray(names)));
  fc.assert(
    fc.property(graph, (afters) => {
      const plugins = names.map((name, at) => plugin(name, { after: afters[at] }));
      const [code] = refusal(plugins);
      if (code !== "none") {
        assert.equal(code, "PLUGIN_CYCLE");
        return;
      }
      const order = namesOf(plugins);
      assert.deepEqual([...order].sort(), names);
      for (const { name, after } of plugins) {
        for (const other of after) {
          assert.ok(order.indexOf(other) < order.indexOf(name));
        }
      }
    }),
  );
});
