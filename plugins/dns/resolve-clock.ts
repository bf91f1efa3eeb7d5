/** A timer that can be cleared. */
export interface ResolveTimer {
  clear(): void;
}

/** Time as the resolver sees it; tests have one of their own. */
export interface ResolveClock {
  /** Milliseconds that never jump. */
  now(): number;
  /** Milliseconds since 1970. */
  wallNow(): number;
  /** Calls back once. Does not keep the process alive. */
  setTimer(ms: number, callback: () => void): ResolveTimer;
}

/** The clock of the machine. */
export const machineClock: ResolveClock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return { clear: () => clearTimeout(timer) };
  },
};
