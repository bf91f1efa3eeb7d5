import assert from "node:assert/strict";
import { test } from "node:test";
import packet from "dns-packet";
import { packAnswer, type Serving, serveAnswer } from "./resolve-answer.ts";
import { isUnder, nameText, Question, wireName } from "./resolve-question.ts";
import { readMessage } from "./resolve-records.ts";
import { judge } from "./resolve-verdict.ts";
import { query, record, type Say, short, soa } from "./upstream.test-support.ts";

const NAME = "www.example.test";
const plain: Serving = { limit: 65_535, ttl: undefined, turn: 0, udpSize: 1232, authoritative: false, recursion: true };

/** A reply of an upstream as bytes. */
function upstreamReply(say: Say, type = "A"): Buffer {
  const asked = packet.decode(query(NAME, type));
  return packet.encode({ type: "response", id: asked.id, questions: asked.questions, ...say });
}

/** It, packed, as the cache would hold it. */
function packed(say: Say, type = 1) {
  const bytes = upstreamReply(say);
  const message = readMessage(bytes, bytes.length);
  assert.ok(message !== undefined);
  const name = wireName(NAME) ?? "";
  return packAnswer(name, type, judge(message, { name, type, dnssec: true }, { nowSeconds: 0, maxCnames: 11 }));
}

function served(answer: ReturnType<typeof packed>, how: Partial<Serving>, type = "A") {
  const asked = query(NAME, type);
  const question = new Question();
  assert.ok(question.read(asked, asked.length));
  const out = new Uint8Array(65_535);
  return out.slice(0, serveAnswer(answer, question, out, { ...plain, ...how }));
}

const lines = (bytes: Uint8Array): readonly string[] => short(bytes).answers;
const addresses = [1, 2, 3].map((at) => record(`${NAME} 60 A 192.0.2.${at}`));

test("A01: addresses take turns, and what is kept is not changed by that", () => {
  const answer = packed({ answers: addresses });
  const before = Buffer.from(answer.bytes);
  const turns = [0, 1, 2, 3].map((turn) =>
    lines(served(answer, { turn }))
      .map((line) => line.slice(-1))
      .join(""),
  );
  assert.deepEqual(turns, ["123", "231", "312", "123"]);
  assert.deepEqual(Buffer.from(answer.bytes), before);
});

test("A01: CNAMEs stay first and other records where they are", () => {
  const answer = packed({
    answers: [
      record(`${NAME} 60 CNAME web.example.test`),
      ...[1, 2].map((at) => record(`web.example.test 60 A 192.0.2.${at}`)),
    ],
  });
  assert.deepEqual(lines(served(answer, { turn: 1 })), [
    `${NAME} 60 CNAME web.example.test`,
    "web.example.test 60 A 192.0.2.2",
    "web.example.test 60 A 192.0.2.1",
  ]);
});

test("A01: mail exchangers take turns too, texts and names do not", () => {
  const exchangers = ["a.example.test", "longer.example.test", "c.test"].map((to, at) =>
    record(`${NAME} 60 MX ${at} ${to}`),
  );
  const mail = packed({ answers: exchangers }, 15);
  assert.deepEqual(lines(served(mail, { turn: 1, ttl: 7 }, "MX")), [
    `${NAME} 7 MX 1 longer.example.test`,
    `${NAME} 7 MX 2 c.test`,
    `${NAME} 7 MX 0 a.example.test`,
  ]);
  const names = packed({ answers: ["a", "b"].map((to) => record(`${NAME} 60 NS ${to}.example.test`)) }, 2);
  assert.deepEqual(lines(served(names, { turn: 1 }, "NS")), [
    `${NAME} 60 NS a.example.test`,
    `${NAME} 60 NS b.example.test`,
  ]);
});

test("A01: of two addresses each comes first in half of the answers", () => {
  const answer = packed({ answers: addresses.slice(0, 2) });
  const firsts = Array.from({ length: 100 }, (_none, turn) => lines(served(answer, { turn }))[0].slice(-1));
  assert.equal(firsts.filter((first) => first === "1").length, 50);
});

test("answers are cut between records, at every limit", () => {
  const answer = packed({ answers: Array.from({ length: 40 }, (_none, at) => record(`${NAME} 60 A 192.0.2.${at}`)) });
  for (let limit = 100; limit < 800; limit++) {
    const bytes = served(answer, { limit, turn: limit });
    assert.ok(bytes.length <= limit);
    const reply = short(bytes);
    assert.equal(reply.answers.length, Math.min(40, Math.floor((limit - 34) / 16)));
    assert.equal(reply.flags.includes("tc"), reply.answers.length < 40);
  }
});

test("additional records go first, and that is no cut", () => {
  const answer = packed(
    {
      answers: [record(`${NAME} 60 SRV 0 0 80 a.example.test`)],
      additionals: [record("a.example.test 60 A 192.0.2.1"), record("elsewhere.test 60 A 192.0.2.9")],
    },
    33,
  );
  const whole = short(served(answer, {}, "SRV"));
  assert.deepEqual(whole.additional, ["a.example.test 60 A 192.0.2.1"]);
  const full = served(answer, {}, "SRV").length;
  const less = short(served(answer, { limit: full - 1 }, "SRV"));
  assert.deepEqual([less.answers.length, less.additional.length, less.flags], [1, 0, "rd ra"]);
});

test("records of a packet that do not belong to the question are dropped", () => {
  const answer = packed({
    answers: [...addresses.slice(0, 1), record("other.test 60 A 192.0.2.66")],
    authorities: [record("example.test 60 NS evil.test")],
    additionals: [record("evil.test 60 A 192.0.2.66")],
  });
  assert.deepEqual(short(served(answer, {})), {
    rcode: "NOERROR",
    flags: "rd ra",
    answers: [`${NAME} 60 A 192.0.2.1`],
    authority: [],
    additional: [],
  });
});

test("names that point forwards, at themselves or into the header make a packet broken", () => {
  const good = upstreamReply({ answers: addresses.slice(0, 1) });
  const at = 12 + NAME.length + 2 + 4;
  for (const target of [at, at + 2, at + 40, 0, 11, 0x3fff]) {
    const bytes = Buffer.concat([
      good.subarray(0, at),
      Buffer.from([0xc0 | (target >> 8), target & 0xff]),
      Buffer.from([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]),
    ]);
    assert.equal(readMessage(bytes, bytes.length), undefined, `pointer to ${target}`);
  }
  assert.ok(readMessage(good, good.length) !== undefined);
});

test("a packet full of pointers to pointers is broken, not slow", () => {
  const head = upstreamReply({}).subarray(0, 12);
  head.writeUInt16BE(4_000, 6);
  const question = Buffer.concat([Buffer.from([1, 97, 0]), Buffer.from([0, 1, 0, 1])]);
  const records = Array.from({ length: 4_000 }, (_none, at) => {
    const own = 12 + question.length + at * 12;
    const pointer = at === 0 ? 12 : own - 12;
    return Buffer.from([0xc0 | (pointer >> 8), pointer & 0xff, 0, 16, 0, 1, 0, 0, 0, 1, 0, 0]);
  });
  const bytes = Buffer.concat([head, question, ...records]);
  assert.equal(readMessage(bytes, bytes.length), undefined);
});

test("changed packets never throw, and what is made of them is a packet within its limit", () => {
  const parts: Say[] = [
    { answers: addresses },
    { answers: [record(`${NAME} 60 CNAME web.example.test`), record("web.example.test 60 A 192.0.2.1")] },
    { authorities: [soa("example.test")] },
    { answers: [record(`${NAME} 60 MX 10 mail.example.test`), record(`${NAME} 60 TXT hello`)] },
    { answers: [record(`${NAME} 60 SRV 1 2 3 a.example.test`)], additionals: [record("a.example.test 60 AAAA ::1")] },
  ];
  const seeds = parts.flatMap((say) => ["A", "MX", "ANY"].map((type) => upstreamReply(say, type)));
  const types = [1, 15, 33, 255];
  const out = new Uint8Array(65_535);
  const question = new Question();
  const asked = query(NAME, "A");
  question.read(asked, asked.length);
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  let readable = 0;
  const name = wireName(NAME) ?? "";
  for (let at = 0; at < 60_000; at++) {
    const bytes = Buffer.from(seeds[random(seeds.length)]);
    for (let change = random(4); change >= 0; change--) {
      bytes[random(bytes.length)] = random(3) === 0 ? 0xc0 : random(256);
    }
    const length = random(4) === 0 ? random(bytes.length + 1) : bytes.length;
    const message = readMessage(bytes, length);
    if (message === undefined) {
      continue;
    }
    readable++;
    const type = types[random(types.length)];
    const verdict = judge(message, { name, type, dnssec: random(2) === 0 }, { nowSeconds: 0, maxCnames: 11 });
    const limit = 100 + random(600);
    const end = serveAnswer(packAnswer(name, type, verdict), question, out, { ...plain, limit, turn: at });
    assert.ok(end <= limit);
    assert.ok(readMessage(out, end) !== undefined, `number ${at}: what we made cannot be read`);
  }
  assert.ok(readable > 5_000, `${readable} could be read`);
});

test("changed questions never throw, and are read only when they are one question", () => {
  const question = new Question();
  const seeds = [query(NAME, "A"), query(NAME, "A", { edns: 1232, dnssec: true }), query(".", "NS")];
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let at = 0; at < 100_000; at++) {
    const bytes = Buffer.from(seeds[random(seeds.length)]);
    for (let change = random(3); change >= 0; change--) {
      bytes[random(bytes.length)] = random(256);
    }
    const length = random(3) === 0 ? random(bytes.length + 1) : bytes.length;
    if (question.read(bytes, length)) {
      assert.equal(bytes[2] & 0xf8, 0);
      assert.equal(bytes.readUInt16BE(4), 1);
      assert.ok(question.nameEnd + 4 <= length);
      assert.equal(question.lowerLength, question.nameEnd - 12);
    }
  }
});

test("names as text and on the wire", () => {
  assert.equal(wireName("a.Example.org."), "\x01a\x07example\x03org\0");
  assert.equal(wireName(""), "\0");
  assert.equal(wireName("."), "\0");
  assert.equal(wireName("a..b"), undefined);
  assert.equal(wireName(`${"a".repeat(64)}.b`), undefined);
  assert.equal(wireName(`${"abcdefg.".repeat(32)}b`), undefined);
  assert.equal(nameText("\x03a.b\x02\x00x\0"), "a\\046b.\\000x.");
  assert.equal(nameText("\0"), ".");
  const under = (name: string, zone: string): boolean => isUnder(wireName(name) ?? "", wireName(zone) ?? "");
  assert.equal(under("a.example.org", "example.org"), true);
  assert.equal(under("example.org", "example.org"), true);
  assert.equal(under("example.org", ""), true);
  assert.equal(under("badexample.org", "example.org"), false);
  assert.equal(under("org", "example.org"), false);
  // "\x07example" inside of a longer label is no label.
  assert.equal(isUnder("\x0b012\x07example\x03org\0", "\x07example\x03org\0"), false);
});
