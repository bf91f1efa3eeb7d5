import type { Attachment } from "./attachment.ts";
import { SWITCHED } from "./layout.ts";

/** Phases of a kind that cannot be loaded now: not served, forbidden. */
const OUT_OF_REACH: readonly number[] = [5, 6];
/** Longer than the pause before a forbidden kind is tried again: a server that has just started forbids for a while. */
const DEFAULT_OUT_OF_REACH_MS = 90_000;

/** How a reader goes over to a renewed memory. */
export interface TakeOverOptions {
  /** A kind that was complete and is not served, or forbidden, is waited for this long, milliseconds. Default 90000. */
  readonly outOfReachMs?: number;
}

/** Tells when a new memory holds all that the old one did. */
export class TakeOver {
  readonly #old: Attachment;
  readonly #next: Attachment;
  readonly #outOfReachMs: number;
  /** When a kind was first seen to be out of reach. */
  readonly #since = new Map<string, number>();

  constructor(old: Attachment, next: Attachment, { outOfReachMs }: TakeOverOptions) {
    this.#old = old;
    this.#next = next;
    this.#outOfReachMs = outOfReachMs ?? DEFAULT_OUT_OF_REACH_MS;
  }

  /**
   * True when each kind that was complete is so again, or out of reach for long, or not followed any more; or when the
   * store's owner went over.
   */
  isReady(nowMs: number): boolean {
    if (Atomics.load(this.#next.snapshot.words, SWITCHED) === 1) {
      return true;
    }
    let isReady = true;
    const next = this.#next.kinds;
    // All are looked at, so that each one's time runs from when it began.
    for (const [name, { isSynced }] of this.#old.kinds) {
      const entry = next.get(name);
      if (isSynced && entry !== undefined && !entry.isSynced) {
        isReady = this.#isOutOfReach(name, entry.phase, nowMs) && isReady;
      }
    }
    return isReady;
  }

  #isOutOfReach(name: string, phase: number, nowMs: number): boolean {
    if (!OUT_OF_REACH.includes(phase)) {
      return false;
    }
    const since = this.#since.get(name) ?? nowMs;
    this.#since.set(name, since);
    return nowMs - since >= this.#outOfReachMs;
  }
}
