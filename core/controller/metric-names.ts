import { performance } from "node:perf_hooks";
import type { ThreadFigures } from "../../sandbox/thread.ts";
import type { ElectionFigures } from "../election/election-options.ts";
import type { ShardFigures } from "../election/shard-options.ts";
import type { HookFigure } from "../hooks/tap-meter.ts";
import type { KindStats } from "../store/reader.ts";
import type { KindStatus } from "../store/store.ts";
import type { IngestFigures } from "../watch/ingest.ts";
import type { GateFigures } from "./kube-gate.ts";
import { RECONCILE_METRICS } from "./metric-names-reconcile.ts";
import type { MetricSample } from "./metrics-plugins.ts";
import type { MetricSnapshot, ThreadState } from "./metrics-sources.ts";
import type { PluginState } from "./plugin-entry.ts";

/** One metric: what it is called, what it means, and how to read it from the figures of one moment. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly unit: string;
  /** Without "controller", which all have where two controllers share a registry. */
  readonly labels: readonly string[];
  read(snapshot: MetricSnapshot): MetricSample[];
}

/** Heading and metrics of one part. */
export interface MetricGroup {
  readonly about: string;
  readonly metrics: readonly MetricDefinition[];
}

/** Names of the phases of a kind, by their numbers in `KindStatus.phase`. */
export const KIND_PHASES = [
  "idle",
  "connecting",
  "listing",
  "watching",
  "backing_off",
  "not_served",
  "forbidden",
  "stopped",
] as const;

const THREAD_STATES: readonly ThreadState[] = ["running", "restarting", "gone"];

const PLUGIN_STATES: readonly PluginState[] = [
  "waiting",
  "starting",
  "running",
  "restarting",
  "stopping",
  "stopped",
  "failed",
  "disabled",
];

type Told = Pick<MetricDefinition, "name" | "type" | "help" | "unit">;

const counter = (name: string, help: string, unit: string): Told => ({ name, type: "counter", help, unit });
const gauge = (name: string, help: string, unit: string): Told => ({ name, type: "gauge", help, unit });

function ofKind(told: Told, value: (status: KindStatus) => number): MetricDefinition {
  return {
    ...told,
    labels: ["kind"],
    read: ({ kinds }) => kinds.map(({ name, status }) => ({ labels: { kind: name }, value: value(status) })),
  };
}

function stalenessSeconds({ currentAtMs }: KindStatus, nowMs: number): number {
  return currentAtMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, nowMs - currentAtMs) / 1000;
}

function ofStoredKind(told: Told, value: (stats: KindStats) => number): MetricDefinition {
  return {
    ...told,
    labels: ["kind"],
    read: ({ store }) =>
      Object.entries(store.kinds).map(([kind, stats]) => ({ labels: { kind }, value: value(stats) })),
  };
}

function ofStore(told: Told, value: (store: MetricSnapshot["store"]) => number): MetricDefinition {
  return { ...told, labels: [], read: ({ store }) => [{ labels: {}, value: value(store) }] };
}

function ofIngest(told: Told, value: (figures: IngestFigures) => number): MetricDefinition {
  return {
    ...told,
    labels: [],
    read: ({ ingest }) => (ingest === undefined ? [] : [{ labels: {}, value: value(ingest) }]),
  };
}

function ofThread(told: Told, value: (figures: ThreadFigures) => number): MetricDefinition {
  return {
    ...told,
    labels: ["thread"],
    read: ({ threads }) =>
      threads.flatMap(({ name, figures }) =>
        figures === undefined ? [] : [{ labels: { thread: name }, value: value(figures) }],
      ),
  };
}

function ofHook(told: Told, value: (figures: HookFigure) => number): MetricDefinition {
  return {
    ...told,
    labels: ["hook", "plugin"],
    read: ({ hooks }) =>
      hooks.map((figures) => ({ labels: { hook: figures.hook, plugin: figures.plugin }, value: value(figures) })),
  };
}

function ofPluginMap(told: Told, pick: (snapshot: MetricSnapshot) => ReadonlyMap<string, number>): MetricDefinition {
  return {
    ...told,
    labels: ["plugin"],
    read: (snapshot) =>
      snapshot.plugins.map(({ name }) => ({ labels: { plugin: name }, value: pick(snapshot).get(name) ?? 0 })),
  };
}

function ofKube(name: string, help: string, value: (figures: Readonly<GateFigures>) => number): MetricDefinition {
  return {
    ...counter(name, help, "calls"),
    labels: ["plugin"],
    read: ({ kube }) => [...kube].map(([plugin, figures]) => ({ labels: { plugin }, value: value(figures) })),
  };
}

/** As client-go labels its own. */
function ofElection(told: Told, value: (election: ElectionFigures) => number): MetricDefinition {
  return {
    ...told,
    labels: ["name"],
    read: ({ election }) =>
      election === undefined ? [] : [{ labels: { name: election.lease.name }, value: value(election) }],
  };
}

function ofShards(told: Told, value: (shards: ShardFigures) => number): MetricDefinition {
  return {
    ...told,
    labels: ["group"],
    read: ({ shards }) => (shards === undefined ? [] : [{ labels: { group: shards.group }, value: value(shards) }]),
  };
}

function ofLoop(told: Told, value: (loop: { longestMs: number; p99Ms: number }) => number): MetricDefinition {
  return {
    ...told,
    labels: [],
    read: ({ loop }) => (loop === undefined ? [] : [{ labels: {}, value: value(loop) / 1000 }]),
  };
}

function ofProcess(told: Told, value: () => number): MetricDefinition {
  return { ...told, labels: [], read: () => [{ labels: {}, value: value() }] };
}

/** 1 for the state that something is in, 0 for all others. */
function states(told: Pick<Told, "name" | "help">, label: string, read: MetricDefinition["read"]): MetricDefinition {
  return { ...gauge(told.name, told.help, "0 or 1"), labels: [label, "state"], read };
}

function stateSamples(label: string, name: string, all: readonly string[], now: string | undefined): MetricSample[] {
  return all.map((state) => ({ labels: { [label]: name, state }, value: state === now ? 1 : 0 }));
}

/** Every metric of Fairlead itself. Metrics of plugins are `fairlead_<plugin>_<name>` and are told by their own pages. */
export const METRIC_GROUPS: readonly MetricGroup[] = [
  {
    about: "Kinds that are followed",
    metrics: [
      ofKind(gauge("fairlead_kind_objects", "Objects in the store.", "objects"), (kind) => kind.objects),
      ofKind(gauge("fairlead_kind_synced", "1 when the initial set is complete.", "0 or 1"), (kind) =>
        kind.synced ? 1 : 0,
      ),
      {
        ...gauge(
          "fairlead_kind_staleness_seconds",
          "Time since the kind was last known to be current; +Inf before the first list, none where it is not served.",
          "seconds",
        ),
        labels: ["kind"],
        read: ({ kinds, nowMs }) =>
          kinds
            .filter(({ status }) => KIND_PHASES[status.phase] !== "not_served")
            .map(({ name, status }) => ({ labels: { kind: name }, value: stalenessSeconds(status, nowMs) })),
      },
      {
        ...gauge("fairlead_kind_phase", "1 for what the watch of the kind is doing, 0 for the rest.", "0 or 1"),
        labels: ["kind", "phase"],
        read: ({ kinds }) =>
          kinds.flatMap(({ name, status }) =>
            KIND_PHASES.map((phase, i) => ({ labels: { kind: name, phase }, value: status.phase === i ? 1 : 0 })),
          ),
      },
      ofKind(
        counter("fairlead_kind_events_total", "Objects of lists and changes of watches.", "events"),
        (kind) => kind.events,
      ),
      ofKind(
        counter("fairlead_kind_received_bytes_total", "Bytes of lists and watches that were read.", "bytes"),
        (kind) => kind.bytes,
      ),
      ofKind(counter("fairlead_kind_lists_total", "Complete lists.", "lists"), (kind) => kind.lists),
      ofKind(counter("fairlead_kind_watches_total", "Watches that were begun.", "watches"), (kind) => kind.watches),
      ofKind(
        counter("fairlead_kind_reconnects_total", "Watches that were resumed after an end or error.", "watches"),
        (kind) => kind.reconnects,
      ),
      ofKind(
        counter("fairlead_kind_relists_total", "Lists after the first: the server had forgotten our version.", "lists"),
        (kind) => kind.relists,
      ),
      ofKind(
        counter("fairlead_kind_errors_total", "Requests and streams that failed.", "errors"),
        (kind) => kind.errors,
      ),
      ofKind(
        counter("fairlead_kind_broken_frames_total", "Frames that could not be read.", "frames"),
        (kind) => kind.brokenFrames,
      ),
      ofKind(
        counter("fairlead_kind_refused_objects_total", "Objects that had no room in the store.", "objects"),
        (kind) => kind.refused,
      ),
      ofKind(
        counter("fairlead_kind_audits_total", "Comparisons of the store with the server.", "audits"),
        (kind) => kind.audits,
      ),
      ofKind(
        counter("fairlead_kind_drift_total", "Differences that audits found, and healed. Must stay 0.", "objects"),
        (kind) => kind.drift,
      ),
    ],
  },
  {
    about: "Store",
    metrics: [
      ofStore(gauge("fairlead_store_bytes", "Bytes of all segments in use.", "bytes"), (store) => store.segments.bytes),
      ofStore(
        gauge("fairlead_store_live_bytes", "Bytes of records that somebody can see.", "bytes"),
        (store) => store.liveBytes,
      ),
      {
        ...gauge("fairlead_store_segments", "Segments by what they are used for.", "segments"),
        labels: ["use"],
        read: ({ store }) =>
          (["records", "tables", "free"] as const).map((use) => ({ labels: { use }, value: store.segments[use] })),
      },
      ofStore(
        gauge("fairlead_store_pending_records", "Old states that wait until no reader needs them.", "records"),
        (store) => store.pendingRecords,
      ),
      ofStore(gauge("fairlead_store_readers", "Readers, of all threads.", "readers"), (store) => store.readers),
      ofStore(
        gauge("fairlead_store_memories", "Memories that are kept: 2 while a renewed one is being filled.", "memories"),
        (store) => store.memories,
      ),
      ofStore(
        gauge("fairlead_store_dictionary_strings", "Different strings in the dictionary.", "strings"),
        (store) => store.dictionary.strings,
      ),
      ofStore(
        gauge("fairlead_store_dictionary_bytes", "Bytes of the dictionary.", "bytes"),
        (store) => store.dictionary.bytes,
      ),
      ofStoredKind(
        gauge("fairlead_store_kind_record_bytes", "Bytes of the kind's records, deleted ones included.", "bytes"),
        (stats) => stats.bytes,
      ),
      ofStoredKind(
        gauge("fairlead_store_kind_index_bytes", "Bytes of the kind's tables and indexes.", "bytes"),
        (stats) => stats.indexBytes,
      ),
      ofStoredKind(
        gauge("fairlead_store_kind_deleted_objects", "Deleted objects that are still remembered.", "objects"),
        (stats) => stats.deleted,
      ),
    ],
  },
  {
    about: "Connection to the API server",
    metrics: [
      ofIngest(
        gauge("fairlead_connections", "Open connections for watches.", "connections"),
        (ingest) => ingest.connections,
      ),
      ofIngest(
        counter("fairlead_connection_requests_total", "Requests for lists and watches.", "requests"),
        (ingest) => ingest.requests,
      ),
      ofIngest(
        counter("fairlead_connection_received_bytes_total", "Bytes that came, before decompression.", "bytes"),
        (ingest) => ingest.bytesIn,
      ),
      ofIngest(
        counter("fairlead_connection_reconnects_total", "Connections that had to be made anew.", "connections"),
        (ingest) => ingest.reconnects,
      ),
      ofIngest(
        counter(
          "fairlead_ingest_collection_seconds_total",
          "Time of garbage collections since the first scrape.",
          "seconds",
        ),
        (ingest) => ingest.collectionMs / 1000,
      ),
    ],
  },
  {
    about: "Threads",
    metrics: [
      states(
        { name: "fairlead_thread_state", help: "1 for the state of the thread, 0 for the rest." },
        "thread",
        ({ threads }) => threads.flatMap(({ name, state }) => stateSamples("thread", name, THREAD_STATES, state)),
      ),
      {
        ...counter("fairlead_thread_restarts_total", "Times the thread was started again after a crash.", "restarts"),
        labels: ["thread"],
        read: ({ threads }) => threads.map(({ name, restarts }) => ({ labels: { thread: name }, value: restarts })),
      },
      ofThread(
        counter("fairlead_thread_cpu_seconds_total", "User and system time.", "seconds"),
        (thread) => thread.cpuMs / 1000,
      ),
      ofThread(
        gauge("fairlead_thread_heap_used_bytes", "JavaScript heap in use.", "bytes"),
        (thread) => thread.heapUsedBytes,
      ),
      ofThread(
        gauge("fairlead_thread_heap_total_bytes", "JavaScript heap taken from the system.", "bytes"),
        (thread) => thread.heapTotalBytes,
      ),
      ofThread(
        gauge("fairlead_thread_external_bytes", "Buffers outside the heap; shared memory is not in it.", "bytes"),
        (thread) => thread.externalBytes,
      ),
      ofThread(
        gauge("fairlead_thread_utilization_ratio", "Part of the time that its loop was busy since it began.", "0 to 1"),
        (thread) => thread.utilization,
      ),
    ],
  },
  {
    about: "Plugins and hooks",
    metrics: [
      states(
        { name: "fairlead_plugin_state", help: "1 for the state of the plugin, 0 for the rest." },
        "plugin",
        ({ plugins }) => plugins.flatMap(({ name, state }) => stateSamples("plugin", name, PLUGIN_STATES, state)),
      ),
      {
        ...counter("fairlead_plugin_restarts_total", "Times the plugin was started again after a crash.", "restarts"),
        labels: ["plugin"],
        read: ({ plugins }) => plugins.map(({ name, restarts }) => ({ labels: { plugin: name }, value: restarts })),
      },
      ofPluginMap(
        counter("fairlead_plugin_failures_total", "Errors in timers and change callbacks of the plugin.", "errors"),
        (snapshot) => snapshot.failures,
      ),
      ofPluginMap(
        counter(
          "fairlead_plugin_dropped_samples_total",
          "Labels and values of the plugin's metrics that it had not declared.",
          "samples",
        ),
        (snapshot) => snapshot.droppedSamples,
      ),
      ofKube("fairlead_plugin_api_reads_total", "Reads at the API server.", ({ reads }) => reads),
      ofKube(
        "fairlead_plugin_api_writes_total",
        "Writes at the API server, dry runs included.",
        ({ writes }) => writes,
      ),
      ofKube("fairlead_plugin_api_dry_runs_total", "Writes that were only checked.", ({ dryRuns }) => dryRuns),
      ofKube("fairlead_plugin_api_refused_total", "Calls refused by permissions or a veto.", ({ refused }) => refused),
      ofKube("fairlead_plugin_api_failed_total", "Calls that failed at the API server.", ({ failed }) => failed),
      ofHook(counter("fairlead_hook_calls_total", "Calls of the plugin's tap.", "calls"), (hook) => hook.calls),
      ofHook(
        counter("fairlead_hook_errors_total", "Calls that threw or came too late.", "calls"),
        (hook) => hook.errors,
      ),
      ofHook(gauge("fairlead_hook_p99_seconds", "99 of 100 calls took less.", "seconds"), (hook) => hook.p99Ms / 1000),
      ofHook(gauge("fairlead_hook_longest_seconds", "The longest call.", "seconds"), (hook) => hook.longestMs / 1000),
    ],
  },
  {
    about: "Leader election",
    metrics: [
      ofElection(
        gauge(
          "leader_election_master_status",
          "1 when this process leads by the lease, as client-go tells it.",
          "0 or 1",
        ),
        ({ isLeader }) => Number(isLeader),
      ),
      ofElection(
        counter(
          "leader_election_slowpath_total",
          "Renewals that had to read the lease first, as client-go tells it.",
          "renewals",
        ),
        ({ slowPaths }) => slowPaths,
      ),
      ofElection(
        counter("fairlead_election_terms_total", "Times that this process became the leader.", "terms"),
        ({ terms }) => terms,
      ),
      ofElection(
        counter("fairlead_election_lost_total", "Times that this process lost the lease.", "terms"),
        ({ lost }) => lost,
      ),
      ofElection(
        counter(
          "fairlead_election_refused_total",
          "Writes that were begun while this process did not lead, and not sent.",
          "writes",
        ),
        ({ refused }) => refused,
      ),
      ofElection(
        gauge("fairlead_election_failures", "Tries in a row that failed at the API server.", "tries"),
        ({ failures }) => failures,
      ),
    ],
  },
  {
    about: "Shards",
    metrics: [
      ofShards(
        gauge("fairlead_shard_members", "Members of the group that are alive, this process included.", "members"),
        ({ members }) => members.length,
      ),
      ofShards(gauge("fairlead_shard_joined", "1 when this process has its part.", "0 or 1"), ({ joined }) =>
        Number(joined),
      ),
      ofShards(gauge("fairlead_shard_moving", "1 while keys go from one member to another.", "0 or 1"), ({ moving }) =>
        Number(moving),
      ),
      ofShards(
        counter(
          "fairlead_shard_lost_total",
          "Times that this process lost all, its lease not renewed in time.",
          "times",
        ),
        ({ lost }) => lost,
      ),
      ofShards(
        gauge("fairlead_shard_failures", "Rounds in a row that failed at the API server.", "rounds"),
        ({ failures }) => failures,
      ),
    ],
  },
  ...RECONCILE_METRICS,
  {
    about: "Main loop",
    metrics: [
      ofLoop(
        gauge("fairlead_main_loop_delay_longest_seconds", "Longest delay of the last one to two minutes.", "seconds"),
        (loop) => loop.longestMs,
      ),
      ofLoop(
        gauge(
          "fairlead_main_loop_delay_p99_seconds",
          "99 of 100 delays of the last one to two minutes were shorter.",
          "seconds",
        ),
        (loop) => loop.p99Ms,
      ),
      ofProcess(
        gauge(
          "fairlead_main_loop_utilization_ratio",
          "Part of the time that the main loop was busy since it began.",
          "0 to 1",
        ),
        () => performance.eventLoopUtilization().utilization,
      ),
    ],
  },
];

/** Metrics of the whole process, under the names that every Prometheus client uses; only in a registry of our own. */
export const PROCESS_METRICS: MetricGroup = {
  about: "Process",
  metrics: [
    ofProcess(counter("process_cpu_seconds_total", "User and system time of all threads.", "seconds"), () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    ofProcess(gauge("process_resident_memory_bytes", "Memory of the process, shared memory included.", "bytes"), () =>
      process.memoryUsage.rss(),
    ),
    ofProcess(gauge("process_start_time_seconds", "Start of the process, since 1970.", "seconds"), () =>
      Math.round((Date.now() - process.uptime() * 1000) / 1000),
    ),
    ofProcess(
      gauge("nodejs_heap_size_used_bytes", "JavaScript heap of the main thread in use.", "bytes"),
      () => process.memoryUsage().heapUsed,
    ),
    ofProcess(
      gauge("nodejs_heap_size_total_bytes", "JavaScript heap of the main thread taken from the system.", "bytes"),
      () => process.memoryUsage().heapTotal,
    ),
    ofProcess(
      gauge("nodejs_external_memory_bytes", "Buffers outside the heap of the main thread.", "bytes"),
      () => process.memoryUsage().external,
    ),
    {
      ...gauge("nodejs_version_info", "Version of Node; always 1.", "1"),
      labels: ["version"],
      read: () => [{ labels: { version: process.version }, value: 1 }],
    },
  ],
};

/** Names that no plugin can take. */
export const OWN_METRIC_NAMES: ReadonlySet<string> = new Set(
  [...METRIC_GROUPS, PROCESS_METRICS].flatMap(({ metrics }) => metrics.map(({ name }) => name)),
);
