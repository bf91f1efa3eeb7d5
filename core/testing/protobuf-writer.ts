/** Bytes of protobuf, growing. */
export class ProtobufWriter {
  #bytes: Buffer = Buffer.allocUnsafe(4096);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  #room(size: number): void {
    if (this.#at + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + size));
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
    }
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  varint(value: number): void {
    this.#room(10);
    if (value < 0 || value > 0x7fffffff) {
      let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
      while (rest > 0x7fn) {
        this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
        rest >>= 7n;
      }
      this.#bytes[this.#at++] = Number(rest);
      return;
    }
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  double(value: number): void {
    this.#room(8);
    this.#bytes.writeDoubleLE(value, this.#at);
    this.#at += 8;
  }

  /** Length and text. */
  text(value: string): void {
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#room(size);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  /** Length and bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Length and whatever `write` writes. */
  nested(write: () => void): void {
    const start = this.#at;
    write();
    const size = this.#at - start;
    this.varint(size);
    const lengthBytes = Buffer.from(this.#bytes.subarray(start + size, this.#at));
    this.#bytes.copyWithin(start + lengthBytes.length, start, start + size);
    lengthBytes.copy(this.#bytes, start);
  }

  /** A copy of all that was written. */
  result(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }
}
