import { RCODE } from "./codes.ts";
import { emptyAnswer, type PackedAnswer, packAnswer } from "./resolve-answer.ts";
import { type Question, TYPE } from "./resolve-question.ts";
import { readMessage, type WireRecord } from "./resolve-records.ts";

/**
 * A reply that ends with a CNAME, and the answer for its `target` on the wire, as one answer: its code is that of the chain's
 * end (RFC 6604), records that were added live as long as the chain at most. SERVFAIL when there would be more than
 * `maxCnames`, or the answer is a failure.
 */
export function chased(
  reply: Uint8Array,
  question: Question,
  target: string,
  found: { readonly packed: PackedAnswer; readonly ttl: number | undefined; readonly maxCnames: number },
): PackedAnswer {
  const { packed } = found;
  const begun = readMessage(reply, reply.length);
  if (begun === undefined || (packed.rcode !== RCODE.NOERROR && packed.rcode !== RCODE.NXDOMAIN)) {
    return emptyAnswer(RCODE.SERVFAIL);
  }
  // An answer without records has no message of its own.
  const end = packed.bytes.length === 0 ? undefined : readMessage(packed.bytes, packed.bytes.length);
  const most = begun.answers.reduce((least, record) => Math.min(least, record.ttl), 0x7fffffff);
  const lowered = (records: readonly WireRecord[] = []): WireRecord[] =>
    records.map((record) => ({
      ...record,
      // An alias that is a wildcard was packed under its own name.
      owner: record.owner === end?.name ? target : record.owner,
      ttl: Math.min(found.ttl ?? record.ttl, most),
    }));
  const answers = [...begun.answers, ...lowered(end?.answers)];
  if (answers.filter((record) => record.type === TYPE.CNAME).length > found.maxCnames) {
    return emptyAnswer(RCODE.SERVFAIL);
  }
  return packAnswer(question.name(), question.type, {
    rcode: packed.rcode,
    truncated: packed.truncated || begun.truncated,
    answers,
    authority: lowered(end?.authority),
    additional: lowered(end?.additional),
  });
}
