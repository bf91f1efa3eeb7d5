import type { Clock, Timer } from "../watch/clock.ts";

/** For tests: a clock that stands still until it is moved, and fires what falls due at once. */
export class StepClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return 1_700_000_000_000 + this.#now;
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

  step(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [first] = [...this.#timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at);
      if (first === undefined) {
        break;
      }
      this.#timers.delete(first);
      this.#now = Math.max(this.#now, first.at);
      first.callback();
    }
    this.#now = until;
  }
}
