import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import type { FairleadError } from "../errors.ts";
import type { ClusterAccess } from "./access.ts";
import type { Pair } from "./certificates.test-support.ts";
import type { Exchange, HttpRequest, ResponseHead, Transport } from "./transport.ts";

export type Handler = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse) => void;

/** A local server and what it saw. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly sockets: Set<Socket>;
  readonly sessions: ServerHttp2Session[];
  /** Sockets ever accepted. */
  accepted: number;
}

/** Starts a server on a free loopback port. `h2` also speaks HTTP/1.1 to those who ask for it. */
export async function serve(
  protocol: "h2" | "https" | "http",
  handler: Handler,
  pair?: Pair & { ca?: string },
  settings = {},
): Promise<TestServer> {
  const tls = { ...pair, requestCert: pair?.ca !== undefined, rejectUnauthorized: pair?.ca !== undefined };
  // Both kinds of response have the methods that the tests use.
  const both = handler as (request: unknown, response: unknown) => void;
  const server: Server | Http2SecureServer =
    protocol === "h2"
      ? createSecureServer(
          { ...tls, allowHTTP1: true, settings },
          both as (q: Http2ServerRequest, s: Http2ServerResponse) => void,
        )
      : protocol === "https"
        ? createHttpsServer({ ...tls, ALPNProtocols: ["http/1.1"] }, handler)
        : createHttpServer(handler);
  return started(server);
}

/** Listens, and follows what connects. */
export async function started(server: Server | Http2SecureServer): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const sessions: ServerHttp2Session[] = [];
  server.on("connection", (socket: Socket) => {
    result.accepted += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  server.on("session", (session: ServerHttp2Session) => {
    sessions.push(session);
    session.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const result: TestServer = {
    // Listening on TCP, so the address is one.
    port: (server.address() as AddressInfo).port,
    sockets,
    sessions,
    accepted: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return result;
}

/** Access to a local server. */
export function accessTo(server: string, more: Partial<ClusterAccess> = {}): ClusterAccess {
  return { server, insecureSkipTlsVerify: false, credentials: {}, origin: "the test", ...more };
}

/** What one request heard. */
export interface Heard {
  head?: ResponseHead;
  body: string;
  error?: FairleadError;
  /** Every call in order: head, data, end, fail. */
  readonly calls: string[];
}

/** Sends a request and follows it. */
export function follow(
  transport: Transport,
  request: Partial<HttpRequest> = {},
): {
  readonly heard: Heard;
  readonly exchange: Exchange;
  readonly done: Promise<Heard>;
  readonly headed: Promise<void>;
  readonly firstData: Promise<void>;
} {
  const heard: Heard = { body: "", calls: [] };
  const done = Promise.withResolvers<Heard>();
  const headed = Promise.withResolvers<void>();
  const firstData = Promise.withResolvers<void>();
  const exchange = transport.open(
    { method: "GET", path: "/version", ...request },
    {
      head(head) {
        heard.calls.push("head");
        heard.head = head;
        headed.resolve();
      },
      data(chunk) {
        heard.calls.push("data");
        heard.body += chunk.toString();
        firstData.resolve();
      },
      end() {
        heard.calls.push("end");
        done.resolve(heard);
      },
      fail(error) {
        heard.calls.push("fail");
        heard.error = error;
        done.resolve(heard);
      },
    },
  );
  return { heard, exchange, done: done.promise, headed: headed.promise, firstData: firstData.promise };
}

/** Sends a request and waits for its end. */
export function ask(transport: Transport, request: Partial<HttpRequest> = {}): Promise<Heard> {
  return follow(transport, request).done;
}
