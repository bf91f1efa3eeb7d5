import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { isIP, connect as openTcp } from "node:net";
import { type DecodedPacket, decode } from "dns-packet";
import { FairleadError, messageOf } from "../core/errors.ts";
import { type Place, showPlace } from "../plugins/dns/address.ts";

const IDS = 65_536;
const PREFIX = 2;
const EDNS_BYTES = 1232;
/** Types that can be asked, with their numbers. */
const TYPE_NUMBERS = {
  A: 1,
  AAAA: 28,
  ANY: 255,
  CAA: 257,
  CNAME: 5,
  DNSKEY: 48,
  DS: 43,
  HINFO: 13,
  HTTPS: 65,
  MX: 15,
  NAPTR: 35,
  NS: 2,
  PTR: 12,
  SOA: 6,
  SRV: 33,
  SVCB: 64,
  TXT: 16,
} as const;
/** One of them. */
export type AskedType = keyof typeof TYPE_NUMBERS;

/** The type of that name, in whatever case. */
export function typeNamed(text: string): AskedType | undefined {
  return TYPES.find((type) => type === text.toUpperCase());
}

/** Their names. */
export const TYPES: readonly AskedType[] = Object.keys(TYPE_NUMBERS) as AskedType[]; // the keys of that table

/** An answer. The library knows the code, its types do not. */
export type DnsReply = DecodedPacket & { readonly rcode: string };

/** What was asked. */
export interface DnsAsked {
  readonly name: string;
  readonly type: AskedType;
}

/** The packet of a question, which takes answers of 1232 bytes. */
export function encodeQuestion({ name, type }: DnsAsked, id = randomInt(IDS)): Buffer {
  const labels = name.replace(/\.$/, "").split(".");
  const wire = labels.flatMap((label) =>
    label === "" ? [] : [Buffer.from([Buffer.byteLength(label)]), Buffer.from(label)],
  );
  // Recursion desired, one question, one record more: the OPT.
  const head = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
  const number = TYPE_NUMBERS[type];
  const tail = Buffer.from([0, number >> 8, number & 0xff, 0, 1]);
  const opt = Buffer.from([0, 0, 41, EDNS_BYTES >> 8, EDNS_BYTES & 0xff, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...wire, tail, opt]);
}

/** True where a text is a domain name that can be asked. */
export function isName(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  const fits = labels.every((label) => label.length > 0 && Buffer.byteLength(label) < 64);
  return text === "." || (fits && Buffer.byteLength(text) <= 254);
}

/** Name under which an address is asked for its own name; any other text as it is. */
export function reverseName(text: string): string {
  switch (isIP(text)) {
    case 4:
      return `${text.split(".").reverse().join(".")}.in-addr.arpa`;
    case 6: {
      const [head, tail = ""] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
      const before = head === "" ? [] : head.split(":");
      const after = tail === "" ? [] : tail.split(":");
      const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
      const digits = [...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join("");
      return `${[...digits].reverse().join(".")}.ip6.arpa`;
    }
    default:
      return text;
  }
}

/** Asks over UDP. Rejects with CLI_NO_ANSWER. */
export async function askUdp(query: Buffer, place: Place, timeoutMs: number): Promise<DnsReply> {
  const socket = createSocket(place.address.includes(":") ? "udp6" : "udp4");
  try {
    return await withTimeout(place, timeoutMs, (resolve, reject) => {
      socket.on("error", reject);
      socket.on("message", (message) => {
        // Others may send here too.
        if (message.length > PREFIX && message.readUInt16BE(0) === query.readUInt16BE(0)) {
          resolve(message);
        }
      });
      socket.connect(place.port, place.address, () => socket.send(query));
    });
  } finally {
    socket.close();
  }
}

/** Asks over TCP. Rejects with CLI_NO_ANSWER. */
export async function askTcp(query: Buffer, place: Place, timeoutMs: number): Promise<DnsReply> {
  const socket = openTcp(place.port, place.address);
  try {
    return await withTimeout(place, timeoutMs, (resolve, reject) => {
      let bytes = Buffer.alloc(0);
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("it closed the connection")));
      socket.on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (bytes.length >= PREFIX && bytes.length >= PREFIX + bytes.readUInt16BE(0)) {
          resolve(bytes.subarray(PREFIX, PREFIX + bytes.readUInt16BE(0)));
        }
      });
      const size = Buffer.alloc(PREFIX);
      size.writeUInt16BE(query.length, 0);
      socket.write(Buffer.concat([size, query]));
    });
  } finally {
    socket.destroy();
  }
}

async function withTimeout(
  place: Place,
  timeoutMs: number,
  ask: (resolve: (message: Buffer) => void, reject: (error: Error) => void) => void,
): Promise<DnsReply> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const message = await new Promise<Buffer>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came within ${timeoutMs} ms`)), timeoutMs);
      ask(resolve, reject);
    });
    return decode(message) as DnsReply; // decode gives the code too
  } catch (cause) {
    throw new FairleadError("CLI_NO_ANSWER", `no answer from ${showPlace(place)}: ${messageOf(cause)}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
