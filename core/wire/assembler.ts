import { FairleadError } from "../errors.ts";

/** Takes units (frames, list items) out of a stream of bytes. */
export interface UnitReader {
  /** Takes as many whole units from `bytes[start, end)` as there are and gives the position behind the last one. */
  take(bytes: Uint8Array, start: number, end: number): number;
  /**
   * After `take`: how many bytes from that position on are worth another try, above what was there; 0 when unknown, then
   * every chunk is.
   */
  readonly needed: number;
}

/** Above this the buffer is given back when it is empty. */
const KEEP_BYTES = 256 * 1024;

/**
 * Feeds chunks to a `UnitReader`. Units within one chunk are read in place; one that spans chunks is put together once, in a
 * buffer that is used again.
 */
export class Assembler {
  readonly #reader: UnitReader;
  #buffer = new Uint8Array(0);
  #held = 0;
  #needed = 0;

  constructor(reader: UnitReader) {
    this.#reader = reader;
  }

  /** Bytes of a unit that is not complete yet. */
  get held(): number {
    return this.#held;
  }

  push(data: Uint8Array): void {
    // Readers see one class of array only (a Buffer is another one to the engine), which keeps their loops fast.
    const chunk = new Uint8Array(data.buffer, data.byteOffset, data.length);
    let at = 0;
    while (this.#held > 0 && at < chunk.length) {
      const space = chunk.length - at;
      const taken = this.#needed === 0 ? space : Math.min(this.#needed - this.#held, space);
      this.#hold(chunk, at, at + taken);
      at += taken;
      if (this.#held >= this.#needed) {
        this.flush();
      }
    }
    if (at === chunk.length) {
      return;
    }
    const rest = this.#reader.take(chunk, at, chunk.length);
    if (rest < chunk.length) {
      this.#need(chunk.length - rest);
      this.#hold(chunk, rest, chunk.length);
    }
  }

  /** Offers what is held once more (a reader may have wanted more than it really needed). */
  flush(): void {
    if (this.#held === 0) {
      return;
    }
    const used = this.#reader.take(this.#buffer, 0, this.#held);
    this.#held -= used;
    if (this.#held > 0) {
      this.#buffer.copyWithin(0, used, used + this.#held);
      this.#need(this.#held);
    } else if (this.#buffer.length > KEEP_BYTES) {
      this.#buffer = new Uint8Array(0);
    }
  }

  #need(held: number): void {
    this.#needed = this.#reader.needed;
    if (this.#needed !== 0 && this.#needed <= held) {
      throw new FairleadError("WIRE_STUCK", `a reader wants ${this.#needed} bytes but has ${held}; this is a bug`);
    }
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const size = this.#held + end - start;
    if (size > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(size, Math.min(this.#needed, 2 * size + 4096)));
      grown.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk.subarray(start, end), this.#held);
    this.#held = size;
  }
}
