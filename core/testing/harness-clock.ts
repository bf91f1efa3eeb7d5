import type { Clock, Timer } from "../watch/clock.ts";

/** The clock that a plugin under test sees: it stands still until it is moved. */
export interface HarnessClock extends Clock {
  /** Moves on, timer by timer; `after` is awaited when one has fired. */
  advance(byMs: number, after: () => Promise<void>): Promise<void>;
}

/** Makes a clock. `startMs`: its wall clock, milliseconds since 1970. */
export function harnessClock(startMs: number): HarnessClock {
  let passedMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  const nextBefore = (endMs: number) => {
    let first: { readonly atMs: number; readonly callback: () => void } | undefined;
    for (const timer of timers) {
      if (timer.atMs <= endMs && (first === undefined || timer.atMs < first.atMs)) {
        first = timer;
      }
    }
    return first;
  };
  return {
    now: () => passedMs,
    wallNow: () => startMs + passedMs,
    setTimer(ms, callback): Timer {
      const timer = { atMs: passedMs + Math.max(0, ms), callback };
      timers.add(timer);
      return { clear: () => timers.delete(timer) };
    },
    async advance(byMs, after) {
      const endMs = passedMs + byMs;
      for (let due = nextBefore(endMs); due !== undefined; due = nextBefore(endMs)) {
        timers.delete(due);
        passedMs = Math.max(passedMs, due.atMs);
        due.callback();
        await after();
      }
      passedMs = endMs;
    },
  };
}
