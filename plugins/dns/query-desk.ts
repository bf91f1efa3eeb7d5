import { MAY_ASK, MAY_RECURSE } from "./acl.ts";
import { clientOf, networkOf, unmapped } from "./address.ts";
import { RCODE } from "./codes.ts";
import { type Counters, SOURCE, ZONE } from "./counters.ts";
import { HEADER, questionEnd, questionType, udpLimit, writeReply } from "./packet.ts";

/** The answer comes later: ask `later`. */
export const LATER = -1;
/** Of the answers that are made at once, one in so many is timed. A power of two. */
const TIMED_EVERY = 64;
/** Of answers over a client's limit one in so many says "ask over TCP", so that who is no forger gets through. */
const SLIP_EVERY = 2;

/** Failures within the program are told once in so long, milliseconds. */
const TELL_PANIC_MS = 1000;

const ASK = -1;
const CHASE = -2;
const LARGEST = 65_535;
const TC = 0x02;

/** The zone, as the desk asks it: `Responder`. */
export interface ZoneAnswers {
  readonly length: number;
  readonly targetOffset: number;
  readonly rcode: number;
  readonly qtype: number;
  readonly zoneKind: number;
  readonly malformed: number;
  readonly dnssecOk: boolean;
  readonly truncated: boolean;
  respond(query: Uint8Array, length: number, out: Uint8Array, overTcp: boolean): number;
}

/** Where a question came from, for what answers later. */
export interface Asker {
  readonly address: string;
  readonly tcp: boolean;
  readonly maxBytes: number;
}

/** What answers names that the zone does not own. */
export interface OtherAnswers {
  alias(query: Uint8Array, length: number, out: Uint8Array, overTcp: boolean): number;
  cached(query: Uint8Array, length: number, out: Uint8Array, maxBytes: number): number;
  answer(query: Uint8Array, from: Asker): Promise<Uint8Array | undefined>;
  chase(reply: Uint8Array, target: Uint8Array, query: Uint8Array, from: Asker): Promise<Uint8Array>;
}

/** The hook `dns.query`, as the desk asks it. */
export interface HookAnswers {
  /** False: nobody has tapped it, or too many questions wait for it. */
  readonly isOpen: boolean;
  /** The whole answer, or undefined: nobody had one. Never rejects. */
  ask(query: Uint8Array, from: Asker): Promise<Uint8Array | undefined>;
}

/** Rate limits, as the desk asks them: `RateLimit`. */
export interface Rate {
  readonly isOn: boolean;
  over(client: string, nowMs: number): number;
}

/** What a desk works with. */
export interface DeskParts {
  readonly zone: ZoneAnswers;
  /** Undefined: there are no aliases and no upstreams. */
  readonly others: OtherAnswers | undefined;
  /** Names of others are asked of upstreams at all. */
  readonly forwards: boolean;
  readonly hook: HookAnswers;
  readonly acl: { of(address: string): number };
  readonly queries: Rate;
  readonly errors: Rate;
  readonly counters: Counters;
  readonly maxUdp: number;
  /** Told of what failed within the program, once a second at most. */
  readonly panicked: (error: unknown) => void;
  /** Told of each query that is answered, where queries are logged. */
  readonly log: ((query: Uint8Array, reply: Uint8Array, from: Asker, seconds: number) => void) | undefined;
}

/**
 * Answers questions, whatever socket they come from: who may ask, who knows, what is counted. One for each thread. What the
 * zone, the aliases or the cache know is answered at once and without an allocation.
 */
export class QueryDesk {
  #parts: DeskParts;
  #untilTimed = TIMED_EVERY;
  /** Of the last question that `answer` gave LATER for. */
  #fallback = 0;
  #isChase = false;
  #startedAt = 0;
  #toldPanicMs = Number.NEGATIVE_INFINITY;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /** Answers with other parts from now on; what comes later for earlier questions is answered with those of then. */
  use(parts: DeskParts): void {
    this.#parts = parts;
  }

  /** Length of the answer in `out`; 0: none is given; LATER. Never throws. */
  answer(query: Uint8Array, address: string, out: Uint8Array, overTcp: boolean): number {
    this.#untilTimed--;
    if (this.#untilTimed > 0 && this.#parts.log === undefined) {
      return this.#guarded(query, address, out, overTcp);
    }
    this.#untilTimed = this.#untilTimed <= 0 ? TIMED_EVERY : this.#untilTimed;
    const startedAt = performance.now();
    const length = this.#guarded(query, address, out, overTcp);
    this.#startedAt = startedAt;
    if (length > 0) {
      const seconds = (performance.now() - startedAt) / 1000;
      if (this.#untilTimed === TIMED_EVERY) {
        const { zone, counters } = this.#parts;
        counters.duration(zone.zoneKind === 0 ? ZONE.other : ZONE.own, seconds, TIMED_EVERY);
      }
      this.#parts.log?.(query, out.subarray(0, length), { address, tcp: overTcp, maxBytes: length }, seconds);
    }
    return length;
  }

  #guarded(query: Uint8Array, address: string, out: Uint8Array, overTcp: boolean): number {
    try {
      return this.#answer(query, address, out, overTcp);
    } catch (error) {
      this.#panicked(error);
      return this.#bare(query, out, RCODE.SERVFAIL, overTcp);
    }
  }

  #answer(query: Uint8Array, address: string, out: Uint8Array, overTcp: boolean): number {
    const { acl, queries, errors, others, zone } = this.#parts;
    const { length } = query;
    // Whoever sends answers, or nothing that could be one, gets none, whatever the rules say.
    if (length < HEADER || (query[2] & 0x80) !== 0) {
      this.#parts.counters.count("silent");
      return 0;
    }
    const rights = acl.of(address);
    if ((rights & MAY_ASK) === 0) {
      this.#parts.counters.count("aclRefused");
      return this.#bare(query, out, RCODE.REFUSED, overTcp);
    }
    if (queries.isOn && !overTcp) {
      const over = queries.over(clientOf(address), performance.now());
      if (over > 0) {
        return this.#limited(query, out, over);
      }
    }
    const aliased = others === undefined ? -1 : others.alias(query, length, out, overTcp);
    if (aliased >= 0) {
      this.#count(query, aliased, out, { address, overTcp, zone: ZONE.other, source: SOURCE.alias });
      return aliased;
    }
    const found = zone.respond(query, length, out, overTcp);
    if (found < 0) {
      return this.#elsewhere(query, address, out, { overTcp, rights, found });
    }
    if (found === 0) {
      this.#parts.counters.count("silent");
      return 0;
    }
    this.#countZone(found, address, length, overTcp);
    if (errors.isOn && !overTcp && (out[3] & 15) !== RCODE.NOERROR) {
      const over = errors.over(networkOf(address), performance.now());
      return over > 0 ? this.#limited(query, out, over) : found;
    }
    return found;
  }

  /** Not of the zone, or only its beginning: from the cache, later, or not at all. */
  #elsewhere(
    query: Uint8Array,
    address: string,
    out: Uint8Array,
    given: { readonly overTcp: boolean; readonly rights: number; readonly found: number },
  ): number {
    const { zone, others, forwards, hook, counters, maxUdp } = this.#parts;
    const { overTcp, rights, found } = given;
    const { length } = query;
    const mayRecurse = (rights & MAY_RECURSE) !== 0;
    const isChase = found === CHASE;
    const isHooked = !isChase && hook.isOpen;
    if (!isHooked && !(forwards && mayRecurse)) {
      if (forwards && !isChase) {
        counters.count("recursionRefused");
        return zone.zoneKind === 0
          ? this.#bare(query, out, RCODE.REFUSED, overTcp)
          : this.#own(query, address, overTcp);
      }
      return this.#own(query, address, overTcp);
    }
    if (found === ASK && !isHooked && others !== undefined) {
      const limit = overTcp ? LARGEST : udpLimit(query, length, maxUdp);
      const cached = others.cached(query, length, out, limit);
      if (cached > 0) {
        this.#count(query, cached, out, { address, overTcp, zone: ZONE.other, source: SOURCE.cache });
        return cached;
      }
    }
    this.#fallback = zone.length;
    this.#isChase = isChase;
    this.#startedAt = performance.now();
    return LATER;
  }

  /** The zone's own last word, which is in `out`. */
  #own(query: Uint8Array, address: string, overTcp: boolean): number {
    const { zone } = this.#parts;
    this.#countZone(zone.length, address, query.length, overTcp);
    return zone.length;
  }

  /**
   * The answer to the question that `answer` has just given LATER for; must be called before the next one is asked. `out` is
   * as `answer` left it. Undefined: none is given. Never rejects.
   */
  async later(query: Uint8Array, address: string, out: Uint8Array, overTcp: boolean): Promise<Uint8Array | undefined> {
    const { zone, counters, maxUdp, acl, others, hook, forwards, log } = this.#parts;
    const startedAt = this.#startedAt;
    const isChase = this.#isChase;
    const own = out.slice(0, this.#fallback);
    const target = isChase ? out.slice(zone.targetOffset, nameEnd(out, zone.targetOffset)) : undefined;
    const zoneOf = zone.zoneKind === 0 ? ZONE.other : ZONE.own;
    const maxBytes = overTcp ? LARGEST : udpLimit(query, query.length, maxUdp);
    const from: Asker = { address: unmapped(address), tcp: overTcp, maxBytes };
    const mayRecurse = (acl.of(address) & MAY_RECURSE) !== 0;
    let reply: Uint8Array | undefined;
    let source: number = SOURCE.forward;
    try {
      if (target !== undefined) {
        reply = await others?.chase(own, target, query, from);
      } else {
        reply = await hook.ask(query, from);
        source = reply === undefined ? SOURCE.forward : SOURCE.hook;
        if (reply === undefined && forwards && mayRecurse) {
          reply = await others?.answer(query, from);
          if (reply === undefined) {
            counters.count("silent");
            return undefined;
          }
        }
      }
    } catch (error) {
      this.#panicked(error);
      const failed = new Uint8Array(maxBytes);
      reply = failed.subarray(0, this.#write(query, failed, RCODE.SERVFAIL));
      source = SOURCE.server;
    }
    if (reply === undefined) {
      reply = own;
      source = zoneOf === ZONE.own ? SOURCE.zone : SOURCE.server;
    }
    this.#count(query, reply.length, reply, { address, overTcp, zone: zoneOf, source });
    const seconds = (performance.now() - startedAt) / 1000;
    counters.duration(zoneOf, seconds, 1);
    log?.(query, reply, from, seconds);
    return reply;
  }

  #panicked(error: unknown): void {
    this.#parts.counters.count("panics");
    const nowMs = performance.now();
    if (nowMs - this.#toldPanicMs > TELL_PANIC_MS) {
      this.#toldPanicMs = nowMs;
      this.#parts.panicked(error);
    }
  }

  #limited(query: Uint8Array, out: Uint8Array, over: number): number {
    const { counters } = this.#parts;
    counters.count("rateLimited");
    if (over % SLIP_EVERY !== 0) {
      return 0;
    }
    return writeReply(query, query.length, out, {
      rcode: RCODE.NOERROR,
      truncated: true,
      recursionAvailable: this.#parts.forwards,
      maxUdp: this.#parts.maxUdp,
    });
  }

  #write(query: Uint8Array, out: Uint8Array, rcode: number): number {
    const { forwards, maxUdp } = this.#parts;
    return writeReply(query, query.length, out, { rcode, recursionAvailable: forwards, maxUdp });
  }

  #bare(query: Uint8Array, out: Uint8Array, rcode: number, overTcp: boolean): number {
    const { counters } = this.#parts;
    const length = this.#write(query, out, rcode);
    counters.request(questionType(query, query.length), ZONE.dropped, overTcp, false, query.length);
    counters.response(rcode, ZONE.dropped, SOURCE.server, overTcp, length);
    return length;
  }

  #countZone(length: number, address: string, queryLength: number, overTcp: boolean): void {
    const { zone, counters } = this.#parts;
    if (zone.malformed !== 0) {
      counters.count("malformed");
    }
    const of = zone.zoneKind === 0 ? ZONE.other : zone.zoneKind === 3 ? ZONE.dropped : ZONE.own;
    counters.request(zone.qtype, of, overTcp, isV6(address), queryLength);
    counters.response(zone.rcode, of, of === ZONE.own ? SOURCE.zone : SOURCE.server, overTcp, length);
    if (zone.dnssecOk) {
      counters.dnssecOk(of);
    }
    if (zone.truncated) {
      counters.count("truncated");
    }
  }

  #count(
    query: Uint8Array,
    length: number,
    reply: Uint8Array,
    { address, overTcp, zone, source }: { address: string; overTcp: boolean; zone: number; source: number },
  ): void {
    const { counters } = this.#parts;
    counters.request(questionType(query, query.length), zone, overTcp, isV6(address), query.length);
    counters.response(reply[3] & 15, zone, source, overTcp, length);
    if ((reply[2] & TC) !== 0) {
      counters.count("truncated");
    }
    const end = questionEnd(query, query.length);
    if (query[11] === 1 && end > 0 && end + 8 <= query.length && (query[end + 7] & 0x80) !== 0) {
      counters.dnssecOk(zone);
    }
  }
}

function isV6(address: string): boolean {
  return address.includes(":") && !address.startsWith("::ffff:");
}

function nameEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== 0) {
    at += bytes[at] + 1;
  }
  return at + 1;
}
