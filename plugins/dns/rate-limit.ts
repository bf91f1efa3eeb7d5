/** Clients that are told apart in one second; what comes after them is not limited. */
const MOST_TOLD_APART = 50_000;
const SECOND_MS = 1000;

/** So many of each client in each second. The time is given by the caller, milliseconds that never go back. */
export class RateLimit {
  readonly #perSecond: number;
  #counts = new Map<string, number>();
  #endsAtMs = 0;

  /** 0: no limit. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  get isOn(): boolean {
    return this.#perSecond > 0;
  }

  /** How far over its limit the client is with this one: 0 while it is within. */
  over(client: string, nowMs: number): number {
    if (nowMs >= this.#endsAtMs) {
      this.#endsAtMs = nowMs + SECOND_MS;
      this.#counts = new Map();
    }
    const count = (this.#counts.get(client) ?? 0) + 1;
    if (count > 1 || this.#counts.size < MOST_TOLD_APART) {
      this.#counts.set(client, count);
    }
    return Math.max(0, count - this.#perSecond);
  }
}
