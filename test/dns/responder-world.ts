import assert from "node:assert/strict";
import { Responder } from "../../plugins/dns/answer.ts";
import { NameIndex } from "../../plugins/dns/name-index.ts";
import type { ZoneOptions } from "../../plugins/dns/settings.ts";
import { feedZone } from "../../plugins/dns/zone-feed.ts";
import { TEST_ZONE, ZoneTestStore } from "../../plugins/dns/zone-store.test-support.ts";
import type { Case, ConfigName } from "./cases.ts";
import { fixtureObjects } from "./fixture.ts";
import { encodeQuery } from "./message.ts";

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

/** A responder over the fixture, set up as the cases want it; in set-up N over nothing. */
export function responderFor(config: ConfigName): Responder {
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

/** The packet that a case sends. */
export function packetOf(one: Case): Uint8Array {
  if (one.hex !== undefined) {
    return Buffer.from(one.hex, "hex");
  }
  const { q = "", type = "A", opts = {} } = one;
  const edns = opts.edns === undefined ? undefined : { size: opts.edns.size, do: opts.edns.do === 1 };
  return encodeQuery({ name: q, type, edns, flags: opts.flags });
}
