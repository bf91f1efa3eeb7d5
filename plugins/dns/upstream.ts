import type { ResolveClock, ResolveTimer } from "./resolve-clock.ts";
import { TYPE } from "./resolve-question.ts";
import type { Message } from "./resolve-records.ts";
import { countUpstreamMs, type ResolverStats } from "./resolve-stats.ts";
import { type UpstreamAddress, upstreamText } from "./upstream-address.ts";
import { Exchange } from "./upstream-exchange.ts";
import type { UpstreamQuestion } from "./upstream-packet.ts";
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
  /** Told when it is down and when it is well again; of one that keeps changing now and then. */
  readonly onHealth?: (isDown: boolean) => void;
}

/** What the parts of a resolver share. */
export interface ResolverParts {
  readonly clock: ResolveClock;
  readonly random: RandomSource;
  readonly stats: ResolverStats;
  /** Told of a mistake of ours: it costs one answer, never the thread. */
  failed(error: unknown): void;
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
/** That an upstream is down is told once in so long. */
const TELL_DOWN_MS = 10_000;
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
  #isToldDown = false;
  #toldDownMs = Number.NEGATIVE_INFINITY;
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
    this.#tell();
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
    this.#tell();
    this.#probeTimer?.clear();
    this.#probeTimer = undefined;
  }

  #tell(): void {
    const { isDown } = this;
    if (isDown === this.#isToldDown) {
      return;
    }
    const now = this.#parts.clock.now();
    if (isDown && now - this.#toldDownMs < TELL_DOWN_MS) {
      return;
    }
    this.#toldDownMs = isDown ? now : this.#toldDownMs;
    this.#isToldDown = isDown;
    this.#rules.onHealth?.(isDown);
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
        this.#tell();
        this.#planProbe(nextDelayMs);
      }
    };
    const timer = clock.setTimer(PROBE_TIMEOUT_MS, () => finish(false));
    const question = { name: this.#rules.healthName, type: TYPE.NS, dnssec: false, checkingDisabled: false };
    this.#probe = this.ask(question, (outcome) => finish(outcome.kind === "message"));
  }
}
