import assert from "node:assert/strict";
import { test } from "node:test";
import { HeapGuard } from "./heap-guard.ts";

/** Looks one after the other: [used bytes of 100, collected?, at ms] -> kinds. */
function verdicts(...looks: readonly [used: number, isCollected: boolean, atMs: number][]): string[] {
  const guard = new HeapGuard(100);
  return looks.map(([used, isCollected, atMs]) => {
    const verdict = guard.look(used, isCollected, atMs);
    return verdict.kind === "fine" ? `fine ${verdict.nextMs}` : verdict.kind;
  });
}

test("a heap close to its limit is looked at more often", () => {
  assert.deepEqual(verdicts([70, true, 0], [71, true, 1], [100, true, 2]), ["fine 250", "fine 25", "fine 25"]);
});

test("above the limit garbage is collected first, and what is left decides", () => {
  assert.deepEqual(verdicts([101, true, 0], [150, false, 25], [60, true, 50], [80, true, 75]), [
    "collect",
    "fine 25",
    "fine 250",
    "fine 25",
  ]);
  assert.deepEqual(verdicts([101, true, 0], [120, false, 25], [110, true, 50]), ["collect", "fine 25", "kill"]);
});

test("a thread too busy to collect is judged by what it uses", () => {
  assert.deepEqual(verdicts([101, true, 0], [150, false, 1000], [150, false, 1001]), ["collect", "fine 25", "kill"]);
});

test("a runaway heap is ended at once", () => {
  assert.deepEqual(verdicts([60, true, 0], [201, true, 25]), ["fine 250", "kill"]);
});

test("a thread that makes much garbage is not made to collect without end", () => {
  assert.deepEqual(verdicts([101, true, 0], [50, true, 25], [120, true, 500], [120, true, 2026]), [
    "collect",
    "fine 250",
    "fine 25",
    "collect",
  ]);
});
