import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { StatusCertificate, StatusToken } from "./status-files.ts";
import { answerStatus, type StatusAnswer, type StatusParts } from "./status-routes.ts";

/** Where and how health and metrics are served. */
export interface StatusOptions {
  /** 0 takes any; `statusUrl` tells which. */
  readonly port: number;
  /** Address to listen on. Default: all. */
  readonly host?: string;
  /**
   * Bearer token for /metrics and /loglevel, or "file:/path" of a file that holds it, read anew when it changes. Probes need
   * none, as with the API server. Default: metrics are open to all who reach the port, and there is no /loglevel.
   */
  readonly token?: string | undefined;
  /** Serve by TLS; the files (PEM) are read anew when they change. Default: plain HTTP. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Lets `PUT /loglevel` change the level. Default: the `level` of the logger, where it has one as pino's do. */
  readonly logLevel?: LevelControl;
}

/** A log level that can be read and changed while the program runs; a pino logger is one. */
export interface LevelControl {
  level: string;
}

/** A server that listens. */
export interface StatusServer {
  /** "http://127.0.0.1:8080"; the address that was asked for, with the port that it got. */
  readonly url: string;
  /** Answers what is under way for at most a second, then closes all connections. */
  close(): Promise<void>;
}

/** One connection of a client may take this much of us and no more. Sizes in bytes. */
const LIMITS = {
  headersMs: 5000,
  requestMs: 10_000,
  idleMs: 10_000,
  keepAliveMs: 5000,
  headerBytes: 8192,
  connections: 128,
  requestsPerConnection: 1000,
  bodyBytes: 256,
};
const CLOSE_AFTER_MS = 1000;
const LOOK_AT_FILES_EVERY_MS = 10_000;

/**
 * Begins to serve. Throws STATUS_BAD_OPTION for a token or certificate that cannot be used, STATUS_LISTEN_FAILED when the
 * address is taken. Later failures are logged; no request can bring it down.
 */
export async function openStatusServer(options: StatusOptions, parts: StatusParts, log: Logger): Promise<StatusServer> {
  const token = options.token === undefined ? undefined : new StatusToken(options.token, log);
  const certificate = options.tls === undefined ? undefined : new StatusCertificate(options.tls, log);
  await Promise.all([token?.load(), certificate?.load()]);
  const server = makeServer(certificate, (request, response) => {
    // Rejects never: whatever goes wrong is answered.
    void serve({ request, response, parts, token, log });
  });
  server.maxConnections = LIMITS.connections;
  server.maxRequestsPerSocket = LIMITS.requestsPerConnection;
  server.timeout = LIMITS.idleMs;
  server.on("clientError", (_, socket) => {
    socket.end(socket.writable ? "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" : undefined);
    socket.destroySoon?.();
  });
  const port = await listen(server, options);
  server.on("error", (error) => log.warn({ code: codeOf(error), detail: messageOf(error) }, "status server failed"));
  const looking = setInterval(() => {
    void token?.refresh();
    void certificate?.refresh();
  }, LOOK_AT_FILES_EVERY_MS);
  looking.unref();
  let closed: Promise<void> | undefined;
  return {
    url: urlOf(options, port),
    close() {
      clearInterval(looking);
      closed ??= close(server);
      return closed;
    },
  };
}

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

function makeServer(certificate: StatusCertificate | undefined, onRequest: Serve): Server | TlsServer {
  const options = {
    headersTimeout: LIMITS.headersMs,
    requestTimeout: LIMITS.requestMs,
    keepAliveTimeout: LIMITS.keepAliveMs,
    maxHeaderSize: LIMITS.headerBytes,
    connectionsCheckingInterval: LIMITS.headersMs,
  };
  if (certificate === undefined) {
    return createServer(options, onRequest);
  }
  const server = createTlsServer(
    { ...options, ...certificate.pair, minVersion: "TLSv1.2", handshakeTimeout: LIMITS.headersMs },
    onRequest,
  );
  // A client that cannot shake hands is no event worth a line.
  server.on("tlsClientError", () => {});
  certificate.onChange((pair) => server.setSecureContext({ ...pair, minVersion: "TLSv1.2" }));
  return server;
}

async function listen(server: Server | TlsServer, { host, port }: StatusOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: Error): void => {
      const where = `${host === undefined ? "all addresses" : `"${host}"`}, port ${port}`;
      const isPort = ["EADDRINUSE", "EACCES", "ERR_SOCKET_BAD_PORT"].includes(codeOf(error));
      const message = `the status server cannot listen on ${where}: ${error.message}; change ${isPort ? "status.port" : "status.host"}`;
      reject(
        new FairleadError("STATUS_LISTEN_FAILED", message, {
          cause: error,
          facts: { host, port, cause: codeOf(error) },
        }),
      );
    };
    server.once("error", refuse);
    const listening = (): void => {
      server.off("error", refuse);
      resolve();
    };
    try {
      server.listen({ port, host, exclusive: true }, listening);
    } catch (error) {
      refuse(error instanceof Error ? error : new Error(String(error)));
    }
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

function urlOf({ host, tls }: StatusOptions, port: number): string {
  const name = host === undefined ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `${tls === undefined ? "http" : "https"}://${name}:${port}`;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly parts: StatusParts;
  readonly token: StatusToken | undefined;
  readonly log: Logger;
}

async function serve({ request, response, parts, token, log }: Exchange): Promise<void> {
  response.on("error", () => {}); // a client that went away
  let answer: StatusAnswer;
  try {
    const body = await bodyOf(request);
    answer = await answerStatus(
      {
        method: request.method ?? "GET",
        target: request.url ?? "/",
        authorization: request.headers.authorization,
        body,
      },
      parts,
      token,
    );
  } catch (error) {
    log.warn({ code: codeOf(error), detail: messageOf(error), path: request.url?.slice(0, 100) }, "status not told");
    answer = { status: 500, body: "internal error\n" };
  }
  send(request, response, answer);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body, contentType, headers }: StatusAnswer,
): void {
  if (response.destroyed) {
    return;
  }
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "content-type": contentType ?? "text/plain; charset=utf-8",
    "content-length": bytes.byteLength,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
    // What was not read of the request is not ours to wait for.
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** The text of a small body; undefined for one that is too large. Nobody sends one but for /loglevel. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  if (request.method !== "PUT") {
    return "";
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.byteLength;
    if (size > LIMITS.bodyBytes) {
      return undefined;
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function close(server: Server | TlsServer): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_AFTER_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
