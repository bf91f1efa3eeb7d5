import { connect, type Socket } from "node:net";
import type { ResolveClock, ResolveTimer } from "./resolve-clock.ts";
import type { ResolverStats } from "./resolve-stats.ts";
import type { UpstreamAddress } from "./upstream-address.ts";
import type { RandomSource } from "./upstream-random.ts";
import type { ReplyListener, Ticket } from "./upstream-udp.ts";

interface Sent {
  readonly packet: Buffer;
  readonly listener: ReplyListener;
  /** It was on a connection before, which the upstream closed. */
  readonly isAgain: boolean;
}

interface Connection {
  readonly socket: Socket;
  readonly pending: Map<number, Sent>;
  timer: ResolveTimer;
  isConnected: boolean;
  /** It has brought a reply: when it is closed now, that is because it was idle or the upstream restarts. */
  hasAnswered: boolean;
  isGone: boolean;
  /** Since then questions are under way and no whole reply has come; undefined: all is answered. */
  silentSinceMs: number | undefined;
  usedMs: number;
  readonly frames: FrameReader;
}

const CONNECTIONS = 4;
const OUTSTANDING = 100;
const CONNECT_MS = 2_000;
const IDLE_MS = 10_000;
const SILENT_MS = 5_000;
const CHECK_MS = 2_500;

/** TCP connections to one upstream, each with many questions under way (RFC 7766). Opened when they are needed. */
export class TcpLines {
  readonly #to: UpstreamAddress;
  readonly #clock: ResolveClock;
  readonly #random: RandomSource;
  readonly #stats: ResolverStats;
  readonly #connections = new Set<Connection>();

  constructor(to: UpstreamAddress, parts: { clock: ResolveClock; random: RandomSource; stats: ResolverStats }) {
    this.#to = to;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#stats = parts.stats;
  }

  /** Sends the packet with a new random id, which it writes into it. A connection that was closed meanwhile is dialled again, once. */
  send(packet: Buffer, listener: ReplyListener): Ticket {
    const own: ReplyListener = {
      onReply: (reply) => listener.onReply(reply),
      onError: (error) => listener.onError(error),
    };
    this.#send({ packet, listener: own, isAgain: false });
    return {
      end: () => {
        for (const connection of this.#connections) {
          for (const [id, sent] of connection.pending) {
            if (sent.listener === own) {
              connection.pending.delete(id);
            }
          }
        }
      },
    };
  }

  close(): void {
    for (const connection of [...this.#connections]) {
      this.#drop(connection, new Error("the resolver was closed"), true);
    }
  }

  #send(sent: Sent): void {
    const connection = this.#connection();
    if (connection === undefined) {
      // Not before the caller has its ticket.
      queueMicrotask(() => sent.listener.onError(new Error("too many questions are under way over tcp")));
      return;
    }
    let id = this.#random.word();
    while (connection.pending.has(id)) {
      id = this.#random.word();
    }
    sent.packet.writeUInt16BE(id, 0);
    connection.pending.set(id, sent);
    connection.usedMs = this.#clock.now();
    connection.silentSinceMs ??= connection.usedMs;
    this.#stats.upstreamTcpQueries++;
    const frame = Buffer.allocUnsafe(sent.packet.length + 2);
    frame.writeUInt16BE(sent.packet.length, 0);
    frame.set(sent.packet, 2);
    connection.socket.write(frame);
  }

  #connection(): Connection | undefined {
    for (const connection of this.#connections) {
      if (connection.pending.size < OUTSTANDING) {
        return connection;
      }
    }
    return this.#connections.size < CONNECTIONS ? this.#open() : undefined;
  }

  #open(): Connection {
    const { address, port, family } = this.#to;
    const socket = connect({ host: address, port, family, noDelay: true });
    const connection: Connection = {
      socket,
      pending: new Map(),
      timer: { clear: () => {} },
      isConnected: false,
      hasAnswered: false,
      isGone: false,
      silentSinceMs: undefined,
      usedMs: this.#clock.now(),
      frames: new FrameReader(),
    };
    this.#connections.add(connection);
    connection.timer = this.#clock.setTimer(CONNECT_MS, () => this.#check(connection));
    socket.unref();
    socket.on("connect", () => {
      connection.isConnected = true;
    });
    socket.on("error", (error) => this.#drop(connection, error, false));
    socket.on("close", () => this.#drop(connection, new Error("the upstream closed the connection"), false));
    socket.on("data", (bytes: Buffer) => this.#receive(connection, bytes));
    return connection;
  }

  /** Ends a connection that does not connect, is idle, or has gone silent. */
  #check(connection: Connection): void {
    const now = this.#clock.now();
    const isSilent = connection.silentSinceMs !== undefined && now - connection.silentSinceMs >= SILENT_MS;
    const isIdle = connection.pending.size === 0 && now - connection.usedMs >= IDLE_MS;
    if (!connection.isConnected || isSilent || isIdle) {
      this.#drop(connection, new Error("the upstream does not answer over tcp"), true);
      return;
    }
    connection.timer = this.#clock.setTimer(CHECK_MS, () => this.#check(connection));
  }

  #receive(connection: Connection, bytes: Buffer): void {
    const isWell = connection.frames.push(bytes, (reply) => {
      connection.silentSinceMs = undefined;
      const id = reply.readUInt16BE(0);
      const sent = connection.pending.get(id);
      if (sent === undefined) {
        this.#stats.upstreamMismatches++;
        return;
      }
      connection.hasAnswered = true;
      sent.listener.onReply(reply);
    });
    if (!isWell) {
      this.#stats.upstreamMalformed++;
      this.#drop(connection, new Error("the upstream sent a frame that is no message"), true);
      return;
    }
    if (connection.pending.size > 0) {
      connection.silentSinceMs ??= this.#clock.now();
    }
  }

  /** `isFinal`: what was under way is not sent again. */
  #drop(connection: Connection, error: Error, isFinal: boolean): void {
    if (connection.isGone) {
      return;
    }
    connection.isGone = true;
    connection.timer.clear();
    this.#connections.delete(connection);
    connection.socket.destroy();
    const pending = [...connection.pending.values()];
    connection.pending.clear();
    for (const sent of pending) {
      // A busy loop cannot be: it is sent again once only, and only when the connection has worked.
      if (!isFinal && connection.hasAnswered && !sent.isAgain) {
        this.#send({ ...sent, isAgain: true });
      } else {
        sent.listener.onError(error);
      }
    }
  }
}

/** Cuts a stream into messages: two bytes of length before each. */
class FrameReader {
  #rest: Buffer[] = [];
  #restBytes = 0;

  /** False: a frame cannot be a message. */
  push(bytes: Buffer, onMessage: (message: Buffer) => void): boolean {
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
    // Joined only when a whole frame is there, so that many small pieces cost no copies.
    const wanted = this.#wanted();
    if (wanted !== undefined && this.#restBytes < wanted) {
      return true;
    }
    let rest = this.#rest.length === 1 ? bytes : Buffer.concat(this.#rest);
    while (rest.length >= 2) {
      const length = rest.readUInt16BE(0);
      if (length < 12) {
        return false;
      }
      if (rest.length < length + 2) {
        break;
      }
      onMessage(rest.subarray(2, length + 2));
      rest = rest.subarray(length + 2);
    }
    this.#rest = rest.length === 0 ? [] : [rest];
    this.#restBytes = rest.length;
    return true;
  }

  /** Bytes of the first frame, if its length is there in one piece. */
  #wanted(): number | undefined {
    const [first] = this.#rest;
    return first.length >= 2 ? first.readUInt16BE(0) + 2 : undefined;
  }
}
