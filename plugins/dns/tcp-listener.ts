import { createServer, type Server, type Socket } from "node:net";
import type { Place } from "./address.ts";
import { clientOf } from "./address.ts";
import type { Counters, PlainFigure } from "./counters.ts";
import { HEADER } from "./packet.ts";
import { LATER, type QueryDesk } from "./query-desk.ts";
import type { LimitOptions } from "./settings.ts";

const PREFIX = 2;
const LARGEST = 65_535;
/** Answers of one turn are gathered here and written at once. */
const GATHERED = 2 * (LARGEST + PREFIX);
/** Connections are looked at so often, milliseconds. */
const SWEEP_MS = 250;
/** A client that takes nothing for so long is let go, milliseconds. */
const SLOW_READER_MS = 5000;
const BACKLOG = 511;

/** How to answer on one TCP socket. */
export interface TcpOptions extends Place {
  readonly ipv6Only: boolean;
  readonly desk: QueryDesk;
  readonly counters: Counters;
  readonly limits: Pick<
    LimitOptions,
    "tcpConnections" | "tcpPerClient" | "tcpOutstanding" | "tcpIdleMs" | "tcpFirstByteMs"
  >;
  readonly onError: (error: Error) => void;
}

/** One listening TCP socket of a thread, as RFC 7766 wants it: many questions on a connection, answers as they come. */
export class TcpListener {
  readonly #options: TcpOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #perClient = new Map<string, number>();
  readonly #gather = Buffer.allocUnsafeSlow(GATHERED);
  #sweeper: NodeJS.Timeout | undefined;

  private constructor(options: TcpOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Resolves when it answers; rejects with the system's error. */
  static async open(options: TcpOptions): Promise<TcpListener> {
    const listener = new TcpListener(options);
    await listener.#listen();
    return listener;
  }

  /** Questions whose answer is still to come. */
  get pending(): number {
    return [...this.#connections].reduce((sum, { outstanding }) => sum + outstanding, 0);
  }

  /** Takes no more connections; those that wait for nothing end. */
  drain(): void {
    if (this.#server.listening) {
      this.#server.close();
    }
    for (const connection of this.#connections) {
      connection.finish();
    }
  }

  close(): void {
    clearInterval(this.#sweeper);
    if (this.#server.listening) {
      this.#server.close();
    }
    for (const connection of this.#connections) {
      connection.end();
    }
  }

  async #listen(): Promise<void> {
    const { address, port, ipv6Only, onError } = this.#options;
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address, port, ipv6Only, reusePort: true, backlog: BACKLOG }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    server.on("error", onError);
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), SWEEP_MS);
  }

  #accept(socket: Socket): void {
    const { counters, limits, desk } = this.#options;
    const address = socket.remoteAddress;
    // Gone before it was looked at.
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const client = clientOf(address);
    const count = this.#perClient.get(client) ?? 0;
    if (count >= limits.tcpPerClient) {
      counters.count("tcpRefusedClient");
      socket.destroy();
      return;
    }
    if (this.#connections.size >= limits.tcpConnections && !this.#makeRoom()) {
      counters.count("tcpRefusedFull");
      socket.destroy();
      return;
    }
    counters.count("tcpAccepted");
    this.#perClient.set(client, count + 1);
    const connection = new Connection({ socket, address, desk, counters, limits, gather: this.#gather }, () => {
      this.#connections.delete(connection);
      const left = (this.#perClient.get(client) ?? 1) - 1;
      if (left > 0) {
        this.#perClient.set(client, left);
      } else {
        this.#perClient.delete(client);
      }
      counters.set("tcpOpen", counters.get("tcpOpen") - 1);
    });
    this.#connections.add(connection);
    counters.set("tcpOpen", counters.get("tcpOpen") + 1);
  }

  /** Ends the connection that has waited longest without a question, where there is one. */
  #makeRoom(): boolean {
    let longest: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.isIdle && (longest === undefined || connection.quietSinceMs < longest.quietSinceMs)) {
        longest = connection;
      }
    }
    longest?.end("tcpClosedFull");
    return longest !== undefined;
  }

  #sweep(nowMs: number): void {
    for (const connection of this.#connections) {
      connection.look(nowMs);
    }
  }
}

interface ConnectionParts {
  readonly socket: Socket;
  readonly address: string;
  readonly desk: QueryDesk;
  readonly counters: Counters;
  readonly limits: TcpOptions["limits"];
  /** Shared by all connections of the thread: used up within one turn. */
  readonly gather: Buffer;
}

class Connection {
  readonly #parts: ConnectionParts;
  readonly #ended: () => void;
  /** Received and not yet a whole question. */
  #rest: Buffer | undefined;
  #gathered = 0;
  #outstanding = 0;
  /** Since when there was no whole question and no answer, milliseconds. */
  #quietSinceMs = performance.now();
  #hasReceived = false;
  /** Since when the client takes nothing, milliseconds. */
  #blockedSinceMs: number | undefined;
  #isFinishing = false;
  /** It sent what is no DNS. */
  #isDeaf = false;
  #isEnded = false;

  constructor(parts: ConnectionParts, ended: () => void) {
    this.#parts = parts;
    this.#ended = ended;
    const { socket } = parts;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("drain", () => this.#onDrain());
    // The client has nothing more to ask; answers on their way still reach it.
    socket.on("end", () => this.finish());
    // An error is followed by "close".
    socket.on("error", () => {});
    socket.on("close", () => this.end());
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get isIdle(): boolean {
    return this.#outstanding === 0 && this.#blockedSinceMs === undefined;
  }

  get quietSinceMs(): number {
    return this.#quietSinceMs;
  }

  /** Asks nothing more of the client, and ends when all is answered. */
  finish(): void {
    this.#isFinishing = true;
    if (this.isIdle) {
      this.#parts.socket.end();
    }
  }

  end(reason?: PlainFigure): void {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#rest = undefined;
      if (reason !== undefined) {
        this.#parts.counters.count(reason);
      }
      this.#parts.socket.destroy();
      this.#ended();
    }
  }

  /** Ends it where it has been idle, slow or silent for too long. */
  look(nowMs: number): void {
    const { limits } = this.#parts;
    if (this.#blockedSinceMs !== undefined) {
      if (nowMs - this.#blockedSinceMs > SLOW_READER_MS) {
        this.end("tcpClosedSlowReader");
      }
      return;
    }
    if (this.#outstanding > 0) {
      return;
    }
    const quietMs = nowMs - this.#quietSinceMs;
    if (!this.#hasReceived && quietMs > limits.tcpFirstByteMs) {
      this.end("tcpClosedFirstByte");
    } else if (quietMs > limits.tcpIdleMs) {
      this.end("tcpClosedIdle");
    }
  }

  #onData(chunk: Buffer): void {
    if (this.#isDeaf) {
      return;
    }
    this.#hasReceived = true;
    this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#answerAll();
  }

  /** Answers all whole questions that are there, as far as the limits let it. */
  #answerAll(): void {
    const { socket, limits } = this.#parts;
    let rest = this.#rest ?? Buffer.alloc(0);
    while (!this.#isEnded && rest.length >= PREFIX) {
      if (this.#outstanding >= limits.tcpOutstanding || this.#blockedSinceMs !== undefined) {
        socket.pause();
        break;
      }
      const size = rest.readUInt16BE(0);
      if (size < HEADER) {
        this.#hangUp();
        return;
      }
      if (rest.length < PREFIX + size) {
        break;
      }
      const query = rest.subarray(PREFIX, PREFIX + size);
      rest = rest.subarray(PREFIX + size);
      this.#quietSinceMs = performance.now();
      this.#answer(query);
    }
    this.#flush();
    this.#rest = rest.length === 0 ? undefined : rest;
  }

  /** What came is no DNS: what was asked before it is answered, and nothing more is read. */
  #hangUp(): void {
    const { socket, counters } = this.#parts;
    counters.count("tcpClosedShort");
    this.#flush();
    this.#rest = undefined;
    this.#isDeaf = true;
    socket.destroySoon();
  }

  #answer(query: Buffer): void {
    const { desk, address, gather } = this.#parts;
    if (GATHERED - this.#gathered < LARGEST + PREFIX) {
      this.#flush();
    }
    const from = this.#gathered + PREFIX;
    const out = gather.subarray(from, from + LARGEST);
    const length = desk.answer(query, address, out, true);
    if (length > 0) {
      gather.writeUInt16BE(length, this.#gathered);
      this.#gathered = from + length;
    } else if (length === LATER) {
      this.#outstanding++;
      void desk.later(query, address, out, true).then((reply) => this.#answered(reply));
    }
  }

  #answered(reply: Uint8Array | undefined): void {
    this.#outstanding--;
    if (this.#isEnded) {
      return;
    }
    this.#quietSinceMs = performance.now();
    if (reply !== undefined) {
      const framed = Buffer.allocUnsafe(PREFIX + reply.length);
      framed.writeUInt16BE(reply.length, 0);
      framed.set(reply, PREFIX);
      this.#write(framed);
    }
    this.#goOn();
  }

  #flush(): void {
    if (this.#gathered > 0) {
      const answers = Buffer.from(this.#parts.gather.subarray(0, this.#gathered));
      this.#gathered = 0;
      this.#write(answers);
    }
  }

  #write(answers: Buffer): void {
    const { socket } = this.#parts;
    if (!socket.destroyed && !socket.write(answers)) {
      this.#blockedSinceMs ??= performance.now();
    }
  }

  #onDrain(): void {
    this.#blockedSinceMs = undefined;
    this.#quietSinceMs = performance.now();
    this.#goOn();
  }

  /** There is room again: what was left lying is answered, and more is read. */
  #goOn(): void {
    const { socket, limits } = this.#parts;
    if (this.#isEnded || this.#outstanding >= limits.tcpOutstanding || this.#blockedSinceMs !== undefined) {
      return;
    }
    if (this.#rest !== undefined) {
      this.#answerAll();
    }
    if (this.#isFinishing && this.isIdle) {
      socket.end();
      return;
    }
    if (!this.#isEnded && this.#outstanding < limits.tcpOutstanding && this.#blockedSinceMs === undefined) {
      socket.resume();
    }
  }
}
