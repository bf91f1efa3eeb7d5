import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createApiServer } from "../../core/testing/index.ts";
import { freePorts } from "../cluster/ports.ts";
import { type Case, readCases } from "./cases.ts";
import { ask, type DnsAddress, pipeline, send } from "./client.ts";
import { loadFixture } from "./fixture.ts";
import { decodeMessage, encodeQuery } from "./message.ts";
import { startSetUp } from "./ours.ts";
import { OWN_CASES } from "./own-cases.ts";
import { playAll } from "./play.ts";
import { startUpstream } from "./upstream.ts";

const cases: readonly Case[] = [...readCases("cases.jsonl"), ...OWN_CASES];

describe("cases against our plugin, over its sockets", () => {
  for (const cfg of ["D", "I", "V", "C", "E", "N"] as const) {
    test(`set-up ${cfg}: every case is answered as we hold it`, { timeout: 60_000 }, async () => {
      await using upstream = await startUpstream();
      await using server = await createApiServer();
      loadFixture(server);
      const [port, nobody] = await freePorts(2);
      const kubeconfig = server.kubeconfig();
      const reachable = cfg === "N" ? kubeconfig.replaceAll(`:${server.port}`, `:${nobody}`) : kubeconfig;
      await using ours = await startSetUp(cfg, port, reachable, { upstream: `127.0.0.1:${upstream.port}` });
      const mine = cases.filter((one) => one.cfg === cfg);
      assert.ok(mine.length >= 3, `${mine.length} cases`);
      assert.deepEqual(await playAll(mine, ours, "ours"), {});
      if (cfg === "D") {
        await ownNames(ours);
        await inOneSegment(ours);
      }
      if (cfg === "C") {
        const chaos = Buffer.from("1234010000010000000000000776657273696f6e0462696e640000100003", "hex");
        const reply = await send(ours, chaos);
        assert.ok(typeof reply !== "string");
        assert.equal(decodeMessage(reply).rcode, "REFUSED");
        assert.ok(!upstream.asked.some((question) => question.startsWith("version.bind")));
      }
    });
  }
});

/** Z02, Z09: the zone's name server has a name, and that name an address. */
async function ownNames(server: DnsAddress): Promise<void> {
  const { rcode, an, ar } = decodeMessage(await ask(server, { name: "cluster.local", type: "NS" }));
  assert.deepEqual([rcode, an], ["NOERROR", ["cluster.local 5 NS ns.dns.cluster.local"]]);
  assert.ok(ar.length > 0 && ar.every((text) => /^ns\.dns\.cluster\.local 5 A{1,4} /.test(text)), ar.join());
  const own = decodeMessage(await ask(server, { name: "ns.dns.cluster.local", type: "A" }));
  assert.ok(own.an.length > 0 && own.an.every((text) => ar.includes(text)), own.an.join());
}

/** W80, and more than two: questions that come together are all answered, whatever their order. */
async function inOneSegment(server: DnsAddress): Promise<void> {
  const names = ["cart", "nope", "crowd", "ext-in", "cart"];
  const queries = names.map((name, id) => encodeQuery({ name: `${name}.shop.svc.cluster.local`, type: "A", id }));
  const replies = (await pipeline(server, queries)).map(decodeMessage).sort((a, b) => a.id - b.id);
  assert.deepEqual(
    replies.map(({ id, rcode, an }) => [id, rcode, an.length]),
    [
      [0, "NOERROR", 1],
      [1, "NXDOMAIN", 0],
      [2, "NOERROR", 200],
      [3, "NOERROR", 2],
      [4, "NOERROR", 1],
    ],
  );
}
