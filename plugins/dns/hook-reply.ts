import type { Answer } from "dns-packet";
import { RCODE } from "./codes.ts";
import type { DnsHookRecord, DnsQueryAnswer } from "./hook-messages.ts";
import { HEADER, writeReply } from "./packet.ts";

const LARGEST = 65_535;
const LONGEST_STRING = 255;
const DEFAULT_TTL = 5;
const MOST_TTL = 604_800;
/** The name that was asked, as a pointer to it. */
const ASKED = [0xc0, HEADER] as const;
const TC = 0x02;

/** How the answer is sent. */
export interface HookReplyOptions {
  readonly maxBytes: number;
  /** Size in our OPT. */
  readonly maxUdp: number;
  readonly recursionAvailable: boolean;
}

/** Makes the answer that a plugin decided on. What cannot be put into a packet is answered with SERVFAIL. */
export async function hookReply(
  query: Uint8Array,
  answer: Exclude<DnsQueryAnswer, undefined>,
  { maxBytes, maxUdp, recursionAvailable }: HookReplyOptions,
): Promise<Uint8Array> {
  const bare = (rcode: number, truncated = false): Uint8Array => {
    const out = new Uint8Array(maxBytes);
    return out.subarray(0, writeReply(query, query.length, out, { rcode, truncated, recursionAvailable, maxUdp }));
  };
  if ("veto" in answer) {
    return bare(answer.veto === "NXDOMAIN" ? RCODE.NXDOMAIN : RCODE.REFUSED);
  }
  let records: Uint8Array[];
  try {
    records = await encoded(answer.records);
  } catch {
    return bare(RCODE.SERVFAIL);
  }
  const head = bare(RCODE.NOERROR);
  const optAt = head[11] === 1 ? head.length - 11 : head.length;
  const opt = head.subarray(optAt);
  let size = head.length;
  const fitting = records.filter((record) => {
    size += record.length;
    return size <= maxBytes;
  });
  const reply = Buffer.concat([head.subarray(0, optAt), ...fitting, opt]);
  reply.writeUInt16BE(fitting.length, 6);
  if (fitting.length < records.length) {
    reply[2] |= TC;
  }
  return reply;
}

async function encoded(records: readonly DnsHookRecord[]): Promise<Uint8Array[]> {
  // Only needed where a plugin answers.
  const { decode, encode } = await import("dns-packet");
  return records.map(({ name, type, ttl = DEFAULT_TTL, data }) => {
    if (!Number.isInteger(ttl) || ttl < 0 || ttl > MOST_TTL) {
      throw new RangeError("not a time to live");
    }
    // Checked by the encoder, which throws for what it cannot write.
    const record = { type, name: name ?? ".", ttl, class: "IN", data: dataOf(type, data) } as unknown as Answer;
    const packet = encode({ type: "response", answers: [record] });
    // The encoder writes labels and texts that are too long, and nobody could read them.
    if (packet.length > LARGEST || decode(packet).answers?.length !== 1) {
      throw new RangeError("not a record");
    }
    const bytes = packet.subarray(HEADER);
    return name === undefined ? Buffer.concat([Buffer.from(ASKED), bytes.subarray(1)]) : bytes;
  });
}

/** A long text is several strings of one record. */
function dataOf(type: DnsHookRecord["type"], data: DnsHookRecord["data"]): unknown {
  if (type !== "TXT" || typeof data !== "string") {
    return data;
  }
  const bytes = Buffer.from(data);
  return Array.from({ length: Math.max(1, Math.ceil(bytes.length / LONGEST_STRING)) }, (_, at) =>
    bytes.subarray(at * LONGEST_STRING, (at + 1) * LONGEST_STRING),
  );
}
