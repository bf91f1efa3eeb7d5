import assert from "node:assert/strict";
import { test } from "node:test";
import { Acl, MAY_ASK, MAY_RECURSE } from "./acl.ts";
import { clientOf, networkOf } from "./address.ts";
import { RateLimit } from "./rate-limit.ts";
import { dropsIn } from "./socket-drops.ts";

const BOTH = MAY_ASK | MAY_RECURSE;

test("everybody may ask; only private addresses may ask for names that are not ours", () => {
  const acl = new Acl({ allow: undefined, deny: [], recursion: undefined });
  const verdicts = [
    "10.1.2.3",
    "::ffff:192.168.1.1",
    "127.0.0.1",
    "fd00::1",
    "fe80::1%eth0",
    "192.0.2.1",
    "2001:db8::1",
  ];
  assert.deepEqual(
    verdicts.map((address) => acl.of(address)),
    [BOTH, BOTH, BOTH, BOTH, BOTH, MAY_ASK, MAY_ASK],
  );
});

test("deny wins over allow, and networks are taken by their prefix", () => {
  const acl = new Acl({ allow: ["192.0.2.0/24", "2001:db8::/32"], deny: ["192.0.2.128/25"], recursion: ["192.0.2.1"] });
  const asked = ["192.0.2.1", "192.0.2.127", "192.0.2.128", "::ffff:192.0.2.200", "10.0.0.1", "2001:db8:1::1", "::1"];
  assert.deepEqual(
    asked.map((address) => acl.of(address)),
    [BOTH, MAY_ASK, 0, 0, 0, MAY_ASK, 0],
  );
});

test("verdicts on more addresses than are remembered are the same", () => {
  const acl = new Acl({ allow: ["10.0.0.0/8"], deny: [], recursion: [] });
  for (let i = 0; i < 20_000; i++) {
    assert.equal(acl.of(`10.0.${i >> 8}.${i & 255}`), MAY_ASK);
  }
  assert.equal(acl.of("11.0.0.1"), 0);
});

test("an IPv6 client is its /64, whatever form its address has", () => {
  assert.equal(clientOf("2001:db8:0:0:1:2:3:4"), clientOf("2001:db8::9"));
  assert.notEqual(clientOf("2001:db8::9"), clientOf("2001:db8:0:1::9"));
  assert.equal(clientOf("::ffff:192.0.2.7"), "192.0.2.7");
  assert.equal(networkOf("192.0.2.7"), networkOf("192.0.2.200"));
  assert.notEqual(networkOf("192.0.2.7"), networkOf("192.0.3.7"));
});

test("a client gets so many in each second, and a new second is a new start", () => {
  const limit = new RateLimit(3);
  const over = [0, 1, 2, 3, 4].map((ms) => limit.over("a", ms));
  assert.deepEqual(over, [0, 0, 0, 1, 2]);
  assert.equal(limit.over("b", 5), 0);
  assert.equal(limit.over("a", 1001), 0);
  assert.equal(new RateLimit(0).isOn, false);
});

test("drops of our ports are added up, those of others left out", () => {
  const text = [
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
    "  123: 0100007F:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0 17",
    "  124: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12346 2 0 3",
    "  125: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12347 2 0 99",
    "",
  ].join("\n");
  assert.equal(dropsIn(text, [5353]), 20);
  assert.equal(dropsIn(text, [1, 2]), 0);
});
