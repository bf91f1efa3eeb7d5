import type { AnyPlugin } from "../api/plugin.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import { type AnyKind, mergeKinds } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { ClusterAccess } from "../kube/access.ts";
import { resolveCluster } from "../kube/cluster-config.ts";
import type { RestMeter } from "../kube/counted-transport.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { HostedController, ReconcileHost } from "../reconcile/run-host.ts";
import { createStore, type Store } from "../store/create-store.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import type { ChangeListener, StoreReader, Subscription } from "../store/reader.ts";
import { type Clock, realClock } from "../watch/clock.ts";
import { type Ingest, type IngestFigures, startIngest } from "../watch/ingest.ts";
import { retryLimits } from "../watch/limits.ts";
import { checkOptions, checkPluginList } from "./check-options.ts";
import type { ControllerElection } from "./controller-election.ts";
import type { Controller, ControllerOptions, FollowedKind } from "./controller-options.ts";
import type { ControllerPlugins } from "./controller-plugins.ts";
import type { ControllerReconcile } from "./controller-reconcile.ts";
import type { ControllerShards, OwnObjects } from "./controller-shards.ts";
import type { ControllerFigures } from "./figures.ts";
import type { HealthReport } from "./health.ts";
import { untilLoaded } from "./load.ts";
import { NoticeBoard } from "./notices.ts";
import { checkPlugin } from "./plugin-check.ts";
import { entryOf, type PluginEntry, type PluginInfo } from "./plugin-entry.ts";
import { kindsOfNeeds } from "./plugin-needs.ts";
import { serviceOver } from "./plugin-services.ts";
import { type Problem, Problems } from "./problems.ts";

export type { Controller, ControllerOptions } from "./controller-options.ts";

const DEFAULT_START_TIMEOUT_MS = 60_000;

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
