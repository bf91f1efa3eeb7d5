import { MOST_EXTRA } from "./counters.ts";

/** Where a figure comes from. */
export interface FigureSources {
  readonly index: object | undefined;
  readonly feed: object | undefined;
  readonly resolver: object | undefined;
}

/** One figure of the index, its feed or the resolver, and the metric that it is. */
export interface ExtraFigure {
  readonly from: keyof FigureSources;
  readonly key: string;
  readonly type: "counter" | "gauge";
  readonly metric: string;
  readonly help: string;
  /** The figure times this is the metric. Default 1. */
  readonly scale?: number;
}

type Row = readonly [key: string, metric: string, help: string, scale?: number];

const rows = (from: keyof FigureSources, type: ExtraFigure["type"], list: readonly Row[]): ExtraFigure[] =>
  list.map(([key, metric, help, scale]) => ({ from, type, key, metric, help, scale }));

/** All such figures, in the order in which threads report them. */
export const EXTRA_FIGURES: readonly ExtraFigure[] = [
  ...rows("index", "gauge", [
    ["names", "index_names", "Names of the cluster in the index."],
    ["bytes", "index_bytes", "Bytes of the index in use."],
    ["free", "index_free_bytes", "Bytes of the index that deleted names left."],
  ]),
  ...rows("index", "counter", [["refused", "index_refused_total", "Names that found no room in the index."]]),
  ...rows("feed", "counter", [
    ["updates", "zone_updates_total", "Services, pods, namespaces and nodes whose names were looked at."],
    ["runs", "zone_update_runs_total", "Runs of such updates."],
    ["failures", "zone_update_failures_total", "Services whose names could not be written."],
    ["applyMicros", "zone_update_seconds_total", "Time from the first change of a run until it was answered.", 1e-6],
    ["compactions", "index_compactions_total", "Times that the index was copied to drop its free bytes."],
  ]),
  ...rows("feed", "gauge", [
    ["leftOutEntries", "zone_left_out_endpoints", "Endpoints over the limit of their service, which have no names."],
    ["refusedEntries", "zone_refused_services", "Services that found no room in the index."],
  ]),
  ...rows("resolver", "gauge", [
    ["cacheEntries", "cache_entries", "Answers in the cache."],
    ["cacheBytes", "cache_bytes", "Bytes of the cache."],
    ["forwardInFlight", "forward_in_flight", "Questions on their way to upstreams."],
    ["aliasNames", "alias_names", "Aliases."],
  ]),
  ...rows("resolver", "counter", [
    ["cacheHits", "cache_hits_total", "Answers out of the cache."],
    ["cacheMisses", "cache_misses_total", "Questions that the cache had no answer to."],
    ["cacheStale", "cache_stale_total", "Answers given after their end, since no upstream answered."],
    ["cachePrefetches", "cache_prefetches_total", "Answers asked for anew before their end."],
    ["cacheEvictions", "cache_evictions_total", "Answers that made room for others."],
    ["forwarded", "forwarded_total", "Questions that upstreams were asked."],
    ["coalesced", "forward_coalesced_total", "Questions that waited for the same question of another client."],
    ["forwardErrors", "forward_errors_total", "Questions that no upstream answered."],
    ["refusedTotal", "forward_refused_total", "Questions refused since too many were under way."],
    ["refusedClient", "forward_refused_client_total", "Questions refused since their client had too many under way."],
    ["upstreamQueries", "upstream_queries_total", "Packets sent to upstreams."],
    ["upstreamTcpQueries", "upstream_tcp_queries_total", "Packets sent to upstreams over TCP."],
    ["upstreamHedges", "upstream_hedges_total", "Second upstreams asked because the first was slow."],
    ["upstreamTimeouts", "upstream_timeouts_total", "Upstreams that did not answer in time."],
    ["upstreamErrors", "upstream_errors_total", "Upstreams that could not be reached."],
    ["upstreamMismatches", "upstream_mismatches_total", "Replies with an id or question that was not asked."],
    ["upstreamMalformed", "upstream_malformed_total", "Replies that are not DNS."],
    ["upstreamProbes", "upstream_probes_total", "Probes of upstreams that failed before."],
    ["upstreamLoops", "upstream_loops_total", "Questions of ours that came round to us."],
    ["upstreamTruncated", "upstream_truncated_total", "Replies that were cut and asked for again over TCP."],
    ["rebindingsRemoved", "rebindings_removed_total", "Private addresses taken out of answers for public names."],
    ["chased", "chased_total", "Targets outside of the cluster that were looked up for an ExternalName."],
    ["aliasHits", "alias_hits_total", "Answers out of the aliases."],
    ["aliasReloads", "alias_reloads_total", "Times that the file of aliases was read."],
    ["aliasErrors", "alias_errors_total", "Lines of the file of aliases that cannot be read."],
  ]),
];

/** Values of all figures in that order; 0 where a part is not there. */
export function extraValues(sources: FigureSources): number[] {
  return EXTRA_FIGURES.slice(0, MOST_EXTRA).map(({ from, key }) => {
    const source = sources[from];
    // The parts' own figures, by name.
    const value: unknown = source === undefined ? 0 : (source as Readonly<Record<string, unknown>>)[key];
    return typeof value === "number" ? value : 0;
  });
}
