/**
 * Which keys of one controller are being reconciled, over all its lives: one that is stopped may leave a reconcile behind that
 * does not end, and its successor must not touch that key meanwhile.
 */
export class KeyLocks {
  /** Who waits for the end, where somebody does. */
  readonly #held = new Map<string, (() => void)[] | undefined>();

  /** Keys that are held. */
  get size(): number {
    return this.#held.size;
  }

  /** False when it is held: `whenFree` is called once when it is not any more. */
  take(key: string, whenFree: () => void): boolean {
    if (!this.#held.has(key)) {
      this.#held.set(key, undefined);
      return true;
    }
    const waiting = this.#held.get(key);
    if (waiting === undefined) {
      this.#held.set(key, [whenFree]);
    } else {
      waiting.push(whenFree);
    }
    return false;
  }

  free(key: string): void {
    const waiting = this.#held.get(key);
    this.#held.delete(key);
    for (const whenFree of waiting ?? []) {
      whenFree();
    }
  }
}
