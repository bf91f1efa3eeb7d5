import { FairleadError } from "../errors.ts";
import { errorFromStatus } from "./status-error.ts";
import type { Exchange, HttpRequest, ResponseHead, Transport } from "./transport.ts";

/** One event of a watch. An ERROR event is thrown, not given. */
export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: Readonly<Record<string, unknown>>;
}

const MAX_LINE_BYTES = 16_777_216;
const MAX_WAITING = 64;
const NEWLINE = 10;

/**
 * Follows one watch request as JSON lines. A slow reader holds the server back; leaving the loop cancels the request.
 * Throws the typed error of an ERROR event, KUBE_BAD_RESPONSE for lines that are none, and what the connection says.
 */
export async function* watchJson(
  transport: Transport,
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<WatchEvent, void, undefined> {
  const request: HttpRequest = { method: "GET", path, headers: { accept: "application/json" } };
  const stream = new LineStream(transport, request, signal);
  try {
    for (;;) {
      const line = await stream.next();
      if (line === undefined) {
        return;
      }
      yield parseEvent(line, request);
    }
  } finally {
    stream.stop();
  }
}

/** Splits a response into lines, and pauses it while too many wait. */
class LineStream {
  readonly #request: HttpRequest;
  readonly #exchange: Exchange;
  readonly #lines: string[] = [];
  readonly #signal: AbortSignal | undefined;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #head: ResponseHead | undefined;
  #error: unknown;
  #ended = false;
  #paused = false;
  #wake: (() => void) | undefined;

  constructor(transport: Transport, request: HttpRequest, signal: AbortSignal | undefined) {
    this.#request = request;
    this.#signal = signal;
    this.#exchange = transport.open(request, {
      head: (head) => {
        this.#head = head;
      },
      data: (chunk) => this.#take(chunk),
      end: () => this.#end(),
      fail: (error) => this.#fail(error),
    });
    signal?.addEventListener("abort", this.#abort, { once: true });
    if (signal?.aborted === true) {
      this.#abort();
    }
  }

  /** The next line; undefined at the end. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        if (this.#paused && this.#lines.length === 0) {
          this.#paused = false;
          this.#exchange.resume();
        }
        return line;
      }
      if (this.#error !== undefined) {
        throw this.#error;
      }
      if (this.#ended) {
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  stop(): void {
    this.#exchange.cancel();
    this.#signal?.removeEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => {
    this.#exchange.cancel();
    this.#lines.length = 0;
    this.#fail(
      new FairleadError("KUBE_ABORTED", `GET ${this.#request.path.split("?", 1)[0]} was cancelled`, {
        cause: this.#signal?.reason,
      }),
    );
  };

  #take(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#rest.push(chunk.subarray(from, at));
      this.#flush();
      from = at + 1;
    }
    if (from < chunk.length) {
      this.#rest.push(chunk.subarray(from));
      this.#restBytes += chunk.length - from;
    }
    if (this.#restBytes > MAX_LINE_BYTES) {
      this.#exchange.cancel();
      this.#fail(bad(this.#request, `has an event of more than ${MAX_LINE_BYTES} bytes`));
      return;
    }
    if (this.#lines.length >= MAX_WAITING && !this.#paused) {
      this.#paused = true;
      this.#exchange.pause();
    }
    this.#notify();
  }

  #flush(): void {
    const line = Buffer.concat(this.#rest).toString("utf8").trim();
    this.#rest = [];
    this.#restBytes = 0;
    // Anything but 200 is one Status, which may be pretty-printed over lines: `#end` reads it whole.
    if (line !== "") {
      this.#lines.push(line);
    }
  }

  #end(): void {
    const status = this.#head?.status ?? 0;
    if (status !== 200) {
      this.#flush();
      const body = this.#lines.splice(0).join("\n");
      this.#fail(errorFromStatus(status, parsedObject(body), this.#request));
      return;
    }
    if (this.#restBytes > 0) {
      this.#fail(bad(this.#request, "was cut in the middle of an event"));
      return;
    }
    this.#ended = true;
    this.#notify();
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#notify();
  }

  #notify(): void {
    if ((this.#head?.status ?? 200) !== 200 && this.#error === undefined) {
      // The body of a refusal is read to its end first.
      if (this.#paused) {
        this.#paused = false;
        this.#exchange.resume();
      }
      return;
    }
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function parseEvent(line: string, request: HttpRequest): WatchEvent {
  const event = parsedObject(line);
  const object = event?.object;
  if (event === undefined || typeof event.type !== "string" || typeof object !== "object" || object === null) {
    throw bad(request, "has a line that is no event");
  }
  // A non-null object can be read by any key.
  const fields = object as Readonly<Record<string, unknown>>;
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
    case "BOOKMARK":
      return { type: event.type, object: fields };
    case "ERROR":
      throw errorFromStatus(typeof fields.code === "number" ? fields.code : 500, fields, request);
    default:
      throw bad(request, `has an event of the unknown type "${event.type.slice(0, 40)}"`);
  }
}

function parsedObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    // Checked: a non-null object.
    return typeof parsed === "object" && parsed !== null ? (parsed as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function bad(request: HttpRequest, what: string): FairleadError {
  const path = request.path.split("?", 1)[0] ?? "";
  return new FairleadError("KUBE_BAD_RESPONSE", `the answer to GET ${path} ${what}`, {
    facts: { method: "GET", path },
  });
}
