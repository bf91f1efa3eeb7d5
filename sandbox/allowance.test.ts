import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowance } from "./allowance.ts";

test("gives a burst, then so many a second, and never more than the burst at once", () => {
  const allowance = new Allowance(100, 3, 0);
  const taken = (nowMs: number): number => {
    let count = 0;
    while (allowance.take(nowMs)) {
      count++;
    }
    return count;
  };
  assert.deepEqual([taken(0), taken(5), taken(10), taken(40), taken(60_000)], [3, 0, 1, 3, 3]);
  assert.equal(allowance.refused, 5);
});
