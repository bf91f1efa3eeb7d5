/** What the taps of one plugin on one hook have done so far. */
export interface HookFigure {
  /** "changes:pods", "writeBefore", "dns.query". */
  readonly hook: string;
  readonly plugin: string;
  readonly calls: number;
  /** Calls that threw, or did not answer within the deadline. */
  readonly errors: number;
  /** 99 of 100 of the last few thousand calls were faster, milliseconds; exact to a fifth. */
  readonly p99Ms: number;
  /** The longest call of all, milliseconds. */
  readonly longestMs: number;
}

/** Buckets grow by the fourth root of two, from one microsecond to beyond an hour. */
const STEPS_PER_OCTAVE = 4;
const BUCKETS = 33 * STEPS_PER_OCTAVE;
/** So many calls count in full for the percentile; older ones count half, and again half. */
const WINDOW = 4096;

/** Counts and times the calls of one plugin's taps on one hook. Recording allocates nothing. */
export class TapMeter {
  readonly hook: string;
  readonly plugin: string;
  calls = 0;
  errors = 0;
  longestMs = 0;
  /** When a failure or slow call was last told to the log, and how many were not since. */
  toldAtMs = Number.NEGATIVE_INFINITY;
  untold = 0;
  readonly #buckets = new Uint16Array(BUCKETS);
  #counted = 0;

  constructor(hook: string, plugin: string) {
    this.hook = hook;
    this.plugin = plugin;
  }

  /** One call ended, well or not. */
  record(ms: number): void {
    this.calls++;
    if (ms > this.longestMs) {
      this.longestMs = ms;
    }
    this.#buckets[bucketOf(ms)]++;
    this.#counted++;
    if (this.#counted === WINDOW) {
      this.#halve();
    }
  }

  figure(): HookFigure {
    const { hook, plugin, calls, errors, longestMs } = this;
    return { hook, plugin, calls, errors, p99Ms: Math.min(this.#percentile(0.99), longestMs), longestMs };
  }

  #percentile(part: number): number {
    let left = this.#counted * (1 - part);
    for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
      left -= this.#buckets[bucket];
      if (left < 0) {
        return 0.001 * 2 ** ((bucket + 1) / STEPS_PER_OCTAVE);
      }
    }
    return 0;
  }

  #halve(): void {
    this.#counted = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      this.#buckets[bucket] >>= 1;
      this.#counted += this.#buckets[bucket];
    }
  }
}

function bucketOf(ms: number): number {
  return ms <= 0.001 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(ms * 1000) * STEPS_PER_OCTAVE));
}
