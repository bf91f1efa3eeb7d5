import assert from "node:assert/strict";
import { test } from "node:test";
import { FairleadError } from "../errors.ts";
import { configMaps, nodes, pods, services } from "../kinds/index.ts";
import { createStore } from "./create-store.ts";
import { RowMaker } from "./row-maker.test-support.ts";

const UID = "6f1c9f1e-0b1c-4c61-9a05-0c1d2e3f4a5b";
const KINDS = [pods, nodes, configMaps] as const;

function open() {
  const store = createStore<typeof KINDS>({ plans: KINDS.map((kind) => kind.plan()), maxBytes: 4 << 20 });
  const writer = store.writer();
  const [podWriter, nodeWriter, mapWriter] = KINDS.map((kind) => writer.open(kind.plan()));
  return {
    store,
    writer,
    reader: store.reader(),
    pods: podWriter,
    pod: new RowMaker(podWriter.plan, podWriter.interner),
    nodes: nodeWriter,
    node: new RowMaker(nodeWriter.plan, nodeWriter.interner),
    maps: mapWriter,
    map: new RowMaker(mapWriter.plan, mapWriter.interner),
  };
}

test("shows an object in the shape of its JSON, only after the commit", () => {
  const { writer, reader, pods: into, pod } = open();
  const row = pod.make({
    namespace: "shop",
    name: "cart-1",
    uid: UID,
    resourceVersion: "12345678901234",
    created: 1_767_225_600,
    fields: {
      phase: "Running",
      reason: undefined,
      podIP: "192.0.2.7",
      podIPs: [{ ip: "192.0.2.7" }, { ip: "2001:db8::7" }],
      nodeName: "node-1",
      labels: { app: "cart", tier: "" },
      annotations: { note: "grüß" },
      owners: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "cart", uid: "rs-uid", controller: true }],
      finalizers: ["example.org/keep"],
      generation: 3,
      qosClass: "NewClass",
      priority: -5,
      shareProcessNamespace: false,
      containers: [
        { name: "main", image: "cart:1", ports: [{ port: 80, protocol: "TCP" }], requests: { cpu: "1" } },
        { name: "side", image: "side:1" },
      ],
      restarts: 4,
      containerCount: 2,
      ready: "True",
    },
  });
  assert.equal(into.put(row), "added");
  assert.equal(
    reader.read((view) => view.pods.get("shop/cart-1")),
    undefined,
  );
  writer.commit();
  reader.read((view) => {
    const seen = view.pods.get("shop", "cart-1");
    assert(seen);
    assert.equal(seen.key, "shop/cart-1");
    assert.equal(seen.metadata.name, "cart-1");
    assert.equal(seen.metadata.uid, UID);
    assert.equal(seen.metadata.resourceVersion, "12345678901234");
    assert.equal(seen.metadata.creationTimestamp, "2026-01-01T00:00:00Z");
    assert.equal(seen.metadata.deletionTimestamp, undefined);
    assert.equal(seen.status.phase, "Running");
    assert.equal(seen.status.podIP, "192.0.2.7");
    assert.deepEqual(
      seen.status.podIPs.map((ip) => ip.ip),
      ["192.0.2.7", "2001:db8::7"],
    );
    assert.equal(seen.spec.nodeName, "node-1");
    assert.equal(seen.status.qosClass, "NewClass");
    assert.equal(seen.spec.priority, -5);
    assert.equal(seen.spec.terminationGracePeriodSeconds, undefined);
    assert.equal(seen.spec.shareProcessNamespace, false);
    assert.deepEqual(seen.metadata.labels, { app: "cart", tier: "" });
    assert.equal(seen.metadata.labels, seen.metadata.labels);
    assert.deepEqual(seen.metadata.annotations, { note: "grüß" });
    assert.equal(seen.metadata.ownerReferences[0].controller, true);
    assert.deepEqual(seen.metadata.finalizers, ["example.org/keep"]);
    assert.equal(seen.spec.containers[0].image, "cart:1");
    assert.equal(seen.spec.containers[0].ports[0].containerPort, 80);
    assert.deepEqual(seen.spec.containers[0].resources.requests, { cpu: "1" });
    assert.equal(seen.spec.containers[1].name, "side");
    assert.deepEqual(seen.spec.tolerations, []);
    assert.equal(seen.restarts, 4);
    assert.equal(seen.ready, "True");
    assert.equal(seen.scheduled, undefined);
    const json = seen.toJSON();
    assert.equal(json.kind, "Pod");
    assert.equal(json.apiVersion, "v1");
    assert.deepEqual(JSON.parse(JSON.stringify(json)).metadata.labels, { app: "cart", tier: "" });
  });
});

test("finds objects by every index, and forgets old values", () => {
  const { writer, reader, pods: into, pod } = open();
  const make = (name: string, version: string, fields: Record<string, unknown>) =>
    pod.make({ namespace: "shop", name, uid: `uid-${name}`, resourceVersion: version, fields });
  for (let i = 0; i < 5; i++) {
    into.put(
      make(`cart-${i}`, "1", {
        podIP: `192.0.2.${i}`,
        podIPs: [{ ip: `192.0.2.${i}` }],
        labels: { app: "cart", n: `${i}` },
        nodeName: "a",
      }),
    );
  }
  writer.commit();
  const keys = (list: readonly { readonly key: string }[]) => list.map((found) => found.key).sort();
  reader.read((view) => {
    assert.equal(view.pods.size, 5);
    assert.equal(view.pods.byLabel("app", "cart").length, 5);
    assert.deepEqual(keys(view.pods.byLabel("n", "3")), ["shop/cart-3"]);
    assert.deepEqual(keys(view.pods.by("podIP", "192.0.2.4")), ["shop/cart-4"]);
    assert.deepEqual(view.pods.by("podIP", "192.0.2.9"), []);
    assert.equal(view.pods.by("nodeName", "a").length, 5);
    assert.equal(view.pods.inNamespace("shop").length, 5);
    assert.deepEqual(view.pods.inNamespace("other"), []);
    assert.equal(view.pods.byUid("uid-cart-2")?.key, "shop/cart-2");
    assert.deepEqual(keys(view.pods.select({ namespace: "shop", labels: { app: "cart", n: "1" } })), ["shop/cart-1"]);
    assert.deepEqual(
      keys(view.pods.select({ expressions: [{ key: "n", operator: "NotIn", values: ["0", "1", "nope"] }] })),
      ["shop/cart-2", "shop/cart-3", "shop/cart-4"],
    );
  });
  into.put(
    make("cart-1", "2", {
      podIP: "192.0.2.99",
      podIPs: [{ ip: "192.0.2.99" }],
      labels: { app: "moved" },
      nodeName: "b",
    }),
  );
  writer.commit();
  reader.read((view) => {
    assert.deepEqual(view.pods.by("podIP", "192.0.2.1"), []);
    assert.deepEqual(keys(view.pods.by("podIP", "192.0.2.99")), ["shop/cart-1"]);
    assert.equal(view.pods.byLabel("app", "cart").length, 4);
    assert.deepEqual(keys(view.pods.by("nodeName", "b")), ["shop/cart-1"]);
  });
});

test("says unchanged for the same version and replaces an object with another uid", () => {
  const { writer, reader, pods: into, pod } = open();
  const make = (uid: string, version: string) =>
    pod.make({
      namespace: "shop",
      name: "a",
      uid,
      resourceVersion: version,
      fields: { podIP: "192.0.2.1", podIPs: [{ ip: "192.0.2.1" }] },
    });
  assert.equal(into.put(make("one", "5")), "added");
  assert.equal(into.put(make("one", "5")), "unchanged");
  assert.equal(into.put(make("one", "6")), "updated");
  writer.commit();
  assert.equal(into.put(make("two", "7")), "added");
  writer.commit();
  reader.read((view) => {
    assert.equal(view.pods.size, 1);
    assert.equal(view.pods.get("shop/a")?.metadata.uid, "two");
    assert.equal(view.pods.by("podIP", "192.0.2.1").length, 1);
    assert.equal(view.pods.deleted.get("shop/a")?.metadata.uid, "one");
    assert.equal(view.pods.deleted.by("podIP", "192.0.2.1")[0]?.metadata.resourceVersion, "6");
    assert.equal(view.pods.deleted.byUid("one")?.key, "shop/a");
    assert.equal(view.pods.byUid("one"), undefined);
  });
});

test("remembers deleted objects for five minutes", () => {
  const { writer, reader, pods: into, pod } = open();
  const row = () =>
    pod.make({
      namespace: "shop",
      name: "a",
      uid: "u",
      resourceVersion: "1",
      fields: { podIP: "192.0.2.1", podIPs: [{ ip: "192.0.2.1" }] },
    });
  into.put(row());
  writer.commit();
  writer.maintain(0);
  assert.equal(into.remove(row()), true);
  assert.equal(into.remove(row()), false);
  writer.commit();
  writer.maintain(1000);
  writer.maintain(299_000);
  assert.equal(
    reader.read((view) => view.pods.deleted.by("podIP", "192.0.2.1").length),
    1,
  );
  writer.maintain(302_000);
  reader.read((view) => {
    assert.deepEqual(view.pods.deleted.all(), []);
    assert.equal(view.pods.deleted.get("shop/a"), undefined);
    assert.equal(view.pods.size, 0);
  });
  assert.equal(into.put(row()), "added");
  writer.commit();
  assert.equal(
    reader.read((view) => view.pods.all().length),
    1,
  );
});

test("a relist removes what it did not name, in its namespace", () => {
  const { writer, reader, pods: into, pod } = open();
  const put = (namespace: string, name: string) =>
    into.put(pod.make({ namespace, name, uid: `${namespace}-${name}`, resourceVersion: "1" }));
  for (const name of ["a", "b", "c"]) {
    put("one", name);
    put("two", name);
  }
  into.beginReplace({ namespace: "one" });
  assert.equal(put("one", "b"), "unchanged");
  put("one", "d");
  assert.equal(into.endReplace(), 2);
  writer.commit();
  reader.read((view) => {
    assert.deepEqual(
      view.pods
        .inNamespace("one")
        .map((seen) => seen.metadata.name)
        .sort(),
      ["b", "d"],
    );
    assert.equal(view.pods.inNamespace("two").length, 3);
  });
  into.beginReplace();
  into.cancelReplace();
  assert.equal(into.endReplace(), 0);
  assert.equal(into.clear({ namespace: "two" }), 3);
  assert.equal(into.size, 2);
  const seen: string[][] = [];
  into.forEachIdentity((...identity) => seen.push(identity));
  assert.deepEqual(seen.sort(), [
    ["one", "b", "one-b", "1"],
    ["one", "d", "one-d", "1"],
  ]);
});

test("refuses views outside of their read, promises, and fields that were not selected", () => {
  const few = pods.select("phase", "containers.image");
  const store = createStore<readonly [typeof few]>({ plans: [few.plan()], backend: "local", maxBytes: 1 << 20 });
  const writer = store.writer();
  const into = writer.open(few.plan());
  const make = new RowMaker(into.plan, into.interner);
  into.put(make.make({ namespace: "shop", name: "a", fields: { containers: [{ image: "i" }] } }));
  writer.commit();
  const reader = store.reader();
  const kept = reader.read((view) => view.pods.get("shop/a"));
  assert(kept);
  const all = reader.read((view) => view.pods);
  throws("STORE_VIEW_EXPIRED", () => kept.status);
  throws("STORE_VIEW_EXPIRED", () => kept.key);
  throws("STORE_VIEW_EXPIRED", () => all.size);
  throws("STORE_VIEW_EXPIRED", () => all.get("shop/a"));
  reader.read((view) => {
    throws("STORE_VIEW_EXPIRED", () => kept.status.phase);
    const seen: unknown = view.pods.get("shop/a");
    // Views of kinds that are not known to the type checker.
    const loose = seen as { spec: { nodeName: unknown; containers: { name: unknown; image: string }[] } };
    throws("STORE_FIELD_NOT_DECLARED", () => loose.spec.nodeName, /"spec.nodeName"; add "nodeName"/);
    throws("STORE_FIELD_NOT_DECLARED", () => loose.spec.containers[0].name, /add "containers.name"/);
    assert.equal(loose.spec.containers[0].image, "i");
    throws("STORE_INDEX_NOT_DECLARED", () => view.pods.by("podIP", "192.0.2.1"), /it has: namespace/);
    throws("STORE_INDEX_NOT_DECLARED", () => view.pods.byLabel("app", "cart"));
    throws("STORE_UNKNOWN_KIND", () => view.kind("widgets"), /it has pods/);
    assert.equal(view.kind("pods").size, 1);
  });
  // @ts-expect-error a promise is a type error
  throws("STORE_ASYNC_READ", () => reader.read(async () => 1));
  throws("STORE_NOT_SHARED", () => store.handle());
  throws("STORE_HAS_WRITER", () => store.writer());
  throws("STORE_KIND_EXISTS", () => writer.open(few.plan()));
  reader.close();
  throws("STORE_CLOSED", () => reader.read(() => 1));
});

test("kinds opened later are seen by readers that are there already", () => {
  const { store, writer, reader } = open();
  assert.deepEqual(reader.kinds, ["pods", "nodes", "configmaps"]);
  const into = writer.open(services.plan());
  const make = new RowMaker(into.plan, into.interner);
  into.put(
    make.make({ namespace: "shop", name: "cart", fields: { ports: [{ targetPort: "http" }, { targetPort: 80 }] } }),
  );
  writer.commit();
  assert.deepEqual(store.reader().kinds, ["pods", "nodes", "configmaps", "services"]);
  assert.deepEqual(reader.dump("services")[0].spec, {
    ports: [
      { port: 0, targetPort: "http", nodePort: 0 },
      { port: 0, targetPort: 80, nodePort: 0 },
    ],
    publishNotReadyAddresses: false,
  });
});

test("cluster-scoped kinds have no namespace, status is shared, staleness counts seconds", async () => {
  const { writer, reader, nodes: into, node, maps, pods: podWriter } = open();
  into.put(node.make({ name: "node-1", uid: UID, resourceVersion: "1", fields: { ready: "True" } }));
  writer.commit();
  reader.read((view) => {
    assert.equal(view.nodes.get("node-1")?.key, "node-1");
    assert.equal(view.nodes.byUid(UID)?.ready, "True");
  });
  assert.equal(reader.staleness("nodes"), Number.POSITIVE_INFINITY);
  into.status.currentAt(10_000);
  into.status.add("events", 3_000_000_000);
  into.status.add("events", 1);
  into.status.resourceVersion("123456789");
  into.status.phase(3);
  assert.equal(reader.staleness("nodes", 12_500), 2.5);
  const { events, resourceVersion, phase, objects, synced } = reader.status(nodes);
  assert.deepEqual(
    { events, resourceVersion, phase, objects, synced },
    {
      events: 3_000_000_001,
      resourceVersion: "123456789",
      phase: 3,
      objects: 1,
      synced: false,
    },
  );
  let shown = 0;
  reader.changes(nodes, (batch) => {
    shown += batch.size;
  });
  const all = reader.whenSynced();
  into.status.synced(true);
  await reader.whenSynced([nodes]);
  assert.equal(shown, 1, "whoever waited has not seen more than listeners were told");
  await assert.rejects(reader.whenSynced(undefined, { timeoutMs: 1 }), { code: "STORE_NOT_SYNCED" });
  await assert.rejects(reader.whenSynced(["pods"], { signal: AbortSignal.abort(new Error("no")) }), /no/);
  maps.status.synced(true);
  podWriter.status.synced(true);
  await all;
});

test("says how much it takes", () => {
  const { writer, reader, pods: into, pod } = open();
  into.put(pod.make({ namespace: "shop", name: "a" }));
  writer.commit();
  const stats = reader.stats();
  assert.equal(stats.kinds.pods.objects, 1);
  assert(stats.kinds.pods.bytes > 0);
  assert.equal(stats.segments.records, 1);
  assert.equal(stats.readers, 1);
  assert.equal(stats.dictionary.strings, 1);
});

function throws(code: string, action: () => unknown, message = /./): void {
  assert.throws(action, (error) => {
    assert(error instanceof FairleadError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

test("what is asked with a value that is missing at run time is refused with a code", () => {
  const { reader } = open();
  // As `labels.app` of an object without that label is, whatever its type says.
  const missing = undefined as unknown as string;
  const refused = { code: "STORE_BAD_VALUE" };
  assert.throws(() => reader.read((view) => view.pods.byLabel("app", missing)), refused);
  assert.throws(() => reader.read((view) => view.pods.byLabel(missing, "cart")), refused);
  assert.throws(() => reader.read((view) => view.pods.inNamespace(missing)), refused);
  assert.throws(() => reader.read((view) => view.pods.select({ labels: { app: missing } })), refused);
  assert.throws(() => reader.read((view) => view.pods.get(missing)), refused);
  assert.throws(() => reader.read((view) => view.pods.has("shop", null as unknown as string)), refused);
  assert.throws(() => reader.changes(pods, undefined as never), refused);
});
