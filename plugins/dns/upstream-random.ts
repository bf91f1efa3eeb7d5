import { randomFillSync } from "node:crypto";

/** Random bytes from the system, taken many at a time: whoever guesses them can forge replies. */
export class RandomSource {
  readonly #pool = Buffer.alloc(1024);
  #used = this.#pool.length;

  byte(): number {
    if (this.#used === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    return this.#pool[this.#used++];
  }

  /** 0 to 65535. */
  word(): number {
    return (this.byte() << 8) | this.byte();
  }

  /** 0 to count - 1; count at most 65536. */
  below(count: number): number {
    return Math.floor((this.word() / 0x10000) * count);
  }

  hex(digits: number): string {
    let text = "";
    while (text.length < digits) {
      text += this.byte().toString(16).padStart(2, "0");
    }
    return text.slice(0, digits);
  }

  /** A new order. */
  shuffled<Item>(items: readonly Item[]): Item[] {
    const result = [...items];
    for (let at = result.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      [result[at], result[other]] = [result[other], result[at]];
    }
    return result;
  }
}
