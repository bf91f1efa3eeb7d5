import type { RowPlan } from "../../core/kinds/plan.ts";
import type { ClusterAccess } from "../../core/kube/access.ts";
import { connect, type HttpTransport } from "../../core/kube/http-transport.ts";
import type { Exchange, HttpRequest, ResponseSink, Transport } from "../../core/kube/transport.ts";
import { ROW_HEADER } from "../../core/store/row.ts";
import type { ApiServer } from "../../core/testing/api-server.ts";
import { type Clock, realClock } from "../../core/watch/clock.ts";
import { createEngine, type Engine, type EngineOptions } from "../../core/watch/engine.ts";
import { WATCH_LIMITS, type WatchLimits } from "../../core/watch/limits.ts";
import { MemoryStore } from "../../core/watch/memory-store.test-support.ts";
import type { WatchMemory } from "../../core/watch/watch-memory.ts";

/** Time runs so many times faster for the engine than in production: 30 s of backoff are 0.75 s. */
export const HASTE = 40;

/** The production limits at the pace of the tests. */
export const HASTY_LIMITS: WatchLimits = {
  ...WATCH_LIMITS,
  backoffMinMs: WATCH_LIMITS.backoffMinMs / HASTE,
  backoffMaxMs: WATCH_LIMITS.backoffMaxMs / HASTE,
  healthyAfterMs: WATCH_LIMITS.healthyAfterMs / HASTE,
  retryAfterCapMs: WATCH_LIMITS.retryAfterCapMs / HASTE,
  headMs: WATCH_LIMITS.headMs / HASTE,
  watchIdleMs: WATCH_LIMITS.watchIdleMs / HASTE,
  watchIdleMaxMs: WATCH_LIMITS.watchIdleMaxMs / HASTE,
  listIdleMs: WATCH_LIMITS.listIdleMs / HASTE,
  streamMs: WATCH_LIMITS.streamMs / HASTE,
  pageMs: WATCH_LIMITS.pageMs / HASTE,
  watchFloorMs: WATCH_LIMITS.watchFloorMs / HASTE,
  confirmMs: WATCH_LIMITS.confirmMs / HASTE,
  forbiddenRetryMs: WATCH_LIMITS.forbiddenRetryMs / HASTE,
  notServedRetryMs: WATCH_LIMITS.notServedRetryMs / HASTE,
  // A busy machine is late by a few ms whatever the pace.
  lateMs: 500,
};

/** How the two ends talk. */
export type Protocol = "http/1.1" | "h2";

/** A plan that keeps only identities and versions: enough to tell whether a store equals its server. */
export function identityPlan(kind: string, plural: string, options: Partial<RowPlan> = {}): RowPlan {
  return {
    name: plural,
    apiVersion: "v1",
    kind,
    plural,
    namespaced: true,
    builtIn: true,
    keep: "fields",
    cells: [],
    fixedWords: ROW_HEADER,
    indexes: [],
    ...options,
  };
}

/** One request as the client made it. */
export interface SeenRequest {
  readonly path: string;
  readonly kind: "list" | "page" | "watch" | "stream" | "probe";
  readonly atMs: number;
}

/** What a request is for, by its path. */
export function kindOf(path: string): SeenRequest["kind"] {
  const query = new URL(path, "http://x").searchParams;
  if (query.get("watch") === "1") {
    return query.has("sendInitialEvents") ? "stream" : "watch";
  }
  if (query.has("continue")) {
    return "page";
  }
  return query.get("limit") === "1" ? "probe" : "list";
}

/** A transport that remembers what it was asked for. */
class CountingTransport implements Transport {
  readonly requests: SeenRequest[] = [];
  readonly #inner: HttpTransport;

  constructor(inner: HttpTransport) {
    this.#inner = inner;
  }

  open(request: HttpRequest, sink: ResponseSink): Exchange {
    this.requests.push({ path: request.path, kind: kindOf(request.path), atMs: performance.now() });
    return this.#inner.open(request, sink);
  }

  reset(reason: string): void {
    this.#inner.reset(reason);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** What a case can be given beside the server. */
export interface WorldOptions {
  readonly plans?: readonly RowPlan[];
  readonly scope?: EngineOptions["scope"];
  readonly limits?: Partial<WatchLimits>;
  readonly protocol: Protocol;
  readonly access: ClusterAccess;
  readonly memory?: WatchMemory;
}

/** An engine that follows a server over real sockets, and what can be asked of it. */
export class FaultWorld {
  readonly engine: Engine;
  readonly store = new MemoryStore();
  readonly transport: CountingTransport;
  readonly reports: string[] = [];
  /** Added to the time of day. */
  wallJumpMs = 0;
  #marked = 0;

  constructor(options: WorldOptions) {
    this.transport = new CountingTransport(
      connect(options.access, {
        protocols: [options.protocol],
        connectTimeoutMs: 2_000,
        pingAfterMs: 30_000 / HASTE,
        pingTimeoutMs: 15_000 / HASTE,
      }),
    );
    const clock: Clock = { ...realClock, wallNow: () => Date.now() + this.wallJumpMs };
    const log = (fields: object): void => {
      this.reports.push(JSON.stringify(fields));
    };
    this.engine = createEngine({
      transport: this.transport,
      store: this.store,
      plans: options.plans ?? [identityPlan("Pod", "pods")],
      scope: options.scope,
      limits: { ...HASTY_LIMITS, ...options.limits },
      clock,
      memory: options.memory,
      auditEveryMs: 0,
      log: { debug: log, info: log, warn: log, error: log },
    });
  }

  /** Requests since the last mark, of the given kinds or all. */
  requests(...kinds: SeenRequest["kind"][]): SeenRequest[] {
    const since = this.transport.requests.slice(this.#marked);
    return kinds.length === 0 ? since : since.filter((request) => kinds.includes(request.kind));
  }

  /** Counts requests from here. */
  mark(): void {
    this.#marked = this.transport.requests.length;
  }

  objects(plural = "pods"): ReadonlyMap<string, string> {
    return this.store.kind(plural).objects;
  }

  count(counter: Parameters<ReturnType<MemoryStore["kind"]>["count"]>[0], plural = "pods"): number {
    return this.store.kind(plural).count(counter);
  }

  async stop(): Promise<void> {
    this.engine.stop();
    await this.transport.close();
  }
}

/** What the server holds: "namespace/name" and version. */
export function serverObjects(server: ApiServer, apiVersion: string, kind: string): Map<string, string> {
  return new Map(
    server.objects
      .list(apiVersion, kind)
      .map(({ metadata }) => [`${metadata.namespace ?? ""}/${metadata.name}`, String(metadata.resourceVersion)]),
  );
}

/** True when both hold the same objects in the same versions. */
export function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, version]) => b.get(key) === version);
}

/** Resolves when it holds; looks every few milliseconds, since it is about what arrives over sockets. Throws after `limitMs`. */
export async function until(what: string, holds: () => boolean, limitMs = 8_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > end) {
      throw new Error(`not within ${limitMs} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Lets time pass: for what must not happen in it. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
