import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { FairleadError } from "../errors.ts";
import { resetError } from "./connect-error.ts";
import { type Flight, pathOf } from "./flight.ts";

export interface Http1Options {
  readonly host: string;
  readonly port: number;
  /** Opens one more connection that speaks HTTP/1.1. */
  readonly dial: () => Promise<Socket>;
  readonly received: (bytes: number) => void;
  /** Connections that are kept for later requests. */
  readonly idleConnections: number;
}

/** HTTP/1.1 connections, one per request in flight, kept alive in between. */
export class Http1Pool {
  readonly #http: typeof import("node:http");
  readonly #options: Http1Options;
  readonly #agent: Agent;
  readonly #spare: Socket[] = [];

  constructor(http: typeof import("node:http"), options: Http1Options) {
    this.#http = http;
    this.#options = options;
    this.#agent = new http.Agent({ keepAlive: true, maxFreeSockets: options.idleConnections, scheduling: "lifo" });
    // Sockets come from our own dialling (TLS, proxy, deadline), ready for use.
    this.#agent.createConnection = (_options, callback) => {
      const spare = this.#spare.pop();
      if (spare !== undefined && !spare.destroyed) {
        return spare;
      }
      options.dial().then(
        (socket) => callback?.(null, socket),
        // The callback's type asks for a stream also beside an error, and ignores it then.
        (error: Error) => callback?.(error, undefined as unknown as Socket),
      );
      return undefined;
    };
  }

  /** Takes a connection that was opened before it was known to speak HTTP/1.1. */
  adopt(socket: Socket): void {
    this.#spare.push(socket);
    socket.on("error", () => {});
  }

  send(flight: Flight, path: string, headers: Record<string, string | string[]>): void {
    const { request: asked } = flight;
    const request = this.#http.request({
      agent: this.#agent,
      host: this.#options.host,
      port: this.#options.port,
      path,
      method: asked.method,
      headers,
      setHost: false,
    });
    let response: IncomingMessage | undefined;
    let paused = false;
    const attempt = flight.begin({
      stop: () => request.destroy(),
      pause: () => {
        paused = true;
        response?.pause();
      },
      resume: () => {
        paused = false;
        response?.resume();
      },
    });
    let failure: unknown;
    if (asked.check !== undefined) {
      // Node writes the request in this very turn, after its listeners.
      request.once("socket", () => flight.mayBeSent());
    }
    request
      .on("response", (message) => {
        response = message;
        flight.head(attempt, { status: message.statusCode ?? 0, headers: plainHeaders(message) });
        this.#receive(message, flight, attempt);
        if (paused) {
          message.pause();
        }
      })
      .on("error", (error) => {
        failure = error;
      })
      .on("close", () => this.#over(request, flight, attempt, failure));
    if (asked.body === undefined) {
      request.end();
    } else {
      request.end(asked.body);
    }
  }

  /** Closes all connections; requests in flight fail. */
  destroy(): void {
    for (const socket of this.#spare.splice(0)) {
      socket.destroy();
    }
    this.#agent.destroy();
  }

  #receive(message: IncomingMessage, flight: Flight, attempt: number): void {
    message
      .on("data", (chunk: Buffer) => {
        this.#options.received(chunk.length);
        flight.data(attempt, chunk);
      })
      .on("end", () => {
        if (message.complete) {
          flight.end(attempt);
        }
      })
      .on("error", () => {});
  }

  #over(request: ClientRequest, flight: Flight, attempt: number, failure: unknown): void {
    if (!flight.isCurrent(attempt)) {
      return;
    }
    if (failure instanceof FairleadError) {
      flight.fail(attempt, failure);
      return;
    }
    const error = resetError(
      `${flight.request.method} ${pathOf(flight.request)} was cut: the connection closed before the answer was complete`,
      failure,
    );
    // The server may close an idle connection just when we reuse it; a read is simply sent again.
    if (request.reusedSocket && flight.request.method === "GET") {
      flight.retryOrFail(attempt, error);
      return;
    }
    flight.fail(attempt, error);
  }
}

function plainHeaders(message: IncomingMessage): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const name in message.headers) {
    const value = message.headers[name];
    if (value !== undefined) {
      plain[name] = typeof value === "string" ? value : value.join(", ");
    }
  }
  return plain;
}
