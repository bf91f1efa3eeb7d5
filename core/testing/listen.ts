import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { Server, Socket } from "node:net";

type Handler = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => void;

/** A listening socket with all its connections. */
export interface Listener {
  readonly port: number;
  /** The TCP socket under a request. */
  socketOf(request: IncomingMessage | Http2ServerRequest): Socket | undefined;
  /** Resets all connections. */
  drop(): void;
  /** Stops listening, ends what is open, resolves when all is closed. */
  close(): Promise<void>;
}

/** TLS of a listener. */
export interface ListenTls {
  readonly certPem: string;
  readonly keyPem: string;
  /** Default true. */
  readonly http2?: boolean;
}

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Listens on a free port of loopback. */
export async function listen(tls: ListenTls | undefined, handler: Handler): Promise<Listener> {
  const sockets = new Map<number, Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const server = makeServer(tls, handler, sessions);
  server.on("connection", (socket: Socket) => {
    const { remotePort } = socket;
    // A TLS server emits its TCP socket here first; sockets of one port are one connection.
    if (remotePort === undefined || sockets.has(remotePort)) {
      return;
    }
    socket.setNoDelay(true);
    socket.on("error", () => {});
    sockets.set(remotePort, socket);
    socket.on("close", () => sockets.delete(remotePort));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const drop = () => {
    for (const socket of [...sockets.values()]) {
      socket.resetAndDestroy();
    }
    for (const session of [...sessions]) {
      session.destroy();
    }
  };
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    socketOf: (request) => sockets.get(request.socket.remotePort ?? -1),
    drop,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const session of [...sessions]) {
        session.destroy();
      }
      // Not a reset: under TLS that meets the client's own close, Node 26 keeps a dead handle and never ends.
      for (const socket of [...sockets.values()]) {
        socket.destroy();
      }
      await closed;
    },
  };
}

function makeServer(tls: ListenTls | undefined, handler: Handler, sessions: Set<ServerHttp2Session>): Server {
  if (tls === undefined) {
    return createHttpServer({ keepAlive: true, requestTimeout: 0 }, handler);
  }
  const certificate = { cert: tls.certPem, key: tls.keyPem };
  if (tls.http2 === false) {
    return createHttpsServer({ ...certificate, keepAlive: true, requestTimeout: 0 }, handler);
  }
  const server = createSecureServer(
    { ...certificate, allowHTTP1: true, settings: { initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: 1000 } },
    handler,
  );
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("sessionError", () => {});
  return server;
}
