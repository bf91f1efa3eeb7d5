import assert from "node:assert/strict";
import { test } from "node:test";
import { Pulse } from "./pulse.ts";

/** Looks every 250 ms at a counter that stands still from `fromMs` on; gives when the verdict changes. */
function watch(fromMs: number, untilMs: number): string[] {
  const pulse = new Pulse(0);
  const changes: string[] = [];
  let last = "alive";
  for (let atMs = 250; atMs <= untilMs; atMs += 250) {
    const verdict = pulse.look(Math.min(atMs, fromMs), atMs);
    if (verdict !== last) {
      changes.push(`${verdict} at ${atMs}`);
      last = verdict;
    }
  }
  return changes;
}

test("a heart that beats is alive", () => {
  assert.deepEqual(watch(Number.POSITIVE_INFINITY, 60_000), []);
});

test("a heart that stands still is unresponsive after three seconds and dead after ten", () => {
  assert.deepEqual(watch(1000, 20_000), ["unresponsive at 4000", "dead at 11000"]);
});

test("a beat after a long silence is alive again", () => {
  const pulse = new Pulse(0);
  const verdicts = Array.from({ length: 20 }, (_, look) => pulse.look(0, (look + 1) * 250));
  assert.equal(verdicts.at(-1), "unresponsive");
  assert.equal(pulse.look(1, 5250), "alive");
  assert.equal(pulse.stillMs, 0);
});

test("a pause of the watching thread is not held against the other", () => {
  const pulse = new Pulse(0);
  pulse.look(1, 250);
  assert.equal(pulse.look(1, 60_250), "alive");
  assert.equal(pulse.stillMs, 500);
});
