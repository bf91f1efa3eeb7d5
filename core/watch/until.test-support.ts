import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 2;

/** Makes a wait for what nobody tells: the store of another thread. It fails with `what` after `withinMs`. */
export function untilWithin(withinMs: number): (what: string, holds: () => boolean) => Promise<void> {
  return async (what, holds) => {
    const end = performance.now() + withinMs;
    while (!holds()) {
      assert.ok(performance.now() < end, `not within ${withinMs} ms: ${what}`);
      await sleep(LOOK_MS);
    }
  };
}
