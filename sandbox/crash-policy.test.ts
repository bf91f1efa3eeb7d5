import assert from "node:assert/strict";
import { test } from "node:test";
import { afterCrash, CRASH_POLICY } from "./crash-policy.ts";

for (const { name, crashes, now, random, expected } of [
  { name: "first crash", crashes: [0], now: 0, random: 0, expected: { kind: "restart", delayMs: 250 } },
  { name: "first crash, all jitter", crashes: [0], now: 0, random: 1, expected: { kind: "restart", delayMs: 500 } },
  { name: "second crash", crashes: [0, 9], now: 9, random: 0.5, expected: { kind: "restart", delayMs: 750 } },
  {
    name: "third within five minutes",
    crashes: [0, 1, 299_999],
    now: 299_999,
    random: 0,
    expected: { kind: "give-up", crashes: 3 },
  },
  {
    name: "third after five minutes",
    crashes: [0, 1, 300_000],
    now: 300_000,
    random: 0,
    expected: { kind: "restart", delayMs: 500 },
  },
  {
    name: "one a window, for ever",
    crashes: [0, 300_000, 600_000],
    now: 600_000,
    random: 0,
    expected: { kind: "restart", delayMs: 250 },
  },
]) {
  test(`after a crash: ${name}`, () => {
    assert.deepEqual(afterCrash(crashes, now, random), expected);
  });
}

test("the delay does not grow above its limit", () => {
  const crashes = Array.from({ length: 40 }, (_, index) => index);
  const policy = { ...CRASH_POLICY, maxCrashes: 100 };
  assert.deepEqual(afterCrash(crashes, 40, 1, policy), { kind: "restart", delayMs: 30_000 });
});
