import type { Socket as DatagramSocket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type DecodedPacket, decode, encode } from "dns-packet";
import { RCODE } from "./codes.ts";
import { COUNTER_BYTES, Counters } from "./counters.ts";
import { writeReply } from "./packet.ts";
import { type DeskParts, QueryDesk, type ZoneAnswers } from "./query-desk.ts";

const RECEIVE_MS = 5000;
const LOWEST_PORT = 15_000;
const PORTS = 15_000;

/** What a client got; the types of the library leave the code of the answer out. */
export type Answered = DecodedPacket & { readonly rcode: string };

/** A question as bytes. */
export function question(name: string, type: "A" | "TXT" = "A", id = 7): Buffer {
  return encode({ type: "query", id, flags: 0x0100, questions: [{ type, name }] });
}

/** The question with the two bytes of its length before it. */
export function framed(query: Uint8Array): Buffer {
  const bytes = Buffer.alloc(2 + query.length);
  bytes.writeUInt16BE(query.length, 0);
  bytes.set(query, 2);
  return bytes;
}

/** A zone that answers at once, with NXDOMAIN for what begins with "n"; what begins with "o" is not its own. */
export function fakeZone(): ZoneAnswers {
  const zone = {
    length: 0,
    targetOffset: 0,
    rcode: 0,
    qtype: 1,
    zoneKind: 1,
    malformed: 0,
    dnssecOk: false,
    truncated: false,
    respond(query: Uint8Array, length: number, out: Uint8Array): number {
      const first = String.fromCharCode(query[13]);
      if (first === "x") {
        throw new Error("the zone is broken");
      }
      zone.rcode = first === "o" ? RCODE.REFUSED : first === "n" ? RCODE.NXDOMAIN : RCODE.NOERROR;
      zone.zoneKind = first === "o" ? 0 : 1;
      zone.length = writeReply(query, length, out, { rcode: zone.rcode, recursionAvailable: false, maxUdp: 1232 });
      return first === "o" ? -1 : zone.length;
    },
  };
  return zone;
}

/** A desk over that zone, and its counters. */
export function fakeDesk(parts: Partial<DeskParts> = {}): { readonly desk: QueryDesk; readonly counters: Counters } {
  const counters = new Counters(new SharedArrayBuffer(COUNTER_BYTES));
  const off = { isOn: false, over: () => 0 };
  const desk = new QueryDesk({
    zone: fakeZone(),
    others: undefined,
    forwards: false,
    hook: { isOpen: false, ask: async () => undefined },
    acl: { of: () => 3 },
    queries: off,
    errors: off,
    counters,
    maxUdp: 1232,
    panicked: () => {},
    log: undefined,
    ...parts,
  });
  return { desk, counters };
}

/** A UDP client of that port. */
export class UdpClient implements AsyncDisposable {
  readonly #socket: DatagramSocket;
  readonly #port: number;

  constructor(port: number, type: "udp4" | "udp6" = "udp4") {
    this.#port = port;
    this.#socket = createSocket(type);
  }

  /** Resolves when the packet is with the system, which has loopback deliver it at once. */
  async send(packet: Uint8Array, host = "127.0.0.1"): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.send(packet, this.#port, host, () => resolve()));
  }

  /** The next answers, as many as were asked for. */
  async receive(count = 1): Promise<Answered[]> {
    const found: Answered[] = [];
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${found.length} of ${count} answers came`)), RECEIVE_MS);
      const take = (message: Buffer): void => {
        found.push(decode(message) as Answered);
        if (found.length === count) {
          clearTimeout(timer);
          this.#socket.off("message", take);
          resolve(found);
        }
      };
      this.#socket.on("message", take);
    });
  }

  async ask(packet: Uint8Array, host?: string): Promise<Answered> {
    const answer = this.receive();
    await this.send(packet, host);
    const [one] = await answer;
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

/** Reads whole answers from a connection until there are so many, or it ends. */
export async function readAnswers(socket: Socket, count: number): Promise<Answered[]> {
  let bytes = Buffer.alloc(0);
  const found: Answered[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
      const size = bytes.readUInt16BE(0);
      found.push(decode(bytes.subarray(2, 2 + size)) as Answered);
      bytes = bytes.subarray(2 + size);
    }
    if (found.length >= count) {
      return found;
    }
  }
  return found;
}

/**
 * A free port, for sockets of the test: below the range of outgoing ones, which keep TCP from their port for a minute after
 * their connection has ended.
 */
export async function freeUdpPort(): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORTS);
    const socket = createSocket("udp4");
    const server = createServer();
    try {
      socket.bind(port, "127.0.0.1");
      await once(socket, "listening");
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      return port;
    } catch {
      // Somebody has it.
    } finally {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }
}
