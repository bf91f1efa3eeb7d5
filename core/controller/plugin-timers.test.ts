import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { messageOf } from "../errors.ts";
import { ManualClock } from "../watch/manual-clock.test-support.ts";
import { milliseconds } from "./duration.ts";
import { createTimers, type OwnTimers } from "./plugin-timers.ts";

let clock: ManualClock;
let errors: string[];
let timers: OwnTimers;

beforeEach(() => {
  clock = new ManualClock();
  errors = [];
  timers = createTimers({
    clock,
    failed: (where, error) => errors.push(`${where}: ${messageOf(error)}`),
    random: () => 1,
  });
});

test("every: calls never overlap, those that would have are left out, and the cadence stays", async () => {
  const starts: number[] = [];
  timers.every("1s", async () => {
    starts.push(clock.now());
    if (starts.length === 1) {
      await new Promise<void>((resolve) => clock.setTimer(2500, resolve));
    }
  });
  await clock.advance(6000);
  assert.deepEqual(starts, [1000, 4000, 5000, 6000]);
});

test("a callback that throws or rejects is told and does not end the timer", async () => {
  let calls = 0;
  timers.every(100, () => {
    calls++;
    if (calls === 1) {
      throw new Error("thrown");
    }
    return calls === 2 ? Promise.reject(new Error("rejected")) : undefined;
  });
  await clock.advance(300);
  assert.deepEqual([calls, errors], [3, ["a timer: thrown", "a timer: rejected"]]);
});

test("timers end with the plugin, also from inside, and later ones never fire", async () => {
  let calls = 0;
  timers.every(100, () => {
    calls++;
    timers.end();
  });
  timers.after("50ms", () => void calls++);
  const stopped = timers.after(60, () => void calls++);
  stopped.stop();
  stopped.stop();
  await clock.advance(100);
  timers.after(1, () => void calls++);
  await clock.advance(1000);
  assert.deepEqual([calls, clock.running], [2, 0]);
});

test("every: at once where asked, and moved by jitter", async () => {
  const calls: number[] = [];
  timers.every(1000, () => void calls.push(clock.now()), { immediately: true, jitter: 0.2 });
  await clock.advance(2300);
  assert.deepEqual(calls, [0, 1100, 2200]);
});

test("times are milliseconds or text", () => {
  assert.deepEqual(
    ["500ms", "1.5s", "5m", "2h", 7, 0].map((time) => milliseconds(time)),
    [500, 1500, 300_000, 7_200_000, 7, 0],
  );
  for (const bad of ["", "5", "5d", -1, Number.NaN, "999h", undefined as unknown as string]) {
    assert.throws(() => milliseconds(bad), { code: "PLUGIN_BAD_DURATION" });
  }
});
