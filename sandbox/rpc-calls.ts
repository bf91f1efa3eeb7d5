import type { MessagePort } from "node:worker_threads";
import { failureOf, type MakeError } from "./failure.ts";
import { notPlain } from "./plain-data.ts";
import type { RpcEnvelope } from "./rpc-messages.ts";

/** How to send a request. */
export interface RpcRequestOptions {
  /** Default 30000 milliseconds; 0: none. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Moved instead of copied. */
  readonly transfer?: readonly (ArrayBuffer | MessagePort)[];
}

/** What calls are made with. */
export interface RpcCallsOptions {
  /** Names the other end in errors. */
  readonly peer: string;
  readonly makeError: MakeError;
  /** Requests that may be under way at once; more wait. */
  readonly credits: number;
  readonly post: (envelope: RpcEnvelope, transfer?: readonly (ArrayBuffer | MessagePort)[]) => void;
}

const DEFAULT_DEADLINE_MS = 30_000;
/** Requests that may wait for credit. */
const MAX_QUEUED = 10_000;

interface Waiting {
  readonly id: number;
  readonly method: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Clears its timer and listeners. */
  readonly end: () => void;
  /** Sends it. Undefined once it was sent. */
  send: (() => void) | undefined;
  isAcknowledged: boolean;
}

/** The requests of one end to the other: ids, deadlines, and how many are under way. */
export class RpcCalls {
  readonly #options: RpcCallsOptions;
  readonly #waiting = new Map<number, Waiting>();
  /** Not yet sent, in order. */
  readonly #queue = new Set<Waiting>();
  #lastId = 0;
  #inFlight = 0;
  #closed: Error | undefined;

  constructor(options: RpcCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** See `RpcPeer.request`. */
  request(method: string, given: unknown, options: RpcRequestOptions = {}): Promise<unknown> {
    const { signal, deadlineMs = DEFAULT_DEADLINE_MS, transfer } = options;
    const refusal = this.#refusal(method, given, signal);
    if (refusal !== undefined) {
      return Promise.reject(refusal);
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const giveUp = (error: Error): void => {
        if (waiting.send === undefined) {
          this.#options.post({ kind: "cancel", id });
        }
        this.#end(waiting);
        reject(error);
      };
      const onAbort = (): void => giveUp(this.#aborted(method));
      const timer =
        deadlineMs === 0 ? undefined : setTimeout(() => giveUp(this.#late(waiting, deadlineMs)), deadlineMs);
      const waiting: Waiting = {
        id,
        method,
        resolve,
        reject,
        isAcknowledged: false,
        end: () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
        },
        send: () => {
          waiting.send = undefined;
          this.#inFlight++;
          try {
            this.#options.post({ kind: "request", id, method, given }, transfer);
          } catch (error) {
            this.#end(waiting);
            reject(notCloneable(this.#options, method, failureOf(error).message));
          }
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.set(id, waiting);
      this.#queue.add(waiting);
      this.#sendMore();
    });
  }

  /** The other end has received it. */
  acknowledge(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) {
      waiting.isAcknowledged = true;
    }
  }

  resolve(id: number, value: unknown): void {
    this.#settle(id)?.resolve(value);
  }

  reject(id: number, error: Error): void {
    this.#settle(id)?.reject(error);
  }

  /** Rejects what waits, and whatever comes later. */
  close(reason: Error): void {
    this.#closed = reason;
    for (const waiting of [...this.#waiting.values()]) {
      this.#end(waiting);
      waiting.reject(reason);
    }
  }

  #refusal(method: string, given: unknown, signal: AbortSignal | undefined): Error | undefined {
    const { makeError, peer } = this.#options;
    if (this.#closed !== undefined) {
      return this.#closed;
    }
    const problem = notPlain(given, "given");
    if (problem !== undefined) {
      return notCloneable(this.#options, method, problem);
    }
    if (signal?.aborted === true) {
      return this.#aborted(method);
    }
    return this.#queue.size < MAX_QUEUED
      ? undefined
      : makeError("RPC_OVERLOADED", `${MAX_QUEUED} calls of ${peer} wait; wait for answers before calling again`);
  }

  #sendMore(): void {
    for (const waiting of this.#queue) {
      if (this.#inFlight >= this.#options.credits) {
        return;
      }
      this.#queue.delete(waiting);
      waiting.send?.();
    }
  }

  /** One that was answered; undefined when it was given up before, or never sent. */
  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || waiting.send !== undefined) {
      return undefined;
    }
    this.#end(waiting);
    return waiting;
  }

  /** Whatever the outcome: the request is not waited for any more. */
  #end(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting.id)) {
      return;
    }
    waiting.end();
    if (waiting.send === undefined) {
      this.#inFlight--;
    } else {
      this.#queue.delete(waiting);
      waiting.send = undefined;
    }
    if (this.#closed === undefined) {
      this.#sendMore();
    }
  }

  #aborted(method: string): Error {
    const { makeError, peer } = this.#options;
    return makeError("RPC_ABORTED", `the call of "${method}" to ${peer} was ended by its signal`, { method });
  }

  #late({ method, isAcknowledged, send }: Waiting, deadlineMs: number): Error {
    const { makeError, peer } = this.#options;
    const received = isAcknowledged ? "it was received and is still worked on" : "it was not even received";
    const how = send === undefined ? received : "too many calls are under way";
    const message = `${peer} did not answer "${method}" within ${deadlineMs} ms: ${how}`;
    return makeError("RPC_TIMEOUT", message, { method, deadlineMs, received: isAcknowledged });
  }
}

/** What is told of a value that cannot go to the other end. */
export function notCloneable(
  { makeError, peer }: Pick<RpcCallsOptions, "makeError" | "peer">,
  method: string,
  problem: string,
): Error {
  return makeError("RPC_NOT_CLONEABLE", `"${method}" of ${peer} cannot go to another thread: ${problem}`, { method });
}
