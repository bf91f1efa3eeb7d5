import assert from "node:assert/strict";
import { test } from "node:test";
import { ASK, CHASE, Responder, SILENT } from "../../plugins/dns/answer.ts";
import { NameIndex } from "../../plugins/dns/name-index.ts";
import type { ZoneOptions } from "../../plugins/dns/settings.ts";
import { feedZone } from "../../plugins/dns/zone-feed.ts";
import { TEST_ZONE, ZoneTestStore } from "../../plugins/dns/zone-store.test-support.ts";
import { type Case, type ConfigName, readCases } from "./cases.ts";
import { fixtureObjects } from "./fixture.ts";
import { differences, judgedReply } from "./judge.ts";
import { encodeQuery } from "./message.ts";
import { OWN_CASES } from "./own-cases.ts";

const EXPOSED = { allow: ["*"], deny: ["hidden"] };
const ZONES: Readonly<Record<ConfigName, Partial<ZoneOptions>>> = {
  D: {},
  I: { pods: "insecure", ignoreEmptyServices: true },
  V: { pods: "verified", endpointPodNames: true },
  C: { pods: "insecure" },
  E: { noEndpoints: true, reverse: [] },
  N: {},
};
const OWN_ADDRESS = "192.0.2.53";

/** A responder over the fixture, set up as the cases want it. */
function responderFor(config: ConfigName): Responder {
  const zone = { ...TEST_ZONE, namespaces: EXPOSED, ...ZONES[config] };
  const index = NameIndex.create({ maxBytes: 1 << 20 });
  if (config !== "N") {
    const store = new ZoneTestStore();
    store.apply(...fixtureObjects());
    store.markSynced();
    const feed = feedZone({ store: store.reader, index, zone, ownAddresses: [OWN_ADDRESS] });
    feed.flush();
    assert.deepEqual([feed.isSynced, feed.stats.failures], [true, 0]);
    feed.close();
    store.close();
  }
  const forwards = config === "C";
  return new Responder(index, {
    zone,
    maxUdp: 1232,
    recursionAvailable: forwards,
    fallthrough: { zone: false, reverse: forwards },
  });
}

function bytesOf(one: Case): Uint8Array {
  if (one.hex !== undefined) {
    return Buffer.from(one.hex, "hex");
  }
  const { q = "", type = "A", opts = {} } = one;
  const edns = opts.edns === undefined ? undefined : { size: opts.edns.size, do: opts.edns.do === 1 };
  return encodeQuery({ name: q, type, edns, flags: opts.flags });
}

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
    const sent = bytesOf(one);
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
