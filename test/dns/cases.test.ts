import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createApiServer } from "../../core/testing/index.ts";
import { freePorts } from "../cluster/ports.ts";
import { type Case, readCases } from "./cases.ts";
import { loadFixture } from "./fixture.ts";
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
    });
  }
});
