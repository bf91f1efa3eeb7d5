const RING = 64;

/** What to do with an event, by its version. `known`: seen already. `disorder`: no correct server sends that. */
export type Verdict = "new" | "known" | "disorder";

/**
 * Checks that the events of one watch come in the order of their versions, without making strings. Everything up to the
 * floor (the version from which the watch goes on) is known; above it an older version is either a repetition of one of
 * the last few, or lost order.
 */
export class EventOrder {
  #low = 0;
  #high = 0;
  #floorLow = 0;
  #floorHigh = 0;
  readonly #ring = new Int32Array(RING * 2);
  #next = 0;

  /** A watch begins at a version, or a bookmark came. Versions that are not numbers switch the check off. */
  restart(version: string): void {
    const value = /^\d{1,20}$/.test(version) ? BigInt(version) : 0n;
    this.#low = Number(value & 0xffffffffn);
    this.#high = Number((value >> 32n) & 0xffffffffn);
    this.#floorLow = this.#low;
    this.#floorHigh = this.#high;
    this.#ring.fill(0);
    this.#next = 0;
  }

  /** Judges an event by the two words of its version. */
  judge(lowWord: number, highWord: number): Verdict {
    const low = lowWord >>> 0;
    const high = highWord >>> 0;
    if (high > this.#high || (high === this.#high && low > this.#low)) {
      this.#low = low;
      this.#high = high;
      this.#ring[this.#next] = lowWord;
      this.#ring[this.#next + 1] = highWord;
      this.#next = (this.#next + 2) % (RING * 2);
      return "new";
    }
    if (high < this.#floorHigh || (high === this.#floorHigh && low <= this.#floorLow)) {
      return "known";
    }
    if (low === this.#low && high === this.#high) {
      // Several objects may share a version, and the store knows a repetition.
      return "new";
    }
    for (let i = 0; i < RING * 2; i += 2) {
      if (this.#ring[i] === lowWord && this.#ring[i + 1] === highWord) {
        return "known";
      }
    }
    return "disorder";
  }
}
