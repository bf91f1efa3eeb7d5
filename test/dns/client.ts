import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { encodeQuery, type Query } from "./message.ts";

/** Where a server listens. */
export interface DnsAddress {
  readonly address: string;
  readonly port: number;
}

/** What came back: bytes, nothing, or the end of the connection. */
export type Reply = Uint8Array | "silence" | "closed";

/** How something is sent. */
export interface SendOptions {
  readonly tcp?: boolean;
  /** The bytes are a TCP stream already, lengths included. */
  readonly raw?: boolean;
  /** No reply is expected: silence is told once later questions were answered. */
  readonly quiet?: boolean;
  /** Longest wait. Default 8,000. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 8_000;
/** Questions that are answered after a packet before it counts as not answered. */
const LATER_QUESTIONS = 3;
const LATER_ID = 0xbee0;
const LOOK_MS = 50;

/** Sends bytes and gives what came back. Throws after 8 s without a sign. */
export function send(server: DnsAddress, bytes: Uint8Array, options: SendOptions = {}): Promise<Reply> {
  return options.tcp === true ? sendTcp(server, bytes, options) : sendUdp(server, bytes, options);
}

/** Asks a question; the reply must come. */
export async function ask(server: DnsAddress, query: Query, options: SendOptions = {}): Promise<Uint8Array> {
  const reply = await send(server, encodeQuery(query), options);
  if (typeof reply === "string") {
    throw new Error(`${query.name} ${query.type}: ${reply} instead of a reply`);
  }
  return reply;
}

/** Asks the same question until the reply is liked; for servers that are being started or that are catching up. */
export async function askUntil(
  server: DnsAddress,
  query: Query,
  likes: (reply: Uint8Array) => boolean,
  limitMs = 30_000,
): Promise<Uint8Array> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const reply = await sendUdp(server, encodeQuery(query), { deadlineMs: 1_000 }).catch(() => undefined);
    if (reply !== undefined && typeof reply !== "string" && likes(reply)) {
      return reply;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${limitMs} ms: the wanted reply to ${query.name} ${query.type}`);
    }
    await delay(LOOK_MS);
  }
}

async function sendUdp(server: DnsAddress, bytes: Uint8Array, options: SendOptions): Promise<Reply> {
  const socket: UdpSocket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
  const limit = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS);
  try {
    socket.connect(server.port, server.address);
    await once(socket, "connect", { signal: limit });
    socket.send(bytes);
    let later = 0;
    const askLater = (): void => socket.send(laterQuestion(later++));
    if (options.quiet === true) {
      askLater();
    }
    for (;;) {
      const reply = await nextDatagram(socket, limit);
      if (reply === undefined) {
        throw new Error(`no reply by UDP from ${server.address}:${server.port}`);
      }
      if (!isLater(reply)) {
        return reply;
      }
      if (later === LATER_QUESTIONS) {
        return "silence";
      }
      askLater();
    }
  } finally {
    socket.close();
  }
}

/** The next one, or undefined when the time is over. */
function nextDatagram(socket: UdpSocket, limit: AbortSignal): Promise<Buffer | undefined> {
  return once(socket, "message", { signal: limit }).then(
    ([reply]: Buffer[]) => reply,
    () => undefined,
  );
}

async function sendTcp(server: DnsAddress, bytes: Uint8Array, options: SendOptions): Promise<Reply> {
  const socket = connect(server.port, server.address);
  const limit = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS);
  limit.addEventListener("abort", () => socket.destroy(new Error(`no reply by TCP from port ${server.port}`)));
  try {
    await once(socket, "connect");
    socket.write(options.raw === true ? bytes : framed(bytes));
    if (options.quiet === true) {
      socket.write(framed(laterQuestion(0)));
    }
    let received: Buffer = Buffer.alloc(0);
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      received = Buffer.concat([received, chunk]);
      const size = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
      if (received.length >= size + 2) {
        const reply = received.subarray(2, size + 2);
        return isLater(reply) ? "silence" : reply;
      }
    }
    return "closed";
  } finally {
    socket.destroy();
  }
}

/** Several messages in one write over one connection; gives as many replies, in the order in which they came. */
export async function pipeline(server: DnsAddress, messages: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  const socket = connect(server.port, server.address);
  const limit = AbortSignal.timeout(DEADLINE_MS);
  limit.addEventListener("abort", () => socket.destroy(new Error("no further reply by TCP")), { once: true });
  try {
    await once(socket, "connect");
    socket.write(Buffer.concat(messages.map(framed)));
    const replies: Uint8Array[] = [];
    let received: Buffer = Buffer.alloc(0);
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        const size = received.readUInt16BE(0);
        replies.push(received.subarray(2, size + 2));
        received = received.subarray(size + 2);
      }
      if (replies.length >= messages.length) {
        return replies;
      }
    }
    throw new Error(`closed after ${replies.length} of ${messages.length} replies`);
  } finally {
    socket.destroy();
  }
}

/** A message as it goes over TCP: its length in front. */
export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** A question that every server answers in any state, to be told apart by its id. */
function laterQuestion(at: number): Buffer {
  return encodeQuery({ name: "cluster.local", type: "SOA", id: LATER_ID + at });
}

function isLater(reply: Uint8Array): boolean {
  return reply.length >= 2 && ((reply[0] << 8) | reply[1]) >> 4 === LATER_ID >> 4;
}
