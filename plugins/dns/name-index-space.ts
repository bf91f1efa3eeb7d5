const STEP = 16;
/** Above it sizes go up by an eighth of their power of two. */
const FINE = 512;

/** Which bytes of an index's memory are free; the writing thread's own. */
export class IndexSpace {
  readonly #end: number;
  readonly #free = new Map<number, number[]>();
  /** Offsets, sizes and epochs of blocks that readers may still see, oldest first. */
  #waiting: { readonly at: number; readonly size: number; readonly epoch: number }[] = [];
  #next: number;
  readonly #start: number;
  #freeBytes = 0;

  constructor(start: number, end: number) {
    this.#start = start;
    this.#next = start;
    this.#end = end;
  }

  /** Bytes taken from the memory so far, free ones among them. */
  get used(): number {
    return this.#next - this.#start;
  }

  /** Bytes that were taken and are free now, or will be when readers have left. */
  get free(): number {
    return this.#freeBytes;
  }

  /** The size of the block in which so many bytes are kept. */
  static sizeOf(bytes: number): number {
    const step = bytes <= FINE ? STEP : 1 << (28 - Math.clz32(bytes - 1));
    return Math.ceil(bytes / step) * step;
  }

  /** Takes a block of a size that `sizeOf` gave; 0 when there is no room. */
  take(size: number): number {
    const own = this.#free.get(size)?.pop();
    if (own !== undefined) {
      this.#freeBytes -= size;
      return own;
    }
    if (this.#next + size <= this.#end) {
      const at = this.#next;
      this.#next += size;
      return at;
    }
    return this.#split(size);
  }

  /** Gives a block back; it is free when all readers are past `epoch`. */
  give(at: number, size: number, epoch: number): void {
    this.#waiting.push({ at, size, epoch });
    this.#freeBytes += size;
  }

  /** Readers see nothing any more that was given back before this epoch. */
  reclaim(oldest: number): void {
    let done = 0;
    while (done < this.#waiting.length && ((this.#waiting[done].epoch - oldest) | 0) < 0) {
      const { at, size } = this.#waiting[done];
      this.#keep(at, size);
      done++;
    }
    this.#waiting = done === this.#waiting.length ? [] : this.#waiting.slice(done);
  }

  #keep(at: number, size: number): void {
    const list = this.#free.get(size);
    if (list === undefined) {
      this.#free.set(size, [at]);
    } else {
      list.push(at);
    }
  }

  /** The memory is used up: takes the start of a larger block. */
  #split(size: number): number {
    let from = 0;
    for (const [larger, list] of this.#free) {
      if (list.length > 0 && larger > size && (from === 0 || larger < from)) {
        from = larger;
      }
    }
    const at = this.#free.get(from)?.pop();
    if (at === undefined) {
      return 0;
    }
    this.#freeBytes -= size;
    let rest = at + size;
    while (rest < at + from) {
      const piece = largestSize(at + from - rest);
      this.#keep(rest, piece);
      rest += piece;
    }
    return at;
  }
}

/** The largest size of a block that is not more than this. */
function largestSize(bytes: number): number {
  if (bytes <= FINE) {
    return bytes - (bytes % STEP);
  }
  const step = 1 << (28 - Math.clz32(bytes));
  return bytes - (bytes % step);
}
