import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "dns-packet";
import { COUNTER_BYTES, Counters } from "./counters.ts";
import { type Answered, question } from "./desk.test-support.ts";
import { readHookAnswer } from "./hook-answer.ts";
import { HookLine } from "./hook-line.ts";
import type { DnsHookRecord } from "./hook-messages.ts";
import { hookReply } from "./hook-reply.ts";

const OPTIONS = { maxBytes: 512, maxUdp: 1232, recursionAvailable: true };

async function replied(records: readonly DnsHookRecord[], query = question("Here.Example.test")): Promise<Answered> {
  return decode(Buffer.from(await hookReply(query, { records }, OPTIONS))) as Answered;
}

test("records of every type that may be given come as they were meant", async () => {
  const records: readonly DnsHookRecord[] = [
    { type: "A", data: "192.0.2.1" },
    { type: "AAAA", data: "2001:db8::1", ttl: 0 },
    { type: "CNAME", data: "other.example.test", name: "alias.example.test" },
    { type: "TXT", data: "some text" },
    { type: "SRV", data: { priority: 1, weight: 2, port: 53, target: "dns.example.test" } },
    { type: "MX", data: { preference: 10, exchange: "mail.example.test" } },
  ];
  const { answers, rcode, flag_ra, questions } = await replied(records);
  assert.deepEqual([rcode, flag_ra, questions?.[0].name], ["NOERROR", true, "Here.Example.test"]);
  assert.deepEqual(
    answers?.map(({ name, type }) => [name, type]),
    [
      ["Here.Example.test", "A"],
      ["Here.Example.test", "AAAA"],
      ["alias.example.test", "CNAME"],
      ["Here.Example.test", "TXT"],
      ["Here.Example.test", "SRV"],
      ["Here.Example.test", "MX"],
    ],
  );
});

test("a text of any length comes whole", async () => {
  const [answer] = (await replied([{ type: "TXT", data: "x".repeat(300) }])).answers ?? [];
  assert.equal("data" in answer && Buffer.concat(answer.data as Buffer[]).length, 300);
});

test("an empty list is an answer without records; a veto is what it says", async () => {
  assert.deepEqual((await replied([])).answers, []);
  const query = question("never.example.test");
  const codes = await Promise.all(
    (["NXDOMAIN", "REFUSED"] as const).map(async (veto) => {
      return (decode(Buffer.from(await hookReply(query, { veto }, OPTIONS))) as Answered).rcode;
    }),
  );
  assert.deepEqual(codes, ["NXDOMAIN", "REFUSED"]);
});

test("what does not fit is cut between records and marked; the client's OPT is answered", async () => {
  const records = Array.from({ length: 60 }, (_, n): DnsHookRecord => ({ type: "A", data: `192.0.2.${n}` }));
  const query = encode({
    type: "query",
    id: 3,
    questions: [{ type: "A", name: "many.example.test" }],
    additionals: [{ type: "OPT", name: ".", udpPayloadSize: 512, flags: 0x8000, options: [] } as never], // the types want more than the encoder
  });
  const bytes = await hookReply(query, { records }, OPTIONS);
  assert.ok(bytes.length <= 512);
  const { flag_tc, answers, additionals } = decode(Buffer.from(bytes));
  assert.equal(flag_tc, true);
  assert.ok((answers?.length ?? 0) > 20);
  assert.equal(additionals?.[0].type, "OPT");
});

const UNUSABLE: readonly DnsHookRecord[] = [
  { type: "CNAME", data: `${"a".repeat(80)}.example.test` },
  { type: "A", data: "192.0.2.1", ttl: -1 },
  { type: "A", data: "192.0.2.1", ttl: 1.5 },
  { type: "SRV", data: "not an object" },
  { type: "A", name: `${"a.".repeat(130)}test`, data: "192.0.2.1" },
];

for (const record of UNUSABLE) {
  test(`${JSON.stringify(record).slice(0, 60)} cannot be sent: SERVFAIL`, async () => {
    assert.equal((await replied([record])).rcode, "SERVFAIL");
  });
}

test("answers that make no sense are told by what is wrong with them", () => {
  const wrong: readonly unknown[] = [
    1,
    "NXDOMAIN",
    [],
    { veto: "SERVFAIL" },
    { records: {} },
    { records: [1] },
    { records: [{ type: "SOA", data: "x" }] },
    { records: [{ type: "A", data: "2001:db8::1" }] },
    { records: [{ type: "A", data: "192.0.2.1", name: 5 }] },
    { records: [{ type: "SRV" }] },
    { records: Array.from({ length: 501 }, () => ({ type: "A", data: "192.0.2.1" })) },
  ];
  for (const given of wrong) {
    assert.equal(typeof readHookAnswer(given), "string", JSON.stringify(given).slice(0, 80));
  }
  assert.equal(readHookAnswer(undefined), undefined);
  assert.deepEqual(readHookAnswer({ records: [], more: 1 }), { records: [] });
});

test("a question that the main thread does not answer in time goes on without it; too many go past it", async () => {
  const counters = new Counters(new SharedArrayBuffer(COUNTER_BYTES));
  const posted: number[] = [];
  const line = new HookLine({
    counters,
    maxUdp: 1232,
    recursionAvailable: () => false,
    isTapped: () => true,
    post: ({ id }) => posted.push(id),
  });
  const from = { address: "192.0.2.1", tcp: false, maxBytes: 512 };
  const asked = Array.from({ length: 105 }, () => line.ask(question("a.example.test"), from));
  line.answered(posted[0], { veto: "REFUSED" });
  const answers = await Promise.all(asked);
  line.answered(posted[1], { veto: "REFUSED" });
  assert.deepEqual([posted.length, answers.filter((answer) => answer !== undefined).length], [100, 1]);
  const { hookCalls, hookSkipped, hookLate, hookVetoes } = Object.fromEntries(
    (["hookCalls", "hookSkipped", "hookLate", "hookVetoes"] as const).map((name) => [name, counters.get(name)]),
  );
  assert.deepEqual([hookCalls, hookSkipped, hookLate, hookVetoes], [100, 5, 99, 1]);
});
