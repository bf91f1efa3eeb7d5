import { FairleadError, messageOf } from "../errors.ts";
import { type AnyKind, mergeKinds } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { ClusterSource } from "../kube/access.ts";
import { resolveCluster } from "../kube/cluster-config.ts";
import { type Logger, silentLogger } from "../log.ts";
import { createStore, type Store } from "../store/create-store.ts";
import type { ChangeListener, StoreReader, Subscription } from "../store/reader.ts";
import { type Ingest, type IngestFigures, startIngest } from "../watch/ingest.ts";
import { untilLoaded } from "./load.ts";
import { Problems } from "./problems.ts";

const DEFAULT_START_TIMEOUT_MS = 60_000;

/** How to make a controller. Only `kinds` is needed. */
export interface ControllerOptions<Kinds extends readonly AnyKind[] = readonly AnyKind[]> {
  /** The cluster to follow. Default: KUBECONFIG, ~/.kube/config, then the service account of the pod. */
  readonly cluster?: ClusterSource;
  /** What to watch and which fields to keep. Two selections of one kind are watched once, with the union of their fields. */
  readonly kinds: Kinds;
  /** Namespaces by glob; deny wins. Default: all, by cluster-wide watches. */
  readonly namespaces?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] };
  /** Where watches are read and decoded: a thread of their own (default), or the calling thread. */
  readonly ingest?: "thread" | "inline";
  /** Bytes of records that the store may hold; objects above are refused and counted. Default 268435456. */
  readonly maxBytes?: number;
  /** Any pino logger. Default: silent. */
  readonly log?: Logger;
  /** How long `start` waits for the caches to be complete, milliseconds. Default 60000; 0 waits for ever. */
  readonly startTimeoutMs?: number;
  /** Milliseconds between comparisons of the store with a list from the server. Default 600000; 0 switches it off. */
  readonly auditEveryMs?: number;
  /** Stops the controller when aborted. */
  readonly signal?: AbortSignal;
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
   * later). Rejects with CONTROLLER_START_TIMEOUT, CONTROLLER_STOPPED, or what `cluster` has wrong (KUBE_*); nothing
   * is left running then.
   */
  start(options?: { readonly signal?: AbortSignal }): Promise<this>;
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
  /** What the side that reads and decodes has used. Throws CONTROLLER_NOT_STARTED. */
  ingestFigures(): Promise<IngestFigures>;
}

/** Makes a controller; nothing is opened before `start`. Throws CONTROLLER_NO_KINDS and what is wrong with a kind (KIND_*). */
export function createController<const Kinds extends readonly AnyKind[]>(
  options: ControllerOptions<Kinds>,
): Controller<Kinds> {
  return new ClusterController(options);
}

/** One plan for each kind, whoever asks for it. */
function plansOf(kinds: readonly AnyKind[]): RowPlan[] {
  if (kinds.length === 0) {
    throw new FairleadError("CONTROLLER_NO_KINDS", "a controller needs at least one kind; pass it as kinds: [pods]");
  }
  const groups = new Map<string, [AnyKind, ...AnyKind[]]>();
  for (const kind of kinds) {
    const group = groups.get(kind.name);
    if (group === undefined) {
      groups.set(kind.name, [kind]);
    } else {
      group.push(kind);
    }
  }
  return [...groups.values()].map((group) => mergeKinds(group).plan());
}

class ClusterController<Kinds extends readonly AnyKind[]> implements Controller<Kinds> {
  readonly store: StoreReader<Kinds>;
  readonly #options: ControllerOptions<Kinds>;
  readonly #log: Logger;
  readonly #plans: readonly RowPlan[];
  readonly #store: Store<Kinds>;
  readonly #problems = new Problems();
  readonly #stopping = new AbortController();
  #ingest: Ingest | undefined;
  #starting: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: ControllerOptions<Kinds>) {
    this.#options = options;
    this.#log = this.#problems.listenTo(options.log ?? silentLogger);
    this.#plans = plansOf(options.kinds);
    this.#store = createStore<Kinds>({
      backend: options.ingest === "inline" ? "local" : "shared",
      plans: this.#plans,
      maxBytes: options.maxBytes,
      onError: (error: unknown) => this.#log.error({ detail: messageOf(error) }, "a change listener failed"),
    });
    this.store = this.#store.reader();
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal?.aborted === true) {
      this.#onAbort();
    }
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<this> {
    this.#starting ??= this.#start(options.signal);
    try {
      await this.#starting;
    } catch (error) {
      await this.stop();
      throw error;
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
    const followed = this.#options.kinds.find((candidate) => candidate.name === kind.name) ?? kind;
    // Found by its name, of which Name is the type.
    return this.store.changes(followed as FollowedKind<Kinds, Name>, listener);
  }

  on<Name extends Kinds[number]["name"]>(
    kind: { readonly name: Name },
    listener: ChangeListener<FollowedKind<Kinds, Name>>,
  ): Subscription {
    return this.changes(kind, listener);
  }

  async ingestFigures(): Promise<IngestFigures> {
    if (this.#ingest === undefined) {
      throw new FairleadError("CONTROLLER_NOT_STARTED", "the controller has not been started; await start() first");
    }
    return await this.#ingest.figures();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  readonly #onAbort = (): void => {
    void this.stop(); // stop() reports its own failures through the log
  };

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const stopping = this.#stopping.signal;
    this.#throwIfStopped();
    const access = await resolveCluster(this.#options.cluster);
    this.#throwIfStopped();
    this.#ingest = await startIngest({
      access,
      store: this.#store,
      plans: this.#plans,
      mode: this.#options.ingest ?? "thread",
      scope: this.#options.namespaces,
      auditEveryMs: this.#options.auditEveryMs,
      log: this.#log,
      onCrash: (error) => this.#log.error({ code: error.code, detail: error.message }, "ingest thread failed"),
    });
    await untilLoaded({
      store: this.store,
      timeoutMs: this.#options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      signal: signal === undefined ? stopping : AbortSignal.any([stopping, signal]),
      server: access.server,
      problemOf: (kind) => this.#problems.of(kind),
    });
  }

  #throwIfStopped(): void {
    if (this.#stopping.signal.aborted) {
      throw new FairleadError("CONTROLLER_STOPPED", "the controller was stopped; make a new one to start again");
    }
  }

  async #stop(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#stopping.abort();
    await this.#starting?.catch(() => {}); // told to whoever called start()
    await this.#ingest?.stop();
    this.#store.close();
  }
}
