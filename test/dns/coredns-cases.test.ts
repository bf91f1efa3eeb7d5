import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createApiServer } from "../../core/testing/index.ts";
import { freePorts } from "../cluster/ports.ts";
import { whyNoCluster } from "../cluster/programs.ts";
import { type Case, type ConfigName, readCases } from "./cases.ts";
import { askUntil } from "./client.ts";
import { corefile } from "./configs.ts";
import { startCoreDns } from "./coredns.ts";
import { loadFixture } from "./fixture.ts";
import { decodeMessage } from "./message.ts";
import { OWN_CASES } from "./own-cases.ts";
import { playAll } from "./play.ts";
import { startUpstream } from "./upstream.ts";

const missing = await whyNoCluster(["coredns"]);
const cases: readonly Case[] = [...readCases("cases.jsonl"), ...OWN_CASES];

const NO_OPTIONS = /^ar: \["OPT size=1232 ver=0 ext=0 do=0"\] instead of \["OPT [^"]* options=\w+"\]$/;

/** Where CoreDNS 1.15.0, which is run here, is not what 1.12.2 was when the cases were measured. */
const NEWER: Readonly<Record<string, RegExp>> = {
  // Endpoint names that would end in a dash get a 0.
  H24: /"NOERROR" instead of "NXDOMAIN"/,
  // A packet that ends inside of its question is broken.
  W28: /"FORMERR" instead of "REFUSED"/,
  W29: /"FORMERR" instead of "REFUSED"/,
  // EDNS options are dropped.
  W69: NO_OPTIONS,
  W71: NO_OPTIONS,
  W72: NO_OPTIONS,
  W73: NO_OPTIONS,
};

/** The cases are only worth what their measurement was: the real thing, on the same objects, through the same player. */
describe("cases against CoreDNS", { skip: missing ?? false }, () => {
  for (const cfg of ["D", "I", "V", "C", "E", "N"] as const) {
    test(`set-up ${cfg}: CoreDNS answers what the cases say that it answers`, async () => {
      await using upstream = await startUpstream();
      await using server = await createApiServer();
      loadFixture(server);
      const [port, nobody] = await freePorts(2);
      const kubeconfig = server.kubeconfig();
      await using coredns = await startCoreDns({
        port,
        kubeconfig: cfg === "N" ? kubeconfig.replaceAll(`:${server.port}`, `:${nobody}`) : kubeconfig,
        corefile: (path) => corefile(cfg, port, path, { upstream: `127.0.0.1:${upstream.port}` }),
        readyName: cfg === "N" ? undefined : "cart.shop.svc.cluster.local",
      });
      await podsKnown(cfg, coredns);
      const wrong = await playAll(
        cases.filter((one) => one.cfg === cfg),
        coredns,
        "coredns",
      );
      const unexpected = Object.entries(wrong).filter(([id, said]) => !NEWER[id]?.test(said.join("\n")));
      assert.deepEqual(unexpected, [], coredns.log());
    });
  }
});

async function podsKnown(cfg: ConfigName, server: { readonly address: string; readonly port: number }): Promise<void> {
  if (cfg === "V") {
    const pod = { name: "10-240-0-1.rail.pod.cluster.local", type: "A" };
    await askUntil(server, pod, (reply) => decodeMessage(reply).an.length === 1, 5_000);
  }
}
