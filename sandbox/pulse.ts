/** What a supervisor thinks of a thread's heartbeat. */
export type PulseVerdict = "alive" | "unresponsive" | "dead";

/** When a heart that stands still is told, and when it is taken for dead, milliseconds. */
export interface PulseRule {
  readonly unresponsiveMs: number;
  readonly deadMs: number;
}

export const PULSE_RULE: PulseRule = { unresponsiveMs: 3000, deadMs: 10_000 };

/** A longer pause between two looks is the supervisor's own and does not count in full. */
const LONGEST_LOOK_MS = 500;

/** Judges a heartbeat from looks at its counter. Pure but for what it remembers: the clock is passed in. */
export class Pulse {
  readonly #rule: PulseRule;
  #count = 0;
  #lookedAtMs: number;
  #stillMs = 0;

  constructor(nowMs: number, rule: PulseRule = PULSE_RULE) {
    this.#lookedAtMs = nowMs;
    this.#rule = rule;
  }

  /** Milliseconds for which the counter was seen not to change. */
  get stillMs(): number {
    return this.#stillMs;
  }

  /** Takes one look. While the looking thread itself was held up, or the machine slept, nothing is held against the other. */
  look(count: number, nowMs: number): PulseVerdict {
    const passedMs = Math.min(nowMs - this.#lookedAtMs, LONGEST_LOOK_MS);
    this.#lookedAtMs = nowMs;
    if (count !== this.#count) {
      this.#count = count;
      this.#stillMs = 0;
      return "alive";
    }
    this.#stillMs += passedMs;
    if (this.#stillMs >= this.#rule.deadMs) {
      return "dead";
    }
    return this.#stillMs >= this.#rule.unresponsiveMs ? "unresponsive" : "alive";
  }
}
