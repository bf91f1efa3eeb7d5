import type { FairleadError } from "../errors.ts";

/** One HTTP request to the API server. Paths are absolute and carry their query: `/api/v1/pods?limit=500`. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  /** Lower-case names. Authorization and user agent are added by the transport. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Give up when no response head came after this many milliseconds. Default 30000. */
  readonly headTimeoutMs?: number;
  /** Called right before it is written to a connection, each time; what it throws ends it, and nothing is written. */
  readonly check?: () => void;
}

/** Status line and headers of a response; header names are lower case. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Receives one response, on the thread that owns the transport. Order: `head`, any number of `data`, then exactly one
 * of `end` (clean end) or `fail` (anything else; also without a head). Nothing is called after `cancel()`.
 */
export interface ResponseSink {
  head(head: ResponseHead): void;
  /** The buffer belongs to the receiver and is not reused. */
  data(chunk: Buffer): void;
  end(): void;
  /** Codes: KUBE_UNREACHABLE, KUBE_TLS, KUBE_TIMEOUT, KUBE_RESET, KUBE_AUTH. */
  fail(error: FairleadError): void;
}

/** A request in flight. */
export interface Exchange {
  /** Ends it now; the sink hears nothing more. Safe to call twice. */
  cancel(): void;
  /** Flow control for a slow receiver. */
  pause(): void;
  resume(): void;
}

/** A connection to one API server: HTTP/2 by ALPN (all streams on one connection) or HTTP/1.1. */
export interface Transport {
  open(request: HttpRequest, sink: ResponseSink): Exchange;
  /** Drops the connections so that the next request makes new ones; streams in flight fail with KUBE_RESET. */
  reset(reason: string): void;
  /** Ends everything; resolves when no socket or timer is left. */
  close(): Promise<void>;
}
