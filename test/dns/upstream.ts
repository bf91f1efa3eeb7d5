import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { freePorts } from "../cluster/ports.ts";
import { type DnsAddress, framed } from "./client.ts";
import { decodeMessage, encodeName } from "./message.ts";

/** A DNS server of elsewhere, for what is forwarded. */
export interface Upstream extends DnsAddress, AsyncDisposable {
  /** Questions that it was asked, as "name type", in small letters, oldest first. */
  readonly asked: readonly string[];
}

const TYPE_A = 1;
const TYPE_SOA = 6;
const TTL_SECONDS = 60;

/** Starts one on loopback, UDP and TCP: www.example.test has the address 1.2.3.4, no other name exists. */
export async function startUpstream(): Promise<Upstream> {
  const asked: string[] = [];
  const udp = createSocket("udp4");
  udp.on("message", (query, { port, address }) => udp.send(replyTo(query, asked), port, address));
  const [port] = await freePorts(1);
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  const tcp = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    let received: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        const end = received.readUInt16BE(0) + 2;
        socket.write(framed(replyTo(received.subarray(2, end), asked)));
        received = received.subarray(end);
      }
    });
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const sockets = new Set<{ destroy(): void }>();
  tcp.listen(port, "127.0.0.1");
  await once(tcp, "listening");
  return {
    address: "127.0.0.1",
    port,
    asked,
    async [Symbol.asyncDispose]() {
      udp.close();
      tcp.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await once(tcp, "close");
    },
  };
}

/** Answers what is asked; keeps the case of the name, and says in an OPT what was said in one. */
function replyTo(query: Buffer, asked: string[]): Buffer {
  const { questions, ar } = decodeMessage(query);
  const [name, type] = (questions[0] ?? "").toLowerCase().split(" ");
  asked.push(`${name} ${type}`);
  const exists = name === "www.example.test";
  const questionEnd = 12 + encodeName(name).length + 4;
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8080 | (query.readUInt16BE(2) & 0x0100) | (exists ? 0 : 3), 2);
  header.writeUInt16BE(1, 4);
  const isAnswered = exists && type === "a";
  header.writeUInt16BE(isAnswered ? 1 : 0, 6);
  header.writeUInt16BE(isAnswered ? 0 : 1, 8);
  const opt = query.subarray(query.length - 11);
  const hasOpt = ar.length === 1 && ar[0].startsWith("OPT ");
  header.writeUInt16BE(hasOpt ? 1 : 0, 10);
  const body = isAnswered ? record("www.example.test", TYPE_A, Buffer.from([1, 2, 3, 4])) : record("", TYPE_SOA, soa());
  return Buffer.concat([header, query.subarray(12, questionEnd), body, ...(hasOpt ? [opt] : [])]);
}

function record(owner: string, type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(TTL_SECONDS, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(owner), head, data]);
}

function soa(): Buffer {
  const numbers = Buffer.alloc(20);
  for (const [at, value] of [1, 2, 3, 4, TTL_SECONDS].entries()) {
    numbers.writeUInt32BE(value, at * 4);
  }
  return Buffer.concat([encodeName("ns"), encodeName("h"), numbers]);
}
