import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RateLimiter } from "./rate-limiter.ts";
import { StepClock } from "./step-clock.test-support.ts";
import { WorkQueue } from "./work-queue.ts";

const AGE_MS = 100;
const LIMITED_MS = 7;

interface Item {
  readonly key: string;
  priority: number;
  dueMs: number;
  readySince: number | undefined;
  /** Place among those of its priority. */
  place: number;
}

/** The queue as one would write it without a thought about speed: one list, searched each time. */
class Oracle {
  items: Item[] = [];
  readonly working = new Set<string>();
  readonly #turns: string[][] = [];
  #places = 0;
  #passedOver = 0;

  add(now: number, key: string, priority: number, afterMs: number): void {
    const there = this.items.find((item) => item.key === key);
    if (there === undefined) {
      this.items.push({ key, priority, dueMs: now + afterMs, readySince: undefined, place: -1 });
    } else {
      if (priority > there.priority) {
        this.#leave(there);
        there.priority = priority;
        if (there.readySince !== undefined && !this.working.has(key)) {
          this.#enter(there);
        }
      }
      there.dueMs = Math.min(there.dueMs, now + afterMs);
    }
    this.settle(now);
  }

  settle(now: number): void {
    const due = this.items.filter((item) => item.readySince === undefined && item.dueMs <= now);
    for (const item of due.toSorted((a, b) => a.dueMs - b.dueMs)) {
      item.readySince = item.dueMs > now ? now : Math.max(item.dueMs, 0);
      if (!this.working.has(item.key)) {
        this.#enter(item);
      }
    }
  }

  take(now: number): string | undefined {
    const ready = this.items.filter((item) => item.readySince !== undefined && item.place >= 0);
    const priorities = [...new Set(ready.map((item) => item.priority))].sort((a, b) => b - a);
    const [highest, ...lower] = priorities;
    if (highest === undefined) {
      return undefined;
    }
    const oldest = (priority: number): number =>
      ready.filter((item) => item.priority === priority).toSorted((a, b) => a.place - b.place)[0].readySince ?? 0;
    const aged = lower.toSorted((a, b) => oldest(a) - oldest(b))[0];
    let chosen = highest;
    if (aged !== undefined && now - oldest(aged) >= AGE_MS) {
      this.#passedOver = (this.#passedOver + 1) % 5;
      chosen = this.#passedOver === 0 ? aged : highest;
    }
    const turns = this.#turnsOf(chosen);
    const tenant = turns[0];
    const [item] = ready
      .filter((one) => one.priority === chosen && one.key.startsWith(`${tenant}/`))
      .toSorted((a, b) => a.place - b.place);
    turns.push(...turns.splice(0, 1));
    this.#leave(item);
    this.items = this.items.filter((one) => one !== item);
    this.working.add(item.key);
    return item.key;
  }

  done(key: string): void {
    this.working.delete(key);
    const held = this.items.find((item) => item.key === key);
    if (held?.readySince !== undefined) {
      this.#enter(held);
    }
  }

  get size(): number {
    return this.items.filter((item) => item.readySince !== undefined).length;
  }

  /** Tenants with something ready of that priority, next one first. */
  #turnsOf(priority: number): string[] {
    this.#turns[priority] ??= [];
    return this.#turns[priority];
  }

  #enter(item: Item): void {
    item.place = this.#places++;
    const turns = this.#turnsOf(item.priority);
    const tenant = item.key.split("/")[0];
    if (!turns.includes(tenant)) {
      turns.push(tenant);
    }
  }

  #leave(item: Item): void {
    item.place = -1;
    const tenant = item.key.split("/")[0];
    const isLast = !this.items.some(
      (one) => one.priority === item.priority && one.place >= 0 && one.key.startsWith(`${tenant}/`),
    );
    const turns = this.#turnsOf(item.priority);
    if (isLast && turns.includes(tenant)) {
      turns.splice(turns.indexOf(tenant), 1);
    }
  }
}

const keys = fc.constantFrom("a/1", "a/2", "a/3", "b/1", "b/2", "c/1");
const commands = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("add" as const),
        key: keys,
        priority: fc.integer({ min: 0, max: 2 }),
        afterMs: fc.constantFrom(0, 0, 0, 5, 20, 300),
        limited: fc.boolean(),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("take" as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("done" as const), key: keys }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("step" as const), ms: fc.constantFrom(1, 5, 20, 150) }) },
  ),
  { maxLength: 120, size: "max" },
);

const limiter: RateLimiter = { when: () => LIMITED_MS, forget: () => {}, retries: () => 0 };

type Command = typeof commands extends fc.Arbitrary<(infer One)[]> ? One : never;

/** Does the same with both and compares what they gave. */
function apply(command: Command, queue: WorkQueue, oracle: Oracle, clock: StepClock): void {
  switch (command.do) {
    case "add": {
      const { key, priority, afterMs, limited } = command;
      queue.add(key, { priority, limited, ...(limited && afterMs === 0 ? {} : { afterMs }) });
      oracle.add(clock.now(), key, priority, limited ? Math.min(LIMITED_MS, afterMs || LIMITED_MS) : afterMs);
      return;
    }
    case "take":
      assert.equal(queue.take()?.key, oracle.take(clock.now()));
      return;
    case "done":
      if (oracle.working.has(command.key)) {
        oracle.done(command.key);
      }
      queue.done(command.key);
      return;
    case "step":
      clock.step(command.ms);
      oracle.settle(clock.now());
  }
}

test("whatever is added, taken and done: the queue does what a naive one does", () => {
  fc.assert(
    fc.property(commands, (run) => {
      const clock = new StepClock();
      const queue = new WorkQueue({ clock, limiter, ageMs: AGE_MS });
      const oracle = new Oracle();
      for (const command of run) {
        apply(command, queue, oracle, clock);
        assert.equal(queue.size, oracle.size);
        assert.equal(queue.delayed, oracle.items.length - oracle.size);
        assert.equal(queue.processing, oracle.working.size);
      }
    }),
    { numRuns: 1000 },
  );
});
