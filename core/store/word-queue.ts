/** First in, first out, of fixed-size groups of whole numbers, in one typed array that grows. */
export class WordQueue {
  readonly #width: number;
  #items: Int32Array;
  #head = 0;
  #length = 0;

  constructor(width: number) {
    this.#width = width;
    this.#items = new Int32Array(64 * width);
  }

  get length(): number {
    return this.#length;
  }

  /** Number `column` of the group at `index`, counted from the oldest. */
  at(index: number, column: number): number {
    return this.#items[this.#place(index) + column];
  }

  set(index: number, column: number, value: number): void {
    this.#items[this.#place(index) + column] = value;
  }

  push(a: number, b: number, c = 0): void {
    if (this.#length * this.#width === this.#items.length) {
      this.#grow();
    }
    const at = this.#place(this.#length++);
    this.#items[at] = a;
    this.#items[at + 1] = b;
    if (this.#width > 2) {
      this.#items[at + 2] = c;
    }
  }

  /** Takes the oldest group away. */
  shift(): void {
    this.#length--;
    this.#head++;
    if (this.#head === this.#items.length / this.#width) {
      this.#head = 0;
    }
  }

  /** Takes away the groups for which `keeps` gives false. */
  filter(keeps: (index: number) => boolean): void {
    let kept = 0;
    for (let index = 0; index < this.#length; index++) {
      if (keeps(index)) {
        const from = this.#place(index);
        this.#items.copyWithin(this.#place(kept++), from, from + this.#width);
      }
    }
    this.#length = kept;
  }

  #place(index: number): number {
    const capacity = this.#items.length / this.#width;
    const at = this.#head + index;
    return (at < capacity ? at : at - capacity) * this.#width;
  }

  #grow(): void {
    const grown = new Int32Array(this.#items.length * 2);
    const head = this.#head * this.#width;
    grown.set(this.#items.subarray(head));
    grown.set(this.#items.subarray(0, head), this.#items.length - head);
    this.#items = grown;
    this.#head = 0;
  }
}
