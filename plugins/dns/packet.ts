/** Bytes before the question. */
export const HEADER = 12;
/** Bytes of an OPT record without options. */
const OPT = 11;
const MIN_UDP = 512;

const QR = 0x80;
const TC = 0x02;
const RD = 0x01;
const OPCODE = 0x78;
const CD = 0x10;
const RA = 0x80;

/** Where the question ends; -1 when it cannot be told. Pointers are not legal in the first name. */
export function questionEnd(query: Uint8Array, length: number): number {
  let at = HEADER;
  while (at < length) {
    const size = query[at];
    if (size === 0) {
      return at + 5 <= length ? at + 5 : -1;
    }
    if (size > 63) {
      return -1;
    }
    at += size + 1;
  }
  return -1;
}

/** The type that is asked for; 0 when it cannot be told. */
export function questionType(query: Uint8Array, length: number): number {
  const end = questionEnd(query, length);
  return end < 0 ? 0 : (query[end - 4] << 8) | query[end - 3];
}

/** The name that is asked for as text, bytes outside of ASCII escaped as \DDD. For logs and hooks. */
export function questionName(query: Uint8Array, length: number): string {
  let text = "";
  let at = HEADER;
  while (at < length && query[at] > 0 && query[at] <= 63) {
    const end = at + 1 + query[at];
    for (at++; at < end && at < length; at++) {
      text += escaped(query[at]);
    }
    text += ".";
  }
  return text === "" ? "." : text;
}

function escaped(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === "." || character === "\\") {
    return `\\${character}`;
  }
  return byte > 0x20 && byte < 0x7f ? character : `\\${String(byte).padStart(3, "0")}`;
}

/** Size that the client can take over UDP: what its OPT says, at least 512, at most `most`. */
export function udpLimit(query: Uint8Array, length: number, most: number): number {
  const end = questionEnd(query, length);
  if (end < 0 || query[11] === 0 || end + OPT > length || query[end] !== 0 || query[end + 2] !== 41) {
    return Math.min(MIN_UDP, most);
  }
  return Math.min(Math.max(MIN_UDP, (query[end + 3] << 8) | query[end + 4]), most);
}

/** What `writeReply` says beside the question. */
export interface BareReply {
  readonly rcode: number;
  /** The client should ask again over TCP. */
  readonly truncated?: boolean;
  readonly recursionAvailable: boolean;
  /** Size in our OPT. */
  readonly maxUdp: number;
}

/** Writes an answer without records into `out`: header, question, OPT where the query has one. Gives its length. */
export function writeReply(query: Uint8Array, length: number, out: Uint8Array, reply: BareReply): number {
  const end = questionEnd(query, length);
  const hasQuestion = end > 0 && end <= out.length - OPT;
  out[0] = query[0];
  out[1] = query[1];
  out[2] = QR | (query[2] & (OPCODE | RD)) | (reply.truncated === true ? TC : 0);
  out[3] = (reply.recursionAvailable ? RA : 0) | (query[3] & CD) | reply.rcode;
  out.fill(0, 4, HEADER);
  if (!hasQuestion) {
    return HEADER;
  }
  out[5] = 1;
  out.set(query.subarray(HEADER, end), HEADER);
  const hasOpt = query[11] > 0 && end + OPT <= length && query[end] === 0 && query[end + 2] === 41;
  if (!hasOpt) {
    return end;
  }
  out[11] = 1;
  out.fill(0, end, end + OPT);
  out[end + 2] = 41;
  out[end + 3] = reply.maxUdp >> 8;
  out[end + 4] = reply.maxUdp & 0xff;
  // Of the flags DO alone is given back.
  out[end + 7] = query[end + 7] & 0x80;
  return end + OPT;
}
