import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 20;
const WINDOW_MS = 60_000;

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** How late the loop was. */
interface Lateness {
  readonly longestMs: number;
  readonly p99Ms: number;
}

/**
 * How late the main loop was in the last one to two minutes, so that several scrapers see the same and an old stall does not
 * stay for ever. Wakes 50 times a second, therefore made only where somebody asks for it.
 */
export class LoopDelay {
  readonly #histogram: IntervalHistogram;
  readonly #now: () => number;
  #windowSince: number;
  #before: Lateness = { longestMs: 0, p99Ms: 0 };

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#windowSince = now();
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  read(): Lateness {
    const current = lateness(this.#histogram);
    const shown = {
      longestMs: Math.max(current.longestMs, this.#before.longestMs),
      p99Ms: Math.max(current.p99Ms, this.#before.p99Ms),
    };
    if (this.#now() - this.#windowSince >= WINDOW_MS) {
      this.#before = current;
      this.#windowSince = this.#now();
      this.#histogram.reset();
    }
    return shown;
  }

  stop(): void {
    this.#histogram.disable();
  }
}

/** The histogram holds times between two wakes; what is above the resolution was late. */
function lateness(histogram: IntervalHistogram): Lateness {
  if (histogram.count === 0) {
    return { longestMs: 0, p99Ms: 0 };
  }
  return {
    longestMs: Math.max(0, histogram.max / 1e6 - RESOLUTION_MS),
    p99Ms: Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS),
  };
}
