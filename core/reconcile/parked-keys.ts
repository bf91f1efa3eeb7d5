import type { Taken } from "../queue/work-queue.ts";
import type { Clock, Timer } from "../watch/clock.ts";

export interface ParkedKeysOptions {
  readonly clock: Clock;
  /** How long a key waits at most, milliseconds. */
  readonly longestMs: number;
  /** True when the key need not wait any more. */
  readonly isSeen: (key: string) => boolean;
  /** The key goes on; `isLate`: without having seen what it waited for. */
  readonly goOn: (taken: Taken, isLate: boolean) => void;
}

/** Keys that wait until the cache has their own last writes. */
export class ParkedKeys {
  readonly #options: ParkedKeysOptions;
  readonly #parked = new Map<string, { readonly taken: Taken; readonly timer: Timer }>();

  constructor(options: ParkedKeysOptions) {
    this.#options = options;
  }

  park(taken: Taken): void {
    const { clock, longestMs, goOn } = this.#options;
    const timer = clock.setTimer(
      longestMs,
      () => {
        this.#parked.delete(taken.key);
        goOn(taken, true);
      },
      true,
    );
    this.#parked.set(taken.key, { taken, timer });
  }

  /** The cache has changed. */
  look(): void {
    for (const [key, { taken, timer }] of this.#parked) {
      if (this.#options.isSeen(key)) {
        timer.clear();
        this.#parked.delete(key);
        this.#options.goOn(taken, false);
      }
    }
  }

  stop(): void {
    for (const { timer } of this.#parked.values()) {
      timer.clear();
    }
    this.#parked.clear();
  }
}
