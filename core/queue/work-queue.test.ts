import assert from "node:assert/strict";
import { test } from "node:test";
import { exponentialLimiter, fastSlowLimiter } from "./rate-limiter.ts";
import { StepClock } from "./step-clock.test-support.ts";
import { LOW_PRIORITY, WorkQueue, type WorkQueueOptions } from "./work-queue.ts";

function queueWith(options: WorkQueueOptions = {}): { clock: StepClock; queue: WorkQueue } {
  const clock = new StepClock();
  return { clock, queue: new WorkQueue({ clock, limiter: exponentialLimiter(), ...options }) };
}

/** Takes all that is ready, in its order. */
function taken(queue: WorkQueue): string[] {
  const keys: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    keys.push(next.key);
    queue.done(next.key);
  }
  return keys;
}

test("fifty producers and ten consumers: every key is worked on, none twice at once", async () => {
  const { queue } = queueWith({ clock: undefined });
  const working = new Set<string>();
  const seen = new Map<string, number>();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  let open = 50;
  const producers = Array.from({ length: 50 }, async (_, producer) => {
    for (let i = 0; i < 20; i++) {
      queue.add(`team-${producer % 7}/item-${(producer * 13 + i * 7) % 60}`);
      await turn();
    }
    open--;
  });
  const consumers = Array.from({ length: 10 }, async () => {
    while (open > 0 || queue.size > 0) {
      const next = queue.take();
      await turn();
      if (next !== undefined) {
        assert.equal(working.has(next.key), false, `${next.key} is worked on twice at once`);
        working.add(next.key);
        seen.set(next.key, (seen.get(next.key) ?? 0) + 1);
        await turn();
        working.delete(next.key);
        queue.done(next.key);
      }
    }
  });
  await Promise.all([...producers, ...consumers]);
  assert.equal(queue.size + queue.processing, 0);
  assert.ok([...seen.values()].every((count) => count >= 1));
});

test("a key that is added while it is worked on comes once more, after done", () => {
  const { queue } = queueWith();
  queue.add("shop/a");
  assert.equal(queue.take()?.key, "shop/a");
  queue.add("shop/a");
  queue.add("shop/a");
  assert.equal(queue.size, 1);
  assert.equal(queue.take(), undefined);
  queue.done("shop/a");
  assert.deepEqual(taken(queue), ["shop/a"]);
  assert.equal(queue.size, 0);
});

test("a key that is in the queue is not added again; size counts keys", () => {
  const { queue } = queueWith();
  queue.add("foo");
  assert.equal(queue.size, 1);
  queue.add("bar");
  assert.equal(queue.size, 2);
  queue.add("foo");
  assert.equal(queue.size, 2);
  assert.deepEqual(taken(queue), ["foo", "bar"]);
  queue.add("foo");
  assert.deepEqual(taken(queue), ["foo"]);
});

test("done of a key that was not taken changes nothing", () => {
  const { queue } = queueWith();
  queue.add("a");
  queue.done("a");
  queue.done("unknown");
  assert.deepEqual(taken(queue), ["a"]);
});

test("a drain waits for what is worked on and for what was added again before", async () => {
  const { queue } = queueWith();
  queue.add("a");
  queue.add("b");
  queue.take();
  queue.add("a");
  let isDrained = false;
  const drained = queue.drain().then(() => {
    isDrained = true;
  });
  queue.add("late");
  queue.take();
  queue.done("a");
  queue.done("b");
  await Promise.resolve();
  assert.equal(isDrained, false);
  assert.deepEqual(taken(queue), ["a"]);
  await drained;
  assert.equal(queue.size + queue.delayed, 0);
});

test("a drain of an idle queue is over at once, and shutDown ends one that waits", async () => {
  await queueWith().queue.drain();
  const { queue } = queueWith();
  queue.add("hangs");
  queue.take();
  const drained = queue.drain();
  queue.shutDown();
  await drained;
  assert.equal(queue.processing, 1);
});

test("after shutDown nothing is added and what is delayed is dropped; what is ready can be taken", () => {
  const { queue, clock } = queueWith();
  queue.add("ready");
  queue.add("delayed", { afterMs: 10 });
  queue.shutDown();
  queue.add("late");
  clock.step(1000);
  assert.deepEqual(taken(queue), ["ready"]);
  assert.equal(clock.running, 0);
});

test("a delayed key comes at its time, not before, and counts as ready only then", () => {
  const told: number[] = [];
  const { queue, clock } = queueWith({ onReady: () => told.push(clock.now()) });
  queue.add("foo", { afterMs: 50 });
  clock.step(49);
  assert.deepEqual([queue.size, queue.delayed, queue.take()], [0, 1, undefined]);
  clock.step(1);
  assert.deepEqual([queue.size, queue.delayed, told], [1, 0, [50]]);
  assert.deepEqual(taken(queue), ["foo"]);
  clock.step(10_000);
  assert.equal(queue.size, 0);
});

test("of two times for one key the earlier one counts, whichever was said first", () => {
  for (const [first, second] of [
    [50, 70],
    [50, 30],
  ]) {
    const { queue, clock } = queueWith();
    queue.add("foo", { afterMs: first });
    queue.add("foo", { afterMs: second });
    clock.step(Math.min(first, second) - 1);
    assert.equal(queue.size, 0);
    clock.step(1);
    assert.deepEqual(taken(queue), ["foo"]);
    clock.step(1000);
    assert.equal(queue.size, 0);
  }
});

test("a key that is added without delay does not wait for its time", () => {
  const { queue, clock } = queueWith();
  queue.add("foo", { afterMs: 50 });
  queue.add("foo");
  assert.deepEqual(taken(queue), ["foo"]);
  clock.step(1000);
  assert.equal(queue.size, 0);
  queue.add("bar");
  queue.add("bar", { afterMs: 50 });
  assert.deepEqual(taken(queue), ["bar"]);
  assert.equal(queue.delayed, 0);
});

test("delayed keys come in the order of their times", () => {
  const { queue, clock } = queueWith();
  queue.add("first", { afterMs: 1000 });
  queue.add("second", { afterMs: 500 });
  queue.add("third", { afterMs: 250 });
  clock.step(2000);
  assert.deepEqual(taken(queue), ["third", "second", "first"]);
  queue.add("one", { afterMs: 10 });
  queue.add("two", { afterMs: 10 });
  clock.step(10);
  assert.deepEqual(taken(queue), ["one", "two"]);
});

test("a delay of a month is kept, although no timer is that long", () => {
  const { queue, clock } = queueWith();
  const month = 30 * 24 * 3_600_000;
  queue.add("a", { afterMs: month });
  clock.step(month - 1);
  assert.equal(queue.size, 0);
  clock.step(1);
  assert.equal(queue.size, 1);
});

test("a key that falls due while it is worked on waits until that is done", () => {
  const { queue, clock } = queueWith();
  queue.add("a");
  queue.take();
  queue.add("a", { afterMs: 10 });
  clock.step(20);
  assert.deepEqual([queue.size, queue.take()], [1, undefined]);
  queue.done("a");
  assert.deepEqual(taken(queue), ["a"]);
});

test("keys that failed wait longer each time, each by itself, until they are forgotten", () => {
  const { queue, clock } = queueWith();
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) {
    const before = clock.now();
    queue.add("bad", { limited: true });
    while (queue.size === 0) {
      clock.step(1);
    }
    waits.push(clock.now() - before);
    taken(queue);
  }
  assert.deepEqual(waits, [5, 10, 20, 40]);
  assert.equal(queue.retries("bad"), 4);
  queue.add("other", { limited: true });
  clock.step(5);
  assert.deepEqual(taken(queue), ["other"]);
  queue.forget("bad");
  queue.add("bad", { limited: true });
  clock.step(5);
  assert.deepEqual(taken(queue), ["bad"]);
  assert.equal(queue.figures().retries, 6);
});

test("of a delay and a limiter the earlier one counts", () => {
  const { queue, clock } = queueWith({ limiter: fastSlowLimiter({ fastMs: 1000, slowMs: 1000, fastTries: 1 }) });
  queue.add("a", { limited: true, afterMs: 10 });
  clock.step(10);
  assert.deepEqual(taken(queue), ["a"]);
});

test("higher priorities come first, in the order of their adding", () => {
  const { queue } = queueWith();
  queue.add("low-1", { priority: LOW_PRIORITY });
  queue.add("low-2", { priority: LOW_PRIORITY });
  queue.add("normal-1");
  queue.add("high", { priority: 5 });
  queue.add("normal-2");
  assert.deepEqual(taken(queue), ["high", "normal-1", "normal-2", "low-1", "low-2"]);
});

test("a key keeps the highest priority that it was given, and comes behind those that had it before", () => {
  const { queue, clock } = queueWith();
  queue.add("normal");
  queue.add("raised", { priority: LOW_PRIORITY });
  queue.add("raised");
  queue.add("low", { priority: LOW_PRIORITY });
  queue.add("normal", { priority: LOW_PRIORITY });
  assert.deepEqual(
    [...queue.figures().depth],
    [
      [0, 2],
      [LOW_PRIORITY, 1],
    ],
  );
  assert.deepEqual(taken(queue), ["normal", "raised", "low"]);
  queue.add("delayed", { priority: LOW_PRIORITY, afterMs: 10 });
  queue.add("delayed", { priority: 3, afterMs: 20 });
  clock.step(10);
  assert.deepEqual(queue.take(), { key: "delayed", priority: 3 });
});

test("a key that is raised while it is worked on has its new priority when it comes again", () => {
  const { queue } = queueWith();
  queue.add("a", { priority: LOW_PRIORITY });
  assert.equal(queue.take()?.priority, LOW_PRIORITY);
  queue.add("a", { priority: LOW_PRIORITY });
  queue.add("a", { priority: 2 });
  queue.add("b");
  queue.done("a");
  assert.deepEqual(queue.take(), { key: "a", priority: 2 });
  assert.deepEqual(
    [...queue.figures().depth].filter(([, keys]) => keys !== 0),
    [[0, 1]],
  );
});

test("high keys come before low ones, again and again", () => {
  const { queue } = queueWith();
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 50; i++) {
      queue.add(`low-${i}`, { priority: LOW_PRIORITY });
      queue.add(`high-${i}`);
    }
    const keys = taken(queue);
    assert.ok(keys.slice(0, 50).every((key) => key.startsWith("high")));
    assert.equal(keys.length, 100);
  }
});

test("namespaces take turns: one that floods the queue does not hold up another", () => {
  const { queue } = queueWith();
  for (let i = 0; i < 1000; i++) {
    queue.add(`noisy/${i}`);
  }
  queue.add("shop/a");
  queue.add("shop/b");
  queue.add("bank/a");
  const keys = taken(queue);
  assert.deepEqual(keys.slice(0, 6), ["noisy/0", "shop/a", "bank/a", "noisy/1", "shop/b", "noisy/2"]);
  assert.equal(keys.length, 1003);
  const single = queueWith({ tenantOf: () => "" }).queue;
  for (const key of ["x/1", "x/2", "y/1", "x/3"]) {
    single.add(key);
  }
  assert.deepEqual(taken(single), ["x/1", "x/2", "y/1", "x/3"]);
});

test("what has a low priority gets every fifth turn once it has waited long, however much comes above it", () => {
  const { queue, clock } = queueWith({ ageMs: 1000 });
  for (let i = 0; i < 10; i++) {
    queue.add(`old/${i}`, { priority: LOW_PRIORITY });
  }
  const worked: string[] = [];
  const work = (turns: number): void => {
    for (let i = 0; i < turns; i++) {
      queue.add(`new/${worked.length}`);
      const next = queue.take();
      worked.push(next?.key ?? "");
      queue.done(next?.key ?? "");
    }
  };
  work(20);
  assert.equal(worked.filter((key) => key.startsWith("old/")).length, 0);
  clock.step(1000);
  work(20);
  assert.equal(worked.filter((key) => key.startsWith("old/")).length, 4);
});

test("figures say what was added, retried, waited for and worked on", () => {
  const { queue, clock } = queueWith();
  queue.add("a");
  queue.add("a");
  queue.add("b", { afterMs: 100 });
  assert.equal(queue.figures().adds, 1);
  clock.step(500);
  assert.equal(queue.figures().adds, 2);
  queue.take();
  queue.take();
  clock.step(2000);
  const running = queue.figures();
  assert.deepEqual([running.unfinishedSeconds, running.longestRunningSeconds], [4, 2]);
  assert.deepEqual([running.queueSeconds.count, running.queueSeconds.sum], [2, 0.9]);
  queue.add("a");
  assert.equal(queue.figures().adds, 3);
  queue.done("a");
  queue.done("b");
  const { workSeconds, unfinishedSeconds, longestRunningSeconds } = queue.figures();
  assert.deepEqual([workSeconds.count, workSeconds.sum, unfinishedSeconds, longestRunningSeconds], [2, 4, 0, 0]);
  const bounds = workSeconds.samples("work", {}).flatMap(({ labels }) => ("le" in labels ? [labels.le] : []));
  assert.deepEqual(bounds, [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000, "+Inf"]);
});

test("a queue that is empty again keeps nothing: no keys, no timers, no lanes", () => {
  const { queue, clock } = queueWith();
  for (let i = 0; i < 1000; i++) {
    queue.add(`ns-${i}/a`, { priority: i % 7, afterMs: i % 2 });
  }
  clock.step(10);
  assert.equal(taken(queue).length, 1000);
  assert.deepEqual([queue.size, queue.delayed, queue.processing, clock.running], [0, 0, 0, 0]);
});
