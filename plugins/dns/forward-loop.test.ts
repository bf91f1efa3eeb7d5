import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { untilWithin } from "../../core/watch/until.test-support.ts";
import { FakeUpstream, ResolverBench, record } from "./upstream.test-support.ts";

const until = untilWithin(5_000);
const web = { answers: [record("www.example.test 0 A 192.0.2.1")] };

/** A socket that hands on all it gets to a resolver: what listens where an upstream was expected. */
async function mirror(t: Parameters<typeof FakeUpstream.start>[0]) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  let isOpen = true;
  t.after(() => {
    isOpen = false;
    socket.close();
  });
  const served = { resolver: undefined as ResolverBench["resolver"] | undefined };
  socket.on("message", (query, from) => {
    const asked = { address: from.address, tcp: false, maxBytes: 1232 };
    void served.resolver?.answer(query, asked).then((reply) => {
      if (reply !== undefined && isOpen) {
        socket.send(reply, from.port, from.address);
      }
    });
  });
  return { served, address: `127.0.0.1:${socket.address().port}` };
}

test("L01: an upstream that asks us back is found at the start, told and not used; the others are", async (t) => {
  const looping = await mirror(t);
  const good = await FakeUpstream.start(t, () => web);
  const bench = new ResolverBench(t, { to: [looping.address, good.address], route: { policy: "sequential" } });
  looping.served.resolver = bench.resolver;
  await until("the loop is found", () => bench.resolver.stats.upstreamLoops === 1);
  assert.deepEqual(
    bench.resolver.upstreams().map((upstream) => upstream.looping),
    [true, false],
  );
  assert.deepEqual(
    bench.lines.map(({ message, fields }) => [fields.upstream, message]),
    [[looping.address, "what this upstream is asked comes back to us; it is not used"]],
  );
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
  assert.equal(bench.resolver.stats.upstreamErrors, 0);
});

test("L01: with nothing but a loop names get SERVFAIL at once, and it is used again when it has ended", async (t) => {
  const looping = await mirror(t);
  const bench = new ResolverBench(t, { to: [looping.address], cache: { servfail: 0 } });
  looping.served.resolver = bench.resolver;
  await until("the loop is found", () => bench.resolver.stats.upstreamLoops === 1);
  assert.equal((await bench.ask("www.example.test")).rcode, "SERVFAIL");
  const good = await FakeUpstream.start(t, () => web);
  const other = new ResolverBench(t, { to: [good.address] });
  looping.served.resolver = other.resolver;
  await bench.clock.advance(60_000);
  await until("the loop has ended", () => !bench.resolver.upstreams()[0].looping);
  assert.deepEqual(await bench.addresses("www.example.test"), ["192.0.2.1"]);
});

test("L01: a loop through another thread of the same server is found, by the token they share", async (t) => {
  const looping = await mirror(t);
  const token = "0123456789abcdef";
  const bench = new ResolverBench(t, { to: [looping.address] }, { token });
  looping.served.resolver = new ResolverBench(t, {}, { token }).resolver;
  await until("the loop is found", () => bench.resolver.stats.upstreamLoops === 1);
});

test("L01: an upstream that does not answer the probe is asked again for thirty seconds", async (t) => {
  const looping = await mirror(t);
  const bench = new ResolverBench(t, { to: [looping.address] });
  await bench.clock.advance(20_000);
  looping.served.resolver = bench.resolver;
  await bench.clock.advance(4_000);
  await until("the loop is found", () => bench.resolver.stats.upstreamLoops === 1);
});

test("a loop that no probe has found yet ends by itself: the question waits for itself, once", async (t) => {
  const looping = await mirror(t);
  const bench = new ResolverBench(t, { to: [looping.address] }, { token: "0123456789abcdef" });
  const waiting = bench.ask("www.example.test", "A", { client: "192.0.2.1" });
  await bench.clock.advance(1);
  looping.served.resolver = bench.resolver;
  for (let at = 0; at < 10; at++) {
    await bench.clock.advance(500);
  }
  assert.equal((await waiting).rcode, "SERVFAIL");
  assert.ok(bench.resolver.stats.upstreamQueries < 20, `${bench.resolver.stats.upstreamQueries} packets`);
});

test("upstreams that are ourselves are left out", async (t) => {
  const good = await FakeUpstream.start(t, () => web);
  for (const own of [["127.0.0.1:5353"], ["0.0.0.0:5353"], ["[::]:5353"]]) {
    const bench = new ResolverBench(t, { to: ["127.0.0.1:5353", good.address] }, { own });
    assert.deepEqual(
      bench.resolver.upstreams().map(({ address }) => address),
      [good.address],
    );
    assert.match(bench.lines[0].message, /is this server itself/);
  }
  const other = new ResolverBench(t, { to: ["192.0.2.53:5353", good.address] }, { own: ["0.0.0.0:5353"] });
  assert.equal(other.resolver.upstreams().length, 2);
});

test("the name servers of a file are followed when it changes; a missing file costs only its upstreams", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "resolv.conf");
  writeFileSync(
    file,
    "# a comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver  2001:db8::53 \nnameserver x\n",
  );
  const bench = new ResolverBench(t, { to: [file] });
  const addresses = () => bench.resolver.upstreams().map(({ address }) => address);
  assert.deepEqual(addresses(), ["192.0.2.53:53", "[2001:db8::53]:53"]);
  writeFileSync(`${file}.new`, "nameserver 192.0.2.54\nnameserver 192.0.2.53\n");
  renameSync(`${file}.new`, file);
  await bench.clock.advance(5_000);
  await until("the file is read", () => addresses().length === 2 && addresses()[0] === "192.0.2.54:53");
  rmSync(file);
  await bench.clock.advance(5_000);
  await until("it is told", () => bench.lines.some(({ message }) => /cannot be read/.test(message)));
  await bench.clock.advance(60_000);
  assert.equal(bench.lines.filter(({ message }) => /cannot be read/.test(message)).length, 1);
  assert.equal(addresses().length, 2);

  const none = new ResolverBench(t, { to: [join(folder, "none")] });
  assert.equal((await none.ask("www.example.test")).rcode, "SERVFAIL");
});
