import { FairleadError, messageOf } from "../errors.ts";
import { isClosed } from "./connect-error.ts";
import { errorFromStatus, type StatusObject } from "./status-error.ts";
import type { TokenBucket } from "./token-bucket.ts";
import type { Exchange, HttpRequest, ResponseHead, Transport } from "./transport.ts";

/** Limits of one call. */
export interface CallOptions {
  /** Cancels the request; the promise rejects with KUBE_ABORTED. */
  readonly signal?: AbortSignal;
  /** Whole call, retries included, milliseconds. Default: the client's. */
  readonly timeoutMs?: number;
  /**
   * Called before each try, and again right before it is written to a connection; what it throws ends the call, and nothing is
   * sent.
   */
  readonly beforeEach?: () => void;
}

/** How a client calls. */
export interface CallerSettings {
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly maxRetries: number;
  readonly gzip: boolean;
  readonly bucket: TokenBucket | undefined;
  readonly random: () => number;
}

/** A whole response. */
export interface Answer {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

/** One-shot calls: deadline, retries, size cap, errors by reason. */
export class Caller {
  readonly #transport: Transport;
  readonly #settings: CallerSettings;

  constructor(transport: Transport, settings: CallerSettings) {
    this.#transport = transport;
    this.#settings = settings;
  }

  /**
   * Sends a request and gives back its successful answer. 429 is tried again for every method (it was not carried
   * out), 503, resets and unreachable servers only for reads, PUT and DELETE; Retry-After is honoured.
   */
  async send(request: HttpRequest, options: CallOptions = {}): Promise<Answer> {
    const timeoutMs = options.timeoutMs ?? this.#settings.timeoutMs;
    const limit = new CallLimit(request, timeoutMs, options);
    try {
      for (let attempt = 0; ; attempt++) {
        await limit.race(this.#settings.bucket?.take(limit.signal));
        options.beforeEach?.();
        const outcome = await this.#once(request, limit);
        const delayMs = attempt < this.#settings.maxRetries ? this.#retryDelay(request, outcome, attempt) : undefined;
        if (delayMs === undefined || delayMs >= limit.leftMs()) {
          if (outcome instanceof FairleadError) {
            throw outcome;
          }
          return outcome;
        }
        await limit.sleep(delayMs);
      }
    } finally {
      limit.clear();
    }
  }

  /** Sends a request and reads its JSON object. KUBE_BAD_RESPONSE when it is none. */
  async json(request: HttpRequest, options?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    const { head, body } = await this.send(
      { ...request, headers: { accept: "application/json", ...request.headers } },
      options,
    );
    return parseObject(head, body, request);
  }

  async #once(request: HttpRequest, limit: CallLimit): Promise<Answer | FairleadError> {
    const wanted = this.#settings.gzip
      ? { ...request, headers: { ...request.headers, "accept-encoding": "gzip" } }
      : request;
    let answer: Answer;
    try {
      answer = await receive(
        this.#transport,
        { ...wanted, headTimeoutMs: limit.leftMs() + 1_000, check: limit.check },
        this.#settings.maxBodyBytes,
        limit,
      );
      answer = await unzipped(answer, request, this.#settings.maxBodyBytes);
    } catch (error) {
      if (error instanceof FairleadError && error.code !== "KUBE_ABORTED") {
        return error;
      }
      throw error;
    }
    const { status } = answer.head;
    if (status >= 200 && status < 300) {
      return answer;
    }
    const error = errorFromStatus(status, statusOf(answer), request);
    const retryAfter = retryAfterSeconds(answer.head);
    return retryAfter === undefined
      ? error
      : new FairleadError(error.code, error.message, { facts: { ...error.facts, retryAfterSeconds: retryAfter } });
  }

  /** How long to wait before the next try; undefined: no more. */
  #retryDelay(request: HttpRequest, outcome: Answer | FairleadError, attempt: number): number | undefined {
    if (!(outcome instanceof FairleadError) || isClosed(outcome)) {
      return undefined;
    }
    const notExecuted = outcome.code === "KUBE_TOO_MANY_REQUESTS";
    const repeatable = request.method === "GET" || request.method === "PUT" || request.method === "DELETE";
    const passing =
      outcome.code === "KUBE_UNAVAILABLE" || outcome.code === "KUBE_RESET" || outcome.code === "KUBE_UNREACHABLE";
    if (!notExecuted && !(repeatable && passing)) {
      return undefined;
    }
    const { retryAfterSeconds } = outcome.facts;
    if (typeof retryAfterSeconds === "number") {
      return retryAfterSeconds * 1_000;
    }
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
    return ceiling / 2 + (this.#settings.random() * ceiling) / 2;
  }
}

/** Deadline and abort of one call. */
class CallLimit {
  /** Whether it may still be sent. */
  readonly check: (() => void) | undefined;
  readonly #stop = new AbortController();
  readonly #until: number;
  readonly #timer: NodeJS.Timeout;
  readonly #outside: AbortSignal | undefined;
  readonly #onAbort: () => void;

  constructor(request: HttpRequest, timeoutMs: number, { signal: outside, beforeEach }: CallOptions) {
    this.check = beforeEach;
    const what = `${request.method} ${request.path.split("?", 1)[0]}`;
    this.#until = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      this.#stop.abort(
        new FairleadError("KUBE_TIMEOUT", `${what} took longer than ${timeoutMs} ms`, { facts: { phase: "call" } }),
      );
    }, timeoutMs);
    this.#outside = outside;
    this.#onAbort = (): void => {
      this.#stop.abort(new FairleadError("KUBE_ABORTED", `${what} was cancelled`, { cause: outside?.reason }));
    };
    if (outside?.aborted === true) {
      this.#onAbort();
    }
    outside?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  leftMs(): number {
    return Math.max(0, this.#until - performance.now());
  }

  /** Waits, but not beyond the deadline or the abort. */
  race<Value>(promise: Promise<Value> | undefined): Promise<Value | undefined> {
    this.signal.throwIfAborted();
    if (promise === undefined) {
      return Promise.resolve(undefined);
    }
    return new Promise((resolve, reject) => {
      const stopped = (): void => reject(this.signal.reason);
      this.signal.addEventListener("abort", stopped, { once: true });
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", stopped));
    });
  }

  async sleep(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await this.race(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, ms);
        }),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#outside?.removeEventListener("abort", this.#onAbort);
  }
}

function receive(transport: Transport, request: HttpRequest, maxBytes: number, limit: CallLimit): Promise<Answer> {
  const { signal } = limit;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    let head: ResponseHead = { status: 0, headers: {} };
    let exchange: Exchange | undefined;
    const stopped = (): void => {
      exchange?.cancel();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stopped, { once: true });
    const over = (): void => signal.removeEventListener("abort", stopped);
    exchange = transport.open(request, {
      head(received) {
        head = received;
      },
      data(chunk) {
        size += chunk.length;
        if (size > maxBytes) {
          exchange?.cancel();
          over();
          reject(tooLarge(request, maxBytes));
          return;
        }
        chunks.push(chunk);
      },
      end() {
        over();
        const length = Number(head.headers["content-length"]);
        if (length > size && head.status !== 304) {
          reject(badResponse(request, `was cut after ${size} of ${length} bytes`));
          return;
        }
        resolve({ head, body: chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks) });
      },
      fail(error) {
        over();
        reject(error);
      },
    });
  });
}

async function unzipped(answer: Answer, request: HttpRequest, maxBytes: number): Promise<Answer> {
  if (answer.head.headers["content-encoding"] !== "gzip") {
    return answer;
  }
  const { gunzip } = await import("node:zlib");
  return new Promise((resolve, reject) => {
    gunzip(answer.body, { maxOutputLength: maxBytes }, (error, body) => {
      if (error === null) {
        resolve({ head: answer.head, body });
        return;
      }
      reject(
        error instanceof RangeError
          ? tooLarge(request, maxBytes)
          : badResponse(request, "says that it is gzip and is not"),
      );
    });
  });
}

function statusOf({ head, body }: Answer): StatusObject | undefined {
  if (!isJson(head)) {
    // A proxy's page or plain words: the first line says enough.
    const line = body.toString("utf8", 0, 300).split("\n", 1)[0]?.trim() ?? "";
    return line === "" || line.startsWith("<") ? undefined : { message: line };
  }
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    return typeof parsed === "object" && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function parseObject(head: ResponseHead, body: Buffer, request: HttpRequest): Readonly<Record<string, unknown>> {
  if (!isJson(head)) {
    throw badResponse(
      request,
      `is "${head.headers["content-type"] ?? "without content type"}", not JSON; check that the address is an API server's`,
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw badResponse(request, `says that it is JSON and is not (${messageOf(error).slice(0, 60)})`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw badResponse(request, "is JSON, but no object");
  }
  // Checked above: an object that is no list.
  return parsed as Readonly<Record<string, unknown>>;
}

function isJson(head: ResponseHead): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/.test(head.headers["content-type"] ?? "");
}

/** An answer that cannot be one of an API server. */
export function badResponse(request: HttpRequest, what: string): FairleadError {
  const path = request.path.split("?", 1)[0] ?? "";
  return new FairleadError("KUBE_BAD_RESPONSE", `the answer to ${request.method} ${path} ${what}`, {
    facts: { method: request.method, path },
  });
}

function tooLarge(request: HttpRequest, maxBytes: number): FairleadError {
  return badResponse(request, `is larger than ${maxBytes} bytes; ask for less or raise maxBodyBytes`);
}

function retryAfterSeconds(head: ResponseHead): number | undefined {
  const value = head.headers["retry-after"];
  if (value === undefined) {
    return undefined;
  }
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
