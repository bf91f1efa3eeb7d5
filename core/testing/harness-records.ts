/** A Kubernetes Event that the plugin asked for. */
export interface RecordedEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** "shop/cart-1"; a name alone for cluster-scoped objects. */
  readonly about: string;
}

/** A write to the API server that the plugin asked for. */
export interface RecordedWrite {
  readonly verb: "create" | "update" | "patch" | "apply" | "delete" | "deleteCollection";
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  /** The object or patch. */
  readonly body?: unknown;
  /** Code and message of the error, when it was refused. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** A metric as the plugin set it. */
export interface RecordedMetric {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram: how many values it was given. */
  readonly value: number;
}

/** What a plugin's health vote says. */
export interface RecordedVote {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string | undefined;
}

/** Everything that a plugin under test has done since it was started. Plain data. */
export interface Recorded {
  readonly events: readonly RecordedEvent[];
  readonly writes: readonly RecordedWrite[];
  readonly metrics: readonly RecordedMetric[];
  /** Names of the metrics that were declared. */
  readonly metricNames: readonly string[];
}

/** Work that a plugin has under way: requests, tasks, calls of services. */
export class WorkInFlight {
  #count = 0;

  /** Gives a promise of its own: a rejection that the plugin does not handle stays one. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#count++;
    try {
      return await work;
    } finally {
      this.#count--;
    }
  }

  /** Resolves when nothing is under way and nothing has begun for some turns of the event loop. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < QUIET_TURNS; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#count > 0) {
        turns = -1;
      }
    }
  }
}

const QUIET_TURNS = 4;
