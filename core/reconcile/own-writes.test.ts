import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { configMaps } from "../kinds/index.ts";
import { LoopBench } from "./loop.test-support.ts";
import type { OwnWrite } from "./own-write.ts";
import { OwnWrites } from "./own-writes.ts";

let bench: LoopBench;
let writes: OwnWrites;
let lost: string[];

beforeEach(() => {
  bench = new LoopBench(configMaps);
  bench.synced("configmaps");
  lost = [];
  writes = new OwnWrites(bench.reader, bench.clock, (request) => lost.push(request));
});
afterEach(async () => {
  writes.stop();
  await bench.end();
});

const wrote = (before: string | undefined, resourceVersion: string, verb: OwnWrite["verb"] = "apply"): void =>
  writes.wrote("shop/r", { kind: "configmaps", key: "shop/c", verb, before, resourceVersion }, true);

const isEcho = (before: string, after: string, request = "shop/r"): boolean =>
  writes.isEcho(request, "configmaps", "shop/c", before, after);

async function stored(version: string | undefined): Promise<void> {
  if (version === undefined) {
    bench.remove("configmaps", "c");
  } else {
    bench.put("configmaps", { name: "c", resourceVersion: version });
  }
  await bench.commit();
}

test("a request that has written nothing waits for nothing", () => {
  assert.equal(writes.isSeen("shop/r"), true);
});

test("a write is seen when the store has it or something newer, by length and text", async () => {
  wrote(undefined, "100");
  assert.equal(writes.isSeen("shop/r"), false);
  assert.equal(writes.isSeen("shop/other"), true);
  await stored("99");
  assert.equal(writes.isSeen("shop/r"), false);
  await stored("100");
  assert.equal(writes.isSeen("shop/r"), true);
  wrote("100", "999999999999999999999");
  await stored("1000000000000000000000");
  assert.equal(writes.isSeen("shop/r"), true);
});

test("an object that was there before and is gone is not waited for: its last finalizer was taken away", async () => {
  await stored("5");
  wrote("5", "6", "finalizer");
  assert.equal(writes.isSeen("shop/r"), false);
  await stored(undefined);
  assert.equal(writes.isSeen("shop/r"), true);
});

test("a chain of own steps is an echo, a part of it too, anything else is not", () => {
  wrote("", "1", "create");
  wrote("1", "3");
  wrote("3", "4", "status");
  assert.deepEqual([isEcho("", "4"), isEcho("1", "4"), isEcho("3", "4"), isEcho("", "1")], [true, true, true, true]);
  assert.deepEqual(
    [isEcho("2", "4"), isEcho("", "5"), isEcho("4", "4"), isEcho("", "4", "shop/other")],
    [false, false, false, false],
  );
});

test("what was told is forgotten, and what never comes is forgotten after a minute", () => {
  wrote("", "1", "create");
  wrote("1", "3");
  writes.told("configmaps", "shop/c", "1");
  assert.equal(isEcho("1", "3"), true);
  writes.told("configmaps", "shop/c", "3");
  assert.deepEqual([isEcho("1", "3"), writes.size], [false, 0]);
  wrote("", "9");
  bench.clock.step(59_900);
  assert.deepEqual([isEcho("", "9"), writes.size, lost], [true, 1, []]);
  bench.clock.step(300);
  assert.deepEqual([isEcho("", "9"), writes.size, lost], [false, 0, ["shop/r"]]);
  wrote("", "10");
  writes.giveUp("shop/r");
  assert.equal(writes.size, 0);
});

test("a flood of writes that never come back takes no more than so much", () => {
  for (let i = 0; i < 60_000; i++) {
    writes.wrote(
      "shop/r",
      { kind: "configmaps", key: `shop/${i}`, verb: "apply", before: "", resourceVersion: "1" },
      true,
    );
  }
  assert.equal(writes.size, 50_000);
});

test("what was made and deleted between two batches is told as lost: its request is reconciled again", async () => {
  wrote("", "10", "create");
  bench.clock.step(400);
  assert.deepEqual([lost, writes.size], [[], 1], "it may still come");
  bench.put("configmaps", { name: "c", resourceVersion: "10" });
  bench.remove("configmaps", "c");
  await bench.commit();
  bench.clock.step(200);
  assert.deepEqual([lost, writes.size, bench.clock.running], [["shop/r"], 0, 0]);
});

test("what has come, or was deleted by the request itself, is not lost", async () => {
  await stored("10");
  wrote("", "10", "create");
  writes.wrote(
    "shop/r",
    { kind: "configmaps", key: "shop/d", verb: "delete", before: undefined, resourceVersion: "" },
    true,
  );
  bench.clock.step(200);
  assert.deepEqual([lost, isEcho("", "10"), writes.size], [[], true, 1], "it is told in its turn");
  bench.clock.step(60_000);
  assert.deepEqual([lost, writes.size], [[], 0]);
});

test("a write that is answered after the stop starts no timer", () => {
  writes.stop();
  wrote("", "10", "create");
  assert.deepEqual([writes.size, bench.clock.running], [0, 0]);
});
