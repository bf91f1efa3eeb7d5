import type { StoreWriter } from "../store/store.ts";

/** One commit per turn of the event loop, for all that every reflector wrote in it. */
export class CommitBatch {
  readonly #store: Pick<StoreWriter, "commit">;
  readonly #onError: (error: unknown) => void;
  #planned: NodeJS.Immediate | undefined;

  constructor(store: Pick<StoreWriter, "commit">, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  /** Something was written: it is committed before the next turn. */
  touch(): void {
    this.#planned ??= setImmediate(() => {
      this.#planned = undefined;
      this.#commit();
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
}
