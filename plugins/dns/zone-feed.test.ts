import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dumpIndex } from "./index-dump.test-support.ts";
import { NameIndex } from "./name-index.ts";
import type { ZoneOptions } from "./settings.ts";
import { feedZone, type ZoneFeed, type ZoneFeedOptions } from "./zone-feed.ts";
import { TEST_ZONE, type TestObject, ZoneTestStore } from "./zone-store.test-support.ts";

const MIB = 1024 * 1024;

interface World extends Disposable {
  readonly store: ZoneTestStore;
  readonly feed: ZoneFeed;
  readonly dump: () => Record<string, unknown>;
}

function follow(
  zone: Partial<ZoneOptions>,
  more: Partial<ZoneFeedOptions> = {},
  store = new ZoneTestStore(4 * MIB),
): World {
  const index = NameIndex.create({ maxBytes: MIB });
  const failed = (error: unknown): never => {
    throw error;
  };
  const feed = feedZone({
    store: store.reader,
    index,
    zone: { ...TEST_ZONE, ...zone },
    now: () => 1_000_000,
    onError: failed,
    ...more,
  });
  return {
    store,
    feed,
    dump: () => dumpIndex(feed.index),
    [Symbol.dispose]: () => {
      feed.close();
      store.close();
    },
  };
}

function service(name: string, spec: Record<string, unknown>, namespace = "shop", labels = {}): TestObject {
  const ports = [{ name: "web", port: 80, protocol: "TCP" }];
  return { kind: "Service", metadata: { name, namespace, labels }, spec: { type: "ClusterIP", ports, ...spec } };
}

function headless(name: string): TestObject {
  return service(name, { clusterIP: "None", clusterIPs: ["None"] });
}

function slice(
  name: string,
  of: string,
  endpoints: readonly Record<string, unknown>[],
  namespace = "shop",
): TestObject {
  return {
    kind: "EndpointSlice",
    metadata: { name, namespace, labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    ports: [{ name: "web", port: 80, protocol: "TCP" }],
    endpoints,
  };
}

const endpoint = (address: string, more = {}) => ({ addresses: [address], conditions: { ready: true }, ...more });
const pod = (name: string, ip: string, more = {}): TestObject => ({
  kind: "Pod",
  metadata: { name, namespace: "shop" },
  spec: { nodeName: "node-1", ...more },
  status: { podIPs: [{ ip }] },
});

// What may happen to a small cluster.
const namespace = fc.constantFrom("shop", "bank", "hidden");
const small = fc.nat({ max: 3 });
const address = fc.nat({ max: 12 }).map((n) => (n < 9 ? `10.0.0.${n}` : `fd00::${n}`));
const somePorts = fc
  .uniqueArray(fc.constantFrom("web", "tls", ""), { maxLength: 3 })
  .map((names) =>
    names.map((name, n) => ({ ...(name === "" ? {} : { name }), port: 80 + n, protocol: n === 2 ? "UDP" : "TCP" })),
  );
const someService = fc
  .record({ namespace, n: small, kind: small, ip: address, ports: somePorts, marked: fc.boolean() })
  .map(({ namespace, n, kind, ip, ports, marked }): TestObject => {
    const name = `svc-${n}`;
    const spec =
      kind === 0
        ? { clusterIP: "None", clusterIPs: ["None"], ports }
        : kind === 1
          ? { type: "ExternalName", externalName: `svc-${n + 1}.shop.svc.cluster.local` }
          : { clusterIP: ip, clusterIPs: [ip], ports };
    return service(name, spec, namespace, marked ? { app: "cart" } : {});
  });
const someEndpoint = fc
  .record({
    address,
    hostname: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
    ready: fc.option(fc.boolean(), { nil: undefined }),
    terminating: fc.option(fc.boolean(), { nil: undefined }),
    target: fc.option(fc.constantFrom("pod-0", "pod-1"), { nil: undefined }),
  })
  .map(({ address, hostname, ready, terminating, target }) => ({
    addresses: [address],
    hostname,
    conditions: { ready, terminating },
    targetRef: target === undefined ? undefined : { kind: "Pod", name: target },
  }));
const someSlice = fc
  .record({ namespace, n: small, of: small, ports: somePorts, endpoints: fc.array(someEndpoint, { maxLength: 6 }) })
  .map(({ namespace, n, of, ports, endpoints }) => ({
    ...slice(`slice-${n}`, `svc-${of}`, endpoints, namespace),
    ports,
  }));
const somePod = fc
  .record({ namespace, n: fc.nat({ max: 5 }), ip: address, hostNetwork: fc.boolean() })
  .map(({ namespace, n, ip, hostNetwork }): TestObject => {
    const one = pod(`pod-${n}`, ip, { hostNetwork });
    return { ...one, metadata: { name: `pod-${n}`, namespace } };
  });
const someNode = fc.record({ n: small, ip: address }).map(
  ({ n, ip }): TestObject => ({
    kind: "Node",
    metadata: { name: `node-${n}.example.org` },
    status: {
      addresses: [
        { type: "InternalIP", address: ip },
        { type: "Hostname", address: "x" },
      ],
    },
  }),
);
const someNamespace = namespace.map((name): TestObject => ({ kind: "Namespace", metadata: { name } }));
const event = fc.record({
  object: fc.oneof(
    { arbitrary: someService, weight: 3 },
    { arbitrary: someSlice, weight: 4 },
    { arbitrary: somePod, weight: 2 },
    someNode,
    someNamespace,
  ),
  gone: fc.nat({ max: 3 }).map((one) => one === 0),
  seen: fc.boolean(),
});
const someZone = fc.record({
  ptr: fc.constantFrom<ZoneOptions["ptr"]>("services", "endpoints", "pods"),
  pods: fc.constantFrom<ZoneOptions["pods"]>("disabled", "verified"),
  endpointPodNames: fc.boolean(),
  ignoreEmptyServices: fc.boolean(),
  noEndpoints: fc.constantFrom(false, false, true),
  maxEndpoints: fc.constantFrom(3, 5000),
  labels: fc.constantFrom<Record<string, string>>({}, {}, { app: "cart" }),
});

test("an index that followed random changes is the one that is built at once from what there is at the end", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), someZone, (events, options) => {
      const zone = { ...options, namespaces: { allow: ["*"], deny: ["hid*"] } };
      using world = follow(zone, { keepDeletedMs: 0 });
      world.store.markSynced();
      world.feed.flush();
      for (const { object, gone, seen } of events) {
        if (gone) {
          world.store.remove(object);
        } else {
          world.store.apply(object);
        }
        if (seen) {
          world.store.commit();
          world.feed.flush();
        }
      }
      world.store.commit();
      world.feed.flush();
      const fresh = follow(zone, { keepDeletedMs: 0 }, world.store);
      fresh.feed.flush();
      assert.deepEqual(world.dump(), fresh.dump());
      assert.deepEqual([world.feed.isSynced, fresh.feed.isSynced, world.feed.stats.failures], [true, true, 0]);
      fresh.feed.close();
    }),
    { numRuns: 200 },
  );
});

test("is synced when every kind is complete and written, and not before", async () => {
  using world = follow({});
  world.store.apply(service("cart", { clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1"] }));
  world.store.commit();
  world.feed.flush();
  assert.equal(world.feed.isSynced, false);
  world.store.markSynced();
  await world.feed.synced;
  assert.deepEqual([world.feed.isSynced, "svc cart.shop" in world.dump()], [true, true]);
});

test("a thousand changes of one turn cost one look at each service", () => {
  using world = follow({});
  world.store.apply(headless("ring"));
  world.store.markSynced();
  world.feed.flush();
  const before = world.feed.stats.updates;
  for (let n = 0; n < 1000; n++) {
    world.store.apply(slice(`ring-${n % 10}`, "ring", [endpoint(`172.20.${n >> 8}.${n & 255}`)]));
    world.store.commit();
  }
  world.feed.flush();
  assert.equal(world.feed.stats.updates - before, 1);
  assert.equal(Object.keys(world.dump()).filter((name) => name.endsWith(".ring.shop")).length, 10);
});

test("a change of one endpoint writes what belongs to it alone, however many names there are", () => {
  const writesOf = (others: number): number => {
    using world = follow({}, { index: NameIndex.create({ maxBytes: 16 * MIB }) }, new ZoneTestStore(64 * MIB));
    for (let n = 0; n < others; n++) {
      const ip = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
      world.store.apply(service(`svc-${n}`, { clusterIP: ip, clusterIPs: [ip] }));
    }
    world.store.apply(headless("ring"), slice("ring-a", "ring", [endpoint("172.20.0.1"), endpoint("172.20.0.2")]));
    world.store.markSynced();
    world.feed.flush();
    const before = { ...world.feed.index.stats, ...world.feed.stats };
    world.store.apply(slice("ring-a", "ring", [endpoint("172.20.0.1"), endpoint("172.20.0.3")]));
    world.store.commit();
    world.feed.flush();
    assert.equal(world.feed.stats.updates - before.updates, 1);
    return world.feed.index.stats.writes - before.writes;
  };
  // The service, one endpoint that came and one that went, and the names of both addresses.
  assert.deepEqual([writesOf(100), writesOf(5000)], [5, 5]);
});

test("tells how long a change of endpoints took on its way, but not of the initial set", () => {
  const seconds: number[] = [];
  using world = follow(
    {},
    {
      now: () => Date.parse("2026-01-31T08:00:02Z"),
      onProgrammed: (one, isHeadless) => seconds.push(isHeadless ? one : -1),
    },
  );
  const changed = (at: string, address: string): TestObject => {
    const one = slice("ring-a", "ring", [endpoint(address)]);
    const annotations = { "endpoints.kubernetes.io/last-change-trigger-time": at };
    return { ...one, metadata: { ...one.metadata, annotations } };
  };
  world.store.apply(headless("ring"), changed("2026-01-31T07:00:00Z", "172.20.0.1"));
  world.store.markSynced();
  world.feed.flush();
  for (const at of ["2026-01-31T08:00:00.500Z", "2026-01-31T08:00:00.500Z", "2026-01-31T09:00:00Z", "nonsense"]) {
    world.store.apply(changed(at, `172.20.0.${at.length + seconds.length}`));
    world.store.commit();
    world.feed.flush();
  }
  assert.deepEqual(seconds, [1.5, 0]);
});

test("a change that no name shows writes nothing", () => {
  using world = follow({});
  const ring = slice("ring-a", "ring", [endpoint("172.20.0.1", { conditions: { ready: true } })]);
  world.store.apply(headless("ring"), ring);
  world.store.markSynced();
  world.feed.flush();
  const before = world.feed.index.stats.writes;
  world.store.apply(
    slice("ring-a", "ring", [endpoint("172.20.0.1", { conditions: { ready: true, terminating: false } })]),
  );
  world.store.commit();
  world.feed.flush();
  assert.equal(world.feed.index.stats.writes, before);
});

test("of pods only changes of what names show are looked at", () => {
  using world = follow({ pods: "verified" });
  world.store.apply(pod("cart-1", "10.1.0.1"));
  world.store.markSynced();
  world.feed.flush();
  const updates = (...objects: readonly TestObject[]): number => {
    const before = world.feed.stats.updates;
    world.store.apply(...objects);
    world.store.commit();
    world.feed.flush();
    return world.feed.stats.updates - before;
  };
  assert.deepEqual([updates(pod("cart-1", "10.1.0.1")), updates(pod("cart-1", "10.1.0.2"))], [0, 2]);
  assert.deepEqual(
    Object.keys(world.dump()).filter((name) => name.startsWith("pod")),
    ["pod shop 10.1.0.2"],
  );
});

test("nothing stale is left when the feed fell far behind", () => {
  const zone = { ptr: "pods", pods: "verified" } as const;
  using world = follow(zone, { keepDeletedMs: 0 });
  const cart = service("cart", { clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1"] });
  const ring = slice("ring-a", "ring", [endpoint("172.20.0.1")]);
  const node: TestObject = {
    kind: "Node",
    metadata: { name: "node-1" },
    status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] },
  };
  const namespace: TestObject = { kind: "Namespace", metadata: { name: "bank" } };
  world.store.apply(
    cart,
    headless("ring"),
    ring,
    pod("cart-1", "10.1.0.1"),
    pod("cart-2", "10.1.0.2"),
    node,
    namespace,
  );
  world.store.markSynced();
  world.feed.flush();
  for (const object of [cart, pod("cart-1", "10.1.0.1"), node, namespace]) {
    world.store.remove(object);
  }
  world.store.apply(slice("ring-a", "other", [endpoint("172.20.0.2")]), pod("cart-2", "10.1.0.9"));
  // More changes than the store remembers.
  for (let n = 0; n < 9000; n++) {
    world.store.apply(pod("busy", `10.9.${n >> 8}.${n & 255}`));
    world.store.commit();
  }
  world.feed.flush();
  const fresh = follow(zone, { keepDeletedMs: 0 }, world.store);
  fresh.feed.flush();
  assert.deepEqual(world.dump(), fresh.dump());
  fresh.feed.close();
});

test("endpoints over the limit of a service get no names and are counted", () => {
  using world = follow({ maxEndpoints: 100 });
  const endpoints = Array.from({ length: 250 }, (_, n) => endpoint(`172.20.0.${n}`));
  world.store.apply(headless("crowd"), slice("crowd-a", "crowd", endpoints));
  world.store.markSynced();
  world.feed.flush();
  assert.equal(world.feed.stats.leftOutEntries, 150);
  assert.equal(Object.keys(world.dump()).filter((name) => name.endsWith(".crowd.shop")).length, 100);
  world.store.apply(slice("crowd-a", "crowd", endpoints.slice(0, 50)));
  world.store.commit();
  world.feed.flush();
  assert.equal(world.feed.stats.leftOutEntries, 0);
});

test("names that find no room are refused loudly, and written when there is room", () => {
  let full = 0;
  const index = NameIndex.create({ maxBytes: 1 << 16 });
  using world = follow({}, { index, onFull: () => full++ });
  const objects = Array.from({ length: 30 }, (_, n) => [
    headless(`ring-${n}`),
    slice(
      `ring-${n}`,
      `ring-${n}`,
      Array.from({ length: 40 }, (_, m) => endpoint(`172.20.${n}.${m}`)),
    ),
  ]);
  world.store.apply(...objects.flat());
  world.store.markSynced();
  world.feed.flush();
  assert.deepEqual([full, index.isFull, world.feed.stats.failures], [1, true, 0]);
  assert.ok(world.feed.stats.refusedEntries > 0);
  for (const [ring, endpoints] of objects.slice(0, 25)) {
    world.store.remove(ring);
    world.store.remove(endpoints);
  }
  world.store.commit();
  world.feed.flush();
  world.feed.flush();
  assert.deepEqual([world.feed.stats.refusedEntries, index.isFull], [0, false]);
  const fresh = follow({}, {}, world.store);
  fresh.feed.flush();
  assert.deepEqual(world.dump(), fresh.dump());
  fresh.feed.close();
});

test("an index that is mostly free bytes is copied, and the copy goes on", () => {
  const renewed: NameIndex[] = [];
  const index = NameIndex.create({ maxBytes: 48 * MIB });
  using world = follow({}, { index, onRenewed: (next) => renewed.push(next) }, new ZoneTestStore(128 * MIB));
  const many = Array.from({ length: 60 }, (_, n) => [
    headless(`ring-${n}`),
    slice(
      `ring-${n}`,
      `ring-${n}`,
      Array.from({ length: 1500 }, (_, m) => endpoint(`10.${n}.${m >> 8}.${m & 255}`)),
    ),
  ]);
  world.store.apply(...many.flat());
  world.store.markSynced();
  world.feed.flush();
  for (const object of many.flat().slice(2)) {
    world.store.remove(object);
  }
  world.store.commit();
  world.feed.flush();
  assert.deepEqual([renewed.length, world.feed.stats.compactions, world.feed.index === renewed[0]], [1, 1, true]);
  assert.ok(world.feed.index.stats.bytes < 1 * MIB && world.feed.isSynced);
  world.store.remove(many[0][1]);
  world.store.commit();
  world.feed.flush();
  assert.equal("svc ring-0.shop" in world.dump(), false);
});

test("the address of a deleted pod is its own for a while, unless another has it", () => {
  let nowMs = 1_000_000;
  using world = follow({ ptr: "pods" }, { now: () => nowMs, keepDeletedMs: 60_000 });
  world.store.apply(pod("cart-1", "10.1.0.1"), pod("cart-2", "10.1.0.2"));
  world.store.markSynced();
  world.feed.flush();
  const name = (ip: string): unknown => world.dump()[ip];
  const first = name("10.1.0.1");
  assert.deepEqual(first, ["2 10-1-0-1.shop.pod pod=cart-1,namespace=shop,node=node-1"]);
  world.store.remove(pod("cart-1", "10.1.0.1"));
  world.store.remove(pod("cart-2", "10.1.0.2"));
  world.store.commit();
  world.feed.flush();
  assert.deepEqual(name("10.1.0.1"), first);
  world.store.apply(pod("web-1", "10.1.0.2"));
  world.store.commit();
  world.feed.flush();
  assert.deepEqual(name("10.1.0.2"), ["2 10-1-0-2.shop.pod pod=web-1,namespace=shop,node=node-1"]);
  nowMs += 60_001;
  world.feed.flush();
  assert.deepEqual([name("10.1.0.1"), name("10.1.0.2") === undefined], [undefined, false]);
});

test("what cannot be a name, and addresses that are none, do no harm", () => {
  using world = follow({ endpointPodNames: true, ptr: "pods", pods: "verified" });
  world.store.apply(
    service("cart", { clusterIP: "not-an-address", clusterIPs: ["not-an-address"] }),
    service("ext", { type: "ExternalName", externalName: `${"x".repeat(64)}.example.org` }),
    service("gap", { type: "ExternalName", externalName: "a..b" }),
    service("nothing", { type: "ExternalName", externalName: "" }),
    headless("ring"),
    slice("ring-a", "ring", [
      { addresses: ["999.1.1.1", "10.0.0.1", "::ffff:1.2.3.4"], hostname: "A..b" },
      { addresses: ["10.0.0.2"], hostname: "x".repeat(80), targetRef: { kind: "Pod", name: "y".repeat(200) } },
      { addresses: [] },
    ]),
    { ...slice("ring-b", "ring", [{ addresses: ["www.example.org"] }]), addressType: "FQDN" },
    pod("odd", "nowhere"),
    { kind: "Node", metadata: { name: "n" }, status: { addresses: [{ type: "InternalIP", address: "x" }] } },
  );
  world.store.markSynced();
  world.feed.flush();
  assert.deepEqual(
    Object.keys(world.dump()).filter((name) => name.startsWith("svc")),
    ["svc 10-0-0-1.ring.shop", "svc 10-0-0-2.ring.shop", "svc ring.shop"],
  );
  assert.equal(world.feed.stats.failures, 0);
});
