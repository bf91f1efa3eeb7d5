import type { HandlersOf, ServiceOf } from "../api/context.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { ClusterSource } from "../kube/access.ts";
import type { Logger } from "../log.ts";
import type { ControllerDefinition } from "../reconcile/controller.ts";
import type { HostedController } from "../reconcile/run-host.ts";
import type { ChangeListener, StoreReader, Subscription } from "../store/reader.ts";
import type { IngestFigures } from "../watch/ingest.ts";
import type { RetryOptions } from "../watch/limits.ts";
import type { LeaderElectionOptions } from "./controller-election.ts";
import type { OwnObjects, ShardingOptions } from "./controller-shards.ts";
import type { FigureOptions } from "./figures.ts";
import type { HealthReport } from "./health.ts";
import type { Notices } from "./notices.ts";
import type { PluginEntry, PluginInfo } from "./plugin-entry.ts";

/** How to make a controller. Only `kinds`, `plugins` or `controllers` is needed. */
export interface ControllerOptions<Kinds extends readonly AnyKind[] = readonly AnyKind[]> extends FigureOptions {
  /** The cluster to follow. Default: KUBECONFIG, ~/.kube/config, then the service account of the pod. */
  readonly cluster?: ClusterSource | undefined;
  /** What to watch and which fields to keep. Two selections of one kind are watched once, with the union of their fields. */
  readonly kinds?: Kinds | undefined;
  /** Plugins, or plugins with their options and how to run them. What they need is followed beside `kinds`. */
  readonly plugins?: readonly (AnyPlugin | PluginEntry)[] | undefined;
  /** Controllers, as `controller` of "fairlead/reconcile" makes them. What they look at is followed beside `kinds`. */
  readonly controllers?: readonly ControllerDefinition[] | undefined;
  /** Whatever plugins and controllers write is checked by the server, but not stored. Default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * One of several processes leads: plugins write, and run their hook `leading`, only there. All keep their caches warm.
   * Default: no election, every process leads.
   */
  readonly leaderElection?: LeaderElectionOptions | undefined;
  /**
   * Several processes share the work of controllers out, each object to one of them; those that run on the leader alone are not
   * shared. Default: not shared.
   */
  readonly shards?: ShardingOptions | undefined;
  /** Namespaces by glob; deny wins. Default: all, by cluster-wide watches. */
  readonly namespaces?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] } | undefined;
  /** Where watches are read and decoded: a thread of their own (default), or the calling thread. */
  readonly ingest?: "thread" | "inline" | undefined;
  /** Bytes of records that the store may hold; objects above are refused and counted. Default 268435456. */
  readonly maxBytes?: number | undefined;
  /** Any pino logger. Default: silent. */
  readonly log?: Logger | undefined;
  /** How long `start` waits for the caches to be complete, milliseconds. Default 60000; 0 waits for ever. */
  readonly startTimeoutMs?: number | undefined;
  /** Milliseconds between comparisons of the store with a list from the server. Default 600000; 0 switches it off. */
  readonly auditEveryMs?: number | undefined;
  /** When kinds that are forbidden or not served are tried again. Default: after one minute, after ten seconds. */
  readonly retry?: RetryOptions | undefined;
  /** Stops the controller when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** The kind of that name among those that are followed: with the fields that were selected, whichever constant names it. */
export type FollowedKind<Kinds extends readonly AnyKind[], Name extends string> = Extract<
  Kinds[number],
  { readonly name: Name }
>;

/** Follows a cluster into a store that any thread can read. Methods belong to the thread that made it. */
export interface Controller<Kinds extends readonly AnyKind[] = readonly AnyKind[]> extends AsyncDisposable {
  /** The caches. Empty until `start`. */
  readonly store: StoreReader<Kinds>;
  /**
   * Resolves when every kind is complete, or known to be out of reach (not served, forbidden: logged, and tried again
   * later), and every plugin has been set up. Rejects with CONTROLLER_START_TIMEOUT, CONTROLLER_STOPPED, what `cluster`
   * has wrong (KUBE_*), WATCH_NO_THREAD, or what a required plugin failed with (PLUGIN_*, SERVICE_DUPLICATE); nothing is left running then.
   */
  start(options?: { readonly signal?: AbortSignal | undefined }): Promise<this>;
  /** Ends all requests, timers, sockets and threads. Safe to call at any moment, more than once. */
  stop(): Promise<void>;
  /** Calls back with batches of changes of one kind, the initial set first. */
  changes<Name extends Kinds[number]["name"]>(
    kind: { readonly name: Name },
    listener: ChangeListener<FollowedKind<Kinds, Name>>,
  ): Subscription;
  /** The same as `changes`. */
  on<Name extends Kinds[number]["name"]>(
    kind: { readonly name: Name },
    listener: ChangeListener<FollowedKind<Kinds, Name>>,
  ): Subscription;
  /** The plugins and how they do, in the order of their start. Empty before `start`. */
  plugins(): readonly PluginInfo[];
  /**
   * Goes over to these plugins: only what changed is stopped and started. Rejects with the reason when that fails, and the
   * plugins are as before. Throws CONTROLLER_NOT_STARTED, CONTROLLER_STOPPED.
   */
  reload(plugins: readonly (AnyPlugin | PluginEntry)[]): Promise<void>;
  /** The controllers that reconcile, those of plugins among them. Empty before `start`. */
  controllers(): readonly HostedController[];
  /** Whether this process leads, at this moment. Always true where nobody is elected and the controller runs. */
  readonly isLeader: boolean;
  /** Which objects are this process's own; undefined before `start`, and without `shards`. */
  readonly shards: OwnObjects | undefined;
  /** Services of plugins: `controller.services.use<Inventory>("inventory")`. Calls reject with SERVICE_*. */
  readonly services: { use<H extends HandlersOf<H>>(name: string): ServiceOf<H> };
  /** Tells what happens to plugins and kinds. */
  readonly notices: Notices;
  /** What the side that reads and decodes has used. Throws CONTROLLER_NOT_STARTED. */
  ingestFigures(): Promise<IngestFigures>;
  /** How it does: kinds, ingest, plugins and their votes. Takes at most a second. */
  health(): Promise<HealthReport>;
  /** All metrics as Prometheus reads them. Throws METRIC_REGISTRY_TAKEN. */
  metrics(): Promise<string>;
  /** Where `status` is served, "http://localhost:8080"; undefined where it is not. */
  readonly statusUrl: string | undefined;
}
