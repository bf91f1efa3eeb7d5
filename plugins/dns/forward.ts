import { RCODE } from "./codes.ts";
import type { ResolveTimer } from "./resolve-clock.ts";
import { judge, type Verdict } from "./resolve-verdict.ts";
import type { ForwardCode, ForwardRoute } from "./settings.ts";
import type { ResolverParts, Upstream, UpstreamOutcome } from "./upstream.ts";
import type { UpstreamQuestion } from "./upstream-packet.ts";
import type { RandomSource } from "./upstream-random.ts";
import type { Ticket } from "./upstream-udp.ts";

/** How a question is put to the upstreams of one route. */
export interface ForwardRules {
  readonly failover: readonly ForwardCode[];
  readonly maxCnames: number;
  /** Clock time when all must be over: then what is there is given. */
  readonly deadlineMs: number;
}

/** Codes after which the next upstream is asked, unless the route says otherwise. */
export const FAILOVER: readonly ForwardCode[] = ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"];

/** The upstreams to ask, in order: those that are well; if there are none, all at random; none at all when all of them loop or `failFast` says so. */
export function upstreamOrder(
  upstreams: readonly Upstream[],
  rules: { policy: ForwardRoute["policy"]; failFast: boolean; turn: number },
  random: RandomSource,
): Upstream[] {
  const open = upstreams.filter((upstream) => !upstream.isLooping);
  const well = open.filter((upstream) => !upstream.isDown);
  if (well.length === 0) {
    return rules.failFast ? [] : random.shuffled(open);
  }
  switch (rules.policy) {
    case "random":
      return random.shuffled(well);
    case "round_robin": {
      const first = rules.turn % well.length;
      return [...well.slice(first), ...well.slice(0, first)];
    }
    case "sequential":
      return well;
    default:
      return rules.policy satisfies never;
  }
}

/**
 * Asks upstreams in order until one answers: the next one when an upstream fails, is slow (a hedge; the first may still win),
 * or answers with a code of `failover`; each twice at most. Resolves with the answer, the last failure that an upstream
 * reported, or undefined when none replied. Never rejects.
 */
export function askUpstreams(
  order: readonly Upstream[],
  question: UpstreamQuestion,
  rules: ForwardRules,
  parts: ResolverParts,
): Promise<Verdict | undefined> {
  if (order.length === 0) {
    return Promise.resolve(undefined);
  }
  return new Promise((resolve) => new Attempts(order, question, rules, { ...parts, resolve }).next());
}

/** Whether an answer has one of the codes. */
export function hasCode(verdict: Verdict, codes: readonly (ForwardCode | "NODATA")[]): boolean {
  if (verdict.kind !== "failure" && verdict.rcode === RCODE.NOERROR) {
    return codes.includes("NODATA") && verdict.answers.length === 0;
  }
  return codes.some((code) => code !== "NODATA" && RCODE[code] === verdict.rcode);
}

class Attempts {
  readonly #order: readonly Upstream[];
  readonly #question: UpstreamQuestion;
  readonly #rules: ForwardRules;
  readonly #parts: ResolverParts & { resolve(verdict: Verdict | undefined): void };
  readonly #open = new Map<Ticket, { readonly upstream: Upstream; timer: ResolveTimer | undefined }>();
  readonly #end: ResolveTimer;
  #hedge: ResolveTimer | undefined;
  #tries = 0;
  #last: Verdict | undefined;
  #isOver = false;

  constructor(
    order: readonly Upstream[],
    question: UpstreamQuestion,
    rules: ForwardRules,
    parts: ResolverParts & { resolve(verdict: Verdict | undefined): void },
  ) {
    this.#order = order;
    this.#question = question;
    this.#rules = rules;
    this.#parts = parts;
    this.#end = parts.clock.setTimer(Math.max(0, rules.deadlineMs - parts.clock.now()), () => this.#finish(this.#last));
  }

  /** One more try, if there may be one. Without any under way it is over. */
  next(): void {
    this.#hedge?.clear();
    this.#hedge = undefined;
    const count = this.#order.length;
    if (this.#isOver || this.#tries >= 2 * count) {
      this.#finishIfIdle();
      return;
    }
    const upstream = this.#order[this.#tries % count];
    const round = Math.floor(this.#tries / count);
    this.#tries++;
    const ticket = upstream.ask(this.#question, (outcome) => this.#take(ticket, outcome));
    const timer = this.#parts.clock.setTimer(upstream.timeoutMs * 2 ** round, () => this.#late(ticket));
    this.#open.set(ticket, { upstream, timer });
    if (this.#tries < count) {
      this.#hedge = this.#parts.clock.setTimer(upstream.hedgeMs, () => {
        this.#parts.stats.upstreamHedges++;
        this.next();
      });
    }
  }

  /** No reply in time: another try; the late reply is still taken. */
  #late(ticket: Ticket): void {
    const attempt = this.#open.get(ticket);
    if (attempt === undefined) {
      return;
    }
    attempt.timer = undefined;
    this.#parts.stats.upstreamTimeouts++;
    attempt.upstream.noteFailure();
    this.next();
  }

  #take(ticket: Ticket, outcome: UpstreamOutcome): void {
    const attempt = this.#open.get(ticket);
    if (this.#isOver || attempt === undefined) {
      return;
    }
    attempt.timer?.clear();
    this.#open.delete(ticket);
    if (outcome.kind === "error") {
      this.#parts.stats.upstreamErrors++;
      attempt.upstream.noteFailure();
      this.next();
      return;
    }
    const nowSeconds = Math.floor(this.#parts.clock.wallNow() / 1000);
    const verdict = judge(outcome.message, this.#question, { nowSeconds, maxCnames: this.#rules.maxCnames });
    if (!hasCode(verdict, this.#rules.failover)) {
      this.#finish(verdict);
      return;
    }
    this.#last = verdict;
    if (this.#tries < this.#order.length) {
      this.next();
      return;
    }
    this.#finishIfIdle();
  }

  #finishIfIdle(): void {
    if (this.#open.size === 0) {
      this.#finish(this.#last);
    }
  }

  #finish(verdict: Verdict | undefined): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#end.clear();
    this.#hedge?.clear();
    for (const [ticket, { timer }] of this.#open) {
      timer?.clear();
      ticket.end();
    }
    this.#open.clear();
    this.#parts.resolve(verdict);
  }
}
