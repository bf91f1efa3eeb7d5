import assert from "node:assert/strict";
import { test } from "node:test";
import { stress } from "./stress.test-support.ts";

test("readers in other threads see whole snapshots while a thread writes", async () => {
  const result = await stress({ forMs: 3000, readers: 2 });
  assert.deepEqual(result.violations, []);
  assert(result.snapshots > 20, `${result.snapshots} snapshots`);
  assert(result.batches > 5, `${result.batches} batches of changes`);
  assert.equal(result.pendingAtEnd, 0);
});

test("the same check without a snapshot fails", async () => {
  const result = await stress({ forMs: 4000, readers: 1, isTorn: true });
  assert(result.violations.length > 0, `${result.snapshots} snapshots, and nothing wrong was seen`);
});

test("readers that are ended anywhere stop nobody and hold nothing", async () => {
  const result = await stress({ forMs: 3000, readers: 2, killEveryMs: 150 });
  assert.deepEqual(result.violations, []);
  assert(result.killed > 5, `${result.killed} killed`);
  assert(result.diedPinned > 0, "no reader died while it held a snapshot");
  assert.equal(result.pendingAtEnd, 0);
});
