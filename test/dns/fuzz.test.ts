import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { createApiServer, seededRandom } from "../../core/testing/index.ts";
import { freePorts } from "../cluster/ports.ts";
import { ask, framed } from "./client.ts";
import { loadFixture } from "./fixture.ts";
import { fuzzAnswers, mutated } from "./fuzz.ts";
import { decodeMessage, encodeQuery } from "./message.ts";
import { startSetUp } from "./ours.ts";
import { startUpstream } from "./upstream.ts";

const CART = { name: "cart.shop.svc.cluster.local", type: "A" };

test("200,000 broken packets: none throws, is answered wrongly or spoils the next", () => {
  const { findings, outcomes } = fuzzAnswers(200_000, 1);
  assert.deepEqual(findings, []);
  // They reach all of it, not only the first check.
  for (const kind of ["silence", "FORMERR", "NXDOMAIN", "NOERROR", "NOTIMP", "REFUSED", "asked elsewhere"]) {
    assert.ok((outcomes[kind] ?? 0) > 100, `${kind}: ${outcomes[kind]}`);
  }
});

test("broken packets on the sockets: it goes on answering, by UDP and by TCP", { timeout: 60_000 }, async () => {
  const random = seededRandom(2);
  await using upstream = await startUpstream();
  await using server = await createApiServer();
  loadFixture(server);
  const [port] = await freePorts(1);
  await using ours = await startSetUp("C", port, server.kubeconfig(), { upstream: `127.0.0.1:${upstream.port}` });
  const seeds = [
    encodeQuery(CART),
    encodeQuery({ name: "www.example.test", type: "A", edns: { size: 1232, do: true } }),
    encodeQuery({ name: "ext.shop.svc.cluster.local", type: "A" }),
  ];
  const socket = createSocket("udp4");
  socket.connect(port, ours.address);
  await once(socket, "connect");
  let replies = 0;
  const wrong: string[] = [];
  socket.on("message", (reply) => {
    replies++;
    if ((reply[2] & 0x80) === 0) {
      wrong.push(reply.toString("hex"));
    }
  });
  for (let round = 0; round < 100; round++) {
    for (let at = 0; at < 100; at++) {
      socket.send(mutated(random, seeds));
    }
    await tcpGarbage(port, Buffer.concat(Array.from({ length: 10 }, () => framed(mutated(random, seeds)))));
    const tcp = round % 2 === 0;
    assert.deepEqual(decodeMessage(await ask(ours, CART, { tcp })).an, [`${CART.name} 5 A 10.0.0.1`]);
  }
  socket.close();
  assert.deepEqual(wrong, []);
  assert.ok(replies > 1_000, `${replies} replies`);
});

/** Writes bytes, ends its side, and waits until the server has done so as well. */
async function tcpGarbage(port: number, bytes: Buffer): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.end(bytes);
  await once(socket, "close");
}
