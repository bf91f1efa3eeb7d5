import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import type { Place } from "./address.ts";
import { unmapped } from "./address.ts";
import type { Counters } from "./counters.ts";
import { LATER, type QueryDesk } from "./query-desk.ts";

/** Answers that may wait for the kernel at once; more are dropped. */
const RING = 1024;

/** How to answer on one UDP socket. */
export interface UdpOptions extends Place {
  /** "::" without IPv4, which has a socket of its own. */
  readonly ipv6Only: boolean;
  readonly desk: QueryDesk;
  readonly counters: Counters;
  /** Largest answer, bytes. */
  readonly maxUdp: number;
  /** Asked for, bytes; what was granted is `receiveBuffer`. */
  readonly receiveBuffer: number;
  /** The socket failed after it was open. */
  readonly onError: (error: Error) => void;
}

/**
 * One UDP socket of a thread. Several threads have one each on the same port, and the kernel deals packets out by the client's
 * address and port.
 */
export class UdpListener {
  readonly #options: UdpOptions;
  readonly #socket: Socket;
  /** Answers are written here. One is free again at once when the kernel took it. */
  readonly #ring: Buffer[] = [];
  readonly #own: ReadonlySet<string>;
  #at = 0;
  #pending = 0;
  #isClosed = false;

  private constructor(options: UdpOptions) {
    this.#options = options;
    const isV6 = options.address.includes(":");
    this.#own = ownAddresses(options.address);
    this.#socket = createSocket({
      type: isV6 ? "udp6" : "udp4",
      reusePort: true,
      ipv6Only: options.ipv6Only,
      recvBufferSize: options.receiveBuffer,
      // The address of a client is one already: Node's own look-up costs half a microsecond.
      lookup: (host, _options, done) => done(null, host, isV6 ? 6 : 4),
    });
  }

  /** Resolves when it answers; rejects with the system's error. */
  static async open(options: UdpOptions): Promise<UdpListener> {
    const listener = new UdpListener(options);
    await listener.#bind();
    return listener;
  }

  /** What the kernel granted, bytes. */
  get receiveBuffer(): number {
    return this.#socket.getRecvBufferSize();
  }

  /** Questions whose answer is still to come. */
  get pending(): number {
    return this.#pending;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#socket.close();
    }
  }

  /** Answers a question that another socket of the same address received. */
  take(query: Buffer, from: { readonly address: string; readonly port: number }): void {
    this.#onMessage(query, from);
  }

  async #bind(): Promise<void> {
    const { address, port, onError } = this.#options;
    const socket = this.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address, port }, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    socket.on("error", onError);
    socket.on("message", (query: Buffer, from: RemoteInfo) => this.#onMessage(query, from));
  }

  #onMessage(query: Buffer, from: { readonly address: string; readonly port: number }): void {
    const { address, port } = from;
    // Nobody answers on port 0, and our own packets would go round for ever.
    if (port === 0 || (port === this.#options.port && this.#own.has(address))) {
      this.#options.counters.count("silent");
      return;
    }
    const out = this.#free();
    if (out === undefined) {
      this.#options.counters.count("replyQueueFull");
      return;
    }
    const { desk } = this.#options;
    const length = desk.answer(query, address, out, false);
    if (length > 0) {
      this.#send(out, length, port, address);
    } else if (length === LATER) {
      this.#pending++;
      void desk.later(query, address, out, false).then((reply) => {
        this.#pending--;
        if (reply !== undefined) {
          this.#send(reply, reply.length, port, address);
        }
      });
    }
  }

  #send(reply: Uint8Array, length: number, port: number, address: string): void {
    if (this.#isClosed) {
      return;
    }
    try {
      this.#socket.send(reply, 0, length, port, address);
    } catch {
      this.#options.counters.count("sendErrors");
    }
  }

  /** A buffer that nobody sends from. Undefined: all of them wait for the kernel. */
  #free(): Buffer | undefined {
    const waiting = this.#isClosed ? 0 : this.#socket.getSendQueueCount();
    if (waiting >= RING - 1) {
      return undefined;
    }
    if (waiting > 0) {
      this.#at = (this.#at + 1) % RING;
    }
    this.#ring[this.#at] ??= Buffer.allocUnsafeSlow(this.#options.maxUdp);
    return this.#ring[this.#at];
  }
}

/** Addresses of this machine under which a socket on that address is reached. */
function ownAddresses(address: string): ReadonlySet<string> {
  if (address !== "0.0.0.0" && address !== "::") {
    return new Set([address, unmapped(address)]);
  }
  const all = Object.values(networkInterfaces()).flatMap((list) => list?.map((one) => one.address) ?? []);
  return new Set([...all, ...all.filter((one) => !one.includes(":")).map((one) => `::ffff:${one}`)]);
}
