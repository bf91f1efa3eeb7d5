import assert from "node:assert/strict";
import { test } from "node:test";
import { DnsOptions } from "./options.ts";
import type { DnsSettings } from "./settings.ts";
import { dnsSettings } from "./settings-of.ts";

const read = (options: unknown): DnsSettings => dnsSettings(DnsOptions.parse(options));

test("left out, all has a default: every address on port 5353, the zone alone, no forwarder", () => {
  const { listen, zone, forward, acl, cache } = read({});
  assert.deepEqual(listen, [{ address: "0.0.0.0", port: 5353, udp: true, tcp: true }]);
  assert.deepEqual([zone.name, zone.reverse, zone.pods, zone.ttl], ["cluster.local", undefined, "verified", 5]);
  assert.deepEqual([forward, acl.allow, cache.positive, cache.negative], [[], undefined, 30, 5]);
});

test("addresses are one text, or a list of texts and objects", () => {
  const listens = (listen: unknown): unknown => read({ listen }).listen.map(({ address, port }) => [address, port]);
  assert.deepEqual(listens("[::]:53"), [["::", 53]]);
  assert.deepEqual(listens(":5353"), [["0.0.0.0", 5353]]);
  assert.deepEqual(listens(["127.0.0.1:0", { address: "::1", port: 53, tcp: false }]), [
    ["127.0.0.1", 0],
    ["::1", 53],
  ]);
});

test("upstreams are one, a list, or routes of their own", () => {
  const routes = (forward: unknown): unknown => read({ forward }).forward.map(({ zone, to }) => [zone, to]);
  assert.deepEqual(routes("system"), [["", ["system"]]]);
  assert.deepEqual(routes(["192.0.2.53", "[2001:db8::53]:5300"]), [["", ["192.0.2.53", "[2001:db8::53]:5300"]]]);
  assert.deepEqual(routes([{ to: "192.0.2.1" }, { zone: "Corp.Example.", to: ["192.0.2.2", "system"] }]), [
    ["", ["192.0.2.1"]],
    ["corp.example", ["192.0.2.2", "system"]],
  ]);
});

test("names are taken in lower case without their last dot; times as text or seconds", () => {
  const { aliases, lameDuckMs, limits, zone } = read({
    aliases: { "DB.Example.org.": "192.0.2.1", "*.example.org": ["192.0.2.2", "2001:db8::2"] },
    lameDuck: "5s",
    limits: { tcpIdle: 20 },
    zone: "Cluster.Local.",
    namespaces: ["shop", "team-*"],
  });
  assert.deepEqual(aliases.names, { "db.example.org": ["192.0.2.1"], "*.example.org": ["192.0.2.2", "2001:db8::2"] });
  assert.deepEqual([lameDuckMs, limits.tcpIdleMs, zone.name], [5000, 20_000, "cluster.local"]);
  assert.deepEqual(zone.namespaces, { allow: ["shop", "team-*"], deny: [] });
});

test("read, written down and read again, options are the same", () => {
  const written = DnsOptions.parse({
    listen: "[::]:53",
    aliases: { "DB.Example.org.": "192.0.2.1" },
    forward: [
      { to: "192.0.2.1", timeout: "500ms" },
      { zone: "Corp.", to: ["system"], healthName: "Corp." },
    ],
    cache: false,
    lameDuck: 1.5,
    namespaces: ["shop"],
  });
  assert.deepEqual(DnsOptions.parse(JSON.parse(JSON.stringify(written))), written);
  const { forward, lameDuckMs, cache } = dnsSettings(written);
  assert.deepEqual(
    forward.map(({ zone, to, timeoutMs, healthName }) => [zone, to, timeoutMs, healthName]),
    [
      ["", ["192.0.2.1"], 500, ""],
      ["corp", ["system"], 2000, "corp"],
    ],
  );
  assert.deepEqual([lameDuckMs, cache.positive], [1500, 0]);
});

const BAD: readonly (readonly [options: unknown, path: string])[] = [
  [{ lisen: ":53" }, ""],
  [{ listen: "localhost:53" }, "listen"],
  [{ listen: "0.0.0.0" }, "listen"],
  [{ reverse: ["0.0.0.0/1", "128.0.0.0/1", "fd00::/8"] }, "reverse"],
  [{ reverse: ["::ffff:10.0.0.0/104"] }, "reverse"],
  [{ listen: "0.0.0.0:70000" }, "listen"],
  [{ listen: "[0.0.0.0]:53" }, "listen"],
  [{ listen: [] }, "listen"],
  [{ listen: [{ port: 53, udp: false, tcp: false }] }, "listen"],
  [{ listen: [{ address: "example.org" }] }, "listen"],
  [{ zone: "a..b" }, "zone"],
  [{ zone: `${"a".repeat(64)}.local` }, "zone"],
  [{ ttl: 3601 }, "ttl"],
  [{ ttl: 1.5 }, "ttl"],
  [{ pods: "yes" }, "pods"],
  [{ reverse: ["10.0.0.0/33"] }, "reverse"],
  [{ aliases: { "a b": "192.0.2.1" } }, "aliases"],
  [{ aliases: { "db.*.org": "192.0.2.1" } }, "aliases"],
  [{ aliases: { db: "192.0.2" } }, "aliases"],
  [{ aliases: { db: [] } }, "aliases"],
  [{ forward: "example.org" }, "forward"],
  [{ forward: [{ zone: "x" }] }, "forward"],
  [{ forward: [{ to: "192.0.2.1", timeout: "1h" }] }, "forward"],
  [{ forward: [{ to: "192.0.2.1", policy: "best" }] }, "forward"],
  [{ cache: true }, "cache"],
  [{ cache: { entries: 0 } }, "cache"],
  [{ workers: 0 }, "workers"],
  [{ maxUdp: 511 }, "maxUdp"],
  [{ acl: { allow: [] } }, "acl"],
  [{ acl: { deny: ["everybody"] } }, "acl"],
  [{ limits: { receiveBuffer: "4M" } }, "limits"],
  [{ lameDuck: "soon" }, "lameDuck"],
  [{ lameDuck: 500 }, "lameDuck"],
  [{ limits: { tcpIdle: 0 } }, "limits"],
  [{ aliases: { db: "fe80::1%eth0" } }, "aliases"],
  [{ aliases: { "DB.example.org": "192.0.2.1", "db.example.org.": "192.0.2.2" } }, "aliases"],
  [{ aliases: { [`*.${`${"a".repeat(49)}.`.repeat(5)}bc`]: "192.0.2.1" } }, "aliases"],
  [{ acl: { allow: ["fe80::1%eth0"] } }, "acl"],
  [{ acl: { deny: ["::ffff:192.0.2.1"] } }, "acl"],
  [{ forward: "192.0.2.1:0" }, "forward"],
  [{ forward: [{ to: "192.0.2.1", timeout: 0 }] }, "forward"],
  [
    {
      forward: [
        { zone: "Corp.", to: "192.0.2.1" },
        { zone: "corp", to: "192.0.2.2" },
      ],
    },
    "forward",
  ],
  [{ zone: `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(62)}` }, "zone"],
  [{ log: { sample: 2 } }, "log"],
];

for (const [options, path] of BAD) {
  test(`refuses ${JSON.stringify(options)}`, () => {
    const result = DnsOptions.safeParse(options);
    assert.equal(result.success, false);
    assert.equal(String(result.error?.issues[0]?.path[0] ?? ""), path);
  });
}
