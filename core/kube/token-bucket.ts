/** A rate limit of requests: `perSecond` on average, `burst` at once. Waiters are served in order. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  /** `now` in milliseconds; default `performance.now`. */
  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#at = now();
  }

  /** Takes a token; milliseconds to wait until it is ours (0: at once). */
  reserve(): number {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1_000;
  }

  /** Gives back a token that was reserved and not used. */
  giveBack(): void {
    this.#tokens += 1;
  }

  /** Resolves when a token is ours; an abort gives it back. */
  take(signal: AbortSignal): Promise<void> {
    const waitMs = this.reserve();
    if (waitMs === 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", stopped);
        resolve();
      }, waitMs);
      const stopped = (): void => {
        clearTimeout(timer);
        this.giveBack();
        resolve();
      };
      signal.addEventListener("abort", stopped, { once: true });
    });
  }
}
