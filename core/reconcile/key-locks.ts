/**
 * Which keys are being reconciled, over all lives of a controller: one that is stopped may leave a reconcile behind that
 * does not end, and its successor must not touch that key meanwhile.
 */
export class KeyLocks {
  /** By "controller|key": who waits for its end. */
  readonly #held = new Map<string, Set<() => void>>();

  /** Keys that are held. */
  get size(): number {
    return this.#held.size;
  }

  /** False when it is held: `whenFree` is called once when it is not any more. */
  take(controller: string, key: string, whenFree: () => void): boolean {
    const name = `${controller}|${key}`;
    const waiting = this.#held.get(name);
    if (waiting !== undefined) {
      waiting.add(whenFree);
      return false;
    }
    this.#held.set(name, new Set());
    return true;
  }

  free(controller: string, key: string): void {
    const name = `${controller}|${key}`;
    const waiting = this.#held.get(name);
    this.#held.delete(name);
    for (const whenFree of waiting ?? []) {
      whenFree();
    }
  }
}
