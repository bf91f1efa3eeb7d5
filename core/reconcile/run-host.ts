import type { PluginEvents, PluginKube } from "../api/context.ts";
import { EventRecorder } from "../controller/event-recorder.ts";
import type { KubeGate } from "../controller/kube-gate.ts";
import { createPluginKube } from "../controller/plugin-context-kube.ts";
import type { WatchedLeadership } from "../election/leadership.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { LOW_PRIORITY, WorkQueue } from "../queue/work-queue.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import type { NamespaceScope } from "../watch/namespace-scope.ts";
import type { ControllerDefinition } from "./controller.ts";
import { KeyLocks } from "./key-locks.ts";
import { createReconcileKubes } from "./kube.ts";
import { ReconcileCounts, type ReconcileFigures } from "./reconcile-figures.ts";
import { reconcileEvents } from "./run-events.ts";
import { type OwnKeys, RunLoop } from "./run-loop.ts";

/** A controller that was given to a host. Main thread. */
export interface HostedController {
  readonly name: string;
  /** True when it runs, nothing is being reconciled and nothing is ready to be. Where another process leads: always. */
  readonly isIdle: boolean;
  /** Keys that wait for their time: after `requeueAfter`, or after a failure. */
  readonly waiting: number;
  /** Reconciles a key as if something had changed. Does nothing where another process leads. */
  enqueue(key: string, options?: { readonly priority?: "low" | "normal" | undefined }): void;
  /**
   * Reconciles a key before all others. Rejects with what the reconcile threw, RECONCILE_STOPPED, or ELECTION_NOT_LEADER
   * where another process leads.
   */
  reconcile(key: string): Promise<void>;
  /** Ends it; resolves when nothing of it is under way, or after so many milliseconds (default 10000). */
  stop(deadlineMs?: number): Promise<void>;
}

/** What the controllers of one cluster share. */
export interface ReconcileHostParts {
  readonly store: StoreReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly gate: KubeGate;
  /** Whatever they write is checked by the server, but not stored. */
  readonly dryRun: boolean;
  /** The namespaces that are followed. Default: all. */
  readonly scope?: NamespaceScope | undefined;
  /** Undefined where nobody is elected. */
  readonly leadership: WatchedLeadership | undefined;
  /** Keys of controllers that run on every process; undefined where each process reconciles all. */
  readonly shards?: OwnKeys | undefined;
}

/** Where a controller runs that is not the embedder's own. */
export interface ControllerSite {
  readonly store: StoreReader;
  readonly kube: PluginKube;
  readonly events: PluginEvents;
  readonly log: Logger;
  /** Undefined where it does not matter who leads. */
  readonly leadership: WatchedLeadership | undefined;
  /** Kinds that must be complete before it begins, beside its own. */
  readonly after: readonly string[];
}

/** Controllers are no plugins: the server's own fairness limits them. A bucket takes no infinite rate. */
const UNLIMITED = { perSecond: 1e6, burst: 1e6 };
const STOP_DEADLINE_MS = 10_000;
const EVENTS_DEADLINE_MS = 1000;

/** Runs the controllers of one cluster, each where and while it may. */
export class ReconcileHost {
  readonly #parts: ReconcileHostParts;
  /** By controller: a successor heeds what its predecessor left behind. */
  readonly #locks = new Map<string, KeyLocks>();
  readonly #controllers = new Map<string, Hosted>();
  readonly #recorders: EventRecorder[] = [];
  /** Counts go on when a controller comes again after a reload. */
  readonly #counts = new Map<string, ReconcileCounts>();

  constructor(parts: ReconcileHostParts) {
    this.#parts = parts;
  }

  /** Begins a controller of the embedder, or of a plugin's site. Throws CONTROLLER_DUPLICATE. */
  run(definition: ControllerDefinition, site?: ControllerSite): HostedController {
    const { name } = definition;
    if (this.#controllers.has(name)) {
      throw new FairleadError(
        "CONTROLLER_DUPLICATE",
        `there is a controller "${name}" already; names are those of metrics and field managers, give it another one`,
        { facts: { controller: name } },
      );
    }
    const counts = this.#counts.get(name) ?? new ReconcileCounts();
    this.#counts.set(name, counts);
    const locks = this.#locks.get(name) ?? new KeyLocks();
    this.#locks.set(name, locks);
    const hosted = new Hosted({
      definition,
      counts,
      locks,
      clock: this.#parts.clock,
      site: site ?? this.#ownSite(definition),
      shards: this.#parts.shards,
      scope: this.#parts.scope,
      dryRun: this.#parts.dryRun,
      stopped: () => this.#controllers.delete(name),
    });
    this.#controllers.set(name, hosted);
    hosted.begin();
    return hosted;
  }

  /** Those that run or wait to, in the order in which they were given. */
  controllers(): readonly HostedController[] {
    return [...this.#controllers.values()];
  }

  figures(): readonly ReconcileFigures[] {
    return [...this.#controllers.values()].map((hosted) => hosted.figures());
  }

  /** Ends all of them. Never rejects. */
  async stop(): Promise<void> {
    await Promise.all([...this.#controllers.values()].map((hosted) => hosted.stop()));
    await Promise.all(this.#recorders.map((recorder) => recorder.stop(EVENTS_DEADLINE_MS)));
  }

  #ownSite({ name, runOn }: ControllerDefinition): ControllerSite {
    const { store, log, gate, dryRun, clock } = this.#parts;
    const leadership = runOn === "leader" ? this.#parts.leadership : undefined;
    const user = { name, rules: undefined, dryRun, leadership };
    const recorder = new EventRecorder({ plugin: name, log, clock, send: gate.open(user) });
    this.#recorders.push(recorder);
    return {
      store,
      log,
      leadership,
      after: [],
      kube: createPluginKube({ kube: gate.open({ ...user, rateLimit: UNLIMITED }) }),
      events: reconcileEvents(
        (type, about, reason, message) => recorder.report({ type, about, reason, message }),
        (error) =>
          log.warn({ controller: name, code: codeOf(error), detail: messageOf(error) }, "an event cannot be told"),
      ),
    };
  }
}

interface HostedParts {
  readonly definition: ControllerDefinition;
  readonly site: ControllerSite;
  readonly shards: OwnKeys | undefined;
  readonly scope: NamespaceScope | undefined;
  readonly dryRun: boolean;
  readonly clock: Clock;
  readonly locks: KeyLocks;
  readonly counts: ReconcileCounts;
  readonly stopped: () => void;
}

/** One controller over all terms in which this process leads. */
class Hosted implements HostedController {
  readonly #parts: HostedParts;
  #loop: RunLoop | undefined;
  #stopListening: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(parts: HostedParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.definition.name;
  }

  get isIdle(): boolean {
    return this.#loop?.isIdle ?? true;
  }

  get waiting(): number {
    return this.#loop?.waiting ?? 0;
  }

  begin(): void {
    const { leadership } = this.#parts.site;
    this.#stopListening = leadership?.onChange((isLeading) => (isLeading ? this.#open() : this.#close()));
    if (leadership === undefined || leadership.isLeader) {
      this.#open();
    }
  }

  enqueue(key: string, { priority }: { readonly priority?: "low" | "normal" | undefined } = {}): void {
    this.#loop?.enqueue(key, priority === "low" ? LOW_PRIORITY : 0);
  }

  async reconcile(key: string): Promise<void> {
    if (this.#loop !== undefined) {
      await this.#loop.reconcileNow(key);
      return;
    }
    if (this.#stopped === undefined) {
      this.#parts.site.leadership?.fence();
    }
    throw new FairleadError("RECONCILE_STOPPED", `controller "${this.name}" was stopped`);
  }

  stop(deadlineMs = STOP_DEADLINE_MS): Promise<void> {
    this.#stopListening?.();
    this.#stopped ??= this.#close(deadlineMs).then(() => this.#parts.stopped());
    return this.#stopped;
  }

  figures(): ReconcileFigures {
    if (this.#loop !== undefined) {
      return this.#loop.figures();
    }
    const { definition, counts, clock } = this.#parts;
    return {
      controller: this.name,
      state: this.#stopped === undefined ? "waiting" : "stopped",
      counts,
      concurrency: definition.concurrency,
      active: 0,
      overdue: 0,
      queue: new WorkQueue({ clock }).figures(),
    };
  }

  #open(): void {
    if (this.#stopped !== undefined || this.#loop !== undefined) {
      return;
    }
    const { definition, site, clock, locks, counts, shards } = this.#parts;
    const { store, log, leadership, after, events } = site;
    const { name: controller, fieldManager, kinds } = definition;
    const { scope, dryRun } = this.#parts;
    const client = site.kube;
    const kubes = createReconcileKubes({ controller, fieldManager, kinds, store, scope, dryRun, log, clock, client });
    this.#loop = new RunLoop({
      definition,
      store,
      clock,
      log,
      events,
      locks,
      counts,
      after,
      // The leader alone has all keys.
      shards: leadership === undefined ? shards : undefined,
      kube: (hooks) => kubes.open(hooks),
      term: () => leadership?.term(),
    });
    this.#loop.start();
  }

  /** Resolves when nothing is under way: only then may another process lead. */
  async #close(deadlineMs = STOP_DEADLINE_MS): Promise<void> {
    const loop = this.#loop;
    this.#loop = undefined;
    await loop?.stop(Math.min(deadlineMs, this.#parts.site.leadership?.handOverMs ?? deadlineMs));
  }
}
