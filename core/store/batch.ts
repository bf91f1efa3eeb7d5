import { ADDED, DELETED, UPDATED } from "./comparison.ts";
import type { Change, ChangeBatch } from "./reader.ts";

/** Makes views of records. */
interface ViewMaker {
  viewOf(record: number): unknown;
}

/** Views of a kind's old and new states: of two memories when the store was renewed, of two plans when the kind got another. */
export interface BatchViews {
  readonly before: ViewMaker;
  readonly after: ViewMaker;
}

/** A batch as the listener sees it: views are made while it is walked. */
export class Batch implements ChangeBatch<unknown> {
  readonly kind: ChangeBatch<unknown>["kind"];
  readonly #changes: readonly number[];
  readonly #views: BatchViews;

  constructor(kind: ChangeBatch<unknown>["kind"], changes: readonly number[], views: BatchViews) {
    this.kind = kind;
    this.#changes = changes;
    this.#views = views;
  }

  get size(): number {
    return this.#changes.length / 3;
  }

  *[Symbol.iterator](): IterableIterator<Change<unknown>> {
    for (let i = 0; i < this.#changes.length; i += 3) {
      yield this.#change(this.#changes[i], this.#changes[i + 1], this.#changes[i + 2]);
    }
  }

  #change(op: number, old: number, now: number): Change<unknown> {
    const { before, after } = this.#views;
    switch (op) {
      case ADDED:
        return { op: "added", old: undefined, new: after.viewOf(now) };
      case UPDATED:
        return { op: "updated", old: before.viewOf(old), new: after.viewOf(now) };
      case DELETED:
        return { op: "deleted", old: before.viewOf(old), new: undefined };
      default:
        return { op: "resync", old: undefined, new: after.viewOf(now) };
    }
  }
}
