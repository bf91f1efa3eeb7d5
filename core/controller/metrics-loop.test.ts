import assert from "node:assert/strict";
import { test } from "node:test";
import { LoopDelay } from "./metrics-loop.ts";

/** Keeps the loop busy. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    // busy
  }
}

test("a stall is shown for one to two minutes, and then no longer", { timeout: 20_000 }, async () => {
  let now = 0;
  const delay = new LoopDelay(() => now);
  while (delay.read().longestMs <= 100) {
    block(150);
    await new Promise((resolve) => setImmediate(resolve));
  }
  now = 61_000;
  assert.ok(delay.read().longestMs > 100, "the window ends with this reading");
  assert.ok(delay.read().longestMs > 100, "the window before is shown too");
  now = 130_000;
  delay.read();
  assert.ok(delay.read().longestMs < 100, "an old stall stays");
  delay.stop();
});
