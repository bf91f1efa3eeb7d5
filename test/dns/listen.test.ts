import assert from "node:assert/strict";
import { test } from "node:test";
import { createApiServer } from "../../core/testing/index.ts";
import { freePorts } from "../cluster/ports.ts";
import { readCases } from "./cases.ts";
import { ask } from "./client.ts";
import { pluginOptions } from "./configs.ts";
import { loadFixture } from "./fixture.ts";
import { decodeMessage } from "./message.ts";
import { startOurs } from "./ours.ts";
import { playAll } from "./play.ts";

const CART = { name: "cart.shop.svc.cluster.local", type: "A" };

test("two threads on several addresses of both families answer alike, by UDP and by TCP", {
  timeout: 60_000,
}, async () => {
  await using server = await createApiServer();
  loadFixture(server);
  const [port, tcpOnly] = await freePorts(2);
  const listen = [`127.0.0.1:${port}`, `[::1]:${port}`, { address: "127.0.0.1", port: tcpOnly, udp: false }];
  const options = { ...pluginOptions("D", port), listen, workers: 2 };
  await using ours = await startOurs({ port, kubeconfig: server.kubeconfig(), options });
  const cases = readCases("cases.jsonl").filter(({ cfg, id }) => cfg === "D" && /^[SHRT]/.test(id));
  // Each case has a socket of its own, and the system gives it to one of the threads.
  assert.deepEqual(await playAll(cases, { address: "::1", port }, "ours"), {});
  assert.deepEqual(await playAll(cases, ours, "ours"), {});
  const addresses = [{ address: "::1", port }, ours, { address: "127.0.0.1", port: tcpOnly }];
  for (const address of addresses) {
    const reply = decodeMessage(await ask(address, CART, { tcp: true }));
    assert.deepEqual(reply.an, [`${CART.name} 5 A 10.0.0.1`]);
  }
  await assert.rejects(ask({ address: "127.0.0.1", port: tcpOnly }, CART, { deadlineMs: 300 }));
});
