/** What waits for its time in a `DelayHeap`. */
export interface Delayed {
  /** When it is due, milliseconds of the clock. Changed only by the heap while it is in it. */
  dueMs: number;
  /** Its place, -1 while it is in no heap. Belongs to the heap. */
  heapAt: number;
  /** Of those that are due at the same time the lower one is first. */
  readonly order: number;
}

/** What falls due first is on top. All operations are logarithmic. */
export class DelayHeap<T extends Delayed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    item.heapAt = this.#items.push(item) - 1;
    this.#rise(item);
  }

  remove(item: T): void {
    const at = item.heapAt;
    const last = this.#items.pop();
    item.heapAt = -1;
    if (last !== undefined && last !== item) {
      this.#put(last, at);
      this.#rise(last);
      this.#sink(last);
    }
  }

  /** Makes it due at another time. */
  move(item: T, dueMs: number): void {
    item.dueMs = dueMs;
    this.#rise(item);
    this.#sink(item);
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    item.heapAt = at;
  }

  #rise(item: T): void {
    while (item.heapAt > 0) {
      const parentAt = (item.heapAt - 1) >> 1;
      const parent = this.#items[parentAt];
      if (!isBefore(item, parent)) {
        return;
      }
      this.#put(parent, item.heapAt);
      this.#put(item, parentAt);
    }
  }

  #sink(item: T): void {
    for (;;) {
      let least = item;
      const child = 2 * item.heapAt + 1;
      for (let at = child; at < Math.min(child + 2, this.#items.length); at++) {
        if (isBefore(this.#items[at], least)) {
          least = this.#items[at];
        }
      }
      if (least === item) {
        return;
      }
      const at = least.heapAt;
      this.#put(least, item.heapAt);
      this.#put(item, at);
    }
  }
}

function isBefore(a: Delayed, b: Delayed): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
