import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { fakeDesk, question, UdpClient } from "./desk.test-support.ts";
import { listenError, PortGuard } from "./port-guard.ts";
import { UdpListener } from "./udp-listener.ts";

const PLACE = { address: "127.0.0.1", port: 0, udp: true, tcp: true };

async function answering(t: { after(end: () => void): void }, port: number) {
  const { desk, counters } = fakeDesk();
  const shared = { ipv6Only: false, desk, counters, maxUdp: 1232, receiveBuffer: 65_536 };
  const listener = await UdpListener.open({
    ...shared,
    address: "127.0.0.1",
    port,
    onError: (error) => assert.fail(error),
  });
  t.after(() => listener.close());
  return listener;
}

test("what comes while nobody answers is kept for who comes next, and nothing once somebody does", async (t) => {
  const [guard] = await PortGuard.claim([PLACE], { isShared: false });
  t.after(() => guard.close());
  const { port } = guard.place;
  await using client = new UdpClient(port);
  const answer = client.receive(2);
  await client.send(question("cart.test", "A", 1));
  await client.send(question("cart.test", "A", 2));
  const first = await answering(t, port);
  // What was sent is in the socket's buffer; it is read in a turn of the loop.
  let held = await guard.deafen();
  while (held.length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
    held = [...held, ...(await guard.deafen())];
  }
  for (const { query, from } of held) {
    first.take(query, from);
  }
  assert.deepEqual((await answer).map(({ id }) => id).sort(), [1, 2]);
  for (let id = 10; id < 60; id++) {
    assert.equal((await client.ask(question("cart.test", "A", id))).id, id);
  }
  assert.deepEqual(await guard.deafen(), []);
});

test("it hears again when the last one is gone, for as often as that happens", async (t) => {
  const [guard] = await PortGuard.claim([PLACE], { isShared: false });
  t.after(() => guard.close());
  const { port } = guard.place;
  await using client = new UdpClient(port);
  await guard.deafen();
  for (let round = 0; round < 3; round++) {
    const listener = await answering(t, port);
    assert.equal((await client.ask(question("cart.test", "A", round))).id, round);
    listener.close();
    guard.listen();
    await client.send(question("cart.test", "A", 100 + round));
    let held = await guard.deafen();
    while (held.length < 1) {
      guard.listen();
      await new Promise((resolve) => setImmediate(resolve));
      held = await guard.deafen();
    }
    assert.equal(held[0].query.readUInt16BE(0), 100 + round);
  }
});

test("what is kept has a limit, and the rest is counted", async (t) => {
  const [guard] = await PortGuard.claim([PLACE], { isShared: false });
  t.after(() => guard.close());
  await using client = new UdpClient(guard.place.port);
  const large = Buffer.alloc(60_000, 1);
  while (guard.dropped === 0) {
    await client.send(large);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const held = await guard.deafen();
  assert.ok(held.reduce((sum, { query }) => sum + query.length, 0) <= 4 * 1024 * 1024);
});

test("a port that another program has is told, also when that one would share it", async (t) => {
  for (const reusePort of [false, true]) {
    const taken = createSocket({ type: "udp4", reusePort });
    await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", () => resolve()));
    t.after(() => taken.close());
    const { port } = taken.address();
    await assert.rejects(PortGuard.claim([{ ...PLACE, port }], { isShared: false }), {
      code: "DNS_PORT_IN_USE",
      message: new RegExp(`^cannot answer on 127.0.0.1:${port}: another program`),
    });
  }
});

test("two addresses on one port that cannot both be had are told, and nothing is left behind", async () => {
  const [guard] = await PortGuard.claim([PLACE], { isShared: false });
  const { port } = guard.place;
  guard.close();
  const both = [
    { ...PLACE, port },
    { ...PLACE, address: "0.0.0.0", port },
  ];
  await assert.rejects(PortGuard.claim(both, { isShared: false }), { code: "DNS_PORT_IN_USE" });
  const [again] = await PortGuard.claim([{ ...PLACE, port }], { isShared: false });
  again.close();
});

test("IPv4 and IPv6 of one port are two places", async () => {
  const guards = await PortGuard.claim(
    [
      { ...PLACE, address: "0.0.0.0", port: 0 },
      { ...PLACE, address: "::", port: 0 },
    ],
    { isShared: false },
  );
  assert.ok(guards.every(({ place }) => place.port > 0));
  for (const guard of guards) {
    guard.close();
  }
});

test("what the system refuses is told with what to do", () => {
  const told = (code: string): unknown => {
    const { code: own, message } = listenError(
      { address: "0.0.0.0", port: 53 },
      Object.assign(new Error("no"), { code }),
    ) as Error & {
      readonly code: string;
    };
    return `${own} ${message.includes("setcap")}`;
  };
  assert.equal(told("EACCES"), "DNS_PORT_FORBIDDEN true");
  assert.equal(told("EADDRNOTAVAIL"), "DNS_ADDRESS_UNKNOWN false");
  assert.equal(told("EIO"), "DNS_LISTEN_FAILED false");
});

test("an address that this machine does not have is told", async () => {
  await assert.rejects(PortGuard.claim([{ ...PLACE, address: "192.0.2.1" }], { isShared: false }), {
    code: "DNS_ADDRESS_UNKNOWN",
  });
});
