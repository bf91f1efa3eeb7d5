import assert from "node:assert/strict";
import { test } from "node:test";
import { ASK, CHASE, type Responder, SILENT } from "../../plugins/dns/answer.ts";
import { type ConfigName, readCases } from "./cases.ts";
import { differences, judgedReply } from "./judge.ts";
import { OWN_CASES } from "./own-cases.ts";
import { packetOf, responderFor } from "./responder-world.ts";

/** Cases that upstreams answer, and what the zone says of them. */
const ELSEWHERE: Readonly<Record<string, number>> = {
  ...Object.fromEntries(["F01", "F02", "F03", "F04", "P21"].map((id) => [id, ASK])),
  X02: CHASE,
  X03: CHASE,
};
/** Cases about the framing of TCP, which is the socket's. */
const FRAMES = new Set(["W78", "W79", "W80"]);

test("answers every case from the bytes of the index", () => {
  const wrong: Record<string, readonly string[]> = {};
  const responders = new Map<ConfigName, Responder>();
  const out = new Uint8Array(65_535);
  const cases = [...readCases("cases.jsonl"), ...OWN_CASES].filter(
    ({ id, rawtcp }) => !FRAMES.has(id) && rawtcp === undefined,
  );
  for (const one of cases) {
    const responder = responders.get(one.cfg) ?? responderFor(one.cfg);
    responders.set(one.cfg, responder);
    const sent = packetOf(one);
    const found = responder.respond(sent, sent.length, out, one.tcp !== undefined || one.opts?.tcp !== undefined);
    const elsewhere = ELSEWHERE[one.id];
    if (elsewhere !== undefined) {
      wrong[one.id] = found === elsewhere ? [] : [`${found} instead of ${elsewhere}`];
      continue;
    }
    const reply = found === SILENT ? "silence" : out.subarray(0, responder.length);
    wrong[one.id] = differences(one, judgedReply(one, sent, reply), "ours");
  }
  assert.ok(Object.keys(wrong).length >= 270, `${Object.keys(wrong).length} cases`);
  assert.deepEqual(Object.fromEntries(Object.entries(wrong).filter(([, found]) => found.length > 0)), {});
});
