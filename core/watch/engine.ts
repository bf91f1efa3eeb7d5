import { FairleadError, messageOf } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { Transport } from "../kube/transport.ts";
import { type Logger, silentLogger } from "../log.ts";
import { RowBuilder } from "../store/row.ts";
import type { StoreWriter } from "../store/store.ts";
import { spread } from "./backoff.ts";
import { type Clock, realClock, type Timer } from "./clock.ts";
import { CommitBatch } from "./commit-batch.ts";
import { type AuditResult, auditKind } from "./drift-audit.ts";
import { FollowedKinds } from "./followed-kinds.ts";
import type { KindGroup } from "./kind-group.ts";
import { WATCH_LIMITS, type WatchLimits } from "./limits.ts";
import { LoadGate } from "./load-gate.ts";
import { isInScope, type NamespaceScope, planScope, type ScopePlan } from "./namespace-scope.ts";
import { NAMESPACE_PLAN, NamespaceSet } from "./namespace-set.ts";
import { Reflector } from "./reflector.ts";
import type { ReflectorHost } from "./reflector-host.ts";
import { PHASE, type Phase, type ReflectorState } from "./reflector-state.ts";
import { WatchMemory } from "./watch-memory.ts";

const MAINTAIN_MS = 250;
const FIRST_LOADS_AT_ONCE = 16;

/** How to make an engine. */
export interface EngineOptions {
  readonly transport: Transport;
  /** The one writer of the store; the engine opens the kinds. */
  readonly store: StoreWriter;
  readonly plans: readonly RowPlan[];
  /** Default: all namespaces, by one watch per kind. */
  readonly scope?: NamespaceScope;
  readonly clock?: Clock;
  /** Numbers in [0, 1). Default Math.random. */
  readonly random?: () => number;
  readonly log?: Logger;
  readonly limits?: Partial<WatchLimits>;
  /** Milliseconds between two audits of a kind; 0 = none. Default 600000. */
  readonly auditEveryMs?: number;
  /** What was found out about the server before. */
  readonly memory?: WatchMemory;
  /** Blocks the thread for so many milliseconds: given where nothing else runs on it. */
  readonly block?: (ms: number) => void;
}

/** What one kind's reflectors are doing. */
export interface KindActivity {
  readonly synced: boolean;
  readonly reflectors: readonly { readonly namespace?: string; readonly state: ReflectorState }[];
}

/** Follows kinds into a store. Belongs to one thread. */
export interface Engine {
  start(): void;
  /**
   * From now on these kinds are followed. New ones begin to load; those that are left out end, and vanish from the store;
   * those with another plan are loaded anew while the old rows stay, until all new ones are there; the others are not
   * touched. Throws STORE_KIND_EXISTS when a kind is named twice, STORE_TOO_MANY_KINDS, WATCH_STOPPED.
   */
  setPlans(plans: readonly RowPlan[]): void;
  /** Lists a kind again although its watch is healthy. */
  relist(name: string, reason: string): void;
  /** Something changed: kinds that wait for credentials, rights or the resource try again now. */
  wake(): void;
  /** Compares a kind with the server now. Throws WATCH_UNKNOWN_KIND. */
  audit(name: string): Promise<AuditResult>;
  status(): Readonly<Record<string, KindActivity>>;
  /** Ends all requests and timers at once. The transport and the store stay. */
  stop(): void;
}

/** Makes an engine; nothing happens before `start`. */
export function createEngine(options: EngineOptions): Engine {
  return new WatchEngine(options);
}

class WatchEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #host: ReflectorHost;
  readonly #log: Logger;
  readonly #scope: NamespaceScope;
  readonly #scopePlan: ScopePlan;
  readonly #kinds: FollowedKinds;
  readonly #gate = new LoadGate(FIRST_LOADS_AT_ONCE);
  readonly #namespaces = new Set<string>();
  readonly #aborted = new AbortController();
  #namespaceReflector: Reflector | undefined;
  #namespacesKnown = false;
  #maintainTimer: Timer | undefined;
  #auditTimer: Timer | undefined;
  #state: "new" | "running" | "stopped" = "new";

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.#scope = options.scope ?? {};
    this.#scopePlan = planScope(this.#scope);
    this.#host = {
      transport: options.transport,
      clock: options.clock ?? realClock,
      random: options.random ?? Math.random,
      limits: { ...WATCH_LIMITS, ...options.limits },
      builder: new RowBuilder(),
      memory: options.memory ?? new WatchMemory(),
      batch: new CommitBatch(
        options.store,
        (error) => {
          this.#log.error({ detail: messageOf(error) }, "the store's commit failed");
        },
        options.block && { block: options.block, isCalm: () => this.#isCalm(), now: () => performance.now() },
      ),
      report: (level, code, detail, plan, scope) => {
        this.#log[level]({ kind: plan.name, namespace: scope.namespace, code, detail }, "watch");
      },
    };
    this.#kinds = new FollowedKinds({
      store: options.store,
      reflectors: this.#host,
      gate: this.#gate,
      isComplete: (plan) => !plan.namespaced || this.#scopePlan.kind !== "follow",
      begin: (group) => {
        if (this.#state === "running") {
          this.#follow(group);
        }
      },
    });
    this.#kinds.open(options.plans);
  }

  start(): void {
    if (this.#state !== "new") {
      return;
    }
    this.#state = "running";
    this.#followNamespaces();
    for (const group of this.#kinds.all) {
      this.#follow(group);
    }
    this.#planMaintenance();
    this.#planAudit();
  }

  setPlans(plans: readonly RowPlan[]): void {
    if (this.#state === "stopped") {
      throw new FairleadError("WATCH_STOPPED", "the watch engine was stopped");
    }
    try {
      this.#kinds.set(plans);
    } finally {
      if (this.#state === "running") {
        this.#followNamespaces();
      }
    }
  }

  relist(name: string, reason: string): void {
    this.#kinds.get(name)?.relist(reason);
  }

  wake(): void {
    this.#namespaceReflector?.wake();
    for (const group of this.#kinds.all) {
      group.wake();
    }
  }

  async audit(name: string): Promise<AuditResult> {
    const group = this.#kinds.get(name);
    if (group === undefined) {
      throw new FairleadError("WATCH_UNKNOWN_KIND", `"${name}" is not followed`);
    }
    return this.#audit(group);
  }

  status(): Readonly<Record<string, KindActivity>> {
    return Object.fromEntries(
      this.#kinds.shown.map((group) => [
        group.plan.name,
        {
          synced: group.synced,
          reflectors: group.reflectors.map(({ scope, state }) => ({ namespace: scope.namespace, state })),
        },
      ]),
    );
  }

  stop(): void {
    if (this.#state === "stopped") {
      return;
    }
    this.#state = "stopped";
    this.#aborted.abort();
    this.#maintainTimer?.clear();
    this.#auditTimer?.clear();
    this.#gate.clear();
    this.#namespaceReflector?.stop();
    this.#kinds.stop();
    this.#host.batch.flush();
  }

  /** All that can be complete is: a turn more or less does not hold up a list. */
  #isCalm(): boolean {
    return this.#state === "running" && this.#kinds.all.every(({ synced }) => synced);
  }

  #follow(group: KindGroup): void {
    const scope = this.#scopePlan;
    if (!group.plan.namespaced) {
      group.follow({});
      return;
    }
    if (scope.kind === "cluster") {
      group.follow({ fieldSelector: scope.fieldSelector });
      return;
    }
    for (const namespace of scope.kind === "fixed" ? scope.namespaces : this.#namespaces) {
      group.follow({ namespace });
    }
    if (scope.kind === "fixed" || this.#namespacesKnown) {
      group.complete();
    }
  }

  /** Follows the namespaces while there are kinds in them, and the scope does not name them. */
  #followNamespaces(): void {
    const isNeeded = this.#scopePlan.kind === "follow" && this.#kinds.all.some((group) => group.plan.namespaced);
    if (!isNeeded) {
      this.#namespaceReflector?.stop();
      this.#namespaceReflector = undefined;
      this.#namespaces.clear();
      this.#namespacesKnown = false;
    } else if (this.#namespaceReflector === undefined) {
      this.#startNamespaces();
    }
  }

  #startNamespaces(): void {
    const set = new NamespaceSet((name, exists) => this.#onNamespace(name, exists));
    const ignore = (): void => {};
    this.#namespaceReflector = new Reflector(NAMESPACE_PLAN, {}, set, this.#host, {
      synced: () => {
        this.#namespacesKnown = true;
        for (const group of this.#kinds.all) {
          group.complete();
        }
      },
      current: ignore,
      phase: (phase) => this.#onNamespacesPhase(phase),
      version: ignore,
      count: ignore,
      refused: ignore,
    });
    this.#namespaceReflector.start();
  }

  /** Until the namespaces are known, what keeps us from them keeps us from every namespaced kind. */
  #onNamespacesPhase(phase: Phase): void {
    for (const group of this.#kinds.all) {
      if (!this.#namespacesKnown && group.plan.namespaced) {
        group.writer.status.phase(PHASE[phase]);
      }
    }
  }

  #onNamespace(name: string, exists: boolean): void {
    if (!isInScope(this.#scope, name)) {
      return;
    }
    if (exists) {
      this.#namespaces.add(name);
    } else {
      this.#namespaces.delete(name);
    }
    for (const group of this.#kinds.all) {
      if (!group.plan.namespaced) {
        continue;
      }
      if (exists) {
        group.follow({ namespace: name });
      } else {
        group.unfollow(name);
      }
    }
  }

  #planMaintenance(): void {
    const { clock } = this.#host;
    this.#maintainTimer = clock.setTimer(
      MAINTAIN_MS,
      () => {
        try {
          this.#options.store.maintain(clock.wallNow());
          this.#relistRefused();
        } catch (error) {
          this.#log.error({ detail: messageOf(error) }, "the store's housekeeping failed");
        }
        this.#planMaintenance();
      },
      true,
    );
  }

  /** Objects that a full store refused are asked for again when there is room. */
  #relistRefused(): void {
    for (const group of this.#kinds.all) {
      if (group.writer.needsRelist()) {
        group.refused = false;
        group.relist("the store has room again for objects that it refused");
      }
    }
  }

  #planAudit(): void {
    const every = this.#options.auditEveryMs ?? 600_000;
    if (every <= 0) {
      return;
    }
    const { clock, random } = this.#host;
    this.#auditTimer = clock.setTimer(
      spread(every, random),
      () => {
        void this.#auditAll().then(() => {
          if (this.#state === "running") {
            this.#planAudit();
          }
        });
      },
      true,
    );
  }

  async #auditAll(): Promise<void> {
    for (const group of this.#kinds.shown) {
      if (this.#state === "running" && group.synced) {
        await this.#audit(group);
      }
    }
  }

  async #audit(group: KindGroup): Promise<AuditResult> {
    const result = await auditKind(group, this.#host, this.#aborted.signal);
    const kind = group.plan.name;
    if (this.#state !== "running" || this.#kinds.get(kind) !== group) {
      return result;
    }
    if (result.outcome === "skipped") {
      this.#log.info({ kind, detail: result.reason }, "drift audit skipped");
      return result;
    }
    group.writer.status.add("audits", 1);
    if (result.outcome === "drift") {
      group.writer.status.add("drift", result.drift);
      this.#log.error({ kind, objects: result.drift }, "the store differed from the server and is loaded again");
      group.relist("the drift audit found a difference");
    }
    return result;
  }
}
