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
  /** No block has come back since free ones were merged. */
  #isMerged = false;
  #hasFreed = false;

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
    const at = this.#takeEasily(size);
    return at === 0 && this.#merge() ? this.#takeEasily(size) : at;
  }

  #takeEasily(size: number): number {
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
    this.#hasFreed = true;
    this.#freeBytes += size;
  }

  /** True when a block was given back since the last call. */
  takeFreed(): boolean {
    const hasFreed = this.#hasFreed;
    this.#hasFreed = false;
    return hasFreed;
  }

  /** Readers see nothing any more that was given back before this epoch. */
  reclaim(oldest: number): void {
    let done = 0;
    while (done < this.#waiting.length && ((this.#waiting[done].epoch - oldest) | 0) < 0) {
      const { at, size } = this.#waiting[done];
      this.#keep(at, size);
      done++;
    }
    this.#isMerged &&= done === 0;
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
    this.#keepAll(at + size, at + from);
    return at;
  }

  /** Keeps free bytes as blocks of sizes that there are. */
  #keepAll(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const piece = largestSize(end - at);
      this.#keep(at, piece);
      at += piece;
    }
  }

  /** Makes large blocks of free ones that lie side by side; false when there is nothing new to merge. */
  #merge(): boolean {
    if (this.#isMerged) {
      return false;
    }
    this.#isMerged = true;
    const blocks: { readonly at: number; readonly end: number }[] = [];
    for (const [size, list] of this.#free) {
      for (const at of list) {
        blocks.push({ at, end: at + size });
      }
    }
    blocks.sort((a, b) => a.at - b.at);
    this.#free.clear();
    for (let n = 0; n < blocks.length; ) {
      const { at } = blocks[n];
      let { end } = blocks[n];
      for (n++; n < blocks.length && blocks[n].at === end; n++) {
        end = blocks[n].end;
      }
      if (end === this.#next) {
        this.#next = at;
        this.#freeBytes -= end - at;
      } else {
        this.#keepAll(at, end);
      }
    }
    return true;
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
