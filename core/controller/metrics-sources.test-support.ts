import type { ShardFigures } from "../election/shard-options.ts";
import { RestMeter } from "../kube/counted-transport.ts";
import type { Transport } from "../kube/transport.ts";
import { WorkQueue } from "../queue/work-queue.ts";
import { ReconcileCounts } from "../reconcile/reconcile-figures.ts";
import type { StoreStats } from "../store/reader.ts";
import type { KindStatus } from "../store/store.ts";
import type { IngestFigures } from "../watch/ingest.ts";
import type { FigureSources, PluginFigures } from "./metrics-sources.ts";
import type { PluginInfo } from "./plugin-entry.ts";

/** A kind that is complete and current. */
export function kindStatus(more: Partial<KindStatus> = {}): KindStatus {
  return {
    synced: true,
    currentAtMs: Date.now(),
    objects: 3,
    events: 5,
    bytes: 700,
    lists: 1,
    watches: 2,
    reconnects: 1,
    relists: 0,
    errors: 0,
    refused: 0,
    drift: 0,
    audits: 4,
    brokenFrames: 0,
    resourceVersion: "17",
    phase: 3,
    ...more,
  };
}

/** A plugin that runs. */
export function pluginInfo(more: Partial<PluginInfo> = {}): PluginInfo {
  return {
    name: "dns",
    version: undefined,
    state: "running",
    isolation: "inline",
    required: true,
    runOn: "leader",
    leads: true,
    needs: {},
    hooks: [],
    provides: [],
    after: [],
    restarts: 0,
    error: undefined,
    ...more,
  };
}

/** What a store without objects takes. */
const STATS: StoreStats = {
  version: 9,
  kinds: { pods: { objects: 3, bytes: 1200, indexBytes: 400, deleted: 1 } },
  segments: { records: 2, tables: 1, free: 4, bytes: 196_608 },
  liveBytes: 1000,
  pendingRecords: 0,
  dictionary: { strings: 50, bytes: 900 },
  readers: 1,
  memories: 1,
};

/** What an ingest thread has used. */
const INGEST: IngestFigures = {
  mode: "thread",
  cpuMs: 1500,
  heapUsedBytes: 4_000_000,
  heapTotalBytes: 6_000_000,
  externalBytes: 100_000,
  utilization: 0.25,
  collections: 7,
  collectionMs: 12,
  connections: 1,
  requests: 3,
  bytesIn: 9000,
  reconnects: 0,
};

/** Plugins that tell nothing but what is given. */
export function pluginFigures(more: Partial<PluginFigures>): Partial<FigureSources> {
  const figures: PluginFigures = {
    infos: () => [],
    hookFigures: () => [],
    failures: () => new Map(),
    kubeFigures: () => new Map(),
    droppedSamples: () => new Map(),
    threads: () => [],
    healthVotes: () => [],
    stats: () => Promise.resolve(new Map()),
    ...more,
  };
  return { plugins: () => figures };
}

/** An ingest thread. */
export function ingestSource(
  more: Partial<NonNullable<ReturnType<FigureSources["ingest"]>>> = {},
): Partial<FigureSources> {
  const ingest = {
    mode: "thread" as const,
    restarts: 0,
    failure: undefined,
    figures: () => Promise.resolve(INGEST),
    ...more,
  };
  return { ingest: () => ingest };
}

/** A controller that has reconciled once, with one request. */
export function reconcileSource(): Pick<FigureSources, "reconcile" | "rest"> {
  const rest = new RestMeter("https://127.0.0.1:6443");
  const transport = rest.count<Transport>({
    open: (_request, sink) => {
      sink.head({ status: 200, headers: {} });
      return { cancel: () => {}, pause: () => {}, resume: () => {} };
    },
    reset: () => {},
    close: async () => {},
  });
  transport.open(
    { method: "GET", path: "/version" },
    { head: () => {}, data: () => {}, end: () => {}, fail: () => {} },
  );
  const queue = new WorkQueue();
  queue.add("shop/cart");
  queue.take();
  const counts = new ReconcileCounts();
  counts.results.success++;
  counts.seconds.observe(0.01);
  const figures = { state: "running", concurrency: 10, active: 1, overdue: 0, counts } as const;
  return { reconcile: () => [{ controller: "webapp", ...figures, queue: queue.figures() }], rest: () => rest };
}

/** An election that this process has won. */
export function electionSource(
  more: Partial<ReturnType<NonNullable<ReturnType<FigureSources["election"]>>["figures"]>> = {},
): Partial<FigureSources> {
  const figures = {
    lease: { namespace: "shop", name: "fairlead" },
    identity: "one",
    isLeader: true,
    leader: "one",
    terms: 2,
    lost: 1,
    slowPaths: 3,
    refused: 4,
    failures: 0,
    silentMs: 100,
    problem: undefined,
    leaseDurationMs: 15_000,
    ...more,
  };
  return { election: () => ({ figures: () => figures }) };
}

/** A group of two that share work out. */
export function shardSource(more: Partial<ShardFigures> = {}): Partial<FigureSources> {
  const figures: ShardFigures = {
    group: "fairlead",
    identity: "one",
    members: ["one", "two"],
    moving: false,
    joined: true,
    lost: 1,
    failures: 0,
    ...more,
  };
  return { shards: () => ({ figures: () => figures }) };
}

/** Sources of figures for tests: one kind, an ingest thread, no plugins. */
export function figureSources(
  kinds: Readonly<Record<string, KindStatus>> = { pods: kindStatus() },
  more: Partial<FigureSources> = {},
): FigureSources {
  return {
    store: { kinds: Object.keys(kinds), status: (kind) => kinds[String(kind)], stats: () => STATS },
    ingest: () => undefined,
    election: () => undefined,
    shards: () => undefined,
    reconcile: () => [],
    rest: () => undefined,
    plugins: () => undefined,
    ...ingestSource(),
    ...more,
  };
}
