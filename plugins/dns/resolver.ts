import { Aliases } from "./alias-source.ts";
import { RCODE } from "./codes.ts";
import { isProbe, probeAnswer } from "./forward-loop.ts";
import { ForwardRoutes, type ResolverLog, type RouteSite, type UpstreamState } from "./forward-routes.ts";
import { emptyAnswer, type PackedAnswer, type Serving, serveAnswer } from "./resolve-answer.ts";
import { chased } from "./resolve-chase.ts";
import { machineClock, type ResolveClock } from "./resolve-clock.ts";
import { type Found, Lookup } from "./resolve-lookup.ts";
import { CLASS_IN, Question, TYPE } from "./resolve-question.ts";
import { newStats, type ResolverStats } from "./resolve-stats.ts";
import type { AliasOptions, CacheOptions, DnsSettings, ForwardRoute, LimitOptions } from "./settings.ts";
import type { UpstreamQuestion } from "./upstream-packet.ts";
import { RandomSource } from "./upstream-random.ts";

/** Who asks. */
export interface AskedFrom {
  /** Address of the client: its limit counts. */
  readonly address: string;
  readonly tcp: boolean;
  /** Bytes that the reply may have. */
  readonly maxBytes: number;
}

/** The part of the options that counts here. */
export interface ResolverOptions {
  readonly maxUdp: DnsSettings["maxUdp"];
  readonly aliases: AliasOptions;
  readonly forward: readonly ForwardRoute[];
  readonly cache: CacheOptions;
  readonly limits: Pick<LimitOptions, "forwards" | "forwardsPerClient" | "cnames">;
}

/** What a resolver needs. */
export interface ResolverStart {
  readonly options: ResolverOptions;
  readonly log: ResolverLog;
  /** Where the server listens, "ip:port", "[ipv6]:port". Default: nowhere. */
  readonly ownAddresses?: () => readonly string[];
  /** 16 hex digits, the same in all threads that listen on one port: so they know each other's probes for loops. Default: random. */
  readonly loopToken?: string;
  /** Default: the machine's. */
  readonly clock?: ResolveClock;
}

/** Answers what the cluster's zone does not own. One per thread. */
export interface Resolver {
  /** Live. */
  readonly stats: ResolverStats;
  /**
   * Length of an alias' reply in `out`, or -1: there is none, or the packet is not an ordinary question; -1 costs no allocation.
   */
  alias(query: Uint8Array, length: number, out: Uint8Array, overTcp: boolean): number;
  /** Length of a reply from the cache in `out`, or -1: `answer` has to be asked. */
  cached(query: Uint8Array, length: number, out: Uint8Array, maxBytes: number): number;
  /** The whole reply; undefined: the packet is not an ordinary question and gets none. Never rejects. The query may be reused after the call. */
  answer(query: Uint8Array, from: AskedFrom): Promise<Uint8Array | undefined>;
  /**
   * The reply with the answer for the end of its CNAME chain: `target`, a name on the wire. Without upstreams for it: the
   * reply as it is. SERVFAIL when they fail. Never rejects. All that is passed may be reused after the call.
   */
  chase(reply: Uint8Array, target: Uint8Array, query: Uint8Array, from: AskedFrom): Promise<Uint8Array>;
  /** Takes over other options without losing what is under way. */
  reload(options: ResolverOptions): void;
  upstreams(): UpstreamState[];
  close(): Promise<void>;
}

/** Reads the files that the options name, and probes the upstreams for loops. Nothing else is opened before it is needed. */
export function createResolver(start: ResolverStart): Resolver {
  return new ForwardingResolver(start);
}

/** The size that upstreams may answer with over UDP: what is larger may be lost on its way. */
const UPSTREAM_UDP_BYTES = 1_232;
const LEAST_UDP_BYTES = 512;
const MOST_TCP_BYTES = 65_535;
const MOST_CNAMES = 11;
/** TKEY, TSIG, IXFR, AXFR, MAILB and MAILA. */
const FIRST_META_TYPE = 249;
/** Questions that are under way when routes change still use the old ones. */
const DRAIN_MS = 5_000;
const TELL_MS = 1_000;

class ForwardingResolver implements Resolver {
  readonly stats = newStats();
  readonly #site: Omit<RouteSite, "maxCnames">;
  readonly #question = new Question();
  readonly #lookup: Lookup;
  readonly #draining = new Set<() => void>();
  #options: ResolverOptions;
  #aliases: Aliases;
  #routes: ForwardRoutes;
  /** Used for every reply, so that none needs an object of its own. */
  readonly #serving = { limit: 0, ttl: undefined, turn: 0, udpSize: 0, authoritative: false, recursion: false } as {
    // A mutable copy of what is read-only for everybody else.
    -readonly [Key in keyof Serving]: Serving[Key];
  };
  #isClosed = false;
  #turn = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor({ options, log, ownAddresses = () => [], loopToken, clock = machineClock }: ResolverStart) {
    const random = new RandomSource();
    this.#site = {
      clock,
      random,
      stats: this.stats,
      failed: (error) => this.#failed(error),
      log,
      ownAddresses,
      loopToken: loopToken ?? random.hex(16),
      udpSize: UPSTREAM_UDP_BYTES,
    };
    this.#options = options;
    this.#aliases = new Aliases(options.aliases, this.#site);
    this.#routes = this.#openRoutes();
    this.#lookup = new Lookup(this.#routes, options, this.#site);
  }

  alias(query: Uint8Array, length: number, out: Uint8Array, overTcp: boolean): number {
    const { table } = this.#aliases;
    const question = this.#question;
    if (table.size === 0 || !question.read(query, length) || question.klass !== CLASS_IN) {
      return -1;
    }
    const found = table.find(question.lower, question.lowerLength, question.type);
    if (
      found === undefined ||
      (found === "no such type" && this.#options.aliases.fallthrough) ||
      isNotForwarded(question.type)
    ) {
      return -1;
    }
    this.stats.aliasHits++;
    const packed = found === "no such type" ? table.nodata : found;
    const limit = this.#limitOf(question, overTcp);
    return this.#serve(packed, question, out, { limit, authoritative: true, ttl: undefined });
  }

  cached(query: Uint8Array, length: number, out: Uint8Array, maxBytes: number): number {
    const question = this.#question;
    if (this.#routes.isEmpty || !question.read(query, length) || question.klass !== CLASS_IN) {
      return -1;
    }
    const key = question.key();
    const entry = this.#lookup.fresh(key);
    if (entry === undefined) {
      return -1;
    }
    if (this.#lookup.isDue(entry, key)) {
      this.#lookup.renew(key, askedOf(question));
    }
    const ttl = this.#lookup.ttlOf(entry);
    return this.#serve(entry.packed, question, out, { limit: maxBytes, authoritative: false, ttl });
  }

  async answer(query: Uint8Array, from: AskedFrom): Promise<Uint8Array | undefined> {
    const question = new Question();
    if (!question.read(new Uint8Array(query), query.length)) {
      return undefined;
    }
    const found = await this.#find(question, from.address);
    return this.#reply(found, question, { limit: from.maxBytes, authoritative: false });
  }

  async chase(reply: Uint8Array, target: Uint8Array, query: Uint8Array, from: AskedFrom): Promise<Uint8Array> {
    const begun = new Uint8Array(reply);
    const question = new Question();
    if (!question.read(new Uint8Array(query), query.length)) {
      return begun;
    }
    const next = new Question();
    // The same question, but for the target.
    const forTarget = questionFor(target, question);
    if (!next.read(forTarget, forTarget.length)) {
      return begun;
    }
    this.stats.chased++;
    const found = await this.#findTarget(next, from.address);
    if (found === undefined) {
      return begun;
    }
    const packed = chased(begun, question, next.name(), { ...found, maxCnames: this.#maxCnames });
    return this.#reply({ packed, ttl: undefined }, question, {
      limit: from.maxBytes,
      authoritative: (begun[2] & 0x04) !== 0,
    });
  }

  reload(options: ResolverOptions): void {
    const before = this.#options;
    this.#options = options;
    if (!isSame(before.aliases, options.aliases)) {
      const old = this.#aliases;
      this.#aliases = new Aliases(options.aliases, this.#site);
      old.close();
    }
    if (!isSame(before.forward, options.forward) || before.limits.cnames !== options.limits.cnames) {
      this.#drain(this.#routes);
      this.#routes = this.#openRoutes();
    }
    this.#lookup.reload(this.#routes, options);
  }

  upstreams(): UpstreamState[] {
    return this.#routes.upstreams();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#aliases.close();
    this.#routes.close();
    for (const end of this.#draining) {
      end();
    }
  }

  async #find(
    question: Question,
    client: string,
  ): Promise<Pick<Found, "packed"> & { readonly ttl: number | undefined }> {
    const name = question.name();
    if (isProbe(name, question.type, this.#site.loopToken)) {
      return { packed: probeAnswer(name), ttl: 0 };
    }
    const isRefused = question.klass !== CLASS_IN || isNotForwarded(question.type) || !this.#routes.has(name);
    if (this.#isClosed || isRefused) {
      return { packed: emptyAnswer(isRefused ? RCODE.REFUSED : RCODE.SERVFAIL), ttl: 0 };
    }
    try {
      return await this.#lookup.find(question.key(), askedOf(question), client);
    } catch (error) {
      this.#failed(error);
      return { packed: emptyAnswer(RCODE.SERVFAIL), ttl: 0 };
    }
  }

  /** A mistake of ours must not cost more than one answer; told once a second. */
  #failed(error: unknown): void {
    this.stats.panics++;
    const now = this.#site.clock.now();
    if (now - this.#toldMs >= TELL_MS) {
      this.#toldMs = now;
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#site.log.warn({ reason }, "a name could not be resolved");
    }
  }

  /** Undefined: there is nobody to ask for the name. */
  async #findTarget(
    question: Question,
    client: string,
  ): Promise<(Pick<Found, "packed"> & { readonly ttl: number | undefined }) | undefined> {
    const { table } = this.#aliases;
    const alias = table.size === 0 ? undefined : table.find(question.lower, question.lowerLength, question.type);
    if (alias !== undefined) {
      return { packed: alias === "no such type" ? table.nodata : alias, ttl: undefined };
    }
    return this.#routes.has(question.name()) ? this.#find(question, client) : undefined;
  }

  #reply(
    found: { readonly packed: PackedAnswer; readonly ttl: number | undefined },
    question: Question,
    how: { readonly limit: number; readonly authoritative: boolean },
  ): Uint8Array {
    const longest = question.nameEnd + 4 + found.packed.bytes.length + 11;
    const out = Buffer.allocUnsafe(Math.min(longest, how.limit));
    const length = this.#serve(found.packed, question, out, { ...how, ttl: found.ttl });
    return out.subarray(0, length);
  }

  #serve(
    packed: PackedAnswer,
    question: Question,
    out: Uint8Array,
    how: Pick<Serving, "limit" | "authoritative" | "ttl">,
  ): number {
    const serving = this.#serving;
    serving.limit = how.limit;
    serving.ttl = how.ttl;
    serving.authoritative = how.authoritative;
    serving.udpSize = this.#options.maxUdp;
    serving.recursion = !this.#routes.isEmpty;
    this.#turn = (Math.imul(this.#turn, 1_664_525) + 1_013_904_223) >>> 0;
    // The lower bits of such a sequence repeat soon.
    serving.turn = this.#turn >>> 8;
    return serveAnswer(packed, question, out, serving);
  }

  #limitOf(question: Question, overTcp: boolean): number {
    if (overTcp) {
      return MOST_TCP_BYTES;
    }
    return Math.min(Math.max(question.udpSize, LEAST_UDP_BYTES), Math.max(this.#options.maxUdp, LEAST_UDP_BYTES));
  }

  get #maxCnames(): number {
    return this.#options.limits.cnames ?? MOST_CNAMES;
  }

  #openRoutes(): ForwardRoutes {
    return new ForwardRoutes(this.#options.forward, { ...this.#site, maxCnames: this.#maxCnames });
  }

  #drain(routes: ForwardRoutes): void {
    const end = (): void => {
      timer.clear();
      this.#draining.delete(end);
      routes.close();
    };
    const timer = this.#site.clock.setTimer(DRAIN_MS, end);
    this.#draining.add(end);
  }
}

function askedOf(question: Question): UpstreamQuestion {
  const { type, dnssec, checkingDisabled } = question;
  return { name: question.name(), type, dnssec, checkingDisabled };
}

/** A packet like the question's, about another name. */
function questionFor(target: Uint8Array, question: Question): Uint8Array {
  const rest = question.bytes.subarray(question.nameEnd, question.length);
  const packet = new Uint8Array(12 + target.length + rest.length);
  packet.set(question.bytes.subarray(0, 12));
  packet.set(target, 12);
  packet.set(rest, 12 + target.length);
  return packet;
}

/** Types that are no types of data: none, OPT, keys and transfers; ANY is one. */
function isNotForwarded(type: number): boolean {
  return type === 0 || type === TYPE.OPT || (type >= FIRST_META_TYPE && type < TYPE.ANY);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
