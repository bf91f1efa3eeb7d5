import type { Attachment } from "./attachment.ts";
import { SWITCHED } from "./layout.ts";

/** Phases of a kind that cannot be loaded now: not served, forbidden. */
const OUT_OF_REACH: readonly number[] = [5, 6];
/** Longer than the pause before a forbidden kind is tried again: a server that has just started forbids for a while. */
const DEFAULT_OUT_OF_REACH_MS = 90_000;

/** How a reader goes over to a renewed memory. */
export interface TakeOverOptions {
  /** False for kinds that are not followed any more: they are not waited for. Default: all are. */
  readonly awaits?: (kind: string) => boolean;
  /** A kind that was complete and is not served, or forbidden, is waited for this long, milliseconds. Default 90000. */
  readonly outOfReachMs?: number;
}

/** Tells when a new memory holds all that the old one did. */
export class TakeOver {
  readonly #old: Attachment;
  readonly #next: Attachment;
  readonly #awaits: (kind: string) => boolean;
  readonly #outOfReachMs: number;
  /** When a kind was first seen to be out of reach. */
  readonly #since = new Map<number, number>();

  constructor(old: Attachment, next: Attachment, { awaits, outOfReachMs }: TakeOverOptions) {
    this.#old = old;
    this.#next = next;
    this.#awaits = awaits ?? (() => true);
    this.#outOfReachMs = outOfReachMs ?? DEFAULT_OUT_OF_REACH_MS;
  }

  /** True when each kind that was complete is so again, or out of reach for long; or when the store's owner went over. */
  isReady(nowMs: number): boolean {
    if (Atomics.load(this.#next.snapshot.words, SWITCHED) === 1) {
      return true;
    }
    let isReady = true;
    // All are looked at, so that each one's time runs from when it began.
    for (const [number, plan] of this.#old.plans.entries()) {
      if (this.#old.isSynced(number) && !this.#next.isSynced(number) && this.#awaits(plan.name)) {
        isReady = this.#isOutOfReach(number, nowMs) && isReady;
      }
    }
    return isReady;
  }

  #isOutOfReach(number: number, nowMs: number): boolean {
    if (!OUT_OF_REACH.includes(this.#next.phase(number))) {
      return false;
    }
    const since = this.#since.get(number) ?? nowMs;
    this.#since.set(number, since);
    return nowMs - since >= this.#outOfReachMs;
  }
}
