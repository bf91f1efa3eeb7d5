import { FairleadError } from "../errors.ts";
import { fitsFilter, type LoggedRequest, type RequestFilter, type RequestLog } from "./request-log.ts";

/** A log entry while it is written. */
export interface OpenEntry extends LoggedRequest {
  status: number;
  open: boolean;
}

const LIMIT = 100_000;
const WAIT_MS = 10_000;

/** Records requests and tells those who wait for one. */
export class RequestRecorder implements RequestLog {
  #entries: OpenEntry[] = [];
  readonly #waiting = new Set<() => void>();

  add(entry: OpenEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > LIMIT * 1.25) {
      this.#entries.splice(0, this.#entries.length - LIMIT);
    }
    this.changed();
  }

  changed(): void {
    for (const look of [...this.#waiting]) {
      look();
    }
  }

  all(filter: RequestFilter = {}): readonly LoggedRequest[] {
    return this.#entries.filter((entry) => fitsFilter(entry, filter));
  }

  count(filter: RequestFilter = {}): number {
    return this.all(filter).length;
  }

  open(filter: RequestFilter = {}): readonly LoggedRequest[] {
    return this.#entries.filter((entry) => entry.open && fitsFilter(entry, filter));
  }

  waitFor(filter: RequestFilter, count = 1, timeoutMs = WAIT_MS): Promise<readonly LoggedRequest[]> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        this.#waiting.delete(look);
        clearTimeout(timer);
      };
      const look = () => {
        const found = this.all(filter);
        if (found.length >= count) {
          finish();
          resolve(found);
        }
      };
      const timer = setTimeout(() => {
        finish();
        const seen = `${this.count(filter)} of ${count}`;
        reject(
          new FairleadError(
            "TESTING_NO_REQUEST",
            `the test server saw ${seen} requests like ${describe(filter)} within ${timeoutMs} ms`,
          ),
        );
      }, timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }

  clear(): void {
    this.#entries = [];
  }
}

function describe(filter: RequestFilter): string {
  return JSON.stringify(filter, (_key, value) => (value instanceof RegExp ? String(value) : value));
}
