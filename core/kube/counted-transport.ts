import { Histogram } from "../queue/histogram.ts";
import type { ResponseSink, Transport } from "./transport.ts";

/** Seconds; those of client-go's metric. */
const DURATION_BUCKETS: readonly number[] = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** What has been asked of one API server. */
export interface RestFigures {
  /** "localhost:6443". */
  readonly host: string;
  /** Requests by `code method`; the code of one that got no answer is "<error>". */
  readonly requests: ReadonlyMap<string, number>;
  /** Seconds up to the head of the answer, by method. */
  readonly seconds: ReadonlyMap<string, Histogram>;
}

/** Counts the requests of several transports to one server. */
export class RestMeter implements RestFigures {
  readonly host: string;
  readonly requests = new Map<string, number>();
  readonly seconds = new Map<string, Histogram>();

  /** `server`: "https://localhost:6443". */
  constructor(server: string) {
    this.host = URL.parse(server)?.host ?? server;
  }

  /** The same transport, counted. */
  count<T extends Transport>(transport: T): T {
    return Object.assign(Object.create(transport) as T, {
      open: (...[request, sink]: Parameters<Transport["open"]>) => {
        const startedAt = performance.now();
        const { method } = request;
        return transport.open(request, this.#sink(sink, method, startedAt));
      },
      reset: (reason: string) => transport.reset(reason),
      close: () => transport.close(),
    });
  }

  #sink(sink: ResponseSink, method: string, startedAt: number): ResponseSink {
    let isCounted = false;
    const counted = (code: string): void => {
      if (!isCounted) {
        isCounted = true;
        this.#add(code, method, (performance.now() - startedAt) / 1000);
      }
    };
    return {
      head: (head) => {
        counted(`${head.status}`);
        sink.head(head);
      },
      data: (chunk) => sink.data(chunk),
      end: () => sink.end(),
      fail: (error) => {
        counted("<error>");
        sink.fail(error);
      },
    };
  }

  #add(code: string, method: string, seconds: number): void {
    const name = `${code} ${method}`;
    this.requests.set(name, (this.requests.get(name) ?? 0) + 1);
    let histogram = this.seconds.get(method);
    if (histogram === undefined) {
      histogram = new Histogram(DURATION_BUCKETS);
      this.seconds.set(method, histogram);
    }
    histogram.observe(seconds);
  }
}
