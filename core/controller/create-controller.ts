import type { HandlersOf, ServiceOf } from "../api/context.ts";
import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import { type AnyKind, mergeKinds } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { ClusterAccess, ClusterSource } from "../kube/access.ts";
import { resolveCluster } from "../kube/cluster-config.ts";
import type { RestMeter } from "../kube/counted-transport.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { ControllerDefinition } from "../reconcile/controller.ts";
import type { HostedController, ReconcileHost } from "../reconcile/run-host.ts";
import { createStore, type Store } from "../store/create-store.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import type { ChangeListener, StoreReader, Subscription } from "../store/reader.ts";
import { type Clock, realClock } from "../watch/clock.ts";
import { type Ingest, type IngestFigures, startIngest } from "../watch/ingest.ts";
import { type RetryOptions, retryLimits } from "../watch/limits.ts";
import { checkOptions, checkPluginList } from "./check-options.ts";
import type { ControllerElection, LeaderElectionOptions } from "./controller-election.ts";
import type { ControllerPlugins } from "./controller-plugins.ts";
import type { ControllerReconcile } from "./controller-reconcile.ts";
import type { ControllerShards, OwnObjects, ShardingOptions } from "./controller-shards.ts";
import type { ControllerFigures, FigureOptions } from "./figures.ts";
import type { HealthReport } from "./health.ts";
import { untilLoaded } from "./load.ts";
import { NoticeBoard, type Notices } from "./notices.ts";
import { checkPlugin } from "./plugin-check.ts";
import { entryOf, type PluginEntry, type PluginInfo } from "./plugin-entry.ts";
import { kindsOfNeeds } from "./plugin-needs.ts";
import { serviceOver } from "./plugin-services.ts";
import { type Problem, Problems } from "./problems.ts";

const DEFAULT_START_TIMEOUT_MS = 60_000;

/** How to make a controller. Only `kinds` or `plugins` is needed. */
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

/**
 * Makes a controller; nothing is opened before `start`. Throws CONTROLLER_NO_KINDS, CONTROLLER_BAD_OPTION, STORE_BAD_OPTION,
 * what is wrong with a kind (KIND_*), and with a plugin that was given as an object (PLUGIN_*).
 */
export function createController<const Kinds extends readonly AnyKind[] = readonly []>(
  options: ControllerOptions<Kinds>,
): Controller<Kinds> {
  return new ClusterController(options);
}

/** What tests put in the place of the machine's. */
export interface ControllerParts {
  /** The time of controllers. */
  readonly clock?: Clock | undefined;
}

/** As `createController`, with parts of a test's own. */
export function controllerWith<const Kinds extends readonly AnyKind[] = readonly []>(
  options: ControllerOptions<Kinds>,
  parts: ControllerParts,
): Controller<Kinds> {
  return new ClusterController(options, parts);
}

/** What plugins need that were given as objects; modules are not loaded before `start`. */
function kindsOfPlugins(plugins: readonly (AnyPlugin | PluginEntry)[]): AnyKind[] {
  return plugins.flatMap((given) => {
    const { use } = entryOf(given);
    if (use instanceof URL) {
      return [];
    }
    const plugin = checkPlugin(use, "the object given as a plugin");
    return kindsOfNeeds(plugin.name, plugin.needs);
  });
}

/** Each kind once, with the fields of all who ask for it. */
function mergedKinds(kinds: readonly AnyKind[]): AnyKind[] {
  const groups = new Map<string, [AnyKind, ...AnyKind[]]>();
  for (const kind of kinds) {
    const group = groups.get(kind.name);
    if (group === undefined) {
      groups.set(kind.name, [kind]);
    } else {
      group.push(kind);
    }
  }
  return [...groups.values()].map((group) => mergeKinds(group));
}

class ClusterController<Kinds extends readonly AnyKind[]> implements Controller<Kinds> {
  readonly store: StoreReader<Kinds>;
  readonly notices: NoticeBoard;
  readonly services: Controller["services"];
  readonly #options: ControllerOptions<Kinds>;
  readonly #parts: ControllerParts;
  /** The embedder's kinds, and those of its controllers. */
  readonly #ownKinds: readonly AnyKind[];
  readonly #log: Logger;
  readonly #store: Store<Kinds>;
  readonly #problems = new Problems();
  readonly #stopping = new AbortController();
  /** What is followed: the embedder's kinds with those of the plugins. */
  #followed: readonly AnyKind[];
  #access: ClusterAccess | undefined;
  #ingest: Ingest | undefined;
  #election: ControllerElection | undefined;
  #shards: ControllerShards | undefined;
  #rest: RestMeter | undefined;
  #reconcile: Promise<ControllerReconcile> | undefined;
  #host: ReconcileHost | undefined;
  #plugins: ControllerPlugins | undefined;
  #figures: ControllerFigures | undefined;
  #starting: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: ControllerOptions<Kinds>, parts: ControllerParts = {}) {
    checkOptions(options);
    const { plugins = [] } = options;
    this.#parts = parts;
    this.#ownKinds = ownKindsOf(options);
    if (this.#ownKinds.length === 0 && options.plugins === undefined) {
      throw new FairleadError("CONTROLLER_NO_KINDS", "a controller needs at least one kind; pass it as kinds: [pods]");
    }
    this.#options = options;
    this.#log = this.#problems.listenTo(options.log ?? silentLogger);
    this.notices = new NoticeBoard(this.#log);
    this.#followed = mergedKinds([...this.#ownKinds, ...kindsOfPlugins(plugins)]);
    this.#store = createStore<Kinds>({
      // Plugins may run in threads of their own.
      backend: options.ingest === "inline" && options.plugins === undefined ? "local" : "shared",
      plans: plansOf(this.#followed),
      maxBytes: options.maxBytes,
      onError: (error: unknown) => this.#log.error({ detail: messageOf(error) }, "a change listener failed"),
    });
    this.store = this.#store.reader();
    this.services = {
      use: (name) => serviceOver((handler, given) => this.#callService(name, handler, given)),
    };
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal?.aborted === true) {
      this.#onAbort();
    }
  }

  async start(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<this> {
    const { signal } = options;
    // A listener of its own: the signal may be that of the controller, which is heeded after the start too.
    const onAbort = (): void => this.#onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) {
      onAbort();
    }
    this.#starting ??= this.#start();
    try {
      await this.#starting;
      this.#throwIfStopped();
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    return this;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  changes<Name extends Kinds[number]["name"]>(
    kind: { readonly name: Name },
    listener: ChangeListener<FollowedKind<Kinds, Name>>,
  ): Subscription {
    const followed = this.#options.kinds?.find((candidate) => candidate.name === kind.name) ?? kind;
    // Found by its name, of which Name is the type.
    return this.store.changes(followed as FollowedKind<Kinds, Name>, listener);
  }

  on<Name extends Kinds[number]["name"]>(
    kind: { readonly name: Name },
    listener: ChangeListener<FollowedKind<Kinds, Name>>,
  ): Subscription {
    return this.changes(kind, listener);
  }

  plugins(): readonly PluginInfo[] {
    return this.#plugins?.host.infos() ?? [];
  }

  async reload(plugins: readonly (AnyPlugin | PluginEntry)[]): Promise<void> {
    checkPluginList(plugins);
    if (this.#starting === undefined) {
      throw notStarted();
    }
    await this.#starting;
    this.#throwIfStopped();
    const { host } = await this.#openPlugins();
    await host.reload(plugins);
  }

  async ingestFigures(): Promise<IngestFigures> {
    if (this.#ingest === undefined) {
      throw notStarted();
    }
    return await this.#ingest.figures();
  }

  async health(): Promise<HealthReport> {
    return await (await this.#figureSide()).health();
  }

  async metrics(): Promise<string> {
    return await (await this.#figureSide()).metrics();
  }

  controllers(): readonly HostedController[] {
    return this.#host?.controllers() ?? [];
  }

  get isLeader(): boolean {
    const isRunning = this.#access !== undefined && !this.#stopping.signal.aborted;
    return isRunning && (isElected(this.#options) ? this.#election?.isLeader === true : true);
  }

  get shards(): OwnObjects | undefined {
    return this.#shards;
  }

  get statusUrl(): string | undefined {
    return this.#figures?.statusUrl;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  readonly #onAbort = (): void => {
    void this.stop(); // stop() reports its own failures through the log
  };

  async #start(): Promise<void> {
    const { plugins } = this.#options;
    this.#throwIfStopped();
    await this.#startFigures();
    this.#access = await resolveCluster(this.#options.cluster);
    this.#throwIfStopped();
    await this.#openElection(this.#access);
    await this.#openShards(this.#access);
    const host = plugins === undefined ? undefined : (await this.#openPlugins()).host;
    await host?.load(plugins ?? []);
    this.#throwIfStopped();
    this.#ingest = await startIngest({
      access: this.#access,
      store: this.#store,
      plans: plansOf(this.#followed),
      mode: this.#options.ingest ?? "thread",
      scope: this.#options.namespaces,
      auditEveryMs: this.#options.auditEveryMs,
      limits: retryLimits(this.#options.retry),
      log: this.#log,
      onCrash: (error) => this.#log.error({ code: error.code, detail: error.message }, "ingest thread failed"),
    });
    this.#tellSynced(this.#followed);
    if (host !== undefined) {
      // Modules have been loaded meanwhile, and may need more.
      await this.#follow(host.kinds());
      await host.boot();
    }
    await this.#untilLoaded(this.#followed, this.#stopping.signal);
    await host?.follow();
    this.#throwIfStopped();
    await this.#runControllers();
    this.#throwIfStopped();
    // Whoever leads has complete caches.
    this.#election?.start();
    this.#shards?.start();
  }

  async #runControllers(): Promise<void> {
    const { controllers = [] } = this.#options;
    if (controllers.length > 0) {
      const host = await this.#openReconcile();
      for (const definition of controllers) {
        host.run(definition);
      }
    }
  }

  /** Loaded only where somebody reconciles. */
  async #openReconcile(): Promise<ReconcileHost> {
    if (this.#access === undefined) {
      throw notStarted();
    }
    this.#reconcile ??= this.#makeReconcile(this.#access);
    const { host } = await this.#reconcile;
    this.#throwIfStopped();
    this.#host = host;
    return host;
  }

  async #makeReconcile(access: ClusterAccess): Promise<ControllerReconcile> {
    const { openControllerReconcile } = await import("./controller-reconcile.ts");
    return openControllerReconcile({
      access,
      store: this.#store.reader(),
      clock: this.#parts.clock ?? realClock,
      log: this.#log,
      dryRun: this.#options.dryRun === true,
      scope: this.#options.namespaces,
      leadership: this.#election,
      shards: this.#shards,
      board: this.#plugins?.host.board,
      rest: await this.#restMeter(access),
    });
  }

  async #restMeter(access: ClusterAccess): Promise<RestMeter> {
    const { RestMeter } = await import("../kube/counted-transport.ts");
    this.#rest ??= new RestMeter(access.server);
    return this.#rest;
  }

  async #openElection(access: ClusterAccess): Promise<void> {
    if (!isElected(this.#options)) {
      return;
    }
    const { ControllerElection } = await import("./controller-election.ts");
    this.#throwIfStopped();
    const { leaderElection: options = {} } = this.#options;
    const clock = this.#parts.clock ?? realClock;
    this.#election = new ControllerElection({ options, access, log: this.#log, notices: this.notices, clock });
  }

  async #openShards(access: ClusterAccess): Promise<void> {
    const { shards: options } = this.#options;
    if (options !== undefined) {
      const { ControllerShards } = await import("./controller-shards.ts");
      this.#throwIfStopped();
      const clock = this.#parts.clock ?? realClock;
      this.#shards = new ControllerShards({ options, access, log: this.#log, clock });
    }
  }

  /** Loaded only where somebody asks for health or metrics. */
  async #figureSide(): Promise<ControllerFigures> {
    const { ControllerFigures } = await import("./figures.ts");
    this.#figures ??= new ControllerFigures({
      options: this.#options,
      log: this.#log,
      levelOf: this.#options.log,
      store: this.store,
      ingest: () => this.#ingest,
      election: () => this.#election,
      shards: () => this.#shards,
      reconcile: () => this.#host?.figures() ?? [],
      rest: () => this.#rest,
      plugins: () => this.#plugins,
      isStopping: () => this.#stopping.signal.aborted,
    });
    return this.#figures;
  }

  async #startFigures(): Promise<void> {
    const { status, metrics, statisticsEveryMs } = this.#options;
    if (status !== undefined || metrics !== undefined || (statisticsEveryMs ?? 0) > 0) {
      await (await this.#figureSide()).start();
    }
  }

  async #openPlugins(): Promise<ControllerPlugins> {
    const { openControllerPlugins } = await import("./controller-plugins.ts");
    if (this.#access === undefined) {
      throw notStarted();
    }
    const rest = await this.#restMeter(this.#access);
    this.#throwIfStopped();
    this.#plugins ??= openControllerPlugins({
      options: this.#options,
      access: this.#access,
      store: this.#store,
      log: this.#log,
      notices: this.notices,
      leadership: this.#election,
      rest,
      reconcile: () => this.#openReconcile(),
      follow: (kinds) => this.#follow(kinds),
      loaded: async (kinds) => {
        try {
          await this.#untilLoaded(mergedKinds(kinds), this.#stopping.signal);
        } catch (error) {
          this.#log.warn(
            { code: codeOf(error), detail: messageOf(error) },
            "the kinds of new plugins are not complete",
          );
        }
      },
    });
    await this.#figures?.showPlugins();
    return this.#plugins;
  }

  /** Follows these kinds beside the embedder's own, and no others. */
  async #follow(kinds: readonly AnyKind[]): Promise<void> {
    const before = this.#followed;
    const followed = mergedKinds([...this.#ownKinds, ...kinds]);
    const plans = plansOf(followed);
    if (JSON.stringify(plans) === JSON.stringify(plansOf(before))) {
      return;
    }
    await this.#ingest?.setPlans(plans);
    this.#followed = followed;
    this.#tellSynced(followed.filter(({ name }) => !before.some((kind) => kind.name === name)));
  }

  #tellSynced(kinds: readonly AnyKind[]): void {
    for (const { name: kind } of kinds) {
      this.store.whenSynced([kind], { signal: this.#stopping.signal }).then(
        () => this.notices.tell("kind-synced", { kind, objects: this.store.status(kind).objects }),
        () => {}, // stopped before
      );
    }
  }

  async #untilLoaded(kinds: readonly AnyKind[], signal: AbortSignal): Promise<void> {
    const reader = narrowReader(this.#store.reader(), kinds);
    try {
      await untilLoaded({
        store: reader,
        timeoutMs: this.#options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
        signal,
        server: this.#access?.server ?? "",
        problemOf: (kind) => this.#ingestProblem() ?? this.#problems.of(kind),
      });
    } finally {
      reader.close();
    }
  }

  /** While there is no thread to read, this is why nothing comes. */
  #ingestProblem(): Problem | undefined {
    const failure = this.#ingest?.failure;
    return failure === undefined ? undefined : { code: "WATCH_THREAD_CRASHED", detail: failure.message };
  }

  async #callService(name: string, handler: string, given: unknown): Promise<unknown> {
    this.#throwIfStopped();
    if (this.#plugins === undefined) {
      throw notStarted();
    }
    return await this.#plugins.host.callService(name, handler, given);
  }

  #throwIfStopped(): void {
    if (this.#stopping.signal.aborted) {
      throw new FairleadError("CONTROLLER_STOPPED", "the controller was stopped; make a new one to start again");
    }
  }

  async #stop(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#stopping.abort();
    // Controllers first: those of plugins end with their plugins.
    await this.#reconcile?.then(({ stop }) => stop()).catch(() => {}); // told to whoever opened it
    // While the store is still followed; this also ends a start that waits for a plugin.
    await this.#plugins?.stop();
    await this.#starting?.catch(() => {}); // told to whoever called start()
    // Last of what writes: nothing is under way any more when another one may lead.
    await this.#election?.stop();
    await this.#shards?.stop();
    await this.#ingest?.stop();
    // Probes are answered to the end.
    await this.#figures?.stop();
    this.#store.close();
  }
}

function plansOf(kinds: readonly AnyKind[]): RowPlan[] {
  return kinds.map((kind) => kind.plan());
}

function ownKindsOf({ kinds = [], controllers = [] }: ControllerOptions): readonly AnyKind[] {
  return [...kinds, ...controllers.flatMap((definition) => definition.kinds)];
}

function isElected({ leaderElection }: ControllerOptions): boolean {
  return leaderElection !== undefined && leaderElection.enabled !== false;
}

function notStarted(): FairleadError {
  return new FairleadError("CONTROLLER_NOT_STARTED", "the controller has not been started; await start() first");
}
