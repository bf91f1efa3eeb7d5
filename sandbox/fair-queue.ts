/** A queue in which owners take turns, however much one of them has waiting. */
export class FairQueue<T> {
  readonly #byOwner = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How much one owner has waiting. */
  sizeOf(owner: string): number {
    return this.#byOwner.get(owner)?.size ?? 0;
  }

  add(owner: string, item: T): void {
    const items = this.#byOwner.get(owner);
    if (items === undefined) {
      // A new owner comes last.
      this.#byOwner.set(owner, new Set([item]));
    } else {
      items.add(item);
    }
    this.#size++;
  }

  /** The oldest item of the owner whose turn it is. */
  next(): T | undefined {
    for (const [owner, items] of this.#byOwner) {
      // Its turn is over: it goes to the end, or away.
      this.#byOwner.delete(owner);
      for (const item of items) {
        items.delete(item);
        this.#size--;
        if (items.size > 0) {
          this.#byOwner.set(owner, items);
        }
        return item;
      }
    }
    return undefined;
  }

  /** Takes an item out. False: it was not there. */
  remove(owner: string, item: T): boolean {
    const items = this.#byOwner.get(owner);
    if (items === undefined || !items.delete(item)) {
      return false;
    }
    this.#size--;
    if (items.size === 0) {
      this.#byOwner.delete(owner);
    }
    return true;
  }

  /** Takes everything out. */
  drain(): T[] {
    const all = [...this.#byOwner.values()].flatMap((items) => [...items]);
    this.#byOwner.clear();
    this.#size = 0;
    return all;
  }
}
