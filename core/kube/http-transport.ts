import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { codeOf, FairleadError } from "../errors.ts";
import type { ClusterAccess } from "./access.ts";
import { closedError, resetError } from "./connect-error.ts";
import { CredentialSource, type CurrentAccess } from "./credentials.ts";
import { type Dialled, dial, proxyAuthorization } from "./dial.ts";
import { Flight, type FlightOwner } from "./flight.ts";
import { Http1Pool } from "./http1-pool.ts";
import { Http2Line } from "./http2-line.ts";
import {
  type ConnectSettings,
  type Destination,
  destinationOf,
  requestHeaders,
  secureContextOf,
} from "./request-head.ts";
import type { Exchange, HttpRequest, ResponseSink, Transport } from "./transport.ts";
import { userAgent } from "./user-agent.ts";

/** How to connect. All optional. */
export interface ConnectOptions {
  /** Hears of what an operator should know once: a connection whose certificate is not checked. Default: nothing. */
  readonly warn?: (message: string, facts: Readonly<Record<string, string>>) => void;
  /** Whole way to a ready connection, milliseconds. Default 10000. */
  readonly connectTimeoutMs?: number;
  /** Silence after which an HTTP/2 connection is pinged, milliseconds. Default 30000. */
  readonly pingAfterMs?: number;
  /** Time to answer a ping, milliseconds. Default 15000. */
  readonly pingTimeoutMs?: number;
  /** Milliseconds between looks at a token file. Default 60000. */
  readonly tokenFileEveryMs?: number;
  /** Least time between renewals started by a 401, milliseconds. Default 5000. */
  readonly renewEveryMs?: number;
  /** Protocols to offer. Default both. */
  readonly protocols?: readonly ("h2" | "http/1.1")[];
  /** Connections by HTTP/1.1 that are kept for later requests. Default 4. */
  readonly idleConnections?: number;
  /** Default `fairlead/<version> (<platform>)`. */
  readonly userAgent?: string;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** Figures of one transport since it was made. */
export interface TransportStats {
  /** Connections open now. */
  readonly connections: number;
  /** Requests sent, replays included. */
  readonly requests: number;
  /** Bytes of response bodies. */
  readonly bytesIn: number;
  /** Connections made after all earlier ones had been lost. */
  readonly reconnects: number;
  readonly pings: number;
  /** Undefined before the first connection. */
  readonly protocol: "h2" | "http/1.1" | undefined;
}

/** A transport over sockets of this process. */
export interface HttpTransport extends Transport {
  stats(): TransportStats;
}

/**
 * A transport to one API server. Connects with the first request, and again whenever needed; every failure goes to
 * the sink of the request that met it. Throws KUBE_BAD_CONFIG for an address that is none and KUBE_PROXY_UNSUPPORTED
 * for a SOCKS proxy. Belongs to the thread that made it; `close()` it.
 */
export function connect(access: ClusterAccess, options: ConnectOptions = {}): HttpTransport {
  return new SocketTransport(access, {
    warn: options.warn ?? (() => {}),
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    pingAfterMs: options.pingAfterMs ?? 30_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 15_000,
    tokenFileEveryMs: options.tokenFileEveryMs ?? 60_000,
    renewEveryMs: options.renewEveryMs ?? 5_000,
    protocols: options.protocols ?? ["h2", "http/1.1"],
    idleConnections: options.idleConnections ?? 4,
    userAgent: options.userAgent ?? userAgent(),
    now: options.now ?? Date.now,
  });
}

class SocketTransport implements HttpTransport, FlightOwner {
  readonly #settings: ConnectSettings;
  readonly #credentials: CredentialSource;
  readonly #flights = new Set<Flight>();
  /** Waiting for a connection. */
  readonly #waiting = new Set<Flight>();
  readonly #sockets = new Set<Socket>();
  /** TCP sockets that are not closed yet. */
  readonly #closing = new Set<Socket>();
  readonly #lines: Http2Line[] = [];
  #pool: Http1Pool | undefined;
  /** Known once a connection was made. */
  #protocol: "h2" | "http/1.1" | undefined;
  #destination: Destination;
  #context: SecureContext | undefined;
  #connectionVersion = 0;
  #dials = new AbortController();
  #dialling = 0;
  /** A connection for the waiting requests is on its way. */
  #connecting = false;
  #closed = false;
  #warned = false;
  #opened = 0;
  #requests = 0;
  #bytesIn = 0;
  #reconnects = 0;
  #pings = 0;
  #whenIdle: (() => void) | undefined;

  constructor(access: ClusterAccess, settings: ConnectSettings) {
    this.#settings = settings;
    this.#destination = destinationOf(access);
    this.#credentials = new CredentialSource(access, settings);
  }

  open(request: HttpRequest, sink: ResponseSink): Exchange {
    const flight = new Flight(request, sink, this);
    this.#flights.add(flight);
    this.resend(flight);
    return flight;
  }

  reset(reason: string): void {
    this.#giveUpAll(resetError(`the connection was reset: ${reason}`));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const credentials = this.#credentials.close();
    this.#giveUpAll(closedError());
    if (!this.#idle()) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await credentials;
  }

  stats(): TransportStats {
    return {
      connections: this.#sockets.size,
      requests: this.#requests,
      bytesIn: this.#bytesIn,
      reconnects: this.#reconnects,
      pings: this.#pings,
      protocol: this.#protocol,
    };
  }

  resend(flight: Flight): void {
    if (this.#closed) {
      queueMicrotask(() => flight.giveUp(closedError()));
      return;
    }
    let current: CurrentAccess | undefined;
    try {
      current = this.#credentials.current();
    } catch (error) {
      queueMicrotask(() => flight.giveUp(asError(error)));
      return;
    }
    if (current !== undefined) {
      this.#start(flight, current);
      return;
    }
    this.#credentials.get().then(
      (fetched) => this.#start(flight, fetched),
      (error: unknown) => flight.giveUp(asError(error)),
    );
  }

  unauthorized(flight: Flight): boolean {
    if (!this.#credentials.renewable || this.#closed) {
      return false;
    }
    this.#credentials.renew(flight.accessVersion).then(
      (newer) => (newer === undefined ? flight.release() : flight.again()),
      // Without new credentials the server's own answer says best what is wrong.
      () => flight.release(),
    );
    return true;
  }

  finished(flight: Flight): void {
    this.#flights.delete(flight);
    this.#waiting.delete(flight);
  }

  #start(flight: Flight, current: CurrentAccess): void {
    if (!flight.open) {
      return;
    }
    if (current.connectionVersion !== this.#connectionVersion) {
      this.#changeConnection(current);
    }
    if (this.#protocol === undefined && this.#destination.secure) {
      this.#wait(flight, current);
      return;
    }
    if (this.#protocol === "h2") {
      const line = this.#lines.find((each) => each.usable);
      if (line === undefined) {
        this.#wait(flight, current);
        return;
      }
      this.#sendOn(line, flight, current);
      return;
    }
    if (this.#pool === undefined) {
      this.#wait(flight, current);
      return;
    }
    this.#sendHttp1(this.#pool, flight, current);
  }

  #sendOn(line: Http2Line, flight: Flight, current: CurrentAccess): void {
    if (!flight.mayBeSent()) {
      return;
    }
    flight.accessVersion = current.version;
    this.#requests += 1;
    const headers = requestHeaders(flight.request, current, this.#settings.userAgent);
    line.send(flight, {
      ...headers,
      ":method": flight.request.method,
      ":path": this.#destination.basePath + flight.request.path,
    });
  }

  #sendHttp1(pool: Http1Pool, flight: Flight, current: CurrentAccess): void {
    flight.accessVersion = current.version;
    this.#requests += 1;
    const { absolute, basePath, hostHeader, proxy } = this.#destination;
    const headers = requestHeaders(flight.request, current, this.#settings.userAgent);
    headers.host = hostHeader;
    const proxied = absolute && proxy !== undefined ? proxyAuthorization(proxy) : undefined;
    if (proxied !== undefined) {
      headers["proxy-authorization"] = proxied;
    }
    const path = basePath + flight.request.path;
    pool.send(flight, absolute ? `http://${hostHeader}${path}` : path, headers);
  }

  /** Puts a request in the queue, and opens a connection for it unless one is on its way. */
  #wait(flight: Flight, current: CurrentAccess): void {
    this.#waiting.add(flight);
    if (!this.#connecting) {
      this.#connect(current);
    }
  }

  #connect(current: CurrentAccess): void {
    this.#connecting = true;
    const signal = this.#dials.signal;
    this.#prepare(current).then(
      () => {
        this.#connecting = false;
        this.#serveWaiting();
      },
      (error: unknown) => {
        this.#connecting = false;
        if (signal.aborted) {
          // This attempt was given up; who came since then gets a new one.
          this.#serveWaiting();
          return;
        }
        const failure = asError(error);
        for (const flight of [...this.#waiting]) {
          flight.giveUp(failure);
        }
      },
    );
  }

  /** Makes one connection ready for requests. */
  async #prepare(current: CurrentAccess): Promise<void> {
    if (!this.#destination.secure) {
      await this.#makePool();
      this.#protocol = "http/1.1";
      return;
    }
    let dialled: Dialled;
    try {
      dialled = await this.#dial(current, this.#settings.protocols);
    } catch (error) {
      dialled = await this.#dialRenewed(current, error);
    }
    await this.#adopt(dialled, this.#dials.signal);
  }

  /** After a refused certificate: the cluster's CA or our certificate may have been replaced since. */
  async #dialRenewed(current: CurrentAccess, error: unknown): Promise<Dialled> {
    if (codeOf(error) !== "KUBE_TLS" || !this.#credentials.renewable) {
      throw error;
    }
    const newer = await this.#credentials.renew(current.version).catch(() => undefined);
    if (newer === undefined || newer.connectionVersion === current.connectionVersion) {
      throw error;
    }
    this.#changeConnection(newer);
    return this.#dial(newer, this.#settings.protocols);
  }

  async #adopt(dialled: Dialled, signal: AbortSignal): Promise<void> {
    const { socket, protocol } = dialled;
    if (protocol === "h2") {
      const http2 = await import("node:http2");
      if (signal.aborted || socket.destroyed) {
        socket.destroy();
        throw resetError("the connection was cut as soon as it was made");
      }
      this.#lines.push(this.#makeLine(http2, socket));
    } else {
      const pool = await this.#makePool();
      if (signal.aborted) {
        socket.destroy();
        throw resetError("the connection was cut as soon as it was made");
      }
      pool.adopt(socket);
    }
    this.#protocol = protocol;
  }

  async #dial(current: CurrentAccess, protocols: ConnectSettings["protocols"]): Promise<Dialled> {
    const { host, port, proxy, absolute, secure } = this.#destination;
    const { access } = current;
    // Who closes or resets while the certificates are being read means this dial too.
    const { signal } = this.#dials;
    if (this.#closed) {
      throw closedError();
    }
    this.#dialling += 1;
    try {
      if (secure) {
        this.#context ??= await secureContextOf(current);
      }
      if (secure && access.insecureSkipTlsVerify && !this.#warned) {
        this.#warned = true;
        this.#settings.warn(
          `the certificate of ${host}:${port} is NOT checked, because the kubeconfig says insecure-skip-tls-verify: anyone in between can read and change everything`,
          { server: access.server, origin: access.origin },
        );
      }
      const dialled = await dial(
        {
          host,
          port,
          tls:
            this.#context === undefined
              ? undefined
              : {
                  context: this.#context,
                  serverName: access.tlsServerName ?? host,
                  verify: !access.insecureSkipTlsVerify,
                },
          protocols,
          proxy,
          tunnel: !absolute,
          origin: access.origin,
          timeoutMs: this.#settings.connectTimeoutMs,
        },
        signal,
      );
      this.#own(dialled);
      if (signal.aborted) {
        dialled.socket.destroy();
      }
      return dialled;
    } finally {
      this.#dialling -= 1;
      this.#settle();
    }
  }

  #own({ socket, base }: Dialled): void {
    if (this.#opened > 0 && this.#sockets.size === 0) {
      this.#reconnects += 1;
    }
    this.#opened += 1;
    this.#sockets.add(socket);
    this.#closing.add(base);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      base.destroy();
    });
    base.once("close", () => {
      this.#closing.delete(base);
      this.#settle();
    });
  }

  #makeLine(http2: typeof import("node:http2"), socket: Socket): Http2Line {
    const { pingAfterMs, pingTimeoutMs } = this.#settings;
    const origin = `https://${this.#destination.hostHeader}`;
    return new Http2Line(
      http2,
      socket,
      { pingAfterMs, pingTimeoutMs, origin },
      {
        received: (bytes) => {
          this.#bytesIn += bytes;
        },
        pinged: () => {
          this.#pings += 1;
        },
        freed: () => {
          if (this.#waiting.size > 0) {
            this.#serveWaiting();
          }
        },
        closed: (line) => {
          const at = this.#lines.indexOf(line);
          if (at >= 0) {
            this.#lines.splice(at, 1);
          }
        },
      },
    );
  }

  async #makePool(): Promise<Http1Pool> {
    const http = await import("node:http");
    this.#pool ??= new Http1Pool(http, {
      idleConnections: this.#settings.idleConnections,
      host: this.#destination.host,
      port: this.#destination.port,
      dial: async () => (await this.#dial(await this.#credentials.get(), ["http/1.1"])).socket,
      received: (bytes) => {
        this.#bytesIn += bytes;
      },
    });
    return this.#pool;
  }

  /** A connection is ready: sends what waits, as far as it fits. */
  #serveWaiting(): void {
    for (const flight of [...this.#waiting]) {
      if (this.#protocol === "h2" && !this.#lines.some((line) => line.usable)) {
        break;
      }
      this.#waiting.delete(flight);
      this.resend(flight);
    }
    if (this.#waiting.size > 0 && !this.#connecting) {
      const current = this.#credentials.current();
      if (current !== undefined) {
        this.#connect(current);
      }
    }
  }

  /** New CA or client certificate: new requests need a new connection, those in flight end on the old one. */
  #changeConnection(current: CurrentAccess): void {
    this.#connectionVersion = current.connectionVersion;
    this.#destination = destinationOf(current.access);
    this.#context = undefined;
    this.#dials.abort();
    this.#dials = new AbortController();
    for (const line of [...this.#lines]) {
      line.drain();
    }
    this.#protocol = undefined;
    this.#pool = undefined;
  }

  #giveUpAll(error: FairleadError): void {
    const flights = [...this.#flights];
    this.#dropConnections(error);
    for (const flight of flights) {
      flight.giveUp(error);
    }
  }

  #dropConnections(error: FairleadError): void {
    this.#dials.abort();
    this.#dials = new AbortController();
    for (const line of this.#lines.splice(0)) {
      line.destroy(error);
    }
    this.#pool?.destroy();
    this.#pool = undefined;
    this.#protocol = undefined;
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #idle(): boolean {
    return this.#closing.size === 0 && this.#dialling === 0;
  }

  #settle(): void {
    if (this.#whenIdle !== undefined && this.#idle()) {
      this.#whenIdle();
    }
  }
}

function asError(error: unknown): FairleadError {
  if (error instanceof FairleadError) {
    return error;
  }
  return resetError("the request could not be sent", error);
}
