import { isDeepStrictEqual } from "node:util";
import type { Question } from "./beside-questions.ts";
import type { Message } from "./message.ts";

/** A difference from CoreDNS that we want, and how it is known. */
interface Wanted {
  readonly why: string;
  is(question: Question, theirs: Short, ours: Short): boolean;
}

/** What of a reply is compared. */
interface Short {
  readonly kind: string;
  readonly flags: readonly string[];
  readonly an: readonly string[];
  readonly ns: readonly string[];
  readonly ar: readonly string[];
}

const WANTED: readonly Wanted[] = [
  {
    why: "a name that owns records of another type is NODATA, not NXDOMAIN (RFC 2308)",
    is: ({ name, type }, theirs, ours) =>
      changes(theirs, ours, "NXDOMAIN", "NODATA") &&
      (type === "TXT" || name === "dns-version.cluster.local" || (name.endsWith(".in-addr.arpa") && type !== "PTR")),
  },
  {
    why: "a name that has names below it is NODATA, not NXDOMAIN (RFC 8020)",
    is: ({ name }, theirs, ours) =>
      changes(theirs, ours, "NXDOMAIN", "NODATA") &&
      /^(dns\.cluster\.local|_tcp\..*|\d{1,3}(\.\d+){0,2}\.in-addr\.arpa)$/.test(name),
  },
  {
    why: "no addresses under _port._proto names: the schema has none",
    is: ({ name, type }, theirs, ours) => /^_/.test(name) && type === "A" && changes(theirs, ours, "DATA", "NODATA"),
  },
  {
    why: "only _port._proto names are services",
    is: ({ name, type }, theirs, ours) =>
      /^[^_]/.test(name) && type === "SRV" && changes(theirs, ours, "DATA", "NXDOMAIN"),
  },
  {
    why: "names of elsewhere are refused where nothing is forwarded",
    is: ({ name }, theirs, ours) =>
      !/(cluster\.local|\.arpa)$/i.test(name) && changes(theirs, ours, "SERVFAIL", "REFUSED"),
  },
  {
    why: "weights are not prescribed: an endpoint that is written twice counts once",
    is: (_, theirs, ours) => isDeepStrictEqual(withoutWeights(theirs), withoutWeights(ours)),
  },
  {
    why: "a pod's name has no port",
    is: ({ name, type }, theirs, ours) =>
      /\.pod\.cluster\.local$/.test(name) && type === "SRV" && changes(theirs, ours, "DATA", "NODATA"),
  },
];

/** Undefined when both said the same, "wanted: …" for a difference of the table, else the difference. */
export function difference(question: Question, theirs: Message, ours: Message): string | undefined {
  const [a, b] = [shortOf(theirs), shortOf(ours)];
  if (isDeepStrictEqual(a, b)) {
    return undefined;
  }
  const wanted = WANTED.find((one) => one.is(question, a, b));
  return wanted === undefined
    ? `${question.name} ${question.type}: CoreDNS ${JSON.stringify(a)}, ours ${JSON.stringify(b)}`
    : `wanted: ${wanted.why}`;
}

function shortOf({ rcode, flags, an, ns, ar }: Message): Short {
  const isEmpty = rcode === "NOERROR" && an.length === 0;
  const kind = isEmpty ? "NODATA" : rcode === "NOERROR" ? "DATA" : rcode;
  // Of answers that do not fit every server gives the part that it likes.
  const cut = flags.includes("tc");
  return { kind, flags, an: cut ? [] : [...an].sort(), ns: [...ns].sort(), ar: cut ? [] : [...ar].sort() };
}

function changes(theirs: Short, ours: Short, from: string, to: string): boolean {
  return theirs.kind === from && ours.kind === to;
}

function withoutWeights(reply: Short): Short {
  return { ...reply, an: reply.an.map((text) => text.replace(/ SRV 0 \d+ /, " SRV 0 ")).sort() };
}
