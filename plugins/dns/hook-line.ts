import type { Counters } from "./counters.ts";
import type { DnsQuery, DnsQueryAnswer } from "./hook-messages.ts";
import { hookReply } from "./hook-reply.ts";
import { HEADER, questionName, questionType } from "./packet.ts";
import type { Asker, HookAnswers } from "./query-desk.ts";
import { typeName } from "./type-names.ts";

/** Questions that may wait for the hook at once. */
const MOST_IN_FLIGHT = 100;
/** The main thread may be busy: nobody waits longer for it, milliseconds. */
const DEADLINE_MS = 50;

/** A question on its way to the taps. */
export interface HookQuestion extends DnsQuery {
  readonly kind: "ask";
  readonly id: number;
}

/** What a line to the hook works with. */
export interface HookLineParts {
  readonly counters: Counters;
  readonly maxUdp: number;
  readonly recursionAvailable: () => boolean;
  /** True while somebody has tapped the hook. */
  readonly isTapped: () => boolean;
  readonly post: (question: HookQuestion) => void;
}

/** Asks the taps of `dns.query`, which are on the main thread. */
export class HookLine implements HookAnswers {
  readonly #parts: HookLineParts;
  readonly #waiting = new Map<number, (answer: DnsQueryAnswer) => void>();
  #lastId = 0;

  constructor(parts: HookLineParts) {
    this.#parts = parts;
  }

  get isOpen(): boolean {
    return this.#parts.isTapped();
  }

  async ask(query: Uint8Array, from: Asker): Promise<Uint8Array | undefined> {
    const { counters, post, maxUdp, recursionAvailable } = this.#parts;
    if (!this.isOpen) {
      return undefined;
    }
    if (this.#waiting.size >= MOST_IN_FLIGHT || query.length < HEADER) {
      counters.count("hookSkipped");
      return undefined;
    }
    counters.count("hookCalls");
    const { length } = query;
    const name = questionName(query, length);
    const type = typeName(questionType(query, length));
    const id = ++this.#lastId;
    const answer = await new Promise<DnsQueryAnswer>((resolve) => {
      const timer = setTimeout(() => {
        counters.count("hookLate");
        settle(undefined);
      }, DEADLINE_MS);
      const settle = (given: DnsQueryAnswer): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(given);
      };
      this.#waiting.set(id, settle);
      post({ kind: "ask", id, name, type, client: from.address });
    });
    if (answer === undefined) {
      return undefined;
    }
    counters.count("veto" in answer ? "hookVetoes" : "hookAnswers");
    return await hookReply(query, answer, {
      maxBytes: from.maxBytes,
      maxUdp,
      recursionAvailable: recursionAvailable(),
    });
  }

  /** What the taps said. One that comes too late is nothing any more. */
  answered(id: number, answer: DnsQueryAnswer): void {
    this.#waiting.get(id)?.(answer);
  }
}
