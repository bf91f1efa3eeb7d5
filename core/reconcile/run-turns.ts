/** Reconciles that are begun before the event loop gets its turn. */
const MOST_AT_ONCE = 50;

/** Says when a loop begins what is ready: once for whatever becomes ready together; now and then the event loop comes first. */
export class RunTurns {
  readonly #work: () => void;
  #isPlanned = false;
  /** Begun since the event loop had its turn. */
  #begun = 0;

  constructor(work: () => void) {
    this.#work = work;
  }

  plan(): void {
    if (this.#isPlanned) {
      return;
    }
    this.#isPlanned = true;
    if (this.#begun < MOST_AT_ONCE) {
      queueMicrotask(this.#now);
      return;
    }
    setImmediate(() => {
      this.#begun = 0;
      this.#now();
    });
  }

  /** Something is begun. False: it is the event loop's turn; the rest is planned. */
  take(): boolean {
    if (this.#begun >= MOST_AT_ONCE) {
      this.plan();
      return false;
    }
    this.#begun++;
    return true;
  }

  readonly #now = (): void => {
    this.#isPlanned = false;
    this.#work();
  };
}
