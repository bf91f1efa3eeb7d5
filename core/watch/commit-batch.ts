import type { StoreWriter } from "../store/store.ts";

/** Two commits closer than this are part of a stream of changes. */
const STREAM_MS = 10;
/** How long the thread rests in such a stream: what arrives meanwhile is read, committed and told together. */
const REST_MS = 4;

/** For a thread that does nothing else: waking up costs more than reading an event, so that a stream is read in bites. */
export interface Rest {
  /** Blocks the thread, milliseconds. */
  block(ms: number): void;
  /** False while caches are being filled: then every turn counts. */
  isCalm(): boolean;
  /** Never goes back, milliseconds. */
  now(): number;
}

/** One commit per turn of the event loop, for all that every reflector wrote in it. */
export class CommitBatch {
  readonly #store: Pick<StoreWriter, "commit">;
  readonly #onError: (error: unknown) => void;
  readonly #rest: Rest | undefined;
  #planned: NodeJS.Immediate | undefined;
  #committedAt = Number.NEGATIVE_INFINITY;

  constructor(store: Pick<StoreWriter, "commit">, onError: (error: unknown) => void, rest?: Rest) {
    this.#store = store;
    this.#onError = onError;
    this.#rest = rest;
  }

  /** Something was written: it is committed before the next turn. */
  touch(): void {
    this.#planned ??= setImmediate(() => {
      this.#planned = undefined;
      this.#commit();
      this.#restInStream();
    });
  }

  /** Commits now. */
  flush(): void {
    this.stop();
    this.#commit();
  }

  /** Forgets a planned commit. */
  stop(): void {
    clearImmediate(this.#planned);
    this.#planned = undefined;
  }

  #commit(): void {
    try {
      this.#store.commit();
    } catch (error) {
      this.#onError(error);
    }
  }

  #restInStream(): void {
    const rest = this.#rest;
    if (rest === undefined) {
      return;
    }
    const now = rest.now();
    if (now - this.#committedAt < STREAM_MS && rest.isCalm()) {
      rest.block(REST_MS);
    }
    this.#committedAt = rest.now();
  }
}
