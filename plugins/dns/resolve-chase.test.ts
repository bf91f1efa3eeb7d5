import assert from "node:assert/strict";
import { test } from "node:test";
import packet from "dns-packet";
import { wireName } from "./resolve-question.ts";
import { FakeUpstream, query, ResolverBench, record, type Say, short, soa } from "./upstream.test-support.ts";

const NAME = "ext.shop.svc.cluster.local";

/** The zone's reply: CNAMEs from the asked name on, with authority. */
function begun(asked: Buffer, chain: readonly string[], ttl = 5): Buffer {
  const decoded = packet.decode(asked);
  const steps = chain.map((target, at) => record(`${at === 0 ? NAME : chain[at - 1]} ${ttl} CNAME ${target}`));
  return packet.encode({
    type: "response",
    id: decoded.id,
    flags: packet.AUTHORITATIVE_ANSWER | packet.RECURSION_DESIRED,
    questions: decoded.questions,
    answers: steps,
    additionals: decoded.additionals,
  });
}

async function chase(
  bench: ResolverBench,
  chain: readonly string[],
  type = "A",
  how: { edns?: number; name?: string; max?: number } = {},
) {
  const asked = query(how.name ?? NAME, type, how);
  const target = Buffer.from(wireName(chain[chain.length - 1]) ?? "", "latin1");
  const from = { address: "192.0.2.7", tcp: false, maxBytes: how.max ?? 1232 };
  return bench.resolver.chase(begun(asked, chain), target, asked, from);
}

const upstreamSays = (script: (name: string, type: string) => Say) => (asked: { name: string; type: string }) =>
  script(asked.name, asked.type);

test("X02: the CNAME comes first, then what the upstream says of its target, living no longer than the chain", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({ answers: [record("www.example.test 60 A 1.2.3.4")] }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  for (let at = 0; at < 2; at++) {
    assert.deepEqual(short(await chase(bench, ["www.example.test"])), {
      rcode: "NOERROR",
      flags: "aa rd ra",
      answers: [`${NAME} 5 CNAME www.example.test`, "www.example.test 5 A 1.2.3.4"],
      authority: [],
      additional: [],
    });
  }
  assert.equal(upstream.queries.length, 1);
});

test("X03: a type that the target does not have: the CNAME, and the upstream's SOA", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({ authorities: [soa("test", 60)] }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const reply = short(await chase(bench, ["www.example.test"], "AAAA", { edns: 1232 }));
  assert.deepEqual(reply.answers, [`${NAME} 5 CNAME www.example.test`]);
  assert.match(reply.authority[0], /^test 5 SOA/);
  assert.deepEqual(reply.additional, ["OPT 1232"]);
});

test("a target that does not exist makes the whole a name that does not exist", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({ rcode: 3, authorities: [soa("test", 60)] }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const reply = short(await chase(bench, ["www.example.test"]));
  assert.equal(reply.rcode, "NXDOMAIN");
  assert.equal(reply.answers.length, 1);
});

test("X07: without upstreams for the target the CNAME is all", async (t) => {
  const bench = new ResolverBench(t, {});
  const reply = short(await chase(bench, ["www.example.test"]));
  assert.deepEqual([reply.rcode, reply.answers], ["NOERROR", [`${NAME} 5 CNAME www.example.test`]]);
  const other = new ResolverBench(t, { forward: [{ zone: "example.org", to: ["192.0.2.53"] }] });
  assert.equal(short(await chase(other, ["www.example.test"])).answers.length, 1);
});

test("upstreams that fail make it SERVFAIL: the CNAME alone would say that there is no address", async (t) => {
  const upstream = await FakeUpstream.start(t, () => ({ rcode: 2 }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const reply = short(await chase(bench, ["www.example.test"]));
  assert.deepEqual([reply.rcode, reply.answers], ["SERVFAIL", []]);
});

test("X19, X18: eleven CNAMEs are an answer, zone's and upstream's together; twelve are not", async (t) => {
  const upstream = await FakeUpstream.start(
    t,
    upstreamSays((name) => {
      const at = Number(name.slice(1, name.indexOf(".")));
      const steps = Array.from({ length: at }, (_none, step) =>
        record(`n${at - step}.test 60 CNAME n${at - step - 1}.test`),
      );
      return { answers: [...steps, record("n0.test 60 A 192.0.2.1")] };
    }),
  );
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const whole = short(await chase(bench, ["a.test", "b.test", "n8.test"]));
  assert.deepEqual([whole.rcode, whole.answers.length], ["NOERROR", 12]);
  const long = short(await chase(bench, ["a.test", "b.test", "n9.test"]));
  assert.deepEqual([long.rcode, long.answers], ["SERVFAIL", []]);
});

test("the client's case is kept, and the answer is cut to its size", async (t) => {
  const addresses = Array.from({ length: 100 }, (_none, at) => record(`www.example.test 60 A 192.0.2.${at}`));
  const upstream = await FakeUpstream.start(t, () => ({ answers: addresses }));
  const bench = new ResolverBench(t, { to: [upstream.address] });
  const bytes = await chase(bench, ["www.example.test"], "A", { name: "EXT.Shop.svc.cluster.local", max: 512 });
  const reply = short(bytes);
  assert.ok(bytes.length <= 512);
  assert.equal(reply.flags, "aa tc rd ra");
  assert.equal(reply.answers[0], "EXT.Shop.svc.cluster.local 5 CNAME www.example.test");
});

test("a target may be an alias, also one by a wildcard", async (t) => {
  const names = { "db.example.org": ["192.0.2.10"], "*.w.test": ["192.0.2.11"] };
  const bench = new ResolverBench(t, { aliases: { names } });
  assert.deepEqual(short(await chase(bench, ["db.example.org"])).answers, [
    `${NAME} 5 CNAME db.example.org`,
    "db.example.org 5 A 192.0.2.10",
  ]);
  assert.deepEqual(short(await chase(bench, ["any.w.test"])).answers[1], "any.w.test 5 A 192.0.2.11");
  assert.deepEqual(short(await chase(bench, ["db.example.org"], "AAAA")).answers.length, 1);
});

test("what is cut upstream is cut for the client", async (t) => {
  const upstream = await FakeUpstream.start(t, ({ tcp }) =>
    tcp ? "close" : { answers: [record("www.example.test 60 A 192.0.2.1")], truncated: true },
  );
  const bench = new ResolverBench(t, { to: [upstream.address] });
  assert.equal(short(await chase(bench, ["www.example.test"])).flags, "aa tc rd ra");
});
