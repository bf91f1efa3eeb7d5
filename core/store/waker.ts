/** Longest sleep, in case that a wake-up is lost. */
const SLEEP_MS = 1000;

/**
 * Calls back when a word in shared memory changed, at most once for many changes. One wait is outstanding at a time; it
 * ends by itself, so that none is left behind, and does not keep the process alive.
 */
export class Waker {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #onWake: () => void;
  #seen: number;
  #isRunning = false;
  #isWaiting = false;

  constructor(words: Int32Array, at: number, onWake: () => void) {
    this.#words = words;
    this.#at = at;
    this.#onWake = onWake;
    this.#seen = Atomics.load(words, at);
  }

  /** Calls back soon, then whenever the word changed. */
  start(): void {
    if (this.#isRunning) {
      this.#soon();
      return;
    }
    this.#isRunning = true;
    this.#soon();
    this.#wait();
  }

  stop(): void {
    this.#isRunning = false;
  }

  #soon(): void {
    setImmediate(() => {
      if (this.#isRunning) {
        this.#onWake();
      }
    });
  }

  #wait(): void {
    if (this.#isWaiting) {
      return;
    }
    const { value } = Atomics.waitAsync(this.#words, this.#at, this.#seen, SLEEP_MS);
    this.#isWaiting = true;
    if (typeof value === "string") {
      setImmediate(() => this.#woken());
    } else {
      // The promise of waitAsync never rejects.
      void value.then(() => this.#woken());
    }
  }

  #woken(): void {
    this.#isWaiting = false;
    if (!this.#isRunning) {
      return;
    }
    // Before the callback looks, so that what changes meanwhile is seen by the next wait.
    this.#seen = Atomics.load(this.#words, this.#at);
    try {
      this.#onWake();
    } finally {
      this.#wait();
    }
  }
}
