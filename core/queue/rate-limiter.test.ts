import assert from "node:assert/strict";
import { test } from "node:test";
import {
  atMost,
  bucketLimiter,
  controllerLimiter,
  exponentialLimiter,
  fastSlowLimiter,
  longestOf,
} from "./rate-limiter.ts";
import { StepClock } from "./step-clock.test-support.ts";

const times = (count: number, ask: () => number): number[] => Array.from({ length: count }, ask);

test("each failure of a key doubles its wait, other keys and a forgotten one begin anew", () => {
  const limiter = exponentialLimiter({ baseMs: 1, maxMs: 1000 });
  assert.deepEqual(
    times(5, () => limiter.when("one")),
    [1, 2, 4, 8, 16],
  );
  assert.equal(limiter.retries("one"), 5);
  assert.deepEqual(
    times(2, () => limiter.when("two")),
    [1, 2],
  );
  limiter.forget("one");
  assert.equal(limiter.retries("one"), 0);
  assert.equal(limiter.when("one"), 1);
});

test("a key that fails for ever waits as long as allowed, and no longer", () => {
  const limiter = exponentialLimiter({ baseMs: 1, maxMs: 1000 });
  times(5000, () => limiter.when("one"));
  assert.equal(limiter.when("one"), 1000);
  assert.deepEqual(
    times(19, () => exponentialLimiter().when("x")).every((ms) => ms === 5),
    true,
  );
  const standard = exponentialLimiter();
  assert.equal(times(30, () => standard.when("one")).at(-1), 1_000_000);
});

test("a few fast tries, then slow ones", () => {
  const limiter = fastSlowLimiter({ fastMs: 5, slowMs: 10_000, fastTries: 3 });
  assert.deepEqual(
    times(5, () => limiter.when("one")),
    [5, 5, 5, 10_000, 10_000],
  );
  assert.equal(limiter.retries("one"), 5);
  assert.equal(limiter.when("two"), 5);
  limiter.forget("one");
  assert.equal(limiter.when("one"), 5);
});

test("the longest of several, and never more than a limit", () => {
  const slow = fastSlowLimiter({ fastMs: 5, slowMs: 3000, fastTries: 3 });
  const limiter = longestOf(slow, exponentialLimiter({ baseMs: 1, maxMs: 1000 }));
  assert.deepEqual(
    times(5, () => limiter.when("one")),
    [5, 5, 5, 3000, 3000],
  );
  assert.equal(limiter.retries("one"), 5);
  limiter.forget("one");
  assert.equal(limiter.when("one"), 5);
  const capped = atMost(200, exponentialLimiter({ baseMs: 100 }));
  assert.deepEqual(
    times(3, () => capped.when("one")),
    [100, 200, 200],
  );
});

test("all keys together are limited to ten a second after a burst of a hundred", () => {
  const clock = new StepClock();
  const bucket = bucketLimiter({ now: () => clock.now() });
  assert.deepEqual(new Set(times(100, () => bucket.when("any"))), new Set([0]));
  assert.equal(bucket.when("other"), 100);
  clock.step(1000);
  assert.equal(bucket.when("third"), 0);
  const limiter = controllerLimiter(() => clock.now());
  assert.equal(limiter.when("a"), 5);
  const waits = times(200, () => limiter.when(`key-${Math.random()}`));
  assert.equal(waits[98], 5);
  assert.equal(waits[108], 1000);
});
