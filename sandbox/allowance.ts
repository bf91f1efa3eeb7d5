/** How much may be sent: so many at once, and so many a second after that. */
export class Allowance {
  readonly #perMs: number;
  readonly #burst: number;
  #left: number;
  #countedAtMs: number;
  #refused = 0;

  constructor(perSecond: number, burst: number, nowMs: number = performance.now()) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#left = burst;
    this.#countedAtMs = nowMs;
  }

  /** How often `take` said no. */
  get refused(): number {
    return this.#refused;
  }

  /** False: not now. */
  take(nowMs: number = performance.now()): boolean {
    this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#countedAtMs) * this.#perMs);
    this.#countedAtMs = nowMs;
    if (this.#left < 1) {
      this.#refused++;
      return false;
    }
    this.#left--;
    return true;
  }
}
