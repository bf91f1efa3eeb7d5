import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { failureOf } from "./failure.ts";
import { placeOf } from "./place.ts";

const own = new URL("../core/controller/kube-gate.ts", import.meta.url).href;

function withStack(...lines: readonly string[]): Error {
  return Object.assign(new Error("x"), { stack: lines.join("\n") });
}

test("the place of an error is the innermost one that is neither Node's nor our own", () => {
  const frames = [
    "    at node:internal/timers:1:2",
    `    at Object.kube (${own}:61:15)`,
    "    at worker (file:///srv/node_modules/piscina/dist/worker.js:180:22)",
    "    at async setup (file:///srv/plugins/dns/index.ts:12:5)",
    "    at file:///srv/other.ts:1:1",
  ];
  assert.equal(placeOf(withStack("Error: x", ...frames)), "/srv/plugins/dns/index.ts:12:5");
  assert.equal(placeOf(withStack("Error: x", "    at file:///srv/a.js:3:4")), "/srv/a.js:3:4");
  assert.equal(placeOf(withStack("Error: at file:///srv/a.js:3:4")), undefined);
  assert.match(placeOf(new Error("here")) ?? "", new RegExp(`^${fileURLToPath(import.meta.url)}:\\d+:\\d+$`));
});

test("TypeScript that cannot be read tells its line", () => {
  const stack = ["file:///srv/a.ts:7", "export default {", "  ^^^", "", "SyntaxError: Unexpected identifier"];
  assert.equal(placeOf(withStack(...stack)), "/srv/a.ts:7");
});

test("what is thrown in another thread keeps its place on the way", () => {
  const { facts } = failureOf(withStack("Error: x", "    at file:///srv/a.js:3:4"));
  assert.deepEqual(facts, { at: "/srv/a.js:3:4" });
  assert.equal(placeOf({ facts }), "/srv/a.js:3:4");
});

test("whatever is thrown, asking for its place does not throw", () => {
  const trap = Object.defineProperty({}, "stack", {
    get() {
      throw new Error("no");
    },
  });
  assert.deepEqual(
    [undefined, null, "text", 7, {}, { stack: 5 }, { facts: null, stack: "" }, trap].map(placeOf),
    Array(8).fill(undefined),
  );
});
