import { FairleadError } from "../errors.ts";
import type { WaitOptions } from "./reader.ts";

interface Waiter {
  check(): void;
  fail(error: unknown): void;
}

/** Those who wait for kinds to be complete. */
export class KindWaiters {
  readonly #waiting = new Set<Waiter>();
  readonly #onEnd: () => void;

  /** `onEnd`: told when one waits no more. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when `missing` gives no kinds. Rejects with STORE_NOT_SYNCED, STORE_CLOSED, or the signal's reason. */
  wait(missing: () => readonly string[], { signal, timeoutMs }: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#onEnd();
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => fail(signal?.reason);
      const onTimeout = (): void => {
        const kinds = missing();
        const message = `not complete after ${timeoutMs} ms: ${kinds.join(", ")}; see status() of each`;
        fail(new FairleadError("STORE_NOT_SYNCED", message, { facts: { kinds } }));
      };
      const waiter: Waiter = {
        fail,
        check: () => {
          if (missing().length === 0) {
            end();
            resolve();
          }
        },
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs);
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
      waiter.check();
    });
  }

  /** Something changed. */
  check(): void {
    for (const waiter of [...this.#waiting]) {
      waiter.check();
    }
  }

  /** Nothing will change any more. */
  close(): void {
    for (const waiter of [...this.#waiting]) {
      waiter.fail(new FairleadError("STORE_CLOSED", "the reader was closed while it waited for its kinds"));
    }
  }
}
