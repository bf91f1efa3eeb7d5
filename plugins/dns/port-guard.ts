import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { createServer } from "node:net";
import { type Place, showPlace } from "./address.ts";
import { isIpv6Only } from "./server-messages.ts";
import type { ListenAddress } from "./settings.ts";

/** Questions that are kept while nobody answers, and their bytes at most. */
const MOST_HELD = 10_000;
const MOST_HELD_BYTES = 4 * 1024 * 1024;
/** Who waited so long for an answer has asked somebody else, or given up, milliseconds. */
const KEPT_MS = 5000;
/** A port that is free for UDP may be taken for TCP. */
const PORT_TRIES = 16;
/** Nobody sends from there: a socket that is connected to it hears nothing. */
const NOWHERE = 9;

/** A taken port is tried again after so long, milliseconds. */
const RETRY_MS = 50;

/** How ports are taken. */
export interface ClaimOptions {
  /** Other processes of the same user may have them too. */
  readonly isShared: boolean;
  /** A port that is taken is waited for so long, milliseconds: who had it may just be ending. Default 0. */
  readonly waitMs?: number;
}

/** A packet that nobody could answer yet. */
export interface HeldPacket {
  readonly query: Buffer;
  readonly from: Place;
  /** When it came. */
  readonly atMs: number;
}

/**
 * Keeps the UDP port of one place while the threads that answer on it come and go. As long as they do it is deaf: connected to
 * a port that nobody sends from. When none of them is left it hears, and keeps what it hears for the next one.
 */
export class PortGuard {
  readonly place: ListenAddress;
  readonly #socket: Socket | undefined;
  #held: HeldPacket[] = [];
  #heldBytes = 0;
  #dropped = 0;
  #isClosed = false;

  private constructor(place: ListenAddress, socket: Socket | undefined) {
    this.place = place;
    this.#socket = socket;
    socket?.on("message", (query: Buffer, from: RemoteInfo) => this.#keep(query, from));
    // A socket that fails later keeps nothing; the threads have their own.
    socket?.on("error", () => {});
  }

  /** Takes the ports. Gives the guards in the order of the places. Throws DNS_PORT_*, DNS_ADDRESS_UNKNOWN, DNS_LISTEN_FAILED. */
  static async claim(places: readonly ListenAddress[], options: ClaimOptions): Promise<PortGuard[]> {
    const guards: PortGuard[] = [];
    try {
      for (const place of places) {
        const ipv6Only = isIpv6Only(place, places);
        guards.push(await claimOne(place, { ...options, ipv6Only }, (found, socket) => new PortGuard(found, socket)));
      }
    } catch (error) {
      for (const guard of guards) {
        guard.close();
      }
      throw error;
    }
    return guards;
  }

  /** Packets that were dropped since there was no room for them. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Nobody answers: what comes is kept. */
  listen(): void {
    if (!this.#isClosed) {
      try {
        this.#socket?.disconnect();
      } catch {
        // It hears already.
      }
    }
  }

  /** Others answer again: it hears nothing, and gives what it has kept. */
  async deafen(): Promise<readonly HeldPacket[]> {
    const socket = this.#socket;
    if (socket !== undefined && !this.#isClosed) {
      const { address } = this.place;
      const to = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
      await new Promise<void>((resolve) => {
        try {
          // Where it cannot be connected it goes on to hear, and what it hears is handed on all the same.
          socket.connect(NOWHERE, to, () => resolve());
        } catch {
          resolve();
        }
      });
    }
    const oldest = performance.now() - KEPT_MS;
    const held = this.#held.filter(({ atMs }) => atMs > oldest);
    this.#dropped += this.#held.length - held.length;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#socket?.close();
    }
  }

  #keep(query: Buffer, { address, port }: RemoteInfo): void {
    if (this.#held.length >= MOST_HELD || this.#heldBytes + query.length > MOST_HELD_BYTES) {
      this.#dropped++;
      return;
    }
    this.#heldBytes += query.length;
    this.#held.push({ query, from: { address, port }, atMs: performance.now() });
  }
}

interface SocketOptions extends ClaimOptions {
  readonly ipv6Only: boolean;
}

async function claimOne<Guard>(
  place: ListenAddress,
  options: SocketOptions,
  make: (place: ListenAddress, socket: Socket | undefined) => Guard,
): Promise<Guard> {
  const endsAtMs = performance.now() + (options.waitMs ?? 0);
  for (let tries = 1; ; tries++) {
    try {
      // Sockets that share their port would share it with a stranger too: nobody may be there now.
      const port = options.isShared ? place.port : await freePort(place, options);
      const found = { ...place, port };
      return make(found, place.udp ? await openUdp(found, { ...options, isShared: true }) : undefined);
    } catch (error) {
      const mayRetry = place.port === 0 ? tries < PORT_TRIES : performance.now() < endsAtMs;
      const refused = listenError(place, error);
      if (!mayRetry || refused.code !== "DNS_PORT_IN_USE") {
        throw refused;
      }
      if (place.port !== 0) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}

async function freePort(place: ListenAddress, options: SocketOptions): Promise<number> {
  let { port } = place;
  if (place.udp) {
    const socket = await openUdp({ ...place, port }, options);
    port = socket.address().port;
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
  if (place.tcp) {
    port = await tryTcp({ address: place.address, port }, options.ipv6Only);
  }
  return port;
}

async function openUdp({ address, port }: Place, { isShared, ipv6Only }: SocketOptions): Promise<Socket> {
  const type = address.includes(":") ? "udp6" : "udp4";
  const family = type === "udp6" ? 6 : 4;
  const socket = createSocket({
    type,
    reusePort: isShared,
    ipv6Only,
    lookup: (host, _options, done) => done(null, host, family),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return socket;
}

async function tryTcp({ address, port }: Place, ipv6Only: boolean): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, ipv6Only, exclusive: true }, resolve);
  });
  const found = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof found === "object" && found !== null ? found.port : port;
}

/** What the system refused, in words that say what to do. */
export function listenError(place: Place, cause: unknown): Error & { readonly code: string } {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "UNKNOWN";
  const shown = showPlace(place);
  const [own, text] = reasonOf(code, shown, place, cause);
  return Object.assign(new Error(text, { cause }), { code: own, facts: { address: place.address, port: place.port } });
}

function reasonOf(code: string, shown: string, { address, port }: Place, cause: unknown): readonly [string, string] {
  switch (code) {
    case "EADDRINUSE":
      return [
        "DNS_PORT_IN_USE",
        `cannot answer on ${shown}: another program, or another address of "listen", has the port; end it (ss -lunp "sport = :${port}" shows it) or choose another port`,
      ];
    case "EACCES":
    case "EPERM":
      return [
        "DNS_PORT_FORBIDDEN",
        `cannot answer on ${shown}: ports below 1024 need a right; listen on 5353 and let a Service map port 53 to it, give the container the capability NET_BIND_SERVICE, or run: setcap cap_net_bind_service=+ep $(command -v node)`,
      ];
    case "EADDRNOTAVAIL":
    case "EINVAL":
      return [
        "DNS_ADDRESS_UNKNOWN",
        `cannot answer on ${shown}: this machine has no address ${address}; use one that it has, or 0.0.0.0 or [::] for all`,
      ];
    case "EAFNOSUPPORT":
      return ["DNS_ADDRESS_UNKNOWN", `cannot answer on ${shown}: this machine has no IPv6; use an IPv4 address`];
    default:
      return [
        "DNS_LISTEN_FAILED",
        `cannot answer on ${shown}: ${cause instanceof Error ? cause.message : String(cause)}`,
      ];
  }
}
