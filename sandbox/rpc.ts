import { failureOf, type MakeError } from "./failure.ts";
import { notPlain } from "./plain-data.ts";
import { type ChannelEnd, PulledPort } from "./pulled-port.ts";
import { notCloneable, RpcCalls, type RpcRequestOptions } from "./rpc-calls.ts";
import { type RpcEnvelope, readEnvelope } from "./rpc-messages.ts";

/** What a handler is told beside what it was given. */
export interface RpcCall {
  /** Aborted when the caller does not wait any more, and when the connection ends. */
  readonly signal: AbortSignal;
}

/** Answers a request. May be async. What it gives, and the error that it throws, are copied to the caller. */
export type RpcHandler = (given: unknown, call: RpcCall) => unknown;

/** Counters of one end. */
export interface RpcFigures {
  /** Messages that were no envelope, and were dropped. */
  readonly garbage: number;
  /** Events that were not sent because the other end did not keep up. */
  readonly droppedEvents: number;
  readonly waiting: number;
  readonly serving: number;
}

/** How to make an end. */
export interface RpcOptions {
  /** Names the other end in errors: `plugin "dns"`. */
  readonly peer: string;
  readonly makeError: MakeError;
  /** Requests that may be under way at once; more wait. Default 64. */
  readonly credits?: number;
  /** The other end posts without end. */
  readonly onFlood?: () => void;
}

const DEFAULT_CREDITS = 64;
/** Requests of the other end that are served at once: more than its credit, since it stops counting those it gave up. */
const MAX_SERVING = 256;
/** Events under way that were not acknowledged; more are dropped. */
const EVENT_WINDOW = 1024;
const EVENT_ACK_EVERY = 64;

/**
 * One end of a connection between two threads over which both ask, answer and tell. Only plain data crosses. At most 64
 * requests are under way; the port is read by pull, garbage is counted and dropped, and no handler can end this thread.
 */
export class RpcPeer {
  readonly #options: RpcOptions;
  readonly #port: PulledPort;
  readonly #handlers = new Map<string, RpcHandler>();
  readonly #listeners = new Map<string, (given: unknown) => void>();
  readonly #calls: RpcCalls;
  readonly #serving = new Map<number, AbortController>();
  #garbage = 0;
  #unacknowledgedEvents = 0;
  #receivedEvents = 0;
  #droppedEvents = 0;
  #closed: Error | undefined;

  constructor(end: ChannelEnd, options: RpcOptions) {
    this.#options = options;
    this.#port = new PulledPort(end, {
      onMessage: (message) => this.#onMessage(message),
      onFlood: options.onFlood,
    });
    const { peer, makeError, credits = DEFAULT_CREDITS } = options;
    this.#calls = new RpcCalls({
      peer,
      makeError,
      credits,
      post: (envelope, moved) => this.#port.post(envelope, moved),
    });
  }

  get figures(): RpcFigures {
    return {
      garbage: this.#garbage + this.#port.unreadable,
      droppedEvents: this.#droppedEvents,
      waiting: this.#calls.size,
      serving: this.#serving.size,
    };
  }

  /** Answers requests of that method. */
  handle(method: string, handler: RpcHandler): void {
    this.#handlers.set(method, handler);
  }

  /** Hears events of that method. What it throws is counted as garbage. */
  listen(method: string, listener: (given: unknown) => void): void {
    this.#listeners.set(method, listener);
  }

  /**
   * Asks the other end. Rejects with what its handler threw (code, message, facts), RPC_TIMEOUT, RPC_ABORTED,
   * RPC_NOT_CLONEABLE, RPC_OVERLOADED, RPC_UNKNOWN_METHOD, or the reason with which this end was closed.
   */
  request(method: string, given: unknown, options?: RpcRequestOptions): Promise<unknown> {
    return this.#calls.request(method, given, options);
  }

  /** Tells the other end, without an answer. False: it was dropped, since the other end does not keep up, or is gone. */
  event(method: string, given: unknown): boolean {
    if (this.#closed !== undefined) {
      return false;
    }
    if (this.#unacknowledgedEvents >= EVENT_WINDOW) {
      this.#droppedEvents++;
      return false;
    }
    try {
      this.#port.post({ kind: "event", method, given } satisfies RpcEnvelope);
    } catch (error) {
      throw notCloneable(this.#options, method, failureOf(error).message);
    }
    this.#unacknowledgedEvents++;
    return true;
  }

  /** Takes in what the other end sent before it ended. */
  drain(): void {
    this.#port.drain();
  }

  /** Rejects what waits with `reason`, aborts what is being served, and hears nothing more. */
  close(reason: Error): void {
    if (this.#closed !== undefined) {
      return;
    }
    this.#closed = reason;
    this.#port.close();
    this.#calls.close(reason);
    for (const controller of this.#serving.values()) {
      controller.abort(reason);
    }
    this.#serving.clear();
  }

  #onMessage(message: unknown): void {
    const envelope = readEnvelope(message);
    if (envelope === undefined) {
      this.#garbage++;
      return;
    }
    switch (envelope.kind) {
      case "request":
        this.#serve(envelope.id, envelope.method, envelope.given);
        return;
      case "event":
        this.#hear(envelope.method, envelope.given);
        return;
      case "cancel":
        this.#serving
          .get(envelope.id)
          ?.abort(this.#options.makeError("RPC_ABORTED", `${this.#options.peer} does not wait any more`));
        return;
      case "ack":
        if (envelope.id === 0) {
          this.#unacknowledgedEvents = Math.max(0, this.#unacknowledgedEvents - (envelope.events ?? 0));
        } else {
          this.#calls.acknowledge(envelope.id);
        }
        return;
      case "result":
        this.#calls.resolve(envelope.id, envelope.value);
        return;
      case "error": {
        const { code, message: text, facts } = envelope.error;
        this.#calls.reject(envelope.id, this.#options.makeError(code, text, facts));
        return;
      }
      default:
        envelope satisfies never;
    }
  }

  #hear(method: string, given: unknown): void {
    this.#receivedEvents++;
    if (this.#receivedEvents >= EVENT_ACK_EVERY) {
      this.#post({ kind: "ack", id: 0, events: this.#receivedEvents });
      this.#receivedEvents = 0;
    }
    const listener = this.#listeners.get(method);
    if (listener === undefined) {
      this.#garbage++;
      return;
    }
    try {
      listener(given);
    } catch {
      this.#garbage++;
    }
  }

  #serve(id: number, method: string, given: unknown): void {
    const { makeError, peer } = this.#options;
    const handler = this.#handlers.get(method);
    if (handler === undefined) {
      this.#refuse(id, makeError("RPC_UNKNOWN_METHOD", `${peer} asked for "${method}", which is not there`));
      return;
    }
    if (this.#serving.size >= MAX_SERVING || this.#serving.has(id)) {
      this.#refuse(
        id,
        makeError("RPC_OVERLOADED", `${MAX_SERVING} calls of ${peer} are being answered; call less at once`),
      );
      return;
    }
    const controller = new AbortController();
    let answer: unknown;
    try {
      answer = handler(given, { signal: controller.signal });
      if (isThenable(answer)) {
        answer = Promise.resolve(answer);
      }
    } catch (error) {
      this.#refuse(id, error);
      return;
    }
    if (!(answer instanceof Promise)) {
      this.#answer(id, method, answer);
      return;
    }
    this.#serving.set(id, controller);
    this.#post({ kind: "ack", id });
    answer.then(
      (value) => {
        this.#serving.delete(id);
        this.#answer(id, method, value);
      },
      (error: unknown) => {
        this.#serving.delete(id);
        this.#refuse(id, error);
      },
    );
  }

  #answer(id: number, method: string, value: unknown): void {
    const problem = notPlain(value, "answer");
    if (problem !== undefined) {
      this.#refuse(id, notCloneable(this.#options, method, problem));
      return;
    }
    try {
      this.#port.post({ kind: "result", id, value } satisfies RpcEnvelope);
    } catch (error) {
      this.#refuse(id, notCloneable(this.#options, method, failureOf(error).message));
    }
  }

  #refuse(id: number, error: unknown): void {
    this.#post({ kind: "error", id, error: failureOf(error) });
  }

  /** For envelopes of our own that can always be copied. */
  #post(envelope: RpcEnvelope): void {
    this.#port.post(envelope);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
