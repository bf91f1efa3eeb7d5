import { RCODE } from "./codes.ts";
import { type Message, readMessage } from "./resolve-records.ts";
import type { ResolverParts, UpstreamOutcome } from "./upstream.ts";
import { matchReply, type QueryForm, restoreCase, type UpstreamQuestion, writeQuery } from "./upstream-packet.ts";
import type { ReplyListener, Ticket } from "./upstream-udp.ts";

/** What an exchange needs of its upstream. */
export interface ExchangeSite {
  send(packet: Buffer, overTcp: boolean, listener: ReplyListener): Ticket;
  /** How questions are written to it now. */
  form(): QueryForm;
  /** It does not know EDNS. */
  refusesEdns(): void;
  /** It does not repeat the case of questions. */
  changesCase(): void;
  /** A reply came after so long. */
  answered(ms: number): void;
  end(outcome: UpstreamOutcome): void;
}

/** One question to one upstream: what does not fit is ignored until the right reply comes, a cut one is asked again over TCP. */
export class Exchange implements Ticket {
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
      onReply: (reply) => {
        try {
          this.#receive(reply, { sent, overTcp, ticket, edns: form.edns });
        } catch (error) {
          // Whoever waits gets SERVFAIL when their time is over.
          this.#parts.failed(error);
        }
      },
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
