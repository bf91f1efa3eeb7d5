import { createSocket, type Socket } from "node:dgram";
import type { ResolveClock } from "./resolve-clock.ts";
import type { ResolverStats } from "./resolve-stats.ts";
import type { UpstreamAddress } from "./upstream-address.ts";
import type { RandomSource } from "./upstream-random.ts";

/** Who waits for replies to one packet. */
export interface ReplyListener {
  /** A packet with the right id from the right address; there may be more than one, until the ticket is ended. */
  onReply(reply: Buffer): void;
  /** The packet could not be sent, or will get no reply. */
  onError(error: Error): void;
}

/** A packet under way. */
export interface Ticket {
  /** Nothing more is wanted. May be called again. */
  end(): void;
}

interface Line {
  readonly socket: Socket;
  readonly bornMs: number;
  readonly pending: Map<number, ReplyListener>;
  /** Packets that wait until it is connected; undefined after that. */
  waiting: Buffer[] | undefined;
  sent: number;
  isRetired: boolean;
}

const SOCKETS = 4;
/** A socket gets a new source port after so long, or so many packets: replies must not be guessed. */
const SOCKET_LIFE_MS = 10_000;
const SOCKET_PACKETS = 10_000;

/**
 * UDP sockets to one upstream. They are connected, so that the kernel drops what comes from elsewhere and reports ports where
 * nobody listens. Opened when they are needed.
 */
export class UdpLines {
  readonly #to: UpstreamAddress;
  readonly #clock: ResolveClock;
  readonly #random: RandomSource;
  readonly #stats: ResolverStats;
  readonly #lines: (Line | undefined)[] = new Array(SOCKETS).fill(undefined);
  readonly #retired = new Set<Line>();

  constructor(to: UpstreamAddress, parts: { clock: ResolveClock; random: RandomSource; stats: ResolverStats }) {
    this.#to = to;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#stats = parts.stats;
  }

  /** Sends the packet with a new random id, which it writes into it. */
  send(packet: Buffer, listener: ReplyListener): Ticket {
    const line = this.#line();
    if (line.isRetired) {
      // Not before the caller has its ticket.
      queueMicrotask(() => listener.onError(new Error("the socket could not be opened")));
      return { end: () => {} };
    }
    let id = this.#random.word();
    while (line.pending.has(id)) {
      id = this.#random.word();
    }
    packet.writeUInt16BE(id, 0);
    line.pending.set(id, listener);
    line.sent++;
    this.#stats.upstreamQueries++;
    if (line.waiting === undefined) {
      this.#transmit(line, packet);
    } else {
      line.waiting.push(packet);
    }
    return {
      end: () => {
        if (line.pending.get(id) === listener) {
          line.pending.delete(id);
          this.#closeIfDone(line);
        }
      },
    };
  }

  close(): void {
    for (const line of [...this.#lines, ...this.#retired]) {
      if (line !== undefined) {
        this.#fail(line, new Error("the resolver was closed"));
      }
    }
  }

  #line(): Line {
    const at = this.#random.below(SOCKETS);
    const line = this.#lines[at];
    const isOld = line !== undefined && this.#clock.now() - line.bornMs >= SOCKET_LIFE_MS;
    if (line !== undefined && !line.isRetired && line.sent < SOCKET_PACKETS && !isOld) {
      return line;
    }
    if (line !== undefined && !line.isRetired) {
      line.isRetired = true;
      this.#retired.add(line);
      this.#closeIfDone(line);
    }
    const fresh = this.#open();
    this.#lines[at] = fresh;
    return fresh;
  }

  #open(): Line {
    const { address, port, family } = this.#to;
    const socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      // The address is one already: no look-up, which would be asynchronous.
      lookup: (host, _options, found) => found(null, host, family),
    });
    const line: Line = {
      socket,
      bornMs: this.#clock.now(),
      pending: new Map(),
      waiting: [],
      sent: 0,
      isRetired: false,
    };
    socket.unref();
    socket.on("error", (error) => this.#fail(line, error));
    socket.on("message", (reply) => this.#receive(line, reply));
    socket.on("connect", () => {
      const waiting = line.waiting ?? [];
      line.waiting = undefined;
      for (const packet of waiting) {
        this.#transmit(line, packet);
      }
    });
    socket.connect(port, address);
    return line;
  }

  #transmit(line: Line, packet: Buffer): void {
    try {
      // Without a callback nobody would be told of a failure.
      line.socket.send(packet, (error) => {
        if (error !== null) {
          this.#fail(line, error);
        }
      });
    } catch (error) {
      // Not before the caller has its ticket.
      queueMicrotask(() => this.#fail(line, error instanceof Error ? error : new Error(String(error))));
    }
  }

  #receive(line: Line, reply: Buffer): void {
    const listener = reply.length >= 2 ? line.pending.get(reply.readUInt16BE(0)) : undefined;
    if (listener === undefined) {
      this.#stats.upstreamMismatches++;
      return;
    }
    listener.onReply(reply);
  }

  /** The socket is of no use any more: all that is under way on it has failed. */
  #fail(line: Line, error: Error): void {
    if (line.isRetired && line.pending.size === 0) {
      return;
    }
    const at = this.#lines.indexOf(line);
    if (at >= 0) {
      this.#lines[at] = undefined;
    }
    const waiting = [...line.pending.values()];
    line.pending.clear();
    line.isRetired = true;
    this.#retired.add(line);
    this.#closeIfDone(line);
    for (const listener of waiting) {
      listener.onError(error);
    }
  }

  #closeIfDone(line: Line): void {
    if (line.isRetired && line.pending.size === 0 && this.#retired.delete(line)) {
      line.socket.close();
    }
  }
}
