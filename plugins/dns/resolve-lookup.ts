import { AnswerCache, type CacheEntry } from "./cache.ts";
import { type CacheRules, cacheRules, isDueForRenewal, keepFor } from "./cache-rules.ts";
import { RCODE } from "./codes.ts";
import type { ForwardRoutes } from "./forward-routes.ts";
import { emptyAnswer, type PackedAnswer, packAnswer } from "./resolve-answer.ts";
import { isPrivateAddress } from "./resolve-private.ts";
import type { Verdict } from "./resolve-verdict.ts";
import type { CacheOptions } from "./settings.ts";
import type { ResolverParts } from "./upstream.ts";
import type { UpstreamQuestion } from "./upstream-packet.ts";

/** An answer and how it is served. */
export interface Found {
  readonly packed: PackedAnswer;
  /** Seconds for all records. */
  readonly ttl: number;
  /** It came from the clock of failures: no upstream answered, or limits were reached. */
  readonly isFailure: boolean;
}

/** Most that may be under way. */
export interface LookupLimits {
  readonly forwards: number;
  readonly forwardsPerClient: number;
}

const SERVFAIL: Found = { packed: emptyAnswer(RCODE.SERVFAIL), ttl: 0, isFailure: true };
const REFUSED: Found = { packed: emptyAnswer(RCODE.REFUSED), ttl: 0, isFailure: true };

/** Answers from the cache, and asks upstreams for what is not there: the same question once, whoever asks it meanwhile. */
export class Lookup {
  readonly #parts: ResolverParts;
  readonly #cache: AnswerCache;
  readonly #flights = new Map<string, Promise<Found>>();
  readonly #waitingOf = new Map<string, number>();
  #rules: CacheRules;
  #limits: LookupLimits;
  #routes: ForwardRoutes;
  /** Answers of upstreams that are not asked any more are not kept. */
  #generation = 0;

  constructor(
    routes: ForwardRoutes,
    options: { readonly cache: CacheOptions; readonly limits: LookupLimits },
    parts: ResolverParts,
  ) {
    this.#parts = parts;
    this.#routes = routes;
    this.#rules = cacheRules(options.cache);
    this.#limits = options.limits;
    this.#cache = new AnswerCache(options.cache);
  }

  /** New options; other routes empty the cache. */
  reload(routes: ForwardRoutes, options: { readonly cache: CacheOptions; readonly limits: LookupLimits }): void {
    this.#rules = cacheRules(options.cache);
    this.#limits = options.limits;
    this.#cache.limit(options.cache);
    if (routes !== this.#routes) {
      this.#routes = routes;
      this.#generation++;
      this.#flights.clear();
      this.#cache.clear();
    }
    this.#count();
  }

  /** The entry that answers now, counted as a hit; undefined: upstreams have to be asked. */
  fresh(key: string): CacheEntry | undefined {
    const entry = this.#cache.get(key);
    if (entry === undefined || this.#parts.clock.now() - entry.storedMs >= entry.ttl * 1000) {
      return undefined;
    }
    entry.hits++;
    entry.isUsed = true;
    this.#parts.stats.cacheHits++;
    return entry;
  }

  /** Seconds that are left of an entry that is fresh. */
  ttlOf(entry: CacheEntry): number {
    if (this.#rules.keepTtl) {
      return entry.ttl;
    }
    return Math.ceil(entry.ttl - (this.#parts.clock.now() - entry.storedMs) / 1000);
  }

  /** Whether the entry should be renewed now: it is near its end and asked for often. */
  isDue(entry: CacheEntry, key: string): boolean {
    const now = this.#parts.clock.now();
    const isWanted = isDueForRenewal(entry, now, this.#rules) && now >= entry.retryMs;
    return isWanted && !this.#flights.has(key) && this.#flights.size < this.#limits.forwards;
  }

  /** Asks upstreams for what is still in the cache. */
  renew(key: string, question: UpstreamQuestion): void {
    this.#parts.stats.cachePrefetches++;
    void this.#fly(key, question);
  }

  /** The answer, from the cache or from upstreams. Never rejects. `client`: whose limit counts. */
  async find(key: string, question: UpstreamQuestion, client: string): Promise<Found> {
    const { clock, stats } = this.#parts;
    const entry = this.fresh(key);
    if (entry !== undefined) {
      if (this.isDue(entry, key)) {
        this.renew(key, question);
      }
      return { packed: entry.packed, ttl: this.ttlOf(entry), isFailure: entry.kind === "failure" };
    }
    const stale = this.#stale(key);
    stats.cacheMisses++;
    if (stale !== undefined && clock.now() < stale.retryMs) {
      return this.#serveStale(stale);
    }
    const refusal = this.#refusal(client);
    if (refusal !== undefined) {
      return stale === undefined ? refusal : this.#serveStale(stale);
    }
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      stats.coalesced++;
    }
    const coming = flight ?? this.#fly(key, question);
    if (stale !== undefined && this.#rules.staleAfterMs === 0) {
      return this.#serveStale(stale);
    }
    this.#wait(client, 1);
    try {
      const found = await (stale === undefined ? coming : this.#within(coming, this.#rules.staleAfterMs));
      return stale !== undefined && (found === undefined || found.isFailure)
        ? this.#serveStale(stale)
        : (found ?? SERVFAIL);
    } finally {
      this.#wait(client, -1);
    }
  }

  /** Undefined: it takes longer. */
  #within(coming: Promise<Found>, ms: number): Promise<Found | undefined> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.setTimer(ms, () => resolve(undefined));
      void coming.then((found) => {
        timer.clear();
        resolve(found);
      });
    });
  }

  #stale(key: string): CacheEntry | undefined {
    const entry = this.#cache.get(key);
    // Only answers that say yes: a "no" that lives on would hide a name that is new.
    return entry?.kind === "positive" && this.#parts.clock.now() < entry.staleUntilMs ? entry : undefined;
  }

  #serveStale(entry: CacheEntry): Found {
    this.#parts.stats.cacheStale++;
    entry.isUsed = true;
    return { packed: entry.packed, ttl: this.#rules.staleTtl, isFailure: false };
  }

  #refusal(client: string): Found | undefined {
    const { stats } = this.#parts;
    // Renewals have no client that waits.
    if (Math.max(stats.forwardWaiting, this.#flights.size) >= this.#limits.forwards) {
      stats.refusedTotal++;
      return REFUSED;
    }
    if ((this.#waitingOf.get(client) ?? 0) >= this.#limits.forwardsPerClient) {
      stats.refusedClient++;
      return SERVFAIL;
    }
    return undefined;
  }

  #wait(client: string, by: 1 | -1): void {
    this.#parts.stats.forwardWaiting += by;
    const count = (this.#waitingOf.get(client) ?? 0) + by;
    if (count === 0) {
      this.#waitingOf.delete(client);
    } else {
      this.#waitingOf.set(client, count);
    }
  }

  #fly(key: string, question: UpstreamQuestion): Promise<Found> {
    const generation = this.#generation;
    this.#parts.stats.forwarded++;
    const flight = this.#ask(key, question, generation).finally(() => {
      if (this.#flights.get(key) === flight) {
        this.#flights.delete(key);
      }
      this.#count();
    });
    this.#flights.set(key, flight);
    this.#count();
    return flight;
  }

  async #ask(key: string, question: UpstreamQuestion, generation: number): Promise<Found> {
    const { clock, stats } = this.#parts;
    const routes = this.#routes;
    const raw = await routes.ask(question);
    const verdict = raw === undefined || routes.mayBePrivate(question.name) ? raw : this.#withoutPrivate(raw);
    const isFailure = verdict === undefined || verdict.kind === "failure";
    if (verdict === undefined) {
      stats.forwardErrors++;
    }
    const packed = pack(verdict, question);
    const { ttl, isKept } = keepFor(verdict, question.name, this.#rules);
    const before = this.#stale(key);
    const now = clock.now();
    if (generation !== this.#generation) {
      return { packed, ttl, isFailure };
    }
    if (isFailure && before !== undefined) {
      before.retryMs = now + this.#rules.recheck * 1000;
    } else if (isKept) {
      const kind = isFailure || verdict.kind === "passing" ? "failure" : verdict.kind;
      const staleUntilMs = now + (ttl + this.#rules.stale) * 1000;
      this.#cache.set(key, { packed, kind, storedMs: now, ttl, staleUntilMs, hits: 0, retryMs: 0, isUsed: false });
    } else {
      // What was there is over, or does not hold any more.
      this.#cache.delete(key);
    }
    return { packed, ttl, isFailure };
  }

  /** An answer of a public server that leads into private networks is an attack on whoever asks (DNS rebinding). */
  #withoutPrivate(verdict: Verdict): Verdict {
    const answers = verdict.answers.filter((record) => !isPrivateAddress(record));
    if (answers.length === verdict.answers.length) {
      return verdict;
    }
    this.#parts.stats.rebindingsRemoved++;
    return { ...verdict, kind: "passing", answers, additional: [] };
  }

  #count(): void {
    const { stats } = this.#parts;
    stats.forwardInFlight = this.#flights.size;
    stats.cacheEntries = this.#cache.size;
    stats.cacheBytes = this.#cache.bytes;
    stats.cacheEvictions = this.#cache.evictions;
  }
}

function pack(verdict: Verdict | undefined, question: UpstreamQuestion): PackedAnswer {
  if (verdict === undefined || verdict.kind === "failure") {
    return emptyAnswer(verdict?.rcode ?? RCODE.SERVFAIL);
  }
  return packAnswer(question.name, question.type, verdict);
}
