import { connect, isIP, type Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import { FairleadError } from "../errors.ts";
import { connectError, type DialledPeer } from "./connect-error.ts";

/** What to dial. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain TCP. */
  readonly tls?: {
    readonly context: SecureContext;
    readonly serverName: string;
    readonly verify: boolean;
  };
  /** Protocols to offer, best first. */
  readonly protocols: readonly ("h2" | "http/1.1")[];
  readonly proxy?: URL;
  /** Ask the proxy for a tunnel (CONNECT); otherwise the caller sends absolute addresses to it. */
  readonly tunnel: boolean;
  readonly origin: string;
  readonly timeoutMs: number;
}

/** A connection that is ready for HTTP, and what ALPN chose (`http/1.1` if nothing). */
export interface Dialled {
  readonly socket: Socket;
  /** The TCP socket below; it closes last. */
  readonly base: Socket;
  readonly protocol: "h2" | "http/1.1";
}

const KEEP_ALIVE_MS = 30_000;
const PROXY_HEAD_BYTES = 16_384;

/**
 * Opens a TCP connection, through the proxy and with TLS where wanted. Codes: KUBE_UNREACHABLE, KUBE_TLS,
 * KUBE_TIMEOUT (whole dial over `timeoutMs`), KUBE_AUTH (the proxy wants credentials), KUBE_RESET (aborted).
 */
export async function dial(target: DialTarget, signal: AbortSignal): Promise<Dialled> {
  const peer: DialledPeer = {
    host: target.host,
    port: target.port,
    proxy: target.proxy?.host,
    origin: target.origin,
  };
  const deadline = new Deadline(target, peer, signal);
  try {
    const tls = target.tls === undefined && target.proxy?.protocol !== "https:" ? undefined : await import("node:tls");
    const base = await tcp(target, deadline);
    let socket = base;
    if (target.proxy !== undefined) {
      if (tls !== undefined && target.proxy.protocol === "https:") {
        deadline.step = "TLS handshake with the proxy";
        const host = bare(target.proxy.hostname);
        const servername = isIP(host) === 0 ? host : "";
        socket = await secured(
          tls.connect({ socket, host, servername, minVersion: "TLSv1.2", rejectUnauthorized: true }),
          deadline,
        );
      }
      if (target.tunnel) {
        deadline.step = "answer of the proxy";
        await tunnel(socket, target, target.proxy, deadline);
      }
    }
    if (tls === undefined || target.tls === undefined) {
      return { socket, base, protocol: "http/1.1" };
    }
    deadline.step = "TLS handshake";
    const { context, serverName, verify } = target.tls;
    const safe = tls.connect({
      socket,
      host: target.host,
      servername: isIP(serverName) === 0 ? serverName : "",
      secureContext: context,
      rejectUnauthorized: verify,
      ALPNProtocols: [...target.protocols],
    });
    await secured(safe, deadline);
    return { socket: safe, base, protocol: safe.alpnProtocol === "h2" ? "h2" : "http/1.1" };
  } catch (error) {
    deadline.destroy();
    throw connectError(deadline.expired ?? error, peer);
  } finally {
    deadline.clear();
  }
}

/** Destroys the newest socket of a dial when time is up or the caller gives up. */
class Deadline {
  step = "TCP connection";
  expired: FairleadError | undefined;
  readonly #signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #socket: Socket | undefined;

  constructor(target: DialTarget, peer: DialledPeer, signal: AbortSignal) {
    this.#signal = signal;
    this.#timer = setTimeout(() => {
      const via = peer.proxy === undefined ? "" : ` through proxy ${peer.proxy}`;
      this.expired = new FairleadError(
        "KUBE_TIMEOUT",
        `no ${this.step} with ${peer.host}:${peer.port}${via} within ${target.timeoutMs} ms; check the address, firewalls and the proxy (from ${peer.origin})`,
        { facts: { phase: "connect", step: this.step, host: peer.host, port: peer.port, proxy: peer.proxy } },
      );
      this.destroy();
    }, target.timeoutMs);
    signal.addEventListener("abort", this.#abort);
  }

  watch(socket: Socket): void {
    this.#socket = socket;
    if (this.#signal.aborted) {
      this.#abort();
    }
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => {
    this.expired = new FairleadError("KUBE_RESET", "the connection was given up while it was being made");
    this.destroy();
  };
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

function tcp(target: DialTarget, deadline: Deadline): Promise<Socket> {
  const { proxy } = target;
  const host = proxy === undefined ? target.host : bare(proxy.hostname);
  const port = proxy === undefined ? target.port : Number(proxy.port || (proxy.protocol === "https:" ? 443 : 80));
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  return settled(socket, "connect", deadline);
}

function secured(socket: TLSSocket, deadline: Deadline): Promise<Socket> {
  return settled(socket, "secureConnect", deadline);
}

/** Waits for the event; an error or an early close rejects. */
function settled<Sock extends Socket>(
  socket: Sock,
  event: "connect" | "secureConnect",
  deadline: Deadline,
): Promise<Sock> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      socket.off("error", failed).off("close", closed).off(event, ready);
    };
    const ready = (): void => {
      done();
      resolve(socket);
    };
    const failed = (error: unknown): void => {
      done();
      // A socket may report a second error while it is being destroyed.
      socket.on("error", () => {});
      reject(error);
    };
    const closed = (): void => {
      done();
      reject(Object.assign(new Error("closed"), { code: "ECONNRESET" }));
    };
    socket.on("error", failed).on("close", closed).on(event, ready);
    deadline.watch(socket);
  });
}

function tunnel(socket: Socket, target: DialTarget, proxy: URL, deadline: Deadline): Promise<void> {
  const host = isIP(target.host) === 6 ? `[${target.host}]` : target.host;
  const lines = [`CONNECT ${host}:${target.port} HTTP/1.1`, `Host: ${host}:${target.port}`];
  const authorization = proxyAuthorization(proxy);
  if (authorization !== undefined) {
    lines.push(`Proxy-Authorization: ${authorization}`);
  }
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const done = (): void => {
      socket.off("data", data).off("error", failed).off("close", closed);
    };
    const failed = (error: unknown): void => {
      done();
      socket.on("error", () => {});
      reject(error);
    };
    const closed = (): void => failed(proxyError(proxy, "closed the connection"));
    const data = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) {
        if (head.length > PROXY_HEAD_BYTES) {
          failed(proxyError(proxy, "did not answer with HTTP"));
        }
        return;
      }
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head.toString("latin1", 0, end))?.[1] ?? 0);
      if (status !== 200) {
        failed(refusal(proxy, target, status));
        return;
      }
      done();
      socket.pause();
      if (head.length > end + 4) {
        socket.unshift(head.subarray(end + 4));
      }
      resolve();
    };
    socket.on("data", data).on("error", failed).on("close", closed);
    deadline.watch(socket);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
}

/** Basic credentials of a proxy address, as the header wants them. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === "" && proxy.password === "") {
    return undefined;
  }
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

function proxyError(proxy: URL, what: string): FairleadError {
  return new FairleadError("KUBE_UNREACHABLE", `proxy ${proxy.host} ${what}; check proxy-url or HTTPS_PROXY`, {
    facts: { proxy: proxy.host },
  });
}

function refusal(proxy: URL, target: DialTarget, status: number): FairleadError {
  const facts = { proxy: proxy.host, status };
  if (status === 407) {
    return new FairleadError("KUBE_AUTH", `proxy ${proxy.host} wants credentials; put them into the proxy address`, {
      facts,
    });
  }
  const what = status === 0 ? "did not answer with HTTP" : `answered ${status}`;
  return new FairleadError(
    "KUBE_UNREACHABLE",
    `proxy ${proxy.host} ${what} when asked for ${target.host}:${target.port}; check proxy-url or HTTPS_PROXY`,
    { facts },
  );
}
