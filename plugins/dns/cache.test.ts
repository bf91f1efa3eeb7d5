import assert from "node:assert/strict";
import { test } from "node:test";
import { untilWithin } from "../../core/watch/until.test-support.ts";
import { AnswerCache, type CacheEntry } from "./cache.ts";
import { emptyAnswer } from "./resolve-answer.ts";
import { FakeUpstream, ResolverBench, record, reply, type Say, soa } from "./upstream.test-support.ts";

const until = untilWithin(5_000);

const web = (address = "192.0.2.1", ttl = 60): Say => ({ answers: [record(`www.example.test ${ttl} A ${address}`)] });

test("K01: answers that say no are kept for the least of SOA ttl, its minimum and the limit", async (t) => {
  const cases: [soaTtl: number, minimum: number, limit: number, kept: number][] = [
    [60, 20, 1800, 20],
    [20, 60, 1800, 20],
    [60, 60, 5, 5],
    [9_000, 9_000, 1_800, 1_800],
  ];
  for (const [soaTtl, minimum, limit, kept] of cases) {
    for (const rcode of [0, 3]) {
      const upstream = await FakeUpstream.start(t, () => ({
        rcode,
        authorities: [soa("example.test", soaTtl, minimum)],
      }));
      const bench = new ResolverBench(t, { to: [upstream.address], cache: { negative: limit } });
      const first = await bench.ask("none.example.test");
      assert.match(first.authority[0], new RegExp(`^example.test ${kept} SOA`));
      await bench.clock.advance(kept * 1000 - 1);
      await bench.ask("none.example.test");
      assert.equal(upstream.queries.length, 1);
      await bench.clock.advance(1);
      await bench.ask("none.example.test");
      assert.equal(upstream.queries.length, 2);
    }
  }
});

test("K01: without an SOA, or with one of another zone, a no is handed on and not kept", async (t) => {
  const says: Say[] = [
    { rcode: 3 },
    { rcode: 0 },
    { rcode: 3, authorities: [soa("example.org")] },
    { rcode: 0, authorities: [record("example.test 60 NS ns.example.test")] },
  ];
  for (const say of says) {
    const upstream = await FakeUpstream.start(t, () => say);
    const bench = new ResolverBench(t, { to: [upstream.address] });
    const first = await bench.ask("none.example.test");
    assert.equal(first.rcode, say.rcode === 3 ? "NXDOMAIN" : "NOERROR");
    assert.deepEqual(first.authority, []);
    await bench.ask("none.example.test");
    assert.equal(upstream.queries.length, 2);
  }
});

test("K02: cut answers are not kept when TCP brings no better ones", async (t) => {
  const upstream = await FakeUpstream.start(t, ({ tcp }) => (tcp ? "close" : { ...web(), truncated: true }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.equal((await bench.ask("www.example.test")).flags, "tc rd ra");
  await bench.ask("www.example.test");
  assert.equal(upstream.queries.filter(({ tcp }) => !tcp).length, 2);
});

test("K02: what is no reply is not kept, and the wait goes on", async (t) => {
  const upstream = await FakeUpstream.start(t, (query) => {
    const forged = reply(
      { ...query, packet: { ...query.packet, questions: [{ name: "evil.test", type: "A" }] } },
      web("192.0.2.66"),
    );
    const question = Buffer.from(reply(query, web("192.0.2.67")));
    question[2] &= 0x7f;
    return [forged, question, reply(query, web())];
  });
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.equal(bench.resolver.stats.upstreamMismatches, 2);
});

test("K02: answers whose signatures are over are not kept", async (t) => {
  const signature = (expiration: number) => ({
    name: "www.example.test",
    type: "RRSIG" as const,
    ttl: 60,
    data: {
      typeCovered: "A" as const,
      algorithm: 8,
      labels: 3,
      originalTTL: 60,
      expiration,
      inception: expiration - 1000,
      keyTag: 1,
      signersName: "example.test",
      signature: Buffer.from("x"),
    },
  });
  for (const [offset, asked] of [
    [-10, 2],
    [1000, 1],
  ]) {
    const upstream = await FakeUpstream.start(t, () => ({
      answers: [...(web().answers ?? []), signature(1_700_000_000 + offset)],
    }));
    const bench = new ResolverBench(t, { to: [upstream.address] });
    assert.equal((await bench.ask("www.example.test", "A", { dnssec: true })).answers.length, 2);
    await bench.ask("www.example.test", "A", { dnssec: true });
    assert.equal(upstream.queries.length, asked);
  }
});

test("K03: SERVFAIL and NOTIMP are kept for the time of failures, other codes are not, 0 keeps none", async (t) => {
  const cases: [rcode: number, seconds: number, asked: number][] = [
    [2, 5, 1],
    [4, 5, 1],
    [5, 5, 2],
    [1, 5, 2],
    [2, 0, 2],
  ];
  for (const [rcode, servfail, asked] of cases) {
    // With an OPT record, so that an error is not taken for a dislike of EDNS.
    const upstream = await FakeUpstream.start(t, (query) => ({ rcode, additionals: query.packet.additionals }));
    const bench = new ResolverBench(t, { to: [upstream.address], cache: { servfail } });
    await bench.ask("www.example.test");
    await bench.clock.advance(4_999);
    await bench.ask("www.example.test");
    assert.equal(upstream.queries.length, asked, `code ${rcode}, ${servfail} s`);
    await bench.clock.advance(1);
    await bench.ask("www.example.test");
    assert.equal(upstream.queries.length, asked + 1);
  }
});

test("K03: failures are kept for five minutes at most", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({ rcode: 2 }));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { servfail: 10_000 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(299_999);
  await bench.ask("www.example.test");
  assert.equal(upstream.queries.length, 1);
  await bench.clock.advance(1);
  await bench.ask("www.example.test");
  assert.equal(upstream.queries.length, 2);
});

test("K03: a failure on renewal does not hide an answer that still holds", async (t) => {
  const upstream = await FakeUpstream.start(t, () => (upstream.queries.length === 1 ? web() : { rcode: 2 }));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { prefetchHits: 1 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(55_000);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  await upstream.got(2);
  await bench.clock.advance(1_000);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.equal(upstream.queries.length, 2);
});

test("K04: answers are kept by name whatever its case, type, and what is wanted of DNSSEC", async (t) => {
  const upstream = await FakeUpstream.start(t, ({ type }) => (type === "A" ? web() : { authorities: [soa("test")] }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const asks: [name: string, type: string, more: object, asked: number][] = [
    ["www.example.test", "A", {}, 1],
    ["WWW.example.TEST", "A", {}, 1],
    ["www.example.test", "A", { edns: 4096 }, 1],
    ["www.example.test", "AAAA", {}, 2],
    ["www.example.test", "A", { dnssec: true }, 3],
    ["www.example.test", "A", { cd: true }, 4],
    ["www.example.test", "A", { cd: true, dnssec: true }, 5],
    ["www.example.test", "A", { cd: true, dnssec: true }, 5],
    ["ww.example.test", "A", {}, 6],
  ];
  for (const [name, type, more, asked] of asks) {
    await bench.ask(name, type, more);
    assert.equal(upstream.queries.length, asked, `${name} ${type} ${JSON.stringify(more)}`);
  }
});

test("K05: TTLs are lifted, limited and counted down; 0 is not kept", async (t) => {
  const cases: [ttl: number, minimum: number, limit: number, first: number, asked: number][] = [
    [0, 0, 3600, 0, 2],
    [0, 5, 3600, 5, 1],
    [1, 5, 3600, 5, 1],
    [4, 5, 3600, 5, 1],
    [6, 5, 3600, 6, 1],
    [3601, 0, 3600, 3600, 1],
    [60, 0, 0, 60, 2],
    [60, 50, 30, 30, 1],
  ];
  for (const [ttl, minimum, positive, first, asked] of cases) {
    const upstream = await FakeUpstream.start(t, () => web("192.0.2.1", ttl));
    const bench = new ResolverBench(t, { to: [upstream.address], cache: { minimum, positive } });
    assert.deepEqual((await bench.ask("www.example.test")).answers, [`www.example.test ${first} A 192.0.2.1`]);
    await bench.clock.advance(2_000);
    const left = asked === 1 ? first - 2 : first;
    assert.deepEqual((await bench.ask("www.example.test")).answers, [`www.example.test ${left} A 192.0.2.1`]);
    assert.equal(upstream.queries.length, asked, `ttl ${ttl}`);
  }
});

test("K05: with keepTtl they are not counted down", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web());
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { keepTtl: true } });
  await bench.ask("www.example.test");
  await bench.clock.advance(40_000);
  assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 60 A 192.0.2.1"]);
});

test("K05: all records of an answer get the least TTL, which ends it", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({
    answers: [record("www.example.test 300 CNAME web.example.test"), record("web.example.test 20 A 192.0.2.1")],
  }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  await bench.ask("www.example.test");
  await bench.clock.advance(5_000);
  assert.deepEqual((await bench.ask("www.example.test")).answers, [
    "www.example.test 15 CNAME web.example.test",
    "web.example.test 15 A 192.0.2.1",
  ]);
});

test("K05: a TTL with its topmost bit set is 0", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web("192.0.2.1", 0x80000001));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 0 A 192.0.2.1"]);
});

const step = (from: string, to: string) => record(`${from} 60 CNAME ${to}`);

test("K06: chains that reach no answer are kept only with an SOA", async (t) => {
  const address = record("end.example.test 60 A 192.0.2.1");
  const cases: [why: string, say: Say, type: string, answers: number, asked: number][] = [
    ["no answer, no SOA", { answers: [step("a.test", "b.test")] }, "A", 1, 2],
    ["no answer, SOA", { answers: [step("a.test", "b.test")], authorities: [soa("test")] }, "A", 1, 1],
    ["an address off the chain", { answers: [step("a.test", "b.test"), address] }, "A", 1, 2],
    ["whole", { answers: [step("a.test", "end.example.test"), address] }, "A", 2, 1],
    ["any order", { answers: [address, step("b.test", "end.example.test"), step("a.test", "b.test")] }, "A", 3, 1],
    ["two targets", { answers: [step("a.test", "b.test"), step("a.test", "end.example.test"), address] }, "A", 3, 2],
    ["a circle", { answers: [step("a.test", "b.test"), step("b.test", "a.test")] }, "A", 2, 2],
    ["itself", { answers: [step("a.test", "a.test")] }, "A", 1, 2],
    [
      "the same twice",
      { answers: [step("a.test", "end.example.test"), step("a.test", "END.example.test"), address] },
      "A",
      2,
      1,
    ],
    ["any type", { answers: [step("a.test", "b.test")] }, "ANY", 1, 1],
    ["the CNAME was asked for", { answers: [step("a.test", "b.test")] }, "CNAME", 1, 1],
    [
      "no such name at its end",
      { rcode: 3, answers: [step("a.test", "b.test")], authorities: [soa("test")] },
      "A",
      1,
      1,
    ],
  ];
  for (const [why, say, type, answers, asked] of cases) {
    const upstream = await FakeUpstream.start(t, () => say);
    const bench = new ResolverBench(t, { to: [upstream.address] });
    await bench.ask("a.test", type);
    const reply = await bench.ask("a.test", type);
    assert.equal(reply.answers.length, answers, why);
    assert.equal(reply.rcode, say.rcode === 3 ? "NXDOMAIN" : "NOERROR", why);
    assert.equal(upstream.queries.length, asked, why);
  }
});

test("K06: chains come in order, CNAMEs first", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({
    answers: [record("c.test 60 A 192.0.2.1"), step("b.test", "c.test"), step("a.test", "b.test")],
  }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual((await bench.ask("a.test")).answers, [
    "a.test 60 CNAME b.test",
    "b.test 60 CNAME c.test",
    "c.test 60 A 192.0.2.1",
  ]);
});

test("a chain of eleven CNAMEs is an answer, one of twelve a failure", async (t) => {
  const chain = (count: number): Say => ({
    answers: [
      ...Array.from({ length: count }, (_none, at) => step(`n${at}.test`, `n${at + 1}.test`)),
      record(`n${count}.test 60 A 192.0.2.1`),
    ],
  });
  for (const [count, rcode, answers] of [
    [11, "NOERROR", 12],
    [12, "SERVFAIL", 0],
  ] as const) {
    const upstream = await FakeUpstream.start(t, () => chain(count));
    const bench = new ResolverBench(t, { to: [upstream.address] });
    const reply = await bench.ask("n0.test", "A", { edns: 1232 });
    assert.deepEqual([reply.rcode, reply.answers.length], [rcode, answers]);
  }
});

test("K07: zones may be kept out of the cache, for answers and for those that say no, apart", async (t) => {
  const upstream = await FakeUpstream.start(t, ({ name }) =>
    name.startsWith("no.") ? { rcode: 3, authorities: [soa("test")] } : { answers: [record(`${name} 60 A 192.0.2.1`)] },
  );
  const cache = { exceptPositive: ["a.test"], exceptNegative: ["b.test"] };
  const bench = new ResolverBench(t, { to: [upstream.address], cache });
  const names = ["yes.a.test", "no.a.test", "yes.b.test", "no.b.test", "yes.aa.test"];
  for (const name of [...names, ...names]) {
    await bench.ask(name);
  }
  const asked = Object.groupBy(upstream.queries, ({ name }) => name);
  assert.deepEqual(
    names.map((name) => asked[name]?.length),
    [2, 1, 1, 2, 1],
  );
});

test("K08: an answer that is asked for is renewed in its last tenth", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web(`192.0.2.${upstream.queries.length}`, 80));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { prefetchHits: 1 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(71_000);
  assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 9 A 192.0.2.1"]);
  assert.equal(upstream.queries.length, 1);
  await bench.clock.advance(2_000);
  const together = await Promise.all([1, 2, 3].map(() => bench.ask("www.example.test")));
  assert.deepEqual(
    together.flatMap(({ answers }) => answers),
    new Array(3).fill("www.example.test 7 A 192.0.2.1"),
  );
  await upstream.got(2);
  await bench.clock.advance(7_000);
  assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 73 A 192.0.2.2"]);
  assert.equal(upstream.queries.length, 2);
  assert.equal(bench.resolver.stats.cachePrefetches, 1);
});

test("K08: short TTLs are renewed in their last second, and kinds of DNSSEC apart", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web("192.0.2.1", 5));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { prefetchHits: 1 } });
  await bench.ask("www.example.test");
  await bench.ask("www.example.test", "A", { dnssec: true });
  await bench.clock.advance(3_900);
  await bench.ask("www.example.test");
  assert.equal(upstream.queries.length, 2);
  await bench.clock.advance(100);
  await bench.ask("www.example.test");
  await upstream.got(3);
  await bench.clock.advance(1_000);
  await bench.ask("www.example.test");
  assert.equal(upstream.queries.length, 3);
  await bench.ask("www.example.test", "A", { dnssec: true });
  assert.equal(upstream.queries.length, 4);
});

test("K09: with staleAfterMs 0 an answer that is over is given at once, and renewed once behind it", async (t) => {
  const upstream = await FakeUpstream.start(t, () => (upstream.queries.length === 1 ? web() : "nothing"));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600, staleAfterMs: 0 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(61_000);
  const replies = await Promise.all([bench.ask("www.example.test"), bench.ask("www.example.test")]);
  assert.deepEqual(
    replies.flatMap(({ answers }) => answers),
    new Array(2).fill("www.example.test 30 A 192.0.2.1"),
  );
  await upstream.got(2);
  assert.equal(upstream.queries.length, 2);
  assert.equal(bench.resolver.stats.cacheStale, 2);
});

test("K09: an answer is not given longer than the time of stale ones", async (t) => {
  const upstream = await FakeUpstream.start(t, () => (upstream.queries.length === 1 ? web() : { rcode: 2 }));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(3_659_000);
  assert.equal((await bench.ask("www.example.test")).rcode, "NOERROR");
  await bench.clock.advance(1_000);
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
});

test("K10: a fresh answer that comes in time wins over a stale one", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web(`192.0.2.${upstream.queries.length}`));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(61_000);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.2"]);
});

test("K10: while no upstream answers the stale one is given, and a late answer still counts", async (t) => {
  const upstream = await FakeUpstream.start(t, () => (upstream.queries.length === 1 ? web() : "nothing"));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(61_000);
  const waiting = bench.ask("www.example.test");
  await upstream.got(2);
  await bench.clock.advance(1_800);
  assert.deepEqual((await waiting).answers, ["www.example.test 30 A 192.0.2.1"]);
  upstream.queries[1].later(web("192.0.2.2"));
  await until("the late reply is taken", () => bench.resolver.stats.forwardInFlight === 0);
  assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 60 A 192.0.2.2"]);
});

test("K10: after a failure upstreams are left alone for the time of recheck", async (t) => {
  const upstream = await FakeUpstream.start(t, () => (upstream.queries.length === 1 ? web() : { rcode: 2 }));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600, recheck: 30 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(61_000);
  for (const [seconds, asked] of [
    [0, 2],
    [29, 2],
    [1, 3],
  ]) {
    await bench.clock.advance(seconds * 1000);
    assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 30 A 192.0.2.1"]);
    assert.equal(upstream.queries.length, asked);
  }
});

test("K11: an answer that says no is never given after its end", async (t) => {
  const upstream = await FakeUpstream.start(t, () =>
    upstream.queries.length === 1 ? { rcode: 3, authorities: [soa("test", 5)] } : { rcode: 2 },
  );
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600, staleAfterMs: 0 } });
  assert.equal((await bench.ask("www.example.test")).rcode, "NXDOMAIN");
  await bench.clock.advance(5_000);
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
  await bench.clock.advance(5_000);
  upstream.script = () => web();
  assert.equal((await bench.ask("www.example.test")).rcode, "NOERROR");
});

test("K11: a new answer that says no replaces a stale one", async (t) => {
  const upstream = await FakeUpstream.start(t, () =>
    upstream.queries.length === 1 ? web() : { rcode: 3, authorities: [soa("test", 5)] },
  );
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { stale: 3_600 } });
  await bench.ask("www.example.test");
  await bench.clock.advance(61_000);
  assert.equal((await bench.ask("www.example.test")).rcode, "NXDOMAIN");
  upstream.script = () => ({ rcode: 2 });
  await bench.clock.advance(6_000);
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
});

test("K12: the cache never holds more than it may, and OPT records never", async (t) => {
  const upstream = await FakeUpstream.start(t, ({ name, packet }) => ({
    answers: [record(`${name} 60 A 192.0.2.1`)],
    additionals: packet.additionals,
  }));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { entries: 50 } });
  for (let at = 0; at < 200; at++) {
    await bench.ask(`n${at}.test`, "A", { edns: 1232 });
    assert.ok(bench.resolver.stats.cacheEntries <= 50);
  }
  assert.equal(bench.resolver.stats.cacheEntries, 50);
  assert.equal(bench.resolver.stats.cacheEvictions, 150);
  assert.deepEqual((await bench.ask("n199.test")).additional, []);
});

test("K12: bytes are bounded too, and an answer that is too large alone is not kept", () => {
  const entry = (bytes: number): CacheEntry => ({
    packed: { ...emptyAnswer(0), bytes: new Uint8Array(bytes) },
    kind: "positive",
    storedMs: 0,
    ttl: 1,
    staleUntilMs: 0,
    hits: 0,
    retryMs: 0,
    isUsed: false,
  });
  const cache = new AnswerCache({ entries: 1_000, bytes: 100_000 });
  for (let at = 0; at < 200; at++) {
    cache.set(`${at}`, entry(5_000));
    assert.ok(cache.bytes <= 100_000);
  }
  assert.ok(cache.size > 10);
  const before = cache.size;
  cache.set("large", entry(200_000));
  assert.equal(cache.get("large"), undefined);
  assert.equal(cache.size, before);
  cache.limit({ entries: 3, bytes: 100_000 });
  assert.equal(cache.size, 3);
  for (let at = 0; at < 200; at++) {
    cache.delete(`${at}`);
  }
  assert.equal(cache.bytes, 0);
});

test("what is asked for stays while names that are asked once pass through", () => {
  const cache = new AnswerCache({ entries: 10, bytes: 1_000_000 });
  const entry = (): CacheEntry => ({
    packed: emptyAnswer(0),
    kind: "positive",
    storedMs: 0,
    ttl: 1,
    staleUntilMs: 0,
    hits: 0,
    retryMs: 0,
    isUsed: false,
  });
  const often = entry();
  cache.set("often", often);
  for (let at = 0; at < 100; at++) {
    cache.set(`once ${at}`, entry());
    often.isUsed = true;
  }
  assert.equal(cache.get("often"), often);
});
