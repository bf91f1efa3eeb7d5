import { FairleadError } from "../errors.ts";
import type { Clock } from "../watch/clock.ts";
import type { Term } from "./leadership.ts";

/** What a term is about, and when it is over. */
export interface TermParts {
  readonly number: number;
  readonly clock: Clock;
  readonly renewDeadlineMs: number;
  /** "shop/fairlead", for messages. */
  readonly lease: string;
  /** Called once, when a check finds out that the deadline has passed. */
  readonly onOverdue: () => void;
}

/** One time of leading. It is over when it was not renewed within the deadline, or when it is ended. */
export class LiveTerm implements Term {
  readonly number: number;
  readonly #parts: TermParts;
  readonly #ending = new AbortController();
  #renewedAtMs: number;
  #renewedAtWallMs: number;

  /** The times are those at which the request that made us the leader was begun. */
  constructor(parts: TermParts, atMs: number, atWallMs: number) {
    this.number = parts.number;
    this.#parts = parts;
    this.#renewedAtMs = atMs;
    this.#renewedAtWallMs = atWallMs;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get isOver(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Milliseconds until it is over unless it is renewed; 0 or less when it is. */
  leftMs(): number {
    const { clock, renewDeadlineMs } = this.#parts;
    // A machine that slept has its monotonic clock behind. A wall clock that is set forward ends the term: that is safe.
    const passedMs = Math.max(clock.now() - this.#renewedAtMs, clock.wallNow() - this.#renewedAtWallMs);
    return renewDeadlineMs - passedMs;
  }

  /** Counts from the beginning of the request that renewed it. */
  renewed(atMs: number, atWallMs: number): void {
    this.#renewedAtMs = atMs;
    this.#renewedAtWallMs = atWallMs;
  }

  check(): void {
    if (!this.isOver && this.leftMs() <= 0) {
      this.#parts.onOverdue();
    }
    this.#ending.signal.throwIfAborted();
  }

  end(why: string): void {
    const { lease } = this.#parts;
    this.#ending.abort(
      new FairleadError("ELECTION_LOST", `this process does not lead by lease "${lease}" any more: ${why}`, {
        facts: { lease, term: this.number },
      }),
    );
  }
}
