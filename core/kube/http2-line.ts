import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { FairleadError } from "../errors.ts";
import { resetError } from "./connect-error.ts";
import { type Flight, pathOf } from "./flight.ts";

const STREAM_WINDOW_BYTES = 1_048_576;
const SESSION_WINDOW_BYTES = 4_194_304;
const SESSION_MEMORY_MB = 64;
/** Streams that HTTP/2 servers allow at least, as a rule; used until the server has said its own number. */
const ASSUMED_STREAMS = 100;

/** HTTP/2's REFUSED_STREAM: the server did nothing with the request. */
const REFUSED_STREAM = 7;
const CANCEL = 8;
/** So many streams in a row reset without an answer: the connection is not worth another try. */
const MOST_REFUSALS = 3;

/** What a line tells its pool. */
export interface LineEvents {
  received(bytes: number): void;
  pinged(): void;
  /** A stream ended, so another one fits. */
  freed(): void;
  closed(line: Http2Line): void;
}

export interface LineOptions {
  readonly pingAfterMs: number;
  readonly pingTimeoutMs: number;
  /** `https://host:port`, for the pseudo headers. */
  readonly origin: string;
}

/** One HTTP/2 connection: windows, pings, GOAWAY. */
export class Http2Line {
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #events: LineEvents;
  readonly #options: LineOptions;
  readonly #silence: NodeJS.Timeout;
  #pingTimer: NodeJS.Timeout | undefined;
  #reason: FairleadError | undefined;
  /** The connection did not end in good order: no stream on it has. */
  #broken = false;
  #draining = false;
  #closed = false;
  #active = 0;
  /** Streams in a row that the server reset without an answer. */
  #refusals = 0;

  constructor(http2: typeof import("node:http2"), socket: Socket, options: LineOptions, events: LineEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#options = options;
    this.#session = http2.connect(options.origin, {
      createConnection: () => socket,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
      maxSessionMemory: SESSION_MEMORY_MB,
    });
    this.#silence = setTimeout(() => this.probe(), options.pingAfterMs);
    this.#session
      .on("connect", (session) => session.setLocalWindowSize(SESSION_WINDOW_BYTES))
      .on("error", (error) => {
        this.#broken = true;
        this.#reason ??= resetError(
          `the connection broke (${String(Reflect.get(error, "code") ?? error.message)})`,
          error,
        );
      })
      .on("goaway", (code) => {
        this.#reason ??= resetError(`the server ended the connection (GOAWAY ${code})`);
        this.drain();
      })
      .on("close", () => this.#onClose());
  }

  /** Whether one more request fits. */
  get usable(): boolean {
    return !this.#draining && !this.#session.closed && !this.#session.destroyed && this.#active < this.#limit();
  }

  /** Sends one request; the line must be usable. */
  send(flight: Flight, headers: OutgoingHttpHeaders): void {
    const { request } = flight;
    const body = request.body;
    const stream = this.#session.request(headers, { endStream: body === undefined });
    this.#active += 1;
    const attempt = flight.begin({
      stop: () => {
        stream.close(CANCEL);
        stream.destroy();
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
    });
    this.#listen(stream, flight, attempt);
    if (body !== undefined) {
      stream.end(body);
    }
  }

  /** Takes no new requests; ends when the last stream has. */
  drain(): void {
    if (!this.#draining) {
      this.#draining = true;
      this.#session.close();
    }
  }

  /** Ends it now; streams in flight fail with the reason. */
  destroy(reason: FairleadError): void {
    this.#broken = true;
    this.#reason = reason;
    this.#session.destroy();
    // A session that was draining only ends its socket, and a server that is gone never ends its side.
    this.#socket.destroy();
  }

  /** Asks the server for a sign of life; none in time ends the connection. */
  probe(): void {
    if (this.#pingTimer !== undefined || this.#closed || this.#session.destroyed) {
      return;
    }
    this.#pingTimer = setTimeout(() => {
      this.destroy(
        resetError(
          `the server sent nothing for ${this.#options.pingAfterMs} ms and no answer to a ping within ${this.#options.pingTimeoutMs} ms`,
        ),
      );
    }, this.#options.pingTimeoutMs);
    this.#events.pinged();
    const answered = (error: Error | null): void => {
      if (error === null) {
        this.#alive();
      }
    };
    if (this.#session.closed) {
      // Node sends no PING once a session drains; SETTINGS without a change must be acknowledged just as well (RFC 9113, 6.5.3).
      this.#session.settings({}, answered);
    } else {
      this.#session.ping(answered);
    }
  }

  #limit(): number {
    return this.#session.remoteSettings?.maxConcurrentStreams ?? ASSUMED_STREAMS;
  }

  #alive(): void {
    this.#silence.refresh();
    if (this.#pingTimer !== undefined) {
      clearTimeout(this.#pingTimer);
      this.#pingTimer = undefined;
    }
  }

  #listen(stream: ClientHttp2Stream, flight: Flight, attempt: number): void {
    let failure: unknown;
    let answered = false;
    stream
      .on("response", (headers) => {
        this.#alive();
        answered = true;
        this.#refusals = 0;
        flight.head(attempt, { status: headers[":status"] ?? 0, headers: plainHeaders(headers) });
      })
      .on("data", (chunk: Buffer) => {
        this.#alive();
        this.#events.received(chunk.length);
        flight.data(attempt, chunk);
      })
      .on("end", () => {
        // A cut connection also ends the readable side: only code 0 is a clean end.
        if (stream.rstCode === 0 && !this.#broken) {
          flight.end(attempt);
        }
      })
      .on("error", (error) => {
        failure = error;
      })
      .on("close", () => {
        this.#active -= 1;
        if (!answered && flight.isCurrent(attempt) && ++this.#refusals >= MOST_REFUSALS) {
          this.drain();
        }
        this.#events.freed();
        this.#over(stream, flight, attempt, failure);
      });
  }

  /** The stream is gone; if the flight has not heard of a clean end, it hears why. */
  #over(stream: ClientHttp2Stream, flight: Flight, attempt: number, failure: unknown): void {
    if (!flight.isCurrent(attempt)) {
      return;
    }
    const code = stream.rstCode;
    if (code === 0 && failure === undefined && !this.#broken && stream.readableEnded) {
      flight.end(attempt);
      return;
    }
    const what = `${flight.request.method} ${pathOf(flight.request)}`;
    const reason = this.#reason === undefined ? `the stream was reset (code ${code})` : this.#reason.message;
    const error = resetError(`${what} was cut: ${reason}`, failure ?? this.#reason?.cause);
    if (code === REFUSED_STREAM) {
      flight.retryOrFail(attempt, error);
      return;
    }
    flight.fail(attempt, error);
  }

  #onClose(): void {
    this.#closed = true;
    clearTimeout(this.#silence);
    clearTimeout(this.#pingTimer);
    this.#events.closed(this);
  }
}

function plainHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !name.startsWith(":")) {
      plain[name] = typeof value === "string" ? value : String(value);
    }
  }
  return plain;
}
