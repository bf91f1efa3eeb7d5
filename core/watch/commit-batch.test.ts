import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { CommitBatch } from "./commit-batch.ts";

/** A batch with a clock of its own; every block of the thread and every commit is written down. */
function batchAt() {
  const told: string[] = [];
  const state = { nowMs: 1000, calm: true };
  const rest = {
    block: (ms: number) => {
      told.push(`rest ${ms}`);
      state.nowMs += ms;
    },
    isCalm: () => state.calm,
    now: () => state.nowMs,
  };
  const commit = { commit: () => void told.push(`commit ${state.nowMs}`) };
  const batch = new CommitBatch(commit, (error) => assert.fail(String(error)), rest);
  const event = async (afterMs: number): Promise<void> => {
    state.nowMs += afterMs;
    batch.touch();
    await turn();
  };
  return { told, state, event };
}

test("a lone event is committed at once and nothing rests", async () => {
  const { told, event } = batchAt();
  await event(0);
  await event(20);
  await event(10);
  assert.deepEqual(told, ["commit 1000", "commit 1020", "commit 1030"]);
});

test("in a stream of events the thread rests after each commit, never before it", async () => {
  const { told, event } = batchAt();
  await event(0);
  await event(2);
  await event(0);
  await event(50);
  assert.deepEqual(told, ["commit 1000", "commit 1002", "rest 4", "commit 1006", "rest 4", "commit 1060"]);
});

test("nothing rests while caches are being filled", async () => {
  const { told, state, event } = batchAt();
  state.calm = false;
  await event(0);
  await event(1);
  await event(1);
  assert.deepEqual(told, ["commit 1000", "commit 1001", "commit 1002"]);
});
