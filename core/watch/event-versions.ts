import { FLAG_VERSION_TEXT, ROW_FLAGS, ROW_VERSION, type RowBuilder } from "../store/row.ts";
import { EventOrder, type Verdict } from "./event-order.ts";
import { versionOf } from "./row-text.ts";

/** The versions of a watch's events: judges each, and keeps the last one to go on from, as text only when it is asked for. */
export class EventVersions {
  readonly #order = new EventOrder();
  #low = 0;
  #high = 0;
  #text = "";

  /** A watch begins at a version, or a bookmark came. */
  restart(version: string): void {
    this.#order.restart(version);
  }

  /** Judges an event; one that is new is the last from now on. */
  judge(row: RowBuilder): Verdict {
    const { words } = row;
    if ((words[ROW_FLAGS] & FLAG_VERSION_TEXT) !== 0) {
      this.#text = versionOf(row);
      return "new";
    }
    const low = words[ROW_VERSION];
    const high = words[ROW_VERSION + 1];
    const verdict = this.#order.judge(low, high);
    if (verdict === "new") {
      this.#low = low;
      this.#high = high;
      this.#text = "";
    }
    return verdict;
  }

  get text(): string {
    return this.#text || this.number;
  }

  /** The last one that was a number. */
  get number(): string {
    const low = this.#low >>> 0;
    const high = this.#high >>> 0;
    return high < 0x200000 ? String(high * 0x100000000 + low) : String((BigInt(high) << 32n) | BigInt(low));
  }
}
