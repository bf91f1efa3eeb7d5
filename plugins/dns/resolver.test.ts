import assert from "node:assert/strict";
import { test } from "node:test";
import packet from "dns-packet";
import { FakeUpstream, query, ResolverBench, record, resolverOptions, soa } from "./upstream.test-support.ts";

const web = { answers: [record("www.example.test 60 A 192.0.2.1")] };

test("F01: hands on what the upstream says, with the cache's limit as TTL, and says that it recurses", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { positive: 30 } });
  assert.deepEqual(await bench.ask("www.example.test"), {
    rcode: "NOERROR",
    flags: "rd ra",
    answers: ["www.example.test 30 A 192.0.2.1"],
    authority: [],
    additional: [],
  });
});

test("F02: a question that does not ask for recursion is answered too", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const reply = await bench.ask("www.example.test", "A", { rd: false });
  assert.equal(reply.flags, "ra");
  assert.deepEqual(reply.answers, ["www.example.test 60 A 192.0.2.1"]);
});

test("F03: no such name comes with the SOA, whose TTL is limited", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({ rcode: 3, authorities: [soa("example.org", 300)] }));
  const bench = new ResolverBench(t, { to: [upstream.address], cache: { negative: 30 } });
  const reply = await bench.ask("none.example.org");
  assert.equal(reply.rcode, "NXDOMAIN");
  assert.deepEqual(reply.authority, ["example.org 30 SOA ns.example.org host.example.org 1 2 3 4 300"]);
});

test("F04: what the client wants of DNSSEC reaches the upstream, and its OPT is answered by ours", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const plain = await bench.ask("www.example.test");
  const signed = await bench.ask("www.example.test", "A", { dnssec: true, cd: true });
  assert.deepEqual(plain.additional, []);
  assert.deepEqual(signed.additional, ["OPT 1232 do"]);
  assert.equal(signed.flags, "rd ra cd");
  const asked = upstream.queries.map(({ packet: sent }) => {
    const options = (sent.additionals ?? []).find((one) => one.type === "OPT");
    const flags = options?.type === "OPT" ? options.flags : -1;
    return { dnssec: flags === packet.DNSSEC_OK, checkingDisabled: sent.flag_cd };
  });
  assert.deepEqual(asked, [
    { dnssec: false, checkingDisabled: false },
    { dnssec: true, checkingDisabled: true },
  ]);
});

test("F05, F06: another class and transfers of zones are refused, and no upstream hears of them", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const from = { address: "192.0.2.7", tcp: false, maxBytes: 512 };
  const chaos = query("version.bind", "TXT");
  chaos[chaos.length - 1] = 3;
  const replies = [
    await bench.resolver.answer(chaos, from),
    await bench.resolver.answer(query("example.org", "AXFR"), from),
    await bench.resolver.answer(query("example.org", "IXFR"), from),
  ];
  assert.deepEqual(
    replies.map((reply) => reply?.[3]),
    [0x85, 0x85, 0x85],
  );
  assert.deepEqual(upstream.queries, []);
});

test("names that no route takes are refused", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { forward: [{ zone: "example.test", to: [upstream.address] }] });
  assert.equal((await bench.ask("www.example.org")).rcode, "REFUSED");
  assert.equal((await bench.ask("example.test")).rcode, "NOERROR");
  assert.equal((await bench.ask("notexample.test")).rcode, "REFUSED");
});

test("the client's case is kept in the question and the names that follow from it", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual((await bench.ask("WWW.Example.Test")).answers, ["WWW.Example.Test 60 A 192.0.2.1"]);
  assert.deepEqual((await bench.ask("www.eXample.test")).answers, ["www.eXample.test 60 A 192.0.2.1"]);
  assert.equal(upstream.queries.length, 1);
});

test("the case of names in data is as the upstream wrote it", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({
    answers: [record("p.example.test 60 PTR My-Printer.Office.example.org")],
  }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual((await bench.ask("p.example.test", "PTR")).answers, [
    "p.example.test 60 PTR My-Printer.Office.example.org",
  ]);
});

test("a long answer is cut at whole records for UDP and complete over TCP, from one question to the upstream", async (t) => {
  const answers = Array.from({ length: 200 }, (_none, at) => record(`many.example.test 60 A 192.0.2.${at}`));
  const upstream = await FakeUpstream.start(t, ({ tcp }) => (tcp ? { answers } : { truncated: true }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const plain = await bench.bytes("many.example.test");
  const large = await bench.ask("many.example.test", "A", { edns: 1232 });
  const whole = await bench.ask("many.example.test", "A", { tcp: true });
  assert.ok(plain.length <= 512);
  assert.equal(packet.decode(Buffer.from(plain)).flag_tc, true);
  assert.equal(large.answers.length, 74);
  assert.equal(large.flags, "tc rd ra");
  assert.equal(whole.answers.length, 200);
  assert.equal(whole.flags, "rd ra");
  assert.deepEqual(
    upstream.queries.map(({ tcp }) => tcp),
    [false, true],
  );
});

test("what is not one ordinary question gets nothing", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, {
    to: [upstream.address],
    aliases: { names: { "www.example.test": ["192.0.2.1"] } },
  });
  const good = query("www.example.test", "A");
  const from = { address: "192.0.2.7", tcp: false, maxBytes: 512 };
  const out = new Uint8Array(512);
  const bad = [
    Buffer.alloc(0),
    good.subarray(0, 11),
    good.subarray(0, good.length - 1),
    changed(good, 2, 0x80),
    changed(good, 2, 0x20),
    changed(good, 5, 2),
    changed(good, 7, 1),
    changed(good, 9, 1),
    changed(good, 11, 1),
    changed(good, 12, 0xc0),
    changed(good, 12, 64),
  ];
  for (const one of bad) {
    assert.equal(await bench.resolver.answer(one, from), undefined);
    assert.equal(bench.resolver.alias(one, one.length, out, false), -1);
    assert.equal(bench.resolver.cached(one, one.length, out, 512), -1);
  }
  assert.equal(upstream.queries.length, 0);
});

test("a cached answer is there at once, without a promise", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const out = new Uint8Array(1232);
  const asked = query("www.example.test", "A", { id: 7 });
  assert.equal(bench.resolver.cached(asked, asked.length, out, 512), -1);
  const slow = await bench.bytes("www.example.test", "A", { id: 7 });
  const length = bench.resolver.cached(asked, asked.length, out, 512);
  assert.deepEqual(Buffer.from(out.subarray(0, length)), Buffer.from(slow));
});

test("the query's bytes may be used again after the call", async (t) => {
  const upstream = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const asked = query("www.example.test", "A", { id: 9 });
  const coming = bench.resolver.answer(asked, { address: "192.0.2.7", tcp: false, maxBytes: 512 });
  asked.fill(0xff);
  const reply = await coming;
  assert.equal(reply?.[1], 9);
  assert.equal(reply?.[3], 0x80);
});

test("other options take over: new routes, an empty cache, and what is under way still ends", async (t) => {
  const first = await FakeUpstream.start(t, () => "nothing");
  const second = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [first.address] });
  const waiting = bench.ask("www.example.test");
  await first.got(1);
  bench.resolver.reload(resolverOptions({ to: [second.address] }));
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.deepEqual(
    bench.resolver.upstreams().map(({ address }) => address),
    [second.address],
  );
  await bench.clock.advance(5_000);
  assert.equal((await waiting).rcode, "SERVFAIL");
});

test("what upstreams say that are not asked any more is handed on, but not kept", async (t) => {
  const first = await FakeUpstream.start(t, () => "nothing");
  const second = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [first.address] });
  const waiting = bench.addresses("www.example.test");
  await first.got(1);
  bench.resolver.reload(resolverOptions({ to: [second.address] }));
  first.queries[0].later({ answers: [record("www.example.test 60 A 192.0.2.66")] });
  assert.deepEqual(await waiting, ["192.0.2.66"]);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
});

test("closed while questions are under way, it answers them and leaves nothing behind", async (t) => {
  const upstream = await FakeUpstream.start(t, () => "nothing");
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const waiting = bench.ask("www.example.test");
  await upstream.got(1);
  await bench.resolver.close();
  assert.equal((await waiting).rcode, "SERVFAIL");
  assert.equal(bench.clock.running, 0);
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
});

function changed(bytes: Buffer, at: number, to: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = to;
  return copy;
}
