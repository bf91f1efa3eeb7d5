import { TokenBucket } from "../kube/token-bucket.ts";

/** How long a key that failed waits before it is tried again. */
export interface RateLimiter {
  /** Milliseconds to wait; counts as one more failure of the key. */
  when(key: string): number;
  /** The key is well again. */
  forget(key: string): void;
  /** Failures since it was forgotten. */
  retries(key: string): number;
}

/** Counts failures, by key. Keys that never failed take no room. */
class Failures {
  readonly #counts = new Map<string, number>();

  /** How many there were before this one. */
  add(key: string): number {
    const before = this.of(key);
    this.#counts.set(key, before + 1);
    return before;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#counts.delete(key);
  }
}

/** Each key by itself: `baseMs`, twice that, four times that, up to `maxMs`. Default 5 ms to 1000 s. */
export function exponentialLimiter(limits: { readonly baseMs?: number; readonly maxMs?: number } = {}): RateLimiter {
  const { baseMs = 5, maxMs = 1_000_000 } = limits;
  const failures = new Failures();
  return {
    when: (key) => Math.min(maxMs, baseMs * 2 ** failures.add(key)),
    forget: (key) => failures.forget(key),
    retries: (key) => failures.of(key),
  };
}

/** Each key by itself: `fastMs` the first few times, `slowMs` from then on. */
export function fastSlowLimiter(limits: {
  readonly fastMs: number;
  readonly slowMs: number;
  readonly fastTries: number;
}): RateLimiter {
  const failures = new Failures();
  return {
    when: (key) => (failures.add(key) < limits.fastTries ? limits.fastMs : limits.slowMs),
    forget: (key) => failures.forget(key),
    retries: (key) => failures.of(key),
  };
}

/** All keys together: `perSecond` on average, `burst` at once. Default 10 and 100. `now`: milliseconds. */
export function bucketLimiter(
  limits: { readonly perSecond?: number; readonly burst?: number; readonly now?: () => number } = {},
): RateLimiter {
  const bucket = new TokenBucket(limits.perSecond ?? 10, limits.burst ?? 100, limits.now);
  return { when: () => bucket.reserve(), forget: () => {}, retries: () => 0 };
}

/** The longest of what several say. */
export function longestOf(...limiters: readonly RateLimiter[]): RateLimiter {
  return {
    when: (key) => Math.max(0, ...limiters.map((limiter) => limiter.when(key))),
    forget: (key) => {
      for (const limiter of limiters) {
        limiter.forget(key);
      }
    },
    retries: (key) => Math.max(0, ...limiters.map((limiter) => limiter.retries(key))),
  };
}

/** What another one says, but never more than `maxMs`. */
export function atMost(maxMs: number, limiter: RateLimiter): RateLimiter {
  return { ...limiter, when: (key) => Math.min(maxMs, limiter.when(key)) };
}

/** The limiter of controllers: each key 5 ms to 1000 s, all together 10 a second with 100 at once. */
export function controllerLimiter(now?: () => number): RateLimiter {
  return longestOf(exponentialLimiter(), bucketLimiter({ now }));
}
