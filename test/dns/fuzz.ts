import { type Random, seededRandom } from "../../core/testing/index.ts";
import { ASK, CHASE, Responder, type ResponderOptions, SILENT } from "../../plugins/dns/answer.ts";
import { NameIndex } from "../../plugins/dns/name-index.ts";
import { feedZone } from "../../plugins/dns/zone-feed.ts";
import { TEST_ZONE, type TestObject, ZoneTestStore } from "../../plugins/dns/zone-store.test-support.ts";
import { readCases } from "./cases.ts";
import { fixtureObjects } from "./fixture.ts";
import { decodeMessage, encodeQuery } from "./message.ts";
import { OWN_CASES } from "./own-cases.ts";

/** What became of the packets. */
export interface FuzzResult {
  readonly packets: number;
  /** Replies by code, "silence", "asked elsewhere". */
  readonly outcomes: Readonly<Record<string, number>>;
  /** What must not be, with the packet in hex. */
  readonly findings: readonly string[];
  readonly slowestMs: number;
}

const MOST_FINDINGS = 20;
const KNOWN_EVERY = 1_000;
const LARGEST_PACKET = 4_096;
const KNOWN = encodeQuery({ name: "cart.shop.svc.cluster.local", type: "A" });
const OPTIONS: ResponderOptions = {
  zone: { ...TEST_ZONE, pods: "insecure" },
  maxUdp: 1232,
  recursionAvailable: false,
  seed: 1,
};

/**
 * Gives broken packets to the part that answers, on the objects of the cases: it never throws, never answers an answer, never
 * says more than fits, every reply can be read by a strict reader, and the next proper question is answered.
 */
export function fuzzAnswers(packets: number, seed: number, progress: (done: number) => void = () => {}): FuzzResult {
  const random = seededRandom(seed);
  const responder = new Responder(filledIndex(), OPTIONS);
  const seeds = [...readCases("cases.jsonl"), ...OWN_CASES].map(({ hex, q = "", type = "A", opts }) =>
    hex === undefined
      ? encodeQuery({ name: q, type, edns: opts?.edns && { size: opts.edns.size } })
      : Buffer.from(hex, "hex"),
  );
  const out = Buffer.alloc(65_535);
  const outcomes = new Map<string, number>();
  const findings: string[] = [];
  let slowestMs = 0;
  for (let done = 1; done <= packets && findings.length < MOST_FINDINGS; done++) {
    const packet = mutated(random, seeds);
    const tcp = random.below(8) === 0;
    const startedAtMs = performance.now();
    const outcome = answerOf(responder, packet, out, tcp);
    slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
    outcomes.set(outcome.kind, (outcomes.get(outcome.kind) ?? 0) + 1);
    if (outcome.finding !== undefined) {
      findings.push(`${outcome.finding}: ${packet.toString("hex")}`);
    }
    if (done % KNOWN_EVERY === 0) {
      const known = answerOf(responder, KNOWN, out, false);
      if (known.kind !== "NOERROR" || !known.answers?.includes("cart.shop.svc.cluster.local 5 A 10.0.0.1")) {
        findings.push(`the proper question after ${packet.toString("hex")} was answered with ${JSON.stringify(known)}`);
      }
    }
    if (done % 500_000 === 0) {
      progress(done);
    }
  }
  return { packets, outcomes: Object.fromEntries([...outcomes].sort()), findings, slowestMs };
}

interface Outcome {
  readonly kind: string;
  readonly answers?: readonly string[];
  readonly finding?: string;
}

function answerOf(responder: Responder, packet: Buffer, out: Buffer, tcp: boolean): Outcome {
  let result: number;
  try {
    result = responder.respond(packet, packet.length, out, tcp);
  } catch (error) {
    return { kind: "threw", finding: `threw ${error}` };
  }
  if (result === SILENT) {
    return { kind: "silence" };
  }
  if (packet.length < 12 || (packet[2] & 0x80) !== 0) {
    return { kind: "answered", finding: "answered what is no question" };
  }
  const size = result > 0 ? result : responder.length;
  const limit = tcp ? 65_535 : 1232;
  if (size < 12 || size > limit || (result < 0 && result !== ASK && result !== CHASE)) {
    return { kind: "wrong size", finding: `result ${result}, ${size} bytes` };
  }
  try {
    const message = decodeMessage(out.subarray(0, size));
    if (!message.isReply || message.id !== packet.readUInt16BE(0)) {
      return { kind: "no reply", finding: "not a reply to this packet" };
    }
    return { kind: result < 0 ? "asked elsewhere" : message.rcode, answers: message.an };
  } catch (error) {
    return { kind: "unreadable", finding: `unreadable reply, ${error}: ${out.subarray(0, size).toString("hex")}` };
  }
}

/** An index of the objects of the cases. */
function filledIndex(): NameIndex {
  const store = new ZoneTestStore();
  // The same objects under the narrower type that the store's writer takes.
  store.apply(...(fixtureObjects() as unknown as readonly TestObject[]));
  store.markSynced();
  const index = NameIndex.create({ maxBytes: TEST_ZONE.maxIndexBytes, seed: 1 });
  const feed = feedZone({ store: store.reader, index, zone: OPTIONS_ZONE });
  feed.flush();
  feed.close();
  store.close();
  return index;
}

const OPTIONS_ZONE = { ...TEST_ZONE, pods: "insecure" } as const;

/** One packet of the seeds, broken in one to four ways. */
export function mutated(random: Random, seeds: readonly Buffer[]): Buffer {
  let packet: Buffer = Buffer.from(random.pick(seeds));
  for (let times = 1 + random.below(4); times > 0; times--) {
    packet = random.pick(MUTATIONS)(packet, random, seeds);
  }
  return packet.subarray(0, LARGEST_PACKET);
}

type Mutation = (packet: Buffer, random: Random, seeds: readonly Buffer[]) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (packet, random) => withByte(packet, random, random.below(packet.length), random.below(256)),
  (packet, random) => withByte(packet, random, random.below(12), 1 << random.below(8)),
  (packet, random) => packet.subarray(0, random.below(packet.length + 1)),
  (packet, random) => Buffer.concat([packet, randomBytes(random, random.below(64))]),
  // The length of a label, or what may be taken for one.
  (packet, random) =>
    withByte(packet, random, 12 + random.below(32), random.pick([0, 1, 63, 64, 0x80, 0xc0, 0xc1, 0xff])),
  // A pointer somewhere.
  (packet, random) => {
    const copy = Buffer.from(packet);
    const at = 12 + random.below(Math.max(1, copy.length - 13));
    if (at + 1 < copy.length) {
      copy.writeUInt16BE(0xc000 | random.below(0x4000), at);
    }
    return copy;
  },
  // Counts of the header.
  (packet, random) => {
    const copy = Buffer.from(packet);
    if (copy.length >= 12) {
      copy.writeUInt16BE(random.pick([0, 1, 2, 255, 65_535]), 4 + 2 * random.below(4));
    }
    return copy;
  },
  // The head of one and the tail of another.
  (packet, random, seeds) => {
    const other = random.pick(seeds);
    return Buffer.concat([
      packet.subarray(0, random.below(packet.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]);
  },
  // A part twice.
  (packet, random) => {
    const from = random.below(packet.length + 1);
    const to = from + random.below(packet.length - from + 1);
    return Buffer.concat([packet.subarray(0, to), packet.subarray(from)]);
  },
  // One more OPT.
  (packet, random) => Buffer.concat([packet, Buffer.from([0, 0, 41, 4, 208]), randomBytes(random, random.below(12))]),
];

function withByte(packet: Buffer, random: Random, at: number, value: number): Buffer {
  const copy = Buffer.from(packet);
  if (at < copy.length) {
    copy[at] = random.below(2) === 0 ? value : copy[at] ^ value;
  }
  return copy;
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}
