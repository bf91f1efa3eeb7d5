import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { untilWithin } from "../../core/watch/until.test-support.ts";
import { FakeUpstream, ResolverBench, record, reply, type Say, soa } from "./upstream.test-support.ts";

const until = untilWithin(5_000);
const from = (address: string): Say => ({ answers: [record(`www.example.test 0 A ${address}`)] });
const nothing = () => "nothing" as const;

/** Three upstreams that say which they are. */
async function three(t: Parameters<typeof FakeUpstream.start>[0]): Promise<FakeUpstream[]> {
  return Promise.all([1, 2, 3].map((at) => FakeUpstream.start(t, () => from(`192.0.2.${at}`))));
}

test("G01: sequential takes the first, round robin each in turn, random any", async (t) => {
  const upstreams = await three(t);
  const to = upstreams.map(({ address }) => address);
  const asked = async (policy: "sequential" | "round_robin" | "random", times: number): Promise<string[]> => {
    const bench = new ResolverBench(t, { to, route: { policy } });
    const found: string[] = [];
    for (let at = 0; at < times; at++) {
      found.push(...(await bench.addresses("www.example.test")));
    }
    return found;
  };
  assert.deepEqual(await asked("sequential", 3), ["192.0.2.1", "192.0.2.1", "192.0.2.1"]);
  assert.deepEqual(await asked("round_robin", 4), ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"]);
  // All three: that one is missing by chance once in 10^16 runs.
  assert.equal(new Set(await asked("random", 100)).size, 3);
});

test("G02: an upstream where nobody listens costs nothing but the try", async (t) => {
  const [, second] = await three(t);
  const bench = new ResolverBench(t, { to: [await deadAddress(), second.address], route: { policy: "sequential" } });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.2"]);
});

test("G02: each upstream is tried twice at most; then, or after 4.5 seconds, the client gets SERVFAIL", async (t) => {
  const dead = [await deadAddress(), await deadAddress()];
  const fast = new ResolverBench(t, { to: dead });
  assert.equal((await fast.ask("www.example.test")).rcode, "SERVFAIL");
  assert.equal(fast.resolver.stats.upstreamErrors, 4);

  const silent = await Promise.all([FakeUpstream.start(t, nothing), FakeUpstream.start(t, nothing)]);
  const bench = new ResolverBench(t, { to: silent.map(({ address }) => address) });
  const waiting = bench.ask("www.example.test");
  let isOver = false;
  void waiting.then(() => {
    isOver = true;
  });
  await bench.clock.advance(4_499);
  await until("four questions", () => silent[0].queries.length + silent[1].queries.length === 4);
  assert.equal(isOver, false);
  await bench.clock.advance(1);
  assert.equal((await waiting).rcode, "SERVFAIL");
  assert.equal(bench.resolver.stats.forwardErrors, 1);
  assert.equal(bench.resolver.stats.forwardInFlight, 0);
});

test("G02: a lost packet is sent again, with another id", async (t) => {
  const upstream = await FakeUpstream.start(t, () => (upstream.queries.length === 1 ? "nothing" : from("192.0.2.1")));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const waiting = bench.addresses("www.example.test");
  await upstream.got(1);
  await bench.clock.advance(1_000);
  assert.deepEqual(await waiting, ["192.0.2.1"]);
  const [first, second] = upstream.queries;
  assert.notEqual(first.raw.readUInt16BE(0), second.raw.readUInt16BE(0));
});

test("a slow upstream is not waited for: the next one is asked as well, and the first reply wins", async (t) => {
  const slow = await FakeUpstream.start(t, nothing);
  const fast = await FakeUpstream.start(t, () => from("192.0.2.2"));
  const bench = new ResolverBench(t, { to: [slow.address, fast.address], route: { policy: "sequential" } });
  const waiting = bench.addresses("www.example.test");
  await slow.got(1);
  await bench.clock.advance(500);
  assert.deepEqual(await waiting, ["192.0.2.2"]);
  assert.equal(bench.resolver.stats.upstreamHedges, 1);
  // It was late, not wrong: that is no failure.
  assert.deepEqual(
    bench.resolver.upstreams().map(({ healthy }) => healthy),
    [true, true],
  );
});

test("a reply that comes after its time still wins when nothing better came", async (t) => {
  const upstream = await FakeUpstream.start(t, nothing);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const waiting = bench.addresses("www.example.test");
  await upstream.got(1);
  await bench.clock.advance(1_500);
  await upstream.got(2);
  upstream.queries[0].later(from("192.0.2.1"));
  assert.deepEqual(await waiting, ["192.0.2.1"]);
});

test("G03: two failures make an upstream down; probes for the root bring it back with any reply", async (t) => {
  const first = await FakeUpstream.start(t, nothing);
  first.scriptProbes();
  const second = await FakeUpstream.start(t, () => from("192.0.2.2"));
  const bench = new ResolverBench(t, { to: [first.address, second.address], route: { policy: "sequential" } });
  const healthy = () => bench.resolver.upstreams()[0].healthy;
  const waiting = bench.ask("www.example.test");
  await first.got(1);
  await bench.clock.advance(500);
  await waiting;
  // The hedge won before the first was given up: ask it alone.
  second.script = nothing;
  const alone = bench.ask("www.example.test");
  await first.got(2);
  await bench.clock.advance(4_500);
  assert.equal((await alone).rcode, "SERVFAIL");
  assert.equal(healthy(), false);
  const told = (): unknown[] =>
    bench.lines.flatMap(({ fields, message }) => (fields.upstream === first.address ? [message] : []));
  assert.deepEqual(told(), ["an upstream does not answer; others are asked, or the names of its zone get SERVFAIL"]);
  await until("a probe", () => first.probes.some(({ type, name }) => type === "NS" && (name === "." || name === "")));
  second.script = () => from("192.0.2.2");
  await bench.clock.advance(1_000);
  const before = first.queries.length;
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.2"]);
  assert.equal(first.queries.length, before);
  first.script = (query) => (query.type === "NS" ? { rcode: 5 } : from("192.0.2.1"));
  for (let at = 0; at < 20 && !healthy(); at++) {
    const count = first.probes.length;
    await bench.clock.advance(5_000);
    await first.gotProbes(count + 1);
    await bench.clock.advance(1);
  }
  assert.equal(healthy(), true);
  assert.equal(told().at(-1), "an upstream answers again");
  assert.equal(told().length, 2);
  await bench.clock.advance(1_000);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
});

test("G03: an upstream where nobody listens is down after two tries", async (t) => {
  const bench = new ResolverBench(t, { to: [await deadAddress()] });
  await bench.ask("www.example.test");
  assert.equal(bench.resolver.upstreams()[0].healthy, false);
});

test("G03: probes may ask for another name, and only an upstream that failed gets any", async (t) => {
  const upstream = await FakeUpstream.start(t, () => from("192.0.2.1"));
  const bench = new ResolverBench(t, { to: [upstream.address], route: { healthName: "health.example.test" } });
  await bench.ask("www.example.test");
  await bench.clock.advance(60_000);
  assert.equal(bench.resolver.stats.upstreamProbes, 0);
  upstream.script = nothing;
  const waiting = bench.ask("other.example.test");
  await upstream.got(2);
  await bench.clock.advance(4_500);
  await waiting;
  await until("a probe", () =>
    upstream.queries.some(({ name, type }) => name === "health.example.test" && type === "NS"),
  );
});

test("G03: with maxFails 0 an upstream is never down", async (t) => {
  const dead = await deadAddress();
  const bench = new ResolverBench(t, { to: [dead], route: { maxFails: 0, failFast: true }, cache: { servfail: 0 } });
  for (let at = 0; at < 4; at++) {
    await bench.ask("www.example.test");
  }
  assert.equal(bench.resolver.upstreams()[0].healthy, true);
});

test("G04: all down: one is tried anyway; with failFast the client gets SERVFAIL at once", async (t) => {
  for (const failFast of [false, true]) {
    const upstream = await FakeUpstream.start(t, nothing);
    upstream.scriptProbes();
    const bench = new ResolverBench(t, { to: [upstream.address], route: { failFast }, cache: { servfail: 0 } });
    const waiting = bench.ask("www.example.test");
    await upstream.got(1);
    await bench.clock.advance(4_500);
    await waiting;
    assert.equal(bench.resolver.upstreams()[0].healthy, false);
    upstream.script = (query) => (query.type === "A" ? from("192.0.2.1") : "nothing");
    const before = upstream.queries.length;
    const reply = await bench.ask("www.example.test");
    assert.equal(reply.rcode, failFast ? "SERVFAIL" : "NOERROR");
    assert.equal(upstream.queries.length - before, failFast ? 0 : 1);
  }
});

test("G05: replies with another id, name, type or class are ignored and counted", async (t) => {
  const upstream = await FakeUpstream.start(t, (query) => {
    const good = reply(query, from("192.0.2.1"));
    const change = (at: number, by: number): Buffer => {
      const copy = reply(query, from("192.0.2.66"));
      copy[at] ^= by;
      return copy;
    };
    const end = 12 + "www.example.test".length + 2;
    return [change(0, 0x55), change(5, 3), change(14, 0x01), change(end + 1, 0x02), change(end + 3, 0x02), good];
  });
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.equal(bench.resolver.stats.upstreamMismatches, 5);
});

test("G05: nobody but the upstream can answer: not another address, not another port", async (t) => {
  const upstream = await FakeUpstream.start(t, nothing);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const waiting = bench.addresses("www.example.test");
  await upstream.got(1);
  const [asked] = upstream.queries;
  for (const place of [
    { address: "127.0.0.2", port: upstream.port },
    { address: "127.0.0.1", port: 0 },
  ]) {
    const forger = createSocket("udp4");
    t.after(() => forger.close());
    forger.bind(place);
    await once(forger, "listening");
    await new Promise((sent) => forger.send(reply(asked, from("192.0.2.66")), asked.port, "127.0.0.1", sent));
  }
  upstream.queries[0].later(from("192.0.2.1"));
  assert.deepEqual(await waiting, ["192.0.2.1"]);
});

test("G05: the case of the letters is random, and a reply must repeat it", async (t) => {
  const name = "abcdefghijklmnopqrstuvwxyz.example.test";
  const names = new Set<string>();
  const upstream = await FakeUpstream.start(t, (query) => {
    const [question] = query.packet.questions ?? [];
    names.add(question.name);
    return { answers: [record(`${name} 0 A 192.0.2.1`)] };
  });
  const bench = new ResolverBench(t, { to: [upstream.address] });
  for (let at = 0; at < 5; at++) {
    assert.deepEqual((await bench.ask(name)).answers, [`${name} 0 A 192.0.2.1`]);
  }
  assert.equal(names.size, 5);
});

test("G05: the random case is not seen in names that point into the question", async (t) => {
  const upstream = await FakeUpstream.start(t, (query) => {
    const head = reply(query, {}).subarray(0, 12 + "www.example.test".length + 2 + 4);
    head[7] = 1;
    // www.example.test MX 10 web.<pointer to "example.test" in the question>
    const target = Buffer.from("\0\x0a\x03web\xc0\x10", "latin1");
    return Buffer.concat([head, Buffer.from([0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, target.length]), target]);
  });
  const bench = new ResolverBench(t, { to: [upstream.address] });
  for (let at = 0; at < 3; at++) {
    assert.deepEqual((await bench.ask("www.example.test", "MX", { cd: at === 1, dnssec: at === 2 })).answers, [
      "www.example.test 60 MX 10 web.example.test",
    ]);
  }
});

test("G05: an upstream that does not keep the case is asked over TCP, and from then on without it", async (t) => {
  const folded = (query: Parameters<FakeUpstream["script"]>[0]): Buffer =>
    reply(
      { ...query, packet: { ...query.packet, questions: [{ name: "www.example.test", type: "A" }] } },
      from("192.0.2.1"),
    );
  const upstream = await FakeUpstream.start(t, folded);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const asked = (name: string) => bench.addresses(name);
  assert.deepEqual(await asked("www.example.test"), ["192.0.2.1"]);
  assert.deepEqual(await asked("www.example.test"), ["192.0.2.1"]);
  assert.deepEqual(
    upstream.queries.map(({ tcp }) => tcp),
    [false, true, false],
  );
});

test("G05: with randomCase off questions go out as they came", async (t) => {
  const upstream = await FakeUpstream.start(t, () => from("192.0.2.1"));
  const bench = new ResolverBench(t, { to: [upstream.address], route: { randomCase: false } });
  await bench.ask("www.example.test");
  assert.deepEqual(upstream.queries[0].packet.questions?.[0].name, "www.example.test");
});

test("G06: a broken reply is ignored, the good one after it counts", async (t) => {
  const upstream = await FakeUpstream.start(t, (query) => {
    const good = reply(query, from("192.0.2.1"));
    const cut = good.subarray(0, good.length - 3);
    const loop = Buffer.concat([good.subarray(0, good.length - 16), Buffer.from([0xc0, good.length - 16])]);
    return [Buffer.from(good.subarray(0, 5)), cut, loop, good];
  });
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.equal(bench.resolver.stats.upstreamMalformed, 2);
});

test("G06: an answer that is too long for the client is cut", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({
    answers: Array.from({ length: 60 }, (_none, at) => record(`www.example.test 60 A 192.0.2.${at}`)),
  }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const bytes = await bench.bytes("www.example.test");
  assert.ok(bytes.length <= 512);
  assert.equal((await bench.ask("www.example.test")).flags, "tc rd ra");
  assert.equal((await bench.ask("www.example.test", "A", { edns: 1232 })).answers.length, 60);
});

test("G07: UDP first and TCP for what was cut, whatever the client's transport; always TCP if the route says so", async (t) => {
  for (const tcp of [false, true]) {
    for (const clientTcp of [false, true]) {
      const upstream = await FakeUpstream.start(t, () => from("192.0.2.1"));
      const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp } });
      const reply = await bench.ask("www.example.test", "A", { tcp: clientTcp });
      assert.equal(reply.answers.length, 1);
      assert.deepEqual(
        upstream.queries.map((query) => query.tcp),
        [tcp],
      );
    }
  }
});

test("G08: more than `forwards` under way are refused, more than `forwardsPerClient` fail, and neither is a failure of the upstream", async (t) => {
  const upstream = await FakeUpstream.start(t, nothing);
  const limits = { forwards: 5, forwardsPerClient: 3 };
  const bench = new ResolverBench(t, { to: [upstream.address], limits });
  const waiting = [1, 2, 3].map((at) => bench.ask(`n${at}.test`, "A", { client: "192.0.2.1" }));
  assert.equal((await bench.ask("n4.test", "A", { client: "192.0.2.1" })).rcode, "SERVFAIL");
  waiting.push(bench.ask("n5.test", "A", { client: "192.0.2.2" }), bench.ask("n1.test", "A", { client: "192.0.2.2" }));
  assert.equal((await bench.ask("n6.test", "A", { client: "192.0.2.2" })).rcode, "REFUSED");
  assert.equal(bench.resolver.stats.refusedClient, 1);
  assert.equal(bench.resolver.stats.refusedTotal, 1);
  assert.equal(bench.resolver.stats.forwardWaiting, 5);
  await upstream.got(4);
  for (const query of upstream.queries) {
    query.later({ answers: [record(`${query.name} 0 A 192.0.2.1`)] });
  }
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ rcode }) => rcode),
    new Array(5).fill("NOERROR"),
  );
  assert.equal(bench.resolver.stats.forwardWaiting, 0);
  assert.equal(bench.resolver.upstreams()[0].healthy, true);
  upstream.script = () => from("192.0.2.1");
  assert.equal((await bench.ask("www.example.test")).rcode, "NOERROR");
});

test("the same question of many clients goes out once", async (t) => {
  const upstream = await FakeUpstream.start(t, nothing);
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const waiting = Array.from({ length: 50 }, (_none, at) =>
    bench.ask(at % 2 === 0 ? "www.example.test" : "WWW.example.test", "A", { client: `192.0.2.${at}` }),
  );
  await upstream.got(1);
  upstream.queries[0].later(from("192.0.2.1"));
  const replies = await Promise.all(waiting);
  assert.equal(upstream.queries.length, 1);
  assert.equal(bench.resolver.stats.coalesced, 49);
  assert.deepEqual(replies[1].answers, ["WWW.example.test 0 A 192.0.2.1"]);
  assert.ok(replies.every(({ answers }) => answers.length === 1));
});

test("G09: the route with the longest zone takes a name, unless it excepts it", async (t) => {
  const [all, test_, deep] = await three(t);
  const bench = new ResolverBench(t, {
    forward: [
      { zone: "", to: [all.address], except: ["secret.example"] },
      { zone: "test", to: [test_.address], except: ["not.example.test"] },
      { zone: "example.test", to: [deep.address], except: ["not.example.test"] },
    ],
  });
  const asked = async (name: string): Promise<number[]> => {
    const before = [all, test_, deep].map(({ queries }) => queries.length);
    await bench.ask(name);
    return [all, test_, deep].map(({ queries }, at) => queries.length - before[at]);
  };
  assert.deepEqual(await asked("example.org"), [1, 0, 0]);
  assert.deepEqual(await asked("a.test"), [0, 1, 0]);
  assert.deepEqual(await asked("a.EXAMPLE.test"), [0, 0, 1]);
  assert.deepEqual(await asked("a.not.example.test"), [1, 0, 0]);
  assert.deepEqual(await asked("a.secret.example"), [0, 0, 0]);
});

test("G09: failures are asked of the next upstream, and the last answer is given when all have failed", async (t) => {
  const first = await FakeUpstream.start(t, () => ({ rcode: 5, additionals: [] }));
  const second = await FakeUpstream.start(t, () => from("192.0.2.2"));
  const to = [first.address, second.address];
  const bench = new ResolverBench(t, { to, route: { policy: "sequential" } });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.2"]);
  second.script = () => ({ rcode: 2 });
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
  assert.deepEqual([first.queries.length, second.queries.length], [2, 2]);
  const picky = new ResolverBench(t, { to, route: { policy: "sequential", failover: ["NXDOMAIN"] } });
  assert.equal((await picky.ask("www.example.test")).rcode, "REFUSED");
});

test("G09: codes of `next` are asked of the route with the next shorter zone", async (t) => {
  const inner = await FakeUpstream.start(t, ({ name }) =>
    name === "empty.example.test" ? { authorities: [soa("test")] } : { rcode: 3, authorities: [soa("test")] },
  );
  const outer = await FakeUpstream.start(t, ({ name }) => ({ answers: [record(`${name} 60 A 192.0.2.9`)] }));
  const forward = (next: ("NXDOMAIN" | "NODATA")[]) => [
    { zone: "example.test", to: [inner.address], next },
    { zone: "", to: [outer.address] },
  ];
  const asked = async (next: ("NXDOMAIN" | "NODATA")[], name: string): Promise<string> => {
    const bench = new ResolverBench(t, { forward: forward(next) });
    const reply = await bench.ask(name);
    return `${reply.rcode} ${reply.answers.length}`;
  };
  assert.equal(await asked([], "no.example.test"), "NXDOMAIN 0");
  assert.equal(await asked(["NXDOMAIN"], "no.example.test"), "NOERROR 1");
  assert.equal(await asked(["NXDOMAIN"], "empty.example.test"), "NOERROR 0");
  assert.equal(await asked(["NODATA"], "empty.example.test"), "NOERROR 1");
});

test("G10: a TCP connection that the upstream closed is dialled again without failing the question", async (t) => {
  const upstream = await FakeUpstream.start(t, () => from("192.0.2.1"));
  const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp: true } });
  await bench.ask("a.example.test");
  let isFirst = true;
  upstream.script = () => {
    const wasFirst = isFirst;
    isFirst = false;
    return wasFirst ? "close" : from("192.0.2.2");
  };
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.2"]);
  assert.equal(upstream.queries.length, 3);
  assert.equal(bench.resolver.stats.upstreamErrors, 0);
});

test("G10: an upstream that closes every connection is not asked without end", async (t) => {
  const upstream = await FakeUpstream.start(t, () => "close");
  const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp: true } });
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
  assert.ok(upstream.queries.length <= 4, `${upstream.queries.length} questions`);
});

test("many questions share a TCP connection, and replies may come in any order", async (t) => {
  const upstream = await FakeUpstream.start(t, nothing);
  const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp: true } });
  const waiting = Array.from({ length: 80 }, (_none, at) => bench.ask(`n${at}.test`));
  await upstream.got(80);
  // One for questions, one for probes at most.
  assert.ok(upstream.connections <= 2);
  for (const query of upstream.queries.toReversed()) {
    query.later({ answers: [record(`${query.name} 60 A 192.0.2.1`)] });
  }
  for (const [at, reply] of (await Promise.all(waiting)).entries()) {
    assert.deepEqual(reply.answers, [`n${at}.test 60 A 192.0.2.1`]);
  }
});

test("replies over TCP may come in any pieces", async (t) => {
  const upstream = await FakeUpstream.start(t, () => from("192.0.2.1"));
  upstream.inPieces = true;
  const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp: true } });
  const replies = await Promise.all(["a.test", "b.test", "www.example.test"].map((name) => bench.ask(name)));
  assert.deepEqual(
    replies.map(({ rcode }) => rcode),
    ["NOERROR", "NOERROR", "NOERROR"],
  );
});

test("a TCP connection that brings no reply is given up, and the next question gets a new one", async (t) => {
  const upstream = await FakeUpstream.start(t, nothing);
  const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp: true }, cache: { servfail: 0 } });
  const waiting = bench.ask("www.example.test");
  await upstream.got(1);
  const first = upstream.queries[0].port;
  await bench.clock.advance(8_000);
  await waiting;
  await until("it is closed", () => upstream.connections === 0);
  upstream.script = () => from("192.0.2.1");
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.notEqual(upstream.queries.at(-1)?.port, first);
});

test("a frame that is no message ends the connection and costs only the try", async (t) => {
  const upstream = await FakeUpstream.start(t, () =>
    upstream.queries.length === 1 ? Buffer.from([1, 2, 3]) : from("192.0.2.1"),
  );
  const bench = new ResolverBench(t, { to: [upstream.address], route: { tcp: true } });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.equal(bench.resolver.stats.upstreamMalformed, 1);
});

test("a thousand forged replies are ignored, and the right one still counts", async (t) => {
  const upstream = await FakeUpstream.start(t, (query) => {
    const forged = Array.from({ length: 1_000 }, (_none, at) => {
      const packet = reply(query, from("192.0.2.66"));
      packet.writeUInt16BE((query.packet.id ?? 0) ^ (at + 1), 0);
      return packet;
    });
    return [...forged.slice(0, 100), reply(query, from("192.0.2.1")), ...forged.slice(100)];
  });
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
});

test("a server that does not know EDNS is asked without it", async (t) => {
  for (const bare of [false, true]) {
    const upstream = await FakeUpstream.start(t, (query) => {
      if ((query.packet.additionals ?? []).length === 0) {
        return from("192.0.2.1");
      }
      const error = reply(query, { rcode: 1 });
      error[5] = bare ? 0 : 1;
      return bare ? Buffer.from(error.subarray(0, 12)) : error;
    });
    const bench = new ResolverBench(t, { to: [upstream.address] });
    assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
    assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
    assert.equal(upstream.queries.length, 3);
  }
});

test("source ports and ids change, and sockets are retired", async (t) => {
  const upstream = await FakeUpstream.start(t, () => from("192.0.2.1"));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const ports = async (): Promise<Set<number>> => {
    const before = upstream.queries.length;
    for (let at = 0; at < 60; at++) {
      await bench.ask("www.example.test");
    }
    return new Set(upstream.queries.slice(before).map(({ port }) => port));
  };
  const early = await ports();
  assert.equal(early.size, 4);
  await bench.clock.advance(10_000);
  const late = await ports();
  assert.ok([...late].every((port) => !early.has(port)));
  const ids = new Set(upstream.queries.map(({ raw }) => raw.readUInt16BE(0)));
  assert.ok(ids.size > 110);
});

test("private addresses are taken out of answers where the route says so", async (t) => {
  const addresses = ["192.0.2.1", "10.0.0.1", "127.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.1.1", "100.64.0.1"];
  const upstream = await FakeUpstream.start(t, ({ type }) =>
    type === "A"
      ? { answers: addresses.map((address) => record(`www.example.test 60 A ${address}`)) }
      : {
          answers: ["2001:db8::1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"].map((address) =>
            record(`www.example.test 60 AAAA ${address}`),
          ),
        },
  );
  const bench = new ResolverBench(t, { to: [upstream.address], route: { rebindProtection: true } });
  assert.deepEqual((await bench.ask("www.example.test")).answers, ["www.example.test 60 A 192.0.2.1"]);
  assert.deepEqual((await bench.ask("www.example.test", "AAAA")).answers, ["www.example.test 60 AAAA 2001:db8::1"]);
  const open = new ResolverBench(t, { to: [upstream.address] });
  assert.equal((await open.ask("www.example.test")).answers.length, addresses.length);
});

/** An address where nobody listens. */
async function deadAddress(): Promise<string> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return `127.0.0.1:${port}`;
}
