import { FairleadError, messageOf } from "../errors.ts";
import type { Exchange, HttpRequest, ResponseHead, ResponseSink } from "./transport.ts";

/** What carries one attempt of a request: an HTTP/2 stream or an HTTP/1.1 request. */
export interface Carrier {
  /** Ends it without any further call. */
  stop(): void;
  pause(): void;
  resume(): void;
}

/** The transport, as a flight sees it. */
export interface FlightOwner {
  /** The server said 401. True: the owner will call `release` or `again` later. */
  unauthorized(flight: Flight): boolean;
  /** Send it once more; nothing was delivered. */
  resend(flight: Flight): void;
  /** It is over, whichever way. */
  finished(flight: Flight): void;
}

const HEAD_TIMEOUT_MS = 30_000;
const MAX_RESENDS = 2;

/** One request on its way, over as many attempts as it takes, towards one sink. */
export class Flight implements Exchange {
  readonly request: HttpRequest;
  /** Version of the credentials of the last attempt. */
  accessVersion = -1;
  readonly #owner: FlightOwner;
  #sink: ResponseSink | undefined;
  #carrier: Carrier | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;
  #resends = 0;
  #renewed = false;
  #delivered = false;
  #paused = false;
  /** What arrived while the owner decides what to do about a 401. */
  #held: (() => void)[] | undefined;

  constructor(request: HttpRequest, sink: ResponseSink, owner: FlightOwner) {
    this.request = request;
    this.#sink = sink;
    this.#owner = owner;
    const timeoutMs = request.headTimeoutMs ?? HEAD_TIMEOUT_MS;
    this.#timer = setTimeout(() => {
      this.giveUp(
        new FairleadError("KUBE_TIMEOUT", `no answer to ${request.method} ${pathOf(request)} within ${timeoutMs} ms`, {
          facts: { phase: "head", method: request.method, path: pathOf(request) },
        }),
      );
    }, timeoutMs);
  }

  /** False once it ended or was cancelled. */
  get open(): boolean {
    return this.#sink !== undefined;
  }

  /** Whether this attempt is the one that may still deliver. */
  isCurrent(attempt: number): boolean {
    return attempt === this.#attempt && this.#sink !== undefined;
  }

  /** Asks whether it may still be sent, right before it is written to a connection; one that may not has ended. */
  mayBeSent(): boolean {
    try {
      this.request.check?.();
      return true;
    } catch (error) {
      this.giveUp(
        error instanceof FairleadError ? error : new FairleadError("KUBE_ABORTED", messageOf(error), { cause: error }),
      );
      return false;
    }
  }

  /** Starts an attempt; its number goes with every later call, so that late events of an older one are dropped. */
  begin(carrier: Carrier): number {
    this.#carrier = carrier;
    if (this.#paused) {
      carrier.pause();
    }
    return ++this.#attempt;
  }

  head(attempt: number, head: ResponseHead): void {
    if (!this.isCurrent(attempt)) {
      return;
    }
    if (head.status === 401 && !this.#renewed) {
      this.#renewed = true;
      if (this.#owner.unauthorized(this)) {
        this.#held = [() => this.#deliverHead(head)];
        this.#carrier?.pause();
        return;
      }
    }
    this.#deliverHead(head);
  }

  data(attempt: number, chunk: Buffer): void {
    if (!this.isCurrent(attempt)) {
      return;
    }
    if (this.#held !== undefined) {
      this.#held.push(() => this.#sink?.data(chunk));
      return;
    }
    this.#sink?.data(chunk);
  }

  end(attempt: number): void {
    if (!this.isCurrent(attempt)) {
      return;
    }
    if (this.#held !== undefined) {
      this.#held.push(() => this.end(attempt));
      return;
    }
    const sink = this.#finish();
    sink?.end();
  }

  fail(attempt: number, error: FairleadError): void {
    if (!this.isCurrent(attempt)) {
      return;
    }
    if (this.#held !== undefined) {
      this.#held.push(() => this.fail(attempt, error));
      return;
    }
    const sink = this.#finish();
    sink?.fail(error);
  }

  /** The server did not look at this attempt (refused stream, stale connection): sends it again, or fails. */
  retryOrFail(attempt: number, error: FairleadError): void {
    if (!this.isCurrent(attempt)) {
      return;
    }
    if (this.#delivered || this.#held !== undefined || this.#resends >= MAX_RESENDS) {
      this.fail(attempt, error);
      return;
    }
    this.#resends += 1;
    this.#drop();
    this.#owner.resend(this);
  }

  /** After a 401: the credentials changed, so the same request is sent again. */
  again(): void {
    if (this.#sink === undefined) {
      return;
    }
    this.#held = undefined;
    this.#drop();
    this.#owner.resend(this);
  }

  /** After a 401: nothing better to offer, so the answer is delivered. */
  release(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined || this.#sink === undefined) {
      return;
    }
    for (const step of held) {
      step();
    }
    if (!this.#paused) {
      this.#carrier?.resume();
    }
  }

  /** Ends it with an error, whatever its state. */
  giveUp(error: FairleadError): void {
    this.#carrier?.stop();
    const sink = this.#finish();
    sink?.fail(error);
  }

  cancel(): void {
    if (this.#sink !== undefined) {
      this.#carrier?.stop();
      this.#finish();
    }
  }

  pause(): void {
    this.#paused = true;
    this.#carrier?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#held === undefined) {
      this.#carrier?.resume();
    }
  }

  #deliverHead(head: ResponseHead): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#delivered = true;
    this.#sink?.head(head);
  }

  #drop(): void {
    this.#attempt += 1;
    this.#carrier?.stop();
    this.#carrier = undefined;
  }

  #finish(): ResponseSink | undefined {
    const sink = this.#sink;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sink = undefined;
    this.#held = undefined;
    this.#carrier = undefined;
    if (sink !== undefined) {
      this.#owner.finished(this);
    }
    return sink;
  }
}

/** The path without its query: continue tokens and selectors have no place in a message. */
export function pathOf(request: HttpRequest): string {
  const mark = request.path.indexOf("?");
  return mark < 0 ? request.path : request.path.slice(0, mark);
}
