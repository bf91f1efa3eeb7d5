/** What a look at the heap of a thread leads to. */
export type HeapVerdict =
  /** Look again after `nextMs`. */
  | { readonly kind: "fine"; readonly nextMs: number }
  /** Have its garbage collected: perhaps most of it is. */
  | { readonly kind: "collect"; readonly nextMs: number }
  /** End it. */
  | { readonly kind: "kill"; readonly usedBytes: number };

const CALM_MS = 250;
const CLOSE_MS = 25;
/** Above this part of the limit it is looked at often. */
const CLOSE = 0.7;
/** Above so many times the limit there is no time to see what is garbage. */
const RUNAWAY = 2;
/** A thread that was asked to collect and did not within this time is busy; then what it uses counts, milliseconds. */
const COLLECT_WITHIN_MS = 1000;
/** After a collection that helped, the next one is not asked for at once, milliseconds. */
const COLLECT_AGAIN_MS = 2000;

/**
 * Judges the memory of a thread: JavaScript heap and buffers together against a soft limit. The engine's own limit cannot be
 * relied on: some shapes of growth end the whole process. Pure but for what it remembers.
 */
export class HeapGuard {
  readonly #softBytes: number;
  #askedAtMs: number | undefined;
  #collectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(softBytes: number) {
    this.#softBytes = softBytes;
  }

  /** `isCollected`: what was asked for last has been done. */
  look(usedBytes: number, isCollected: boolean, nowMs: number): HeapVerdict {
    const soft = this.#softBytes;
    if (this.#askedAtMs !== undefined && isCollected) {
      this.#askedAtMs = undefined;
      this.#collectedAtMs = nowMs;
      if (usedBytes > soft) {
        return { kind: "kill", usedBytes };
      }
    }
    if (usedBytes <= soft) {
      return { kind: "fine", nextMs: usedBytes > soft * CLOSE ? CLOSE_MS : CALM_MS };
    }
    if (usedBytes > soft * RUNAWAY) {
      return { kind: "kill", usedBytes };
    }
    if (this.#askedAtMs !== undefined) {
      const isTooLate = nowMs - this.#askedAtMs > COLLECT_WITHIN_MS;
      return isTooLate ? { kind: "kill", usedBytes } : { kind: "fine", nextMs: CLOSE_MS };
    }
    if (nowMs - this.#collectedAtMs < COLLECT_AGAIN_MS) {
      return { kind: "fine", nextMs: CLOSE_MS };
    }
    this.#askedAtMs = nowMs;
    return { kind: "collect", nextMs: CLOSE_MS };
  }
}
