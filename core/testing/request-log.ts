/** One request that the server has seen. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** As RBAC calls it: "list", "watch", "get" … */
  readonly verb: string;
  readonly userAgent: string;
  /** "1.1" or "2.0". */
  readonly httpVersion: string;
  /** Milliseconds of the server's clock. */
  readonly at: number;
  /** 0 until the head of the answer is sent. */
  readonly status: number;
  /** True while the answer is not complete. */
  readonly open: boolean;
}

/** Which requests to count. */
export interface RequestFilter {
  readonly method?: string;
  readonly verb?: string;
  readonly path?: string | RegExp;
  readonly query?: string | RegExp;
  readonly status?: number;
}

/** The requests of a server, oldest first. */
export interface RequestLog {
  all(filter?: RequestFilter): readonly LoggedRequest[];
  count(filter?: RequestFilter): number;
  /** Requests whose answer is not complete: watches, mostly. */
  open(filter?: RequestFilter): readonly LoggedRequest[];
  /** Resolves when so many requests fit; rejects with TESTING_NO_REQUEST after the time is up. Default 10,000 ms. */
  waitFor(filter: RequestFilter, count?: number, timeoutMs?: number): Promise<readonly LoggedRequest[]>;
  clear(): void;
}

/** True when a request fits a filter. */
export function fitsFilter(request: LoggedRequest, filter: RequestFilter): boolean {
  const textFits = (wanted: string | RegExp | undefined, text: string) =>
    wanted === undefined ||
    (typeof wanted === "string"
      ? text === wanted
      : new RegExp(wanted.source, wanted.flags.replace("g", "")).test(text));
  return (
    (filter.method === undefined || filter.method === request.method) &&
    (filter.verb === undefined || filter.verb === request.verb) &&
    (filter.status === undefined || filter.status === request.status) &&
    textFits(filter.path, request.path) &&
    (typeof filter.query === "string" ? request.query.includes(filter.query) : textFits(filter.query, request.query))
  );
}
