import type { Clock, Timer } from "../watch/clock.ts";

/** What has a deadline. */
export interface Timed {
  readonly startedMs: number;
  isOverdue: boolean;
}

export interface RunDeadlineOptions<T extends Timed> {
  readonly clock: Clock;
  /** The same for all. */
  readonly deadlineMs: number;
  /** Those under way, in the order of their beginning. */
  readonly running: () => Iterable<T>;
  /** Called once for each that is late. */
  readonly late: (run: T) => void;
}

/** One timer for the deadlines of all that run. */
export class RunDeadline<T extends Timed> {
  readonly #options: RunDeadlineOptions<T>;
  #timer: Timer | undefined;

  constructor(options: RunDeadlineOptions<T>) {
    this.#options = options;
  }

  /** Something has begun. */
  begun(): void {
    this.#timer ??= this.#wait(this.#options.deadlineMs);
  }

  stop(): void {
    this.#timer?.clear();
  }

  #wait(ms: number): Timer {
    return this.#options.clock.setTimer(ms, () => this.#onTime(), true);
  }

  #onTime(): void {
    const { clock, deadlineMs, running, late } = this.#options;
    this.#timer = undefined;
    for (const run of running()) {
      if (run.isOverdue) {
        continue;
      }
      const leftMs = run.startedMs + deadlineMs - clock.now();
      if (leftMs > 0) {
        this.#timer = this.#wait(leftMs);
        return;
      }
      run.isOverdue = true;
      late(run);
    }
  }
}
