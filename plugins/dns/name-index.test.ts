import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { NameIndex } from "./name-index.ts";

const TAG = 1;
const keyOf = (number: number): Uint8Array => Buffer.from(`\x05name-${number}`);

function put(index: NameIndex, number: number, text: string): boolean {
  const value = Buffer.from(`${text}\0`);
  return index.put(TAG, keyOf(number), value, value.length);
}

function get(index: NameIndex, number: number, tag = TAG): string | undefined {
  const key = keyOf(number);
  const at = index.find(tag, key, 0, key.length);
  return at === 0 ? undefined : Buffer.from(index.bytes.subarray(at, index.bytes.indexOf(0, at))).toString();
}

test("finds what was put last, under its tag only, and nothing after it was removed", () => {
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  assert.equal(put(index, 1, "one"), true);
  assert.equal(put(index, 1, "another"), true);
  assert.equal(put(index, 2, "two"), true);
  assert.deepEqual(
    [get(index, 1), get(index, 2), get(index, 3), get(index, 1, TAG + 1)],
    ["another", "two", undefined, undefined],
  );
  assert.deepEqual([index.remove(TAG, keyOf(1)), index.remove(TAG, keyOf(1))], [true, false]);
  assert.deepEqual([get(index, 1), get(index, 2), index.stats.names], [undefined, "two", 1]);
});

test("a value that is the same already is not written again", () => {
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  put(index, 1, "one");
  const { writes } = index.stats;
  put(index, 1, "one");
  assert.equal(index.stats.writes, writes);
  const value = Buffer.from("one\0");
  assert.equal(index.holds(TAG, keyOf(1), value, value.length), true);
  assert.equal(index.holds(TAG, keyOf(1), Buffer.from("two\0"), 4), false);
});

test("the serial is the time of the last change, and never goes back", () => {
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  const serials = [100, 101, 102, 50].map((nowSeconds, n) => {
    if (n !== 1) {
      put(index, 1, `value ${n}`);
    }
    index.commit(nowSeconds);
    return index.serial;
  });
  assert.deepEqual(serials, [100, 100, 102, 102]);
});

test("holds what a Map holds, whatever is put and removed, with a hash that collides too", () => {
  const step = fc.record({
    name: fc.nat({ max: 400 }),
    text: fc.option(
      fc.string({ maxLength: 900, unit: "binary-ascii" }).map((text) => text.replaceAll("\0", "")),
      { nil: undefined },
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), fc.integer(), (steps, seed) => {
      const index = NameIndex.create({ maxBytes: 1 << 20, seed });
      const model = new Map<number, string>();
      for (const [at, { name, text }] of steps.entries()) {
        if (text === undefined) {
          assert.equal(index.remove(TAG, keyOf(name)), model.delete(name));
        } else {
          model.set(name, text);
          put(index, name, text);
        }
        if (at % 7 === 0) {
          index.commit(at);
        }
      }
      index.commit(steps.length);
      const names = Array.from({ length: 401 }, (_, name) => name);
      assert.deepEqual(
        names.map((name) => get(index, name)),
        names.map((name) => model.get(name)),
      );
      const copy = index.compact();
      assert.deepEqual(
        names.map((name) => get(copy, name)),
        names.map((name) => model.get(name)),
      );
      assert.deepEqual([index.stats.names, copy.stats.names, copy.stats.free], [model.size, model.size, 0]);
    }),
    { numRuns: 60 },
  );
});

test("grows to a hundred thousand names and finds each of them", () => {
  const index = NameIndex.create({ maxBytes: 16 << 20 });
  for (let n = 0; n < 100_000; n++) {
    put(index, n, `value ${n}`);
  }
  index.commit(1);
  for (let n = 0; n < 100_000; n++) {
    assert.equal(get(index, n), `value ${n}`);
  }
  assert.equal(index.stats.names, 100_000);
});

test("names that come and go for ever take no more memory", () => {
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  const round = (n: number): void => {
    for (let name = 0; name < 500; name++) {
      put(index, name, "x".repeat(((n * 37 + name * 11) % 400) + 1));
    }
    for (let name = 0; name < 500; name += 2) {
      index.remove(TAG, keyOf(name));
    }
    index.commit(n);
  };
  for (let n = 0; n < 1000; n++) {
    round(n);
  }
  assert.deepEqual([index.stats.refused, index.isFull], [0, false]);
  assert.ok(index.stats.bytes < 1 << 20, `${index.stats.bytes}`);
});

test("refuses names over its size, keeps the others, and takes names again when there is room", () => {
  const index = NameIndex.create({ maxBytes: 1 << 16 });
  const large = "x".repeat(1000);
  let fitted = 0;
  while (put(index, fitted, large)) {
    fitted++;
  }
  assert.ok(fitted > 20, `${fitted}`);
  assert.deepEqual([index.isFull, index.stats.refused, get(index, 0), get(index, fitted)], [true, 1, large, undefined]);
  assert.equal(put(index, 0, "y".repeat(2000)), false);
  assert.equal(get(index, 0), undefined, "what cannot be written does not go on with what it was");
  index.remove(TAG, keyOf(1));
  assert.equal(index.commit(1), true);
  assert.equal(put(index, 1, large), true);
  for (let name = 0; name < 8; name++) {
    assert.equal(put(index, 1000 + name, "small"), true, "a large free block serves small names");
  }
  index.markRoom();
  assert.equal(index.isFull, false);
});

test("bytes that a reader may still see are not used again before it has left", () => {
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  const reader = NameIndex.attach(index.handle, 3);
  put(index, 1, "before");
  index.commit(1);
  reader.enter();
  const key = keyOf(1);
  const at = reader.find(TAG, key, 0, key.length);
  for (let n = 0; n < 50; n++) {
    put(index, 1, `value ${n % 10}`);
    index.commit(n);
  }
  assert.equal(Buffer.from(reader.bytes.subarray(at, at + 6)).toString(), "before");
  const { bytes } = index.stats;
  reader.leave();
  for (let n = 0; n < 500; n++) {
    put(index, 1, `value ${n % 10}`);
    index.commit(n);
  }
  assert.ok(index.stats.bytes <= bytes + 100, "after it has left they are");
  assert.equal(get(reader, 1), "value 9");
});

test("readers may not write, and numbers and sizes that cannot be are refused", () => {
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  const reader = NameIndex.attach(index.handle, 0);
  assert.throws(() => put(reader, 1, "x"), /only the thread that made/);
  assert.throws(() => NameIndex.attach(index.handle, 64), RangeError);
  assert.throws(() => NameIndex.attach({ buffer: new SharedArrayBuffer(4096) }, 0), RangeError);
  assert.throws(() => NameIndex.create({ maxBytes: 1000 }), RangeError);
  assert.throws(() => NameIndex.create({ maxBytes: Number.NaN }), RangeError);
  assert.throws(() => NameIndex.create({ maxBytes: 2 ** 40 }), RangeError);
});

test("a reading thread sees whole values and misses no name while another writes", { timeout: 60_000 }, async () => {
  // Room for all that is written while the reader has lost its processor in the middle of a read.
  const index = NameIndex.create({ maxBytes: 512 << 20 });
  const fixed = 200;
  for (let name = 0; name < fixed; name++) {
    put(index, name, "0".repeat(20));
  }
  index.commit(0);
  const control = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("./name-index-reader.test-support.ts", import.meta.url), {
    workerData: { handle: index.handle, control, fixed },
  });
  const ended = once(worker, "message");
  // Waits without its event loop, so that both threads are at it at the same time.
  Atomics.wait(control, 0, 0, 10_000);
  const until = performance.now() + 1500;
  let round = 0;
  while (performance.now() < until) {
    round++;
    for (let name = 0; name < fixed; name++) {
      put(index, name, String(round % 10).repeat(10 + ((round + name) % 300)));
    }
    // Others come, and the table is split under the reader; later they go again.
    for (let name = 0; name < 300; name++) {
      if (round <= 200) {
        put(index, fixed + round * 300 + name, "other");
      }
      if (round > 200) {
        index.remove(TAG, keyOf(fixed + (round - 200) * 300 + name));
      }
    }
    index.commit(round);
  }
  Atomics.store(control, 1, 1);
  const [{ reads, wrong }] = await ended;
  assert.deepEqual([wrong, index.stats.refused], [[], 0]);
  assert.ok(reads > 10_000 && round > 10, `${reads} reads, ${round} rounds`);
});
