/** Types of questions that are counted by name, and how; all others are "other". */
export const COUNTED_TYPES = [
  "A",
  "AAAA",
  "SRV",
  "PTR",
  "CNAME",
  "TXT",
  "MX",
  "NS",
  "SOA",
  "HTTPS",
  "SVCB",
  "DS",
  "DNSKEY",
  "ANY",
  "other",
] as const;

const TYPE_NUMBERS: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DS: 43,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  ANY: 255,
};

/** Names of response codes by their number; 16 is the first that needs EDNS. */
export const RCODES = [
  "NOERROR",
  "FORMERR",
  "SERVFAIL",
  "NXDOMAIN",
  "NOTIMP",
  "REFUSED",
  "YXDOMAIN",
  "YXRRSET",
  "NXRRSET",
  "NOTAUTH",
  "NOTZONE",
  "other",
] as const;

/** Where an answer came from. */
export const SOURCES = ["zone", "alias", "cache", "forward", "hook", "server"] as const;
export const SOURCE = { zone: 0, alias: 1, cache: 2, forward: 3, hook: 4, server: 5 } as const;

/** Whose name was asked: the cluster's, one of outside, or nobody could tell. */
export const ZONES = ["own", "other", "dropped"] as const;
export const ZONE = { own: 0, other: 1, dropped: 2 } as const;

/** Figures that have no labels: what each is called is what it counts. */
export const PLAIN = [
  /** Packets that got no answer: too short, answers, own packets. */
  "silent",
  "malformed",
  "truncated",
  "aclRefused",
  "recursionRefused",
  "rateLimited",
  "panics",
  "sendErrors",
  "replyQueueFull",
  "hookCalls",
  "hookAnswers",
  "hookVetoes",
  "hookSkipped",
  "hookLate",
  "logLines",
  "tcpAccepted",
  "tcpClosedIdle",
  "tcpClosedFirstByte",
  "tcpClosedShort",
  "tcpClosedSlowReader",
  "tcpClosedFull",
  "tcpRefusedFull",
  "tcpRefusedClient",
  "tcpOpen",
  "takenOver",
  "receiveBuffer",
] as const;
/** Name of a figure without labels. */
export type PlainFigure = (typeof PLAIN)[number];

/** Upper ends of sizes, bytes, as CoreDNS has them. */
export const SIZE_BUCKETS = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000];
/** Upper ends of times, seconds: those of CoreDNS from 250 µs on. */
export const TIME_BUCKETS = [
  0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064,
  0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
];

const PROTOS = 2;
const FAMILIES = 2;
const TYPES = COUNTED_TYPES.length;
const OTHER_TYPE = TYPES - 1;
const OTHER_RCODE = RCODES.length - 1;
const SIZES = SIZE_BUCKETS.length + 1;
const TIMES = TIME_BUCKETS.length + 1;
/** Most questions and answers are smaller; the bucket of others is looked for. */
const LISTED = 4096;

/** Where each group begins, in doubles. */
const REQUESTS = 0;
const RESPONSES = REQUESTS + PROTOS * FAMILIES * ZONES.length * TYPES;
const DO_REQUESTS = RESPONSES + ZONES.length * SOURCES.length * RCODES.length;
/** Of each bucket: how many, and their sum. */
const REQUEST_SIZES = DO_REQUESTS + ZONES.length;
const RESPONSE_SIZES = REQUEST_SIZES + PROTOS * SIZES * 2;
const DURATIONS = RESPONSE_SIZES + PROTOS * SIZES * 2;
const PLAIN_AT = DURATIONS + ZONES.length * TIMES * 2;
/** Left for the figures of the resolver and of the zone, which have names of their own. */
const EXTRA_AT = PLAIN_AT + PLAIN.length;
/** How many such figures there may be. */
export const MOST_EXTRA = 128;
const CELLS = EXTRA_AT + MOST_EXTRA;
/** Bytes of one thread's counters. */
export const COUNTER_BYTES = CELLS * 8;

/** One histogram out of the counters: of each bucket how many, and their sum. */
export interface BucketCells {
  /** First of its cells. */
  readonly at: number;
  readonly width: number;
}

/**
 * Counters of one thread, in shared memory: the thread adds without any lock, since nobody else writes, and the main thread
 * reads. A life of the thread goes on where the one before ended.
 */
export class Counters {
  readonly cells: Float64Array;
  readonly #typeIndex = new Uint8Array(256).fill(OTHER_TYPE);
  readonly #sizeBucket = new Uint8Array(LISTED);

  constructor(memory: SharedArrayBuffer, offset = 0) {
    this.cells = new Float64Array(memory, offset, CELLS);
    const known: readonly string[] = COUNTED_TYPES;
    for (const [name, number] of Object.entries(TYPE_NUMBERS)) {
      this.#typeIndex[number] = known.indexOf(name);
    }
    for (let size = 0; size < LISTED; size++) {
      this.#sizeBucket[size] = bucketOf(size);
    }
  }

  /** A question. `type`: its number; `zone`: one of ZONE. */
  request(type: number, zone: number, overTcp: boolean, isV6: boolean, bytes: number): void {
    const typeAt = type < 256 ? this.#typeIndex[type] : OTHER_TYPE;
    const proto = overTcp ? 1 : 0;
    this.cells[REQUESTS + ((proto * FAMILIES + (isV6 ? 1 : 0)) * ZONES.length + zone) * TYPES + typeAt]++;
    this.#size(REQUEST_SIZES, proto, bytes);
  }

  /** An answer. `rcode`: its number; `source`: one of SOURCE. */
  response(rcode: number, zone: number, source: number, overTcp: boolean, bytes: number): void {
    const rcodeAt = Math.min(rcode, OTHER_RCODE);
    this.cells[RESPONSES + (zone * SOURCES.length + source) * RCODES.length + rcodeAt]++;
    this.#size(RESPONSE_SIZES, overTcp ? 1 : 0, bytes);
  }

  /** A question with DO. */
  dnssecOk(zone: number): void {
    this.cells[DO_REQUESTS + zone]++;
  }

  /** Time from a question to its answer, `times` times. */
  duration(zone: number, seconds: number, times: number): void {
    let bucket = 0;
    while (bucket < TIME_BUCKETS.length && seconds > TIME_BUCKETS[bucket]) {
      bucket++;
    }
    const at = DURATIONS + (zone * TIMES + bucket) * 2;
    this.cells[at] += times;
    this.cells[at + 1] += seconds * times;
  }

  count(figure: PlainFigure, by = 1): void {
    this.cells[PLAIN_AT + PLAIN_INDEX[figure]] += by;
  }

  set(figure: PlainFigure, value: number): void {
    this.cells[PLAIN_AT + PLAIN_INDEX[figure]] = value;
  }

  get(figure: PlainFigure): number {
    return this.cells[PLAIN_AT + PLAIN_INDEX[figure]];
  }

  setExtra(at: number, value: number): void {
    this.cells[EXTRA_AT + at] = value;
  }

  getExtra(at: number): number {
    return this.cells[EXTRA_AT + at];
  }

  #size(group: number, proto: number, bytes: number): void {
    const bucket = bytes < LISTED ? this.#sizeBucket[bytes] : bucketOf(bytes);
    const at = group + (proto * SIZES + bucket) * 2;
    this.cells[at]++;
    this.cells[at + 1] += bytes;
  }
}

function bucketOf(size: number): number {
  let bucket = 0;
  while (bucket < SIZE_BUCKETS.length && size > SIZE_BUCKETS[bucket]) {
    bucket++;
  }
  return bucket;
}

const PLAIN_INDEX = Object.freeze(Object.fromEntries(PLAIN.map((name, at) => [name, at]))) as Readonly<
  Record<PlainFigure, number>
>; // every name of PLAIN is a key

/** One cell of requests and what it stands for. */
export interface RequestCell {
  readonly at: number;
  readonly proto: "udp" | "tcp";
  readonly family: "1" | "2";
  readonly zone: (typeof ZONES)[number];
  readonly type: (typeof COUNTED_TYPES)[number];
}

/** One cell of responses and what it stands for. */
export interface ResponseCell {
  readonly at: number;
  readonly zone: (typeof ZONES)[number];
  readonly source: (typeof SOURCES)[number];
  readonly rcode: (typeof RCODES)[number];
}

/** All cells of requests. */
export function requestCells(): RequestCell[] {
  let at = REQUESTS;
  return (["udp", "tcp"] as const).flatMap((proto) =>
    (["1", "2"] as const).flatMap((family) =>
      ZONES.flatMap((zone) => COUNTED_TYPES.map((type): RequestCell => ({ at: at++, proto, family, zone, type }))),
    ),
  );
}

/** All cells of responses. */
export function responseCells(): ResponseCell[] {
  let at = RESPONSES;
  return ZONES.flatMap((zone) =>
    SOURCES.flatMap((source) => RCODES.map((rcode): ResponseCell => ({ at: at++, zone, source, rcode }))),
  );
}

/** Cells of questions with DO, by zone. */
export function dnssecOkCell(zone: (typeof ZONES)[number]): number {
  return DO_REQUESTS + ZONE[zone];
}

/** Buckets of sizes of questions or answers. */
export function sizeCells(what: "requests" | "responses", proto: "udp" | "tcp"): BucketCells {
  const group = what === "requests" ? REQUEST_SIZES : RESPONSE_SIZES;
  return { at: group + (proto === "udp" ? 0 : 1) * SIZES * 2, width: SIZES };
}

/** Buckets of times. */
export function durationCells(zone: (typeof ZONES)[number]): BucketCells {
  return { at: DURATIONS + ZONE[zone] * TIMES * 2, width: TIMES };
}
