import type { Clock, Timer } from "./clock.ts";

/** For tests: a clock that stands still until it is advanced. */
export class ManualClock implements Clock {
  #now = 0;
  wallOffset = 1_700_000_000_000;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.wallOffset + this.#now;
  }

  /** Timers that are running. */
  get running(): number {
    return this.#timers.size;
  }

  setTimer(ms: number, callback: () => void): Timer {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return { clear: () => this.#timers.delete(timer) };
  }

  /** Lets time pass, firing timers in order and letting everything settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      let first: { at: number; callback: () => void } | undefined;
      for (const timer of this.#timers) {
        if (timer.at <= until && (first === undefined || timer.at < first.at)) {
          first = timer;
        }
      }
      if (first === undefined) {
        break;
      }
      this.#timers.delete(first);
      this.#now = Math.max(this.#now, first.at);
      first.callback();
      await settle();
    }
    this.#now = until;
  }
}

/** Resolves when all that was ready to run has run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
