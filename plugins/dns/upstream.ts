import type { ResolveClock, ResolveTimer } from "./resolve-clock.ts";
import { RCODE, TYPE } from "./resolve-question.ts";
import { type Message, readMessage } from "./resolve-records.ts";
import { countUpstreamMs, type ResolverStats } from "./resolve-stats.ts";
import { type UpstreamAddress, upstreamText } from "./upstream-address.ts";
import { matchReply, restoreCase, type UpstreamQuestion, writeQuery } from "./upstream-packet.ts";
import type { RandomSource } from "./upstream-random.ts";
import { TcpLines } from "./upstream-tcp.ts";
import { type Ticket, UdpLines } from "./upstream-udp.ts";

/** How an upstream is used. */
export interface UpstreamRules {
  /** Always over TCP. */
  readonly tcp: boolean;
  /** Longest wait for one reply, milliseconds. */
  readonly timeoutMs: number;
  /** So many failures in a row make it down; 0: never. */
  readonly maxFails: number;
  readonly randomCase: boolean;
  /** Name of probes, on the wire, lower case. */
  readonly healthName: string;
  /** The size that our OPT names. */
  readonly udpSize: number;
}

/** What the parts of a resolver share. */
export interface ResolverParts {
  readonly clock: ResolveClock;
  readonly random: RandomSource;
  readonly stats: ResolverStats;
}

/** How a question to one upstream ended. */
export type UpstreamOutcome =
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "error"; readonly error: Error };

const FIRST_TIMEOUT_MS = 1_000;
const LEAST_TIMEOUT_MS = 200;
const LEAST_HEDGE_MS = 50;
const FIRST_PROBE_MS = 500;
const MOST_PROBE_MS = 5_000;
const PROBE_TIMEOUT_MS = 2_000;
/** So long an upstream that refused EDNS, or does not keep the case, is asked without it. */
const PLAIN_MS = 600_000;

/** One server that is asked: its sockets, how fast it is and whether it is well. */
export class Upstream {
  readonly address: UpstreamAddress;
  readonly text: string;
  /** What is asked of it comes back to us. */
  isLooping = false;
  readonly #rules: UpstreamRules;
  readonly #parts: ResolverParts;
  readonly #udp: UdpLines;
  readonly #tcp: TcpLines;
  #meanMs: number | undefined;
  #deviationMs = 0;
  #fails = 0;
  #probeTimer: ResolveTimer | undefined;
  #probe: Ticket | undefined;
  #isClosed = false;
  #withoutEdnsUntilMs = Number.NEGATIVE_INFINITY;
  #withoutCaseUntilMs = Number.NEGATIVE_INFINITY;

  constructor(address: UpstreamAddress, rules: UpstreamRules, parts: ResolverParts) {
    this.address = address;
    this.text = upstreamText(address);
    this.#rules = rules;
    this.#parts = parts;
    this.#udp = new UdpLines(address, parts);
    this.#tcp = new TcpLines(address, parts);
  }

  get isDown(): boolean {
    return this.#rules.maxFails > 0 && this.#fails >= this.#rules.maxFails;
  }

  /** A reply that has not come after so long is not expected any more: twice the mean and four deviations. */
  get timeoutMs(): number {
    const wanted = this.#meanMs === undefined ? FIRST_TIMEOUT_MS : 2 * this.#meanMs + 4 * this.#deviationMs;
    return Math.min(Math.max(wanted, LEAST_TIMEOUT_MS), this.#rules.timeoutMs);
  }

  /** After so long most replies have come: time to ask another one as well. */
  get hedgeMs(): number {
    const wanted = this.#meanMs === undefined ? FIRST_TIMEOUT_MS / 2 : this.#meanMs + 2 * this.#deviationMs;
    return Math.min(Math.max(wanted, LEAST_HEDGE_MS), this.timeoutMs);
  }

  /** Asks once: over UDP, and over TCP when the reply was cut. `onEnd` is called once at most, never before this returns. */
  ask(question: UpstreamQuestion, onEnd: (outcome: UpstreamOutcome) => void): Ticket {
    if (this.#isClosed) {
      queueMicrotask(() => onEnd({ kind: "error", error: new Error("the resolver was closed") }));
      return { end: () => {} };
    }
    const exchange = new Exchange(question, this.#parts, {
      send: (packet, overTcp, listener) => (overTcp ? this.#tcp : this.#udp).send(packet, listener),
      form: () => {
        const now = this.#parts.clock.now();
        return {
          edns: now >= this.#withoutEdnsUntilMs,
          randomCase: this.#rules.randomCase && now >= this.#withoutCaseUntilMs,
          udpSize: this.#rules.udpSize,
        };
      },
      refusesEdns: () => {
        this.#withoutEdnsUntilMs = this.#parts.clock.now() + PLAIN_MS;
      },
      changesCase: () => {
        this.#withoutCaseUntilMs = this.#parts.clock.now() + PLAIN_MS;
      },
      answered: (ms) => this.#noteReply(ms),
      end: onEnd,
    });
    exchange.start(this.#rules.tcp);
    return exchange;
  }

  /** Something asked of it failed, or took too long. Starts probes until it answers again. */
  noteFailure(): void {
    this.#fails++;
    if (this.#probeTimer === undefined && this.#probe === undefined) {
      this.#planProbe(FIRST_PROBE_MS);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#probeTimer?.clear();
    this.#probe?.end();
    this.#udp.close();
    this.#tcp.close();
  }

  #noteReply(ms: number): void {
    const { stats } = this.#parts;
    countUpstreamMs(stats, ms);
    if (this.#meanMs === undefined) {
      this.#meanMs = ms;
      this.#deviationMs = ms / 2;
    } else {
      this.#deviationMs += (Math.abs(ms - this.#meanMs) - this.#deviationMs) / 4;
      this.#meanMs += (ms - this.#meanMs) / 8;
    }
    this.#fails = 0;
    this.#probeTimer?.clear();
    this.#probeTimer = undefined;
  }

  #planProbe(delayMs: number): void {
    if (this.#isClosed) {
      return;
    }
    this.#probeTimer = this.#parts.clock.setTimer(delayMs, () => {
      this.#probeTimer = undefined;
      this.#sendProbe(Math.min(delayMs * 2, MOST_PROBE_MS));
    });
  }

  /** Any reply says that it is well. */
  #sendProbe(nextDelayMs: number): void {
    const { clock, stats } = this.#parts;
    stats.upstreamProbes++;
    const finish = (isWell: boolean): void => {
      timer.clear();
      this.#probe?.end();
      this.#probe = undefined;
      if (!isWell) {
        this.#fails++;
        this.#planProbe(nextDelayMs);
      }
    };
    const timer = clock.setTimer(PROBE_TIMEOUT_MS, () => finish(false));
    const question = { name: this.#rules.healthName, type: TYPE.NS, dnssec: false, checkingDisabled: false };
    this.#probe = this.ask(question, (outcome) => finish(outcome.kind === "message"));
  }
}

interface ExchangeSite {
  send(
    packet: Buffer,
    overTcp: boolean,
    listener: { onReply(reply: Buffer): void; onError(error: Error): void },
  ): Ticket;
  form(): { edns: boolean; randomCase: boolean; udpSize: number };
  refusesEdns(): void;
  changesCase(): void;
  answered(ms: number): void;
  end(outcome: UpstreamOutcome): void;
}

/** One question to one upstream: what does not fit is ignored until the right reply comes, a cut one is asked again over TCP. */
class Exchange implements Ticket {
  readonly #question: UpstreamQuestion;
  readonly #parts: ResolverParts;
  readonly #site: ExchangeSite;
  readonly #startMs: number;
  readonly #tickets = new Set<Ticket>();
  /** The cut reply, if TCP brings no better one. */
  #cut: Message | undefined;
  #isVerifying = false;
  #isEnded = false;

  constructor(question: UpstreamQuestion, parts: ResolverParts, site: ExchangeSite) {
    this.#question = question;
    this.#parts = parts;
    this.#site = site;
    this.#startMs = parts.clock.now();
  }

  start(overTcp: boolean): void {
    const form = this.#site.form();
    const sent = writeQuery(this.#question, form, this.#parts.random);
    const ticket = this.#site.send(sent, overTcp, {
      onReply: (reply) => this.#receive(reply, { sent, overTcp, ticket, edns: form.edns }),
      onError: (error) => this.#fail(error, ticket),
    });
    this.#tickets.add(ticket);
  }

  end(): void {
    this.#isEnded = true;
    for (const ticket of this.#tickets) {
      ticket.end();
    }
    this.#tickets.clear();
  }

  #receive(reply: Buffer, on: { sent: Buffer; overTcp: boolean; ticket: Ticket; edns: boolean }): void {
    if (this.#isEnded) {
      return;
    }
    const { name } = this.#question;
    const match = matchReply(reply, on.sent, name.length);
    if (match === "none" || (match === "other-case" && !on.overTcp)) {
      this.#parts.stats.upstreamMismatches++;
      if (match === "other-case" && !this.#isVerifying) {
        // Forged, or from a server that does not keep the case: TCP cannot be forged from afar. The wait goes on.
        this.#isVerifying = true;
        this.start(true);
      }
      return;
    }
    if (match === "other-case") {
      this.#site.changesCase();
    }
    const message = match === "bare-error" ? bareError(reply) : this.#parse(reply, name);
    if (message === undefined) {
      this.#parts.stats.upstreamMalformed++;
      return;
    }
    this.#drop(on.ticket);
    this.#site.answered(this.#parts.clock.now() - this.#startMs);
    const isRefusal = message.rcode === RCODE.FORMERR || message.rcode === RCODE.NOTIMP;
    if (isRefusal && on.edns && !message.edns) {
      this.#site.refusesEdns();
      this.start(on.overTcp);
      return;
    }
    if (message.truncated && !on.overTcp) {
      this.#parts.stats.upstreamTruncated++;
      this.#cut = message;
      this.start(true);
      return;
    }
    this.#finish({ kind: "message", message });
  }

  #parse(reply: Buffer, name: string): Message | undefined {
    restoreCase(reply, name);
    return readMessage(reply, reply.length);
  }

  #fail(error: Error, ticket: Ticket): void {
    if (this.#isEnded) {
      return;
    }
    this.#drop(ticket);
    if (this.#tickets.size > 0) {
      // The other way is still open.
      return;
    }
    if (this.#cut !== undefined) {
      this.#finish({ kind: "message", message: this.#cut });
      return;
    }
    this.#finish({ kind: "error", error });
  }

  #drop(ticket: Ticket): void {
    ticket.end();
    this.#tickets.delete(ticket);
  }

  #finish(outcome: UpstreamOutcome): void {
    this.end();
    this.#site.end(outcome);
  }
}

function bareError(reply: Buffer): Message {
  const rcode = reply[3] & 0x0f;
  return {
    name: "",
    rcode,
    truncated: false,
    answers: [],
    authority: [],
    additional: [],
    edns: false,
    extendedRcode: 0,
  };
}
