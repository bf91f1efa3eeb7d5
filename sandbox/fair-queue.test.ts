import assert from "node:assert/strict";
import { test } from "node:test";
import { FairQueue } from "./fair-queue.ts";

function emptied(queue: FairQueue<string>): string[] {
  const order: string[] = [];
  for (let item = queue.next(); item !== undefined; item = queue.next()) {
    order.push(item);
  }
  return order;
}

test("owners take turns", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "a2", "a3", "a4", "b1", "c1", "c2"]) {
    queue.add(item[0], item);
  }
  assert.deepEqual([queue.size, queue.sizeOf("a"), queue.sizeOf("x")], [7, 4, 0]);
  assert.equal(queue.next(), "a1");
  queue.add("d", "d1");
  assert.deepEqual(emptied(queue), ["b1", "c1", "a2", "d1", "c2", "a3", "a4"]);
  assert.equal(queue.size, 0);
});

test("items can be taken out", () => {
  const queue = new FairQueue<string>();
  for (const item of ["a1", "b1", "a2"]) {
    queue.add(item[0], item);
  }
  assert.deepEqual([queue.remove("a", "a1"), queue.remove("a", "a1"), queue.remove("z", "a2")], [true, false, false]);
  assert.equal(queue.size, 2);
  assert.deepEqual(queue.drain().sort(), ["a2", "b1"]);
  assert.deepEqual([queue.size, queue.next()], [0, undefined]);
});
