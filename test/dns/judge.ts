import { isDeepStrictEqual } from "node:util";
import type { Case, MeasuredReply } from "./cases.ts";
import type { Reply } from "./client.ts";
import { decodeMessage, type Message } from "./message.ts";

/** A reply brought into the form of the cases. */
export type Judged = MeasuredReply | "silence" | "closed" | { readonly broken: string };

/** What a UDP reply may hold: what the client said, between the 512 bytes of old and what servers send at most. */
const LEAST_LIMIT = 512;
const HEADER_SIZE_BYTES = 12;
const LONGEST_TEXT = 300;

/** Decodes a reply and checks what holds for every one: it is a reply, to this question, and no longer than allowed. */
export function judgedReply(one: Case, sent: Uint8Array, reply: Reply): Judged {
  if (typeof reply === "string") {
    return reply;
  }
  let message: Message;
  try {
    message = decodeMessage(reply);
  } catch (error) {
    return { broken: String(error) };
  }
  const id = sent.length >= 2 ? (sent[0] << 8) | sent[1] : 0;
  if (!message.isReply || message.id !== id) {
    return { broken: `reply ${message.isReply}, id ${message.id} instead of ${id}` };
  }
  const question = Buffer.from(sent.subarray(HEADER_SIZE_BYTES));
  if (message.counts[0] === 1 && !isQuestionEchoed(reply, question)) {
    return { broken: "the question is not the one that was asked" };
  }
  const limit = Math.max(LEAST_LIMIT, one.opts?.edns?.size ?? LEAST_LIMIT);
  if (one.opts?.tcp === undefined && one.tcp === undefined && message.len > limit) {
    return { broken: `${message.len} bytes over UDP, ${limit} are allowed` };
  }
  return message;
}

/** What differs between a reply and what a case wants of a server; nothing when it is right. */
export function differences(one: Case, got: Judged, whose: "ours" | "coredns"): readonly string[] {
  if (typeof got === "object" && "broken" in got) {
    return [got.broken];
  }
  const measured = fromMeasured(one, got);
  if (whose === "coredns" || one.ours.mode === "same") {
    return measured;
  }
  const wanted = fromWanted(one, got);
  if (one.ours.mode === "either") {
    return measured.length === 0 ? [] : wanted;
  }
  return wanted;
}

/** Against what was measured, to the letter; only the size in bytes and the order of the records are free. */
function fromMeasured(one: Case, got: MeasuredReply | string): readonly string[] {
  const { coredns } = one;
  if (coredns.reply === false || typeof got === "string") {
    const wanted = coredns.reply === false ? "silence" : "a reply";
    const is = typeof got === "string" ? got : "a reply";
    return wanted === is ? [] : [`${is} instead of ${wanted}`];
  }
  const found: string[] = [];
  const compare = (what: string, has: unknown, wants: unknown): void => {
    if (!isDeepStrictEqual(has, wants)) {
      found.push(`${what}: ${shortText(has)} instead of ${shortText(wants)}`);
    }
  };
  compare("rcode", got.rcode, coredns.rcode);
  compare("opcode", got.opcode, coredns.opcode);
  compare("flags", flagsOf(one, got.flags), flagsOf(one, coredns.flags));
  compare("counts", got.counts, coredns.counts);
  for (const section of ["an", "ns", "ar"] as const) {
    // Of long lists only the beginning and the length were written down.
    if (!coredns[section].some((text) => text.startsWith("…"))) {
      compare(section, [...got[section]].sort(), [...coredns[section]].sort());
    }
  }
  return found;
}

function shortText(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}…`;
}

/** Whether recursion is there is told where names are forwarded; answers from elsewhere are not ours to vouch for. */
function flagsOf(one: Case, flags: readonly string[]): readonly string[] {
  const isElsewhere = one.id.startsWith("F") || one.id === "P21";
  return flags.filter((flag) => !(one.cfg === "C" && flag === "ra") && !(isElsewhere && flag === "aa"));
}

/** Against the words in which a case says what we hold. */
function fromWanted(one: Case, got: MeasuredReply | string): readonly string[] {
  const { want = "" } = one.ours;
  if (typeof got === "string") {
    return want === "connection closed" && got === "closed" ? [] : [`${got} instead of ${want}`];
  }
  switch (want) {
    case "weight":
      return fromMeasured({ ...one, coredns: withoutWeights(one.coredns) }, withoutWeights(got));
    case "OPT size":
      return fromMeasured({ ...one, coredns: withoutSize(one.coredns) }, withoutSize(got));
    case "record count and length":
      return fromCounted(one, got);
    case "no options":
      return fromMeasured({ ...one, coredns: withoutOptions(one.coredns) }, got);
    case "NODATA":
      return says(got.rcode === "NOERROR" && isNegative(got), want, got);
    case "NODATA / FORMERR":
      return says(got.rcode === "FORMERR" || (got.rcode === "NOERROR" && isNegative(got)), want, got);
    case "NXDOMAIN":
      return says(got.rcode === want && isNegative(got), want, got);
    case "REFUSED":
    case "FORMERR":
    case "NOTIMP":
      return says(got.rcode === want && !got.flags.includes("aa") && isEmpty(got), want, got);
    default:
      return fromSentence(one, want, got);
  }
}

/** Wishes that only one case has. */
function fromSentence(one: Case, want: string, got: MeasuredReply): readonly string[] {
  if (want.startsWith("AAAA ")) {
    return says(got.rcode === "NOERROR" && got.an.length === 1 && got.an[0].endsWith(` ${want}`), want, got);
  }
  if (want === "AAAA") {
    return says(got.rcode === "NOERROR" && got.an.length === 1 && / AAAA /.test(got.an[0]), want, got);
  }
  if (want === "CNAME + upstream SOA") {
    return says(
      got.rcode === "NOERROR" && got.an.length === 1 && got.ns.every((text) => / SOA /.test(text)),
      want,
      got,
    );
  }
  if (want === "answer with RA") {
    return says(got.rcode === "NOERROR" && isDeepStrictEqual(got.an, one.coredns.an), want, got);
  }
  return [`the case wants "${want}", which no rule knows`];
}

/** Many records over UDP: whole ones only, TC when one is missing. */
function fromCounted(one: Case, got: MeasuredReply): readonly string[] {
  const all = Number(/^(\d+) (?:A|SRV)\b/.exec(one.note ?? "")?.[1]);
  const cut = got.an.length < all;
  const rest = got.flags.filter((flag) => flag !== "tc");
  const kind = ` ${one.type} `;
  const isWhole =
    got.an.length > 0 && got.an.length <= all && got.an.length === new Set(got.an).size && got.an.every(hasPlace);
  function hasPlace(text: string): boolean {
    return text.startsWith(`${one.q?.replace(/\.$/, "")} 5${kind}`);
  }
  return says(
    got.rcode === "NOERROR" && isWhole && cut === got.flags.includes("tc") && isDeepStrictEqual(rest, ["aa", "rd"]),
    `up to ${all} records, TC when some are missing`,
    { ...got, an: [`${got.an.length} records`], ar: [`${got.ar.length} records`] },
  );
}

function says(holds: boolean, want: string, got: MeasuredReply): readonly string[] {
  const { rcode, flags, an, ns, ar } = got;
  return holds ? [] : [`${shortText({ rcode, flags, an, ns, ar })} instead of ${want}`];
}

function isNegative(got: MeasuredReply): boolean {
  return got.flags.includes("aa") && got.an.length === 0 && got.ns.length === 1 && / SOA /.test(got.ns[0]);
}

function isEmpty(got: MeasuredReply): boolean {
  return got.an.length === 0 && got.ns.length === 0 && got.ar.every((text) => text.startsWith("OPT "));
}

function withoutWeights<T extends MeasuredReply>(reply: T): T {
  const an = reply.an?.map((text) => text.replace(/ SRV \d+ \d+ /, " SRV "));
  return { ...reply, an };
}

function withoutSize<T extends MeasuredReply>(reply: T): T {
  return { ...reply, ar: reply.ar?.map((text) => text.replace(/ size=\d+/, "")) };
}

function withoutOptions(reply: MeasuredReply): MeasuredReply {
  return { ...reply, ar: reply.ar.map((text) => text.replace(/ options=.*/, "")) };
}

/** Name, type and class come back byte for byte. */
function isQuestionEchoed(reply: Uint8Array, question: Buffer): boolean {
  let end = HEADER_SIZE_BYTES;
  while (reply[end] !== 0) {
    end += reply[end] + 1;
  }
  // Of a packet that ends inside of its question the rest is free.
  const size = Math.min(end + 5 - HEADER_SIZE_BYTES, question.length);
  return question.subarray(0, size).equals(Buffer.from(reply.subarray(HEADER_SIZE_BYTES, HEADER_SIZE_BYTES + size)));
}
