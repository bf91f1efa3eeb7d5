import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { decode, encode, type OptAnswer, type Packet, RECURSION_DESIRED, type RecordType } from "dns-packet";
import { ASK, CHASE, MALFORMED, Responder, type ResponderOptions, SILENT, ZONE_KIND } from "./answer.ts";
import { NameIndex } from "./name-index.ts";
import type { ZoneOptions } from "./settings.ts";
import { feedZone } from "./zone-feed.ts";
import { TEST_ZONE, type TestObject, ZoneTestStore } from "./zone-store.test-support.ts";

const OUT = new Uint8Array(65_535);
const NOW_MS = 1_700_000_000_000;

interface SetUp {
  readonly zone?: Partial<ZoneOptions>;
  readonly objects?: readonly TestObject[];
  readonly ownAddresses?: readonly string[];
  readonly more?: Partial<ResponderOptions>;
  readonly isSynced?: boolean;
}

function responder({ zone: given, objects = OBJECTS, ownAddresses, more, isSynced = true }: SetUp = {}): Responder {
  const store = new ZoneTestStore(8 * 1024 * 1024);
  store.apply(...objects);
  if (isSynced) {
    store.markSynced();
  }
  const zone = { ...TEST_ZONE, ...given };
  const index = NameIndex.create({ maxBytes: 4 * 1024 * 1024 });
  const feed = feedZone({ store: store.reader, index, zone, ownAddresses, now: () => NOW_MS });
  feed.flush();
  feed.close();
  store.close();
  return new Responder(index, { zone, maxUdp: 1232, recursionAvailable: false, seed: 7, ...more });
}

const service = (name: string, spec: Record<string, unknown>, namespace = "shop"): TestObject => ({
  kind: "Service",
  metadata: { name, namespace },
  spec: { type: "ClusterIP", ports: [{ name: "web", port: 80 }], ...spec },
});
const clusterIp = (name: string, ...clusterIPs: string[]): TestObject =>
  service(name, { clusterIP: clusterIPs[0], clusterIPs });
const slice = (of: string, addresses: readonly string[], more: Record<string, unknown> = {}): TestObject => ({
  kind: "EndpointSlice",
  metadata: { name: `${of}-${more.suffix ?? "a"}`, namespace: "shop", labels: { "kubernetes.io/service-name": of } },
  addressType: addresses[0]?.includes(":") ? "IPv6" : "IPv4",
  ports: [{ name: "web", port: 80, protocol: "TCP" }],
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ...more,
});
const OBJECTS: readonly TestObject[] = [
  { kind: "Namespace", metadata: { name: "shop" } },
  clusterIp("cart", "10.0.0.1"),
  slice("cart", ["172.20.0.1", "172.20.0.9"]),
  clusterIp("duo", "10.0.0.3", "fd00:10::3"),
  service("ring", { clusterIP: "None", clusterIPs: ["None"] }),
  slice("ring", ["172.20.1.1", "172.20.1.2", "172.20.1.3"]),
  service("ext", { type: "ExternalName", externalName: "www.example.org" }),
];

interface Asked {
  readonly found: number;
  readonly packet: Packet;
  readonly an: readonly string[];
  readonly ns: readonly string[];
  readonly ar: readonly string[];
}

interface AskedWith {
  readonly tcp?: boolean;
  readonly edns?: number;
}

function ask(one: Responder, name: string, type: string, { tcp = false, edns }: AskedWith = {}): Asked {
  const opt = { type: "OPT", name: ".", udpPayloadSize: edns, flags: 0, options: [] } as unknown as OptAnswer;
  const query = encode({
    type: "query",
    id: 7,
    flags: RECURSION_DESIRED,
    // Names of types, as the package has them.
    questions: [{ name, type: type as RecordType }],
    additionals: edns === undefined ? [] : [opt],
  });
  const found = one.respond(query, query.length, OUT, tcp);
  const packet = decode(Buffer.from(OUT.subarray(0, one.length)));
  const text = (section: Packet["answers"]): string[] =>
    (section ?? []).flatMap((record) =>
      record.type === "OPT" || !("data" in record)
        ? []
        : [`${record.name} ${"ttl" in record ? record.ttl : ""} ${record.type} ${dataOf(record.data)}`],
    );
  return {
    found,
    packet,
    an: text(packet.answers),
    ns: text(packet.authorities),
    ar: text(packet.additionals),
  };
}

function dataOf(data: unknown): string {
  if (Array.isArray(data)) {
    return data.map(String).join("|");
  }
  return typeof data === "object" && data !== null ? Object.values(data).join(" ") : String(data);
}

const isCut = ({ flags = 0 }: Packet): boolean => (flags & 0x200) !== 0;
const isAuthority = ({ flags = 0 }: Packet): boolean => (flags & 0x400) !== 0;
const SERIAL = NOW_MS / 1000;

test("the zone's own records: SOA with the time of the last change, NS and the server's address", () => {
  const one = responder({ ownAddresses: ["192.0.2.53", "2001:db8::53"] });
  const soa = `5 SOA ns.dns.cluster.local hostmaster.cluster.local ${SERIAL} 7200 1800 86400 5`;
  assert.deepEqual(ask(one, "cluster.local", "SOA").an, [`cluster.local ${soa}`]);
  const ns = ask(one, "cluster.local", "NS");
  assert.deepEqual(ns.an, ["cluster.local 5 NS ns.dns.cluster.local"]);
  assert.deepEqual(ns.ar, ["ns.dns.cluster.local 5 A 192.0.2.53", "ns.dns.cluster.local 5 AAAA 2001:db8::53"]);
  assert.deepEqual(ask(one, "ns.dns.cluster.local", "A").an, ["ns.dns.cluster.local 5 A 192.0.2.53"]);
  assert.deepEqual(ask(one, "ns.dns.cluster.local", "AAAA").an, ["ns.dns.cluster.local 5 AAAA 2001:db8::53"]);
  assert.deepEqual(ask(one, "in-addr.arpa", "SOA").an, [
    `in-addr.arpa ${soa.replaceAll("cluster.local", "in-addr.arpa")}`,
  ]);
  assert.deepEqual(ask(one, "in-addr.arpa", "NS").an, ["in-addr.arpa 5 NS ns.dns.in-addr.arpa"]);
  assert.deepEqual(ask(one, "ns.dns.cluster.local", "TXT").ns, [`cluster.local ${soa}`]);
});

test("the server's name is that of the service that it is behind", () => {
  const one = responder({ ownAddresses: ["172.20.0.9"] });
  const { an, ar } = ask(one, "cluster.local", "NS");
  assert.deepEqual(
    [an, ar],
    [["cluster.local 5 NS cart.shop.svc.cluster.local"], ["cart.shop.svc.cluster.local 5 A 10.0.0.1"]],
  );
});

test("a zone of any name and its own TTLs", () => {
  const one = responder({ zone: { name: "k8s.corp.example.org", ttl: 60, negativeTtl: 600 } });
  assert.deepEqual(ask(one, "cart.shop.svc.k8s.corp.example.org", "A").an, [
    "cart.shop.svc.k8s.corp.example.org 60 A 10.0.0.1",
  ]);
  assert.match(ask(one, "no.shop.svc.k8s.corp.example.org", "A").ns[0], /^k8s.corp.example.org 300 SOA .* 600$/);
  assert.deepEqual(ask(one, "1.0.0.10.in-addr.arpa", "PTR").an, [
    "1.0.0.10.in-addr.arpa 60 PTR cart.shop.svc.k8s.corp.example.org",
  ]);
  assert.equal(ask(one, "cart.shop.svc.cluster.local", "A").found, ASK);
});

test("names outside of the zone are for others, with a refusal ready", () => {
  const one = responder();
  for (const name of ["www.example.org", "xcluster.local", "local", ".", "cluster.local.example.org"]) {
    const { found, packet } = ask(one, name, "A", { edns: 4096 });
    assert.deepEqual([found, one.zoneKind, one.rcode, one.nameLength > 0], [ASK, ZONE_KIND.foreign, 5, true], name);
    assert.deepEqual([isAuthority(packet), packet.additionals?.length], [false, 1]);
  }
});

test("names of ours that do not exist fall through where that is wished, with the denial ready", () => {
  const one = responder({ more: { fallthrough: { zone: false, reverse: true } } });
  assert.deepEqual([ask(one, "9.9.9.9.in-addr.arpa", "PTR").found, one.rcode, one.length > 30], [ASK, 3, true]);
  assert.deepEqual(
    [ask(one, "1.0.0.10.in-addr.arpa", "PTR").found > 0, ask(one, "10.in-addr.arpa", "PTR").found > 0],
    [true, true],
  );
  assert.ok(ask(one, "no.shop.svc.cluster.local", "A").found > 0);
  const other = responder({ more: { fallthrough: { zone: true, reverse: false } } });
  assert.deepEqual([ask(other, "no.shop.svc.cluster.local", "A").found, other.rcode], [ASK, 3]);
  assert.ok(ask(other, "9.9.9.9.in-addr.arpa", "PTR").found > 0);
});

test("before the names are complete those that are there are answered, others are for later", () => {
  const one = responder({ isSynced: false });
  assert.deepEqual([ask(one, "no.shop.svc.cluster.local", "A").found > 0, one.rcode], [true, 2]);
  assert.deepEqual([ask(one, "svc.cluster.local", "A").found > 0, one.rcode], [true, 0]);
  const other = responder({ isSynced: false, zone: { beforeSync: "forward" } });
  assert.deepEqual([ask(other, "no.shop.svc.cluster.local", "A").found, other.rcode], [ASK, 2]);
});

test("networks whose addresses are ours, and no others", () => {
  const one = responder({ zone: { reverse: ["10.0.0.0/9", "fd00::/16"] } });
  const found = (name: string): number => ask(one, name, "PTR").found;
  assert.ok(found("1.0.0.10.in-addr.arpa") > 0);
  assert.match(ask(one, "9.9.9.10.in-addr.arpa", "PTR").ns[0], /^9.10.in-addr.arpa 5 SOA /);
  assert.deepEqual([found("1.0.200.10.in-addr.arpa"), found("1.1.20.172.in-addr.arpa")], [ASK, ASK]);
  const reverse = `${"3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0."}0.0.d.f.ip6.arpa`;
  assert.deepEqual(ask(one, reverse, "PTR").an, [`${reverse} 5 PTR duo.shop.svc.cluster.local`]);
  assert.throws(() => responder({ zone: { reverse: ["10.0.0.0/40"] } }), RangeError);
  assert.throws(
    () => responder({ zone: { reverse: Array.from({ length: 257 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`) } }),
    RangeError,
  );
  assert.throws(() => responder({ zone: { name: "a..b" } }), RangeError);
});

test("addresses begin with any of them, so that clients spread", () => {
  const one = responder();
  const firsts = new Map<string, number>();
  for (let n = 0; n < 300; n++) {
    const { an } = ask(one, "ring.shop.svc.cluster.local", "A");
    assert.equal(new Set(an).size, 3);
    firsts.set(an[0], (firsts.get(an[0]) ?? 0) + 1);
  }
  assert.equal(firsts.size, 3);
  assert.ok(Math.min(...firsts.values()) > 50, `${[...firsts.values()]}`);
});

test("long answers are cut between records for each size that a client takes, and whole over TCP", () => {
  const addresses = Array.from({ length: 700 }, (_, n) => `172.21.${n >> 8}.${n & 255}`);
  const crowd = [service("crowd", { clusterIP: "None", clusterIPs: ["None"] }), slice("crowd", addresses)];
  const one = responder({ objects: crowd, more: { maxUdp: 4096 } });
  const name = "crowd.shop.svc.cluster.local";
  for (const type of ["A", "SRV"]) {
    for (let edns = 97; edns < 5000; edns += 97) {
      const { packet, an } = ask(one, name, type, { edns });
      const limit = Math.min(Math.max(512, edns), 4096);
      assert.ok(one.length <= limit && one.length > limit - 100, `${one.length} of ${limit}`);
      assert.deepEqual(
        [isCut(packet), one.truncated, new Set(an).size === an.length, one.maxBytes],
        [true, true, true, limit],
      );
    }
    const { packet, an } = ask(one, name, type, { tcp: true });
    assert.deepEqual([isCut(packet), new Set(an).size], [false, 700]);
  }
});

test("additional addresses are left out before an answer is, without saying that it is cut", () => {
  const addresses = Array.from({ length: 17 }, (_, n) => `172.21.0.${n}`);
  const group = [service("group", { clusterIP: "None", clusterIPs: ["None"] }), slice("group", addresses)];
  const { packet, an, ar } = ask(responder({ objects: group }), "group.shop.svc.cluster.local", "SRV", { edns: 1232 });
  assert.deepEqual([an.length, isCut(packet), ar.length > 0 && ar.length < 17], [17, false, true]);
});

test("endpoints with other ports lead to their own", () => {
  const port = (number: number) => [{ name: "web", port: number, protocol: "TCP" }];
  const mixed = [
    service("mixed", { clusterIP: "None", clusterIPs: ["None"] }),
    slice("mixed", ["172.20.0.1", "172.20.0.2"], { ports: port(8080) }),
    slice("mixed", ["172.20.0.2", "172.20.0.3"], {
      suffix: "b",
      ports: [...port(9090), { name: "dns", port: 53, protocol: "UDP" }],
    }),
  ];
  const one = responder({ objects: mixed });
  const zone = "mixed.shop.svc.cluster.local";
  const targets = ({ an }: Asked): string[] => an.map((text) => text.replace(/^.* SRV 0 \d+ |\.mixed.*$/g, "")).sort();
  const web = ask(one, `_web._tcp.${zone}`, "SRV");
  assert.deepEqual(targets(web), ["8080 172-20-0-1", "8080 172-20-0-2", "9090 172-20-0-2", "9090 172-20-0-3"]);
  assert.equal(web.ar.length, 3);
  assert.ok(
    web.an.every((text) => text.includes(" SRV 0 25 ")),
    "four records share what there is",
  );
  const dns = ask(one, `_DNS._uDp.${zone}`, "SRV");
  assert.deepEqual(targets(dns), ["53 172-20-0-2", "53 172-20-0-3"]);
  assert.equal(dns.ar.length, 2, "the address of a target that another group has too");
  assert.equal(ask(one, zone, "SRV").an.length, 6);
  assert.deepEqual([ask(one, `_dns._tcp.${zone}`, "SRV").packet, one.rcode].slice(1), [3]);
  assert.deepEqual([ask(one, `_udp.${zone}`, "SRV").an, one.rcode], [[], 0]);
  assert.deepEqual([ask(one, `_sctp.${zone}`, "SRV").an, one.rcode], [[], 3]);
  assert.deepEqual(targets(ask(one, `172-20-0-2.${zone}`, "SRV")), [
    "53 172-20-0-2",
    "8080 172-20-0-2",
    "9090 172-20-0-2",
  ]);
});

test("what several ports or slices say of one name is said once", () => {
  const dns = [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53, protocol: "TCP" },
  ];
  const same = (address: string) => ({ addresses: [address], hostname: "same", conditions: { ready: true } });
  const objects = [
    {
      ...service("kube-dns", {}),
      spec: { type: "ClusterIP", clusterIP: "10.0.0.10", clusterIPs: ["10.0.0.10"], ports: dns },
    },
    service("ring", { clusterIP: "None", clusterIPs: ["None"] }),
    { ...slice("ring", []), endpoints: [same("172.20.0.1")], ports: dns },
    { ...slice("ring", [], { suffix: "b" }), endpoints: [same("172.20.0.1"), same("172.20.0.2")], ports: [] },
  ];
  const one = responder({ objects });
  const own = ask(one, "kube-dns.shop.svc.cluster.local", "SRV");
  assert.deepEqual([own.an.length, own.ar.length], [1, 1]);
  for (const name of ["ring", "_dns._udp.ring", "_dns-tcp._tcp.ring", "same.ring"]) {
    const { an, ar } = ask(one, `${name}.shop.svc.cluster.local`, "SRV");
    assert.match(an.join(), /^\S+ 5 SRV 0 \d+ 53 same\.ring\.shop\.svc\.cluster\.local$/, name);
    assert.deepEqual(ar.map((text) => text.split(" ").at(-1)).sort(), ["172.20.0.1", "172.20.0.2"], name);
  }
});

test("a CNAME out of the zone is handed on with its target", () => {
  const one = responder();
  const { found, an } = ask(one, "ext.shop.svc.cluster.local", "AAAA");
  assert.deepEqual([found, an], [CHASE, ["ext.shop.svc.cluster.local 5 CNAME www.example.org"]]);
  const target = Buffer.from(OUT.subarray(one.targetOffset, one.targetOffset + 17));
  assert.equal(target.toString("latin1"), "\x03www\x07example\x03org\0");
  assert.ok(ask(one, "ext.shop.svc.cluster.local", "CNAME").found > 0);
});

test("a CNAME to a pod, to this server, and to the zone itself", () => {
  const to = (name: string, target: string): TestObject =>
    service(name, { type: "ExternalName", externalName: `${target}.cluster.local` });
  const objects = [
    ...OBJECTS,
    to("pod", "10-0-0-9.shop.pod"),
    to("dns", "ns.dns"),
    to("none", "shop.svc"),
    service("zone", { type: "ExternalName", externalName: "cluster.local" }),
  ];
  const one = responder({ objects, zone: { pods: "insecure" }, ownAddresses: ["192.0.2.53"] });
  const answer = (name: string): string => ask(one, `${name}.shop.svc.cluster.local`, "A").an.at(-1) ?? "";
  assert.deepEqual(["pod", "dns", "none", "zone"].map(answer), [
    "10-0-0-9.shop.pod.cluster.local 5 A 10.0.0.9",
    "ns.dns.cluster.local 5 A 192.0.2.53",
    "",
    "",
  ]);
});

test("with ptr: pods an address leads to its pod, service or node, and says which it is", () => {
  const objects: readonly TestObject[] = [
    ...OBJECTS,
    {
      kind: "Pod",
      metadata: { name: "cart-1", namespace: "shop" },
      spec: { nodeName: "node-1" },
      status: { podIPs: [{ ip: "10.1.0.1" }] },
    },
    {
      kind: "Pod",
      metadata: { name: "cart-2", namespace: "shop" },
      spec: { nodeName: "node-2" },
      status: { podIPs: [{ ip: "172.20.0.1" }] },
    },
    {
      kind: "Pod",
      metadata: { name: "agent", namespace: "shop" },
      spec: { nodeName: "node-1", hostNetwork: true },
      status: { podIPs: [{ ip: "192.0.2.10" }] },
    },
    {
      kind: "Node",
      metadata: { name: "node-1.example.org" },
      status: { addresses: [{ type: "InternalIP", address: "192.0.2.10" }] },
    },
  ];
  const one = responder({ objects, zone: { ptr: "pods", pods: "verified" } });
  const ptr = (name: string): readonly string[] => ask(one, `${name}.in-addr.arpa`, "PTR").an;
  assert.deepEqual(ptr("1.0.1.10"), ["1.0.1.10.in-addr.arpa 5 PTR 10-1-0-1.shop.pod.cluster.local"]);
  assert.deepEqual(ptr("10.2.0.192"), ["10.2.0.192.in-addr.arpa 5 PTR node-1.example.org.node.cluster.local"]);
  assert.deepEqual(ptr("1.0.20.172"), ["1.0.20.172.in-addr.arpa 5 PTR 172-20-0-1.cart.shop.svc.cluster.local"]);
  assert.deepEqual(ask(one, "10-1-0-1.shop.pod.cluster.local", "A").an, [
    "10-1-0-1.shop.pod.cluster.local 5 A 10.1.0.1",
  ]);
  assert.deepEqual(ask(one, "10-1-0-1.shop.pod.cluster.local", "TXT").an, [
    "10-1-0-1.shop.pod.cluster.local 5 TXT pod=cart-1|namespace=shop|node=node-1",
  ]);
  assert.deepEqual(ask(one, "1.0.1.10.in-addr.arpa", "TXT").an, [
    "1.0.1.10.in-addr.arpa 5 TXT pod=cart-1|namespace=shop|node=node-1",
  ]);
  const texts = (name: string): readonly string[] =>
    ask(one, `${name}.in-addr.arpa`, "TXT").an.map((text) => text.replace(/^.* TXT /, ""));
  assert.deepEqual(texts("1.0.0.10"), ["service=cart|namespace=shop"]);
  assert.deepEqual(texts("1.0.20.172"), ["service=cart|namespace=shop", "pod=cart-2|namespace=shop|node=node-2"]);
  assert.deepEqual(texts("10.2.0.192"), ["node=node-1.example.org"]);
  assert.deepEqual(ask(one, "node-1.example.org.node.cluster.local", "A").an, [
    "node-1.example.org.node.cluster.local 5 A 192.0.2.10",
  ]);
  assert.deepEqual([ask(one, "node.cluster.local", "A").an, one.rcode], [[], 0]);
  const without = responder({ objects });
  assert.deepEqual([ask(without, "1.0.1.10.in-addr.arpa", "PTR").an, without.rcode], [[], 3]);
  assert.deepEqual([ask(without, "1.0.0.10.in-addr.arpa", "TXT").an, without.rcode], [[], 0]);
  assert.deepEqual([ask(without, "node.cluster.local", "A").an, without.rcode], [[], 3]);
});

test("a name of many endpoints' addresses has no more than fit, with pointers where the zone comes again", () => {
  const objects = Array.from({ length: 40 }, (_, n) => [
    service(`svc-${n}`, { clusterIP: "None", clusterIPs: ["None"] }),
    slice(`svc-${n}`, ["172.20.3.3"]),
  ]).flat();
  const one = responder({ objects });
  const over = ask(one, "3.3.20.172.in-addr.arpa", "PTR", { tcp: true });
  assert.deepEqual([over.an.length, new Set(over.an).size, isCut(over.packet)], [40, 40, false]);
  const cut = ask(one, "3.3.20.172.in-addr.arpa", "PTR");
  assert.deepEqual(
    [isCut(cut.packet), cut.an.every((text) => text.endsWith(".shop.svc.cluster.local")), one.length <= 512],
    [true, true, true],
  );
});

test("names that would be longer than a name can be are left out", () => {
  const long = (letter: string): string => letter.repeat(63);
  const zone = `${long("z")}.${long("y")}`;
  const objects = [
    service(long("s"), { clusterIP: "None", clusterIPs: ["None"] }, "shop"),
    { ...slice(long("s"), ["172.20.0.1"]), endpoints: [{ addresses: ["172.20.0.1"], hostname: long("h") }] },
    clusterIp("cart", "10.0.0.1"),
  ];
  const one = responder({ objects, zone: { name: zone } });
  const { an, ar, packet } = ask(one, `${long("s")}.shop.svc.${zone}`, "SRV", { tcp: true });
  assert.deepEqual([an, ar, isCut(packet), one.rcode], [[], [], false, 0]);
  assert.equal(ask(one, `${long("s")}.shop.svc.${zone}`, "A").an.length, 1);
  assert.deepEqual([ask(one, "1.0.20.172.in-addr.arpa", "PTR").an, one.rcode], [[], 0]);
  assert.equal(ask(one, "1.0.0.10.in-addr.arpa", "PTR").an.length, 1);
});

test("an answer allocates nothing", () => {
  const one = responder({ ownAddresses: ["192.0.2.53"] });
  const names = [
    "cart.shop",
    "duo.shop",
    "ring.shop",
    "no.shop",
    "_web._tcp.ring.shop",
    "172-20-1-1.ring.shop",
    "ext.shop",
  ];
  const queries = names.flatMap((name) =>
    (["A", "AAAA", "SRV"] as const).map((type) =>
      encode({ type: "query", id: 7, questions: [{ name: `${name}.svc.cluster.local`, type }] }),
    ),
  );
  queries.push(encode({ type: "query", id: 7, questions: [{ name: "1.1.20.172.in-addr.arpa", type: "PTR" }] }));
  const allocated = (): number => getHeapStatistics().total_allocated_bytes;
  const round = (times: number): number => {
    const before = allocated();
    for (let n = 0; n < times; n++) {
      one.respond(queries[n % queries.length], queries[n % queries.length].length, OUT, false);
    }
    return allocated() - before;
  };
  round(50_000);
  // The smallest object has 16 bytes; what is compiled meanwhile is counted too.
  const grown = Array.from({ length: 5 }, () => round(100_000));
  assert.ok(Math.min(...grown) < 1_000_000, `${grown}`);
});

test("tells what is wrong with a packet", () => {
  const one = responder();
  const query = encode({ type: "query", id: 1, questions: [{ name: "cart.shop.svc.cluster.local", type: "A" }] });
  const with_ = (at: number, value: number): Buffer => Buffer.from(query).fill(value, at, at + 1);
  const told = (packet: Uint8Array): readonly number[] => [
    one.respond(packet, packet.length, OUT, false),
    one.malformed,
  ];
  assert.deepEqual(told(query.subarray(0, 11)), [SILENT, MALFORMED.short]);
  assert.deepEqual(told(with_(2, 0x80)), [SILENT, MALFORMED.response]);
  assert.deepEqual(told(with_(2, 0x28)), [12, MALFORMED.opcode]);
  assert.deepEqual(told(with_(5, 2)), [12, MALFORMED.counts]);
  assert.deepEqual(told(with_(12, 0xc0)), [12, MALFORMED.name]);
  assert.deepEqual(told(query.subarray(0, query.length - 1)), [12, MALFORMED.question]);
  assert.deepEqual(told(with_(11, 1)), [query.length, MALFORMED.additional]);
  assert.deepEqual([one.nameLength, one.zoneKind], [29, ZONE_KIND.unread]);
});

test("answers from another index as soon as it is told to", () => {
  const one = responder();
  one.use(NameIndex.create({ maxBytes: 1 << 20 }));
  assert.deepEqual([ask(one, "cart.shop.svc.cluster.local", "A").found > 0, one.rcode], [true, 2]);
});
