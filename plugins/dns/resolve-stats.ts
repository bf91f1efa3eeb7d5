/** Upper bounds of the classes of `upstreamMs*`, milliseconds; above the last: `upstreamMsMore`. */
export const UPSTREAM_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000] as const;

const MS_KEYS = UPSTREAM_MS.map((most) => `upstreamMs${most}` as const);

/**
 * Live figures of one thread's resolver. They only grow, but those that end in `Entries`, `Bytes`, `InFlight`, `Waiting` or
 * `Names`, which are as it is now.
 */
export interface ResolverStats {
  cacheHits: number;
  cacheMisses: number;
  /** Answers given after their end, since no upstream answered. */
  cacheStale: number;
  cachePrefetches: number;
  cacheEvictions: number;
  cacheEntries: number;
  cacheBytes: number;
  /** Questions that upstreams were asked for clients, each once whatever the number of tries. */
  forwarded: number;
  /** Questions that waited for the same question of another client. */
  coalesced: number;
  /** Questions that no upstream answered. */
  forwardErrors: number;
  /** Refused because too many questions are under way. */
  refusedTotal: number;
  /** Failed because the client has too many questions under way. */
  refusedClient: number;
  forwardInFlight: number;
  forwardWaiting: number;
  /** Packets sent to upstreams, over UDP and TCP. */
  upstreamQueries: number;
  upstreamTcpQueries: number;
  /** Second upstreams asked because the first was slow. */
  upstreamHedges: number;
  upstreamTimeouts: number;
  upstreamErrors: number;
  /** Replies with a question or an id that was not asked: forged, or too late. */
  upstreamMismatches: number;
  /** Replies that are not DNS. */
  upstreamMalformed: number;
  upstreamProbes: number;
  upstreamLoops: number;
  upstreamTruncated: number;
  rebindingsRemoved: number;
  chased: number;
  /** Mistakes of the resolver itself, each of which cost one answer. */
  panics: number;
  aliasHits: number;
  aliasNames: number;
  aliasReloads: number;
  aliasErrors: number;
  upstreamMs1: number;
  upstreamMs2: number;
  upstreamMs5: number;
  upstreamMs10: number;
  upstreamMs20: number;
  upstreamMs50: number;
  upstreamMs100: number;
  upstreamMs200: number;
  upstreamMs500: number;
  upstreamMs1000: number;
  upstreamMs2000: number;
  upstreamMsMore: number;
}

/** All zero. */
export function newStats(): ResolverStats {
  return {
    cacheHits: 0,
    cacheMisses: 0,
    cacheStale: 0,
    cachePrefetches: 0,
    cacheEvictions: 0,
    cacheEntries: 0,
    cacheBytes: 0,
    forwarded: 0,
    coalesced: 0,
    forwardErrors: 0,
    refusedTotal: 0,
    refusedClient: 0,
    forwardInFlight: 0,
    forwardWaiting: 0,
    upstreamQueries: 0,
    upstreamTcpQueries: 0,
    upstreamHedges: 0,
    upstreamTimeouts: 0,
    upstreamErrors: 0,
    upstreamMismatches: 0,
    upstreamMalformed: 0,
    upstreamProbes: 0,
    upstreamLoops: 0,
    upstreamTruncated: 0,
    rebindingsRemoved: 0,
    chased: 0,
    panics: 0,
    aliasHits: 0,
    aliasNames: 0,
    aliasReloads: 0,
    aliasErrors: 0,
    upstreamMs1: 0,
    upstreamMs2: 0,
    upstreamMs5: 0,
    upstreamMs10: 0,
    upstreamMs20: 0,
    upstreamMs50: 0,
    upstreamMs100: 0,
    upstreamMs200: 0,
    upstreamMs500: 0,
    upstreamMs1000: 0,
    upstreamMs2000: 0,
    upstreamMsMore: 0,
  };
}

/** Counts how long an upstream took. */
export function countUpstreamMs(stats: ResolverStats, ms: number): void {
  for (const [at, most] of UPSTREAM_MS.entries()) {
    if (ms <= most) {
      stats[MS_KEYS[at]]++;
      return;
    }
  }
  stats.upstreamMsMore++;
}
