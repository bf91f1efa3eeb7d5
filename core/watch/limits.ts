/** Every duration and bound of the watch engine, in one place so that tests can shrink them. */
export interface WatchLimits {
  /** First delay after a failure, milliseconds. */
  readonly backoffMinMs: number;
  /** No delay after a failure is longer, unless the server asks for more. */
  readonly backoffMaxMs: number;
  readonly backoffFactor: number;
  /** Failures are forgotten after this long without one. */
  readonly healthyAfterMs: number;
  /** Longest Retry-After that is honoured. */
  readonly retryAfterCapMs: number;
  /** No response head after this long: the request is dropped. */
  readonly headMs: number;
  /** A watch that hears nothing (not even a bookmark) for this long is replaced. The server sends one each minute. */
  readonly watchIdleMs: number;
  /** The same for a server that was never seen to send bookmarks: doubled at each silence up to this. */
  readonly watchIdleMaxMs: number;
  /** A list page or streamed list that hears nothing for this long is dropped. */
  readonly listIdleMs: number;
  /** A streamed list whose end mark has not come after this long is given up for a paged list. */
  readonly streamMs: number;
  /** One list page may take this long in all. */
  readonly pageMs: number;
  /** A watch that lived shorter than this and brought nothing is a failure; no two watches start closer than this. */
  readonly watchFloorMs: number;
  /** Asked of the server for each watch, seconds, at random between the two. */
  readonly serverTimeoutMinSeconds: number;
  readonly serverTimeoutMaxSeconds: number;
  /** Objects asked for per list page. */
  readonly pageSize: number;
  /** Smallest page asked for when pages keep breaking. */
  readonly pageSizeMin: number;
  /** Pause before a suspicion that the server went back in time, or dropped the resource, is checked again. */
  readonly confirmMs: number;
  /** How often a forbidden kind is tried again. */
  readonly forbiddenRetryMs: number;
  /** How often a kind that is not served is tried again. */
  readonly notServedRetryMs: number;
  /** A timer that fires this late means that the process slept; what waits in the sockets is read first. */
  readonly lateMs: number;
}

/** The values that production uses. */
export const WATCH_LIMITS: WatchLimits = {
  backoffMinMs: 800,
  backoffMaxMs: 30_000,
  backoffFactor: 2,
  healthyAfterMs: 120_000,
  retryAfterCapMs: 120_000,
  headMs: 30_000,
  watchIdleMs: 75_000,
  watchIdleMaxMs: 300_000,
  listIdleMs: 15_000,
  streamMs: 60_000,
  pageMs: 300_000,
  watchFloorMs: 1_000,
  serverTimeoutMinSeconds: 300,
  serverTimeoutMaxSeconds: 600,
  pageSize: 500,
  pageSizeMin: 25,
  confirmMs: 1_000,
  forbiddenRetryMs: 60_000,
  notServedRetryMs: 10_000,
  lateMs: 5_000,
};

/** Shorter pauses would only be a load on the server. */
const SHORTEST_RETRY_MS = 100;

/** How often kinds that are out of reach are tried again, milliseconds, at least 100 each. */
export interface RetryOptions {
  /** Kinds that the server forbids. Default 60000. */
  readonly forbiddenMs?: number;
  /** Kinds that the server does not serve. Default 10000. */
  readonly notServedMs?: number;
}

/** The same as limits; what is left out keeps its default. */
export function retryLimits({ forbiddenMs, notServedMs }: RetryOptions = {}): Partial<WatchLimits> {
  return {
    ...(forbiddenMs !== undefined && { forbiddenRetryMs: Math.max(SHORTEST_RETRY_MS, forbiddenMs) }),
    ...(notServedMs !== undefined && { notServedRetryMs: Math.max(SHORTEST_RETRY_MS, notServedMs) }),
  };
}
