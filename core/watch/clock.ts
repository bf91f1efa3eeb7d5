/** A timer that can be cleared. */
export interface Timer {
  clear(): void;
}

/** Time as the watch engine sees it; tests have one of their own. */
export interface Clock {
  /** Milliseconds that never jump. For intervals. */
  now(): number;
  /** Milliseconds since 1970. For what people read. */
  wallNow(): number;
  /** Calls back once. `background`: does not keep the process alive. */
  setTimer(ms: number, callback: () => void, background?: boolean): Timer;
}

/** The clock of the machine. */
export const realClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(ms, callback, background = false) {
    const timer = setTimeout(callback, ms);
    if (background) {
      timer.unref();
    }
    return { clear: () => clearTimeout(timer) };
  },
};

/** Timers by name: at most one of each. */
export class TimerSet<Name extends string> {
  readonly #clock: Clock;
  readonly #timers = new Map<Name, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once after `ms`, instead of what was planned under that name. */
  start(name: Name, ms: number, onTime: () => void): void {
    this.stop(name);
    const timer = this.#clock.setTimer(ms, () => {
      this.#timers.delete(name);
      onTime();
    });
    this.#timers.set(name, timer);
  }

  stop(name: Name): void {
    this.#timers.get(name)?.clear();
    this.#timers.delete(name);
  }
}
