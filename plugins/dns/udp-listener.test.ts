import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { fakeDesk, freeUdpPort, question, UdpClient } from "./desk.test-support.ts";
import type { DeskParts } from "./query-desk.ts";
import { UdpListener } from "./udp-listener.ts";

async function listen(t: { after(end: () => void): void }, parts: Partial<DeskParts> = {}, address = "127.0.0.1") {
  const { desk, counters } = fakeDesk(parts);
  const port = await freeUdpPort();
  const listener = await UdpListener.open({
    address,
    port,
    ipv6Only: false,
    desk,
    counters,
    maxUdp: 1232,
    receiveBuffer: 4 * 1024 * 1024,
    onError: (error) => assert.fail(error),
  });
  t.after(() => listener.close());
  return { listener, counters, port };
}

test("answers at once, and later where others know", async (t) => {
  const hook = {
    isOpen: true,
    ask: async (query: Uint8Array) => Uint8Array.from([...query.subarray(0, 2), 0x81, 0x80, ...query.subarray(4)]),
  };
  const { port } = await listen(t, { hook });
  await using client = new UdpClient(port);
  assert.equal((await client.ask(question("cart.test"))).rcode, "NOERROR");
  assert.equal((await client.ask(question("nothing.test"))).rcode, "NXDOMAIN");
  const later = await client.ask(question("other.test", "A", 99));
  assert.deepEqual([later.id, later.type], [99, "response"]);
});

test("an answer gets no answer, nor do scraps, nor what comes from our own address", async (t) => {
  const { port, counters, listener } = await listen(t);
  await using client = new UdpClient(port);
  const reply = question("cart.test");
  reply[2] |= 0x80;
  await client.send(reply);
  await client.send(Buffer.alloc(0));
  await client.send(Buffer.alloc(11));
  listener.take(question("cart.test"), { address: "127.0.0.1", port });
  listener.take(question("cart.test"), { address: "192.0.2.1", port: 0 });
  const answer = await client.ask(question("cart.test", "A", 5));
  assert.equal(answer.id, 5);
  assert.equal(counters.get("silent"), 5);
});

test("a zone that throws is SERVFAIL, counted, and the next question is answered", async (t) => {
  const { port, counters } = await listen(t);
  await using client = new UdpClient(port);
  assert.equal((await client.ask(question("x.test"))).rcode, "SERVFAIL");
  assert.equal((await client.ask(question("cart.test"))).rcode, "NOERROR");
  assert.equal(counters.get("panics"), 1);
});

test("an upstream part that rejects is SERVFAIL too", async (t) => {
  const hook = { isOpen: true, ask: () => Promise.reject(new Error("broken")) };
  const { port, counters } = await listen(t, { hook });
  await using client = new UdpClient(port);
  assert.equal((await client.ask(question("other.test"))).rcode, "SERVFAIL");
  assert.equal(counters.get("panics"), 1);
});

test("a socket on all IPv6 addresses answers IPv4 too", async (t) => {
  const { port } = await listen(t, {}, "::");
  await using four = new UdpClient(port);
  await using six = new UdpClient(port, "udp6");
  assert.equal((await four.ask(question("cart.test"), "127.0.0.1")).rcode, "NOERROR");
  assert.equal((await six.ask(question("cart.test"), "::1")).rcode, "NOERROR");
});

test("two sockets share a port, and a flood is answered whole", async (t) => {
  const { port, counters } = await listen(t);
  const { desk } = fakeDesk();
  const second = await UdpListener.open({
    address: "127.0.0.1",
    port,
    ipv6Only: false,
    desk,
    counters,
    maxUdp: 1232,
    receiveBuffer: 4 * 1024 * 1024,
    onError: (error) => assert.fail(error),
  });
  t.after(() => second.close());
  const clients = Array.from({ length: 20 }, () => new UdpClient(port));
  t.after(() => Promise.all(clients.map((client) => client[Symbol.asyncDispose]())));
  const counts = clients.map((client) => client.receive(50));
  for (let round = 0; round < 50; round++) {
    for (const client of clients) {
      void client.send(question("cart.test", "A", round));
    }
  }
  assert.equal((await Promise.all(counts)).flat().length, 1000);
});

test("a taken port is the system's own error", async (t) => {
  const taken = createSocket("udp4");
  await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", () => resolve()));
  t.after(() => taken.close());
  const { desk, counters } = fakeDesk();
  await assert.rejects(
    UdpListener.open({
      address: "127.0.0.1",
      port: taken.address().port,
      ipv6Only: false,
      desk,
      counters,
      maxUdp: 1232,
      receiveBuffer: 65_536,
      onError: () => {},
    }),
    { code: "EADDRINUSE" },
  );
});
