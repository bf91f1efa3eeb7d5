import { RCODE } from "./codes.ts";
import { CLASS_IN, HEADER_BYTES, OPT_BYTES, TYPE } from "./resolve-question.ts";
import type { Asked } from "./resolve-verdict.ts";
import type { RandomSource } from "./upstream-random.ts";

/** A question for an upstream. */
export interface UpstreamQuestion extends Asked {
  readonly checkingDisabled: boolean;
}

/** How it is asked. */
export interface QueryForm {
  /** With an OPT record. */
  readonly edns: boolean;
  /** With letters of random case, which the reply must repeat. */
  readonly randomCase: boolean;
  /** The size that OPT names. */
  readonly udpSize: number;
}

/** A packet with the question; its id is 0 until it is sent. */
export function writeQuery(question: UpstreamQuestion, form: QueryForm, random: RandomSource): Buffer {
  const { name } = question;
  const questionEnd = HEADER_BYTES + name.length + 4;
  const packet = Buffer.alloc(questionEnd + (form.edns ? OPT_BYTES : 0));
  packet[2] = 0x01;
  packet[3] = question.checkingDisabled ? 0x10 : 0;
  packet[5] = 1;
  packet.write(name, HEADER_BYTES, "latin1");
  if (form.randomCase) {
    scramble(packet, HEADER_BYTES, name.length, random);
  }
  packet.writeUInt16BE(question.type, questionEnd - 4);
  packet.writeUInt16BE(CLASS_IN, questionEnd - 2);
  if (form.edns) {
    packet[11] = 1;
    packet.writeUInt16BE(TYPE.OPT, questionEnd + 1);
    packet.writeUInt16BE(form.udpSize, questionEnd + 3);
    packet[questionEnd + 7] = question.dnssec ? 0x80 : 0;
  }
  return packet;
}

/**
 * What a packet is to the question that was sent: its reply; one whose question differs in case only; one without a question
 * that reports an error, as old servers do; or none.
 */
export type ReplyMatch = "reply" | "other-case" | "bare-error" | "none";

/** Compares; the id has been compared already. */
export function matchReply(reply: Uint8Array, sent: Uint8Array, nameLength: number): ReplyMatch {
  if (reply.length < HEADER_BYTES || (reply[2] & 0xf8) !== 0x80) {
    return "none";
  }
  const rcode = reply[3] & 0x0f;
  const questions = (reply[4] << 8) | reply[5];
  if (questions === 0 && (rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP)) {
    return "bare-error";
  }
  const end = HEADER_BYTES + nameLength + 4;
  if (questions !== 1 || reply.length < end) {
    return "none";
  }
  let isSame = true;
  for (let at = HEADER_BYTES; at < end; at++) {
    if (reply[at] !== sent[at]) {
      const isLetterOfName = at < end - 4 && isLetter(sent[at]) && (reply[at] ^ sent[at]) === 0x20;
      if (!isLetterOfName) {
        return "none";
      }
      isSame = false;
    }
  }
  return isSame ? "reply" : "other-case";
}

/** Puts the question into the reply as it was before its case became random: names in the reply may point to it. */
export function restoreCase(reply: Buffer, name: string): void {
  reply.write(name, HEADER_BYTES, "latin1");
}

function scramble(packet: Buffer, start: number, length: number, random: RandomSource): void {
  let bits = 0;
  let left = 0;
  for (let at = start; at < start + length; at++) {
    // Bytes of length are below 0x40, so that they are no letters.
    if (isLetter(packet[at])) {
      if (left === 0) {
        bits = random.byte();
        left = 8;
      }
      packet[at] ^= (bits & 1) << 5;
      bits >>= 1;
      left--;
    }
  }
}

function isLetter(byte: number): boolean {
  const small = byte | 0x20;
  return small >= 0x61 && small <= 0x7a;
}
