import type { Duration, PluginTimer, PluginTimers } from "../api/context.ts";
import type { Clock, Timer } from "../watch/clock.ts";
import { milliseconds } from "./duration.ts";

/** Timers of one plugin, in whatever thread it runs. */
export interface OwnTimers extends PluginTimers {
  /** Ends all; later ones never fire. */
  end(): void;
}

/** How to make them. */
export interface TimersOptions {
  readonly clock: Clock;
  /** Told of what a callback throws, or rejects with. */
  readonly failed: (where: string, error: unknown) => void;
  /** 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** Makes timers that end together. */
export function createTimers({ clock, failed, random = Math.random }: TimersOptions): OwnTimers {
  const running = new Set<RunningTimer>();
  let isOver = false;
  const begin = (
    callback: () => void | Promise<void>,
    firstMs: number,
    next?: (tookMs: number) => number,
  ): PluginTimer => {
    const timer = new RunningTimer({ clock, callback, next, failed, ended: () => running.delete(timer) });
    if (!isOver) {
      running.add(timer);
      timer.schedule(firstMs);
    }
    return timer;
  };
  return {
    after: (time: Duration, callback) => begin(callback, milliseconds(time)),
    every(time, callback, options = {}) {
      // At least one millisecond: a timer of none at all would be a loop.
      const periodMs = Math.max(1, milliseconds(time));
      const jitter = Math.min(1, Math.max(0, options.jitter ?? 0));
      const moved = (ms: number): number => Math.max(1, ms + periodMs * jitter * (random() - 0.5));
      // Calls that would have begun while one was running are left out.
      return begin(callback, options.immediately === true ? 0 : moved(periodMs), (tookMs) =>
        moved(periodMs - (tookMs % periodMs)),
      );
    },
    end() {
      isOver = true;
      for (const timer of running) {
        timer.stop();
      }
    },
  };
}

interface RunningOptions extends TimersOptions {
  readonly callback: () => void | Promise<void>;
  /** Milliseconds until the next call; left out: there is none. */
  readonly next: ((tookMs: number) => number) | undefined;
  readonly ended: () => void;
}

class RunningTimer implements PluginTimer {
  readonly #options: RunningOptions;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: RunningOptions) {
    this.#options = options;
  }

  schedule(ms: number): void {
    this.#timer = this.#options.clock.setTimer(ms, () => void this.#fire(), true);
  }

  stop(): void {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#timer?.clear();
      this.#options.ended();
    }
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  async #fire(): Promise<void> {
    const { clock, callback, next, failed } = this.#options;
    const startedAt = clock.now();
    try {
      await callback();
    } catch (error) {
      failed("a timer", error);
    }
    if (this.#isStopped) {
      return;
    }
    if (next === undefined) {
      this.stop();
      return;
    }
    this.schedule(next(clock.now() - startedAt));
  }
}
