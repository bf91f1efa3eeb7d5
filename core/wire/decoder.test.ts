import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deployments } from "../kinds/apps.ts";
import { BUILT_IN_KINDS } from "../kinds/built-in.ts";
import { leases } from "../kinds/coordination.ts";
import { configMaps, nodes, pods, services } from "../kinds/core.ts";
import { defineCustomKind } from "../kinds/custom.ts";
import { integer, long, names, records, text } from "../kinds/field.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { messageOfKind } from "../kinds/message.ts";
import { acceptHeader, decodeStatus, formatOf, metadataPlan, type WireFormat } from "./decoder.ts";
import { Sampler, toJson, toProtobuf, watchFrame, wrap } from "./sample.test-support.ts";
import {
  chunksOf,
  eventBytes,
  type Json,
  joined,
  listBytes,
  protobufOf,
  readList,
  readOne,
  readWatch,
} from "./stream.test-support.ts";

const FORMATS: readonly WireFormat[] = ["protobuf", "json"];

const POD: Json = {
  metadata: {
    name: "cart-1",
    namespace: "shop",
    uid: "8f14e45f-ceea-467f-a0e6-6a2f1c5b7d10",
    resourceVersion: "18446744073709551615",
    creationTimestamp: "2026-01-31T08:00:00Z",
    labels: { app: "cart" },
  },
  spec: { nodeName: "node-1", containers: [{ name: "main", image: "cart:1" }] },
  status: {
    phase: "Running",
    podIP: "192.0.2.7",
    conditions: [
      { type: "Initialized", status: "True" },
      { type: "Ready", status: "False" },
    ],
    containerStatuses: [
      { name: "main", restartCount: 2 },
      { name: "side", restartCount: 3 },
    ],
  },
};

const FEW = pods
  .select("labels", "phase", "podIP", "nodeName", "containers", "restarts", "containerCount", "ready")
  .plan();

test("a row from protobuf equals the row from JSON, for every kind and field", () => {
  for (const kind of BUILT_IN_KINDS) {
    const plan = kind.plan();
    const message = messageOfKind(plan.apiVersion, plan.kind);
    assert(message);
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const object = new Sampler(seed).object(plan);
        const protobuf = watchFrame("ADDED", wrap(plan.apiVersion, plan.kind, toProtobuf(message, object)));
        const json = eventBytes("json", "ADDED", plan.apiVersion, plan.kind, toJson(message, object));
        assert.deepEqual(readOne(plan, "protobuf", protobuf), readOne(plan, "json", json));
      }),
      { numRuns: 60 },
    );
  }
});

test("reads what was declared", () => {
  for (const format of FORMATS) {
    const row = readOne(FEW, format, eventBytes(format, "ADDED", "v1", "Pod", POD));
    assert.deepEqual(row, {
      namespace: "shop",
      name: "cart-1",
      uid: "8f14e45fceea467fa0e66a2f1c5b7d10",
      resourceVersion: "18446744073709551615",
      created: Date.parse("2026-01-31T08:00:00Z") / 1000,
      deleting: 0,
      cells: {
        labels: { app: "cart" },
        phase: "Running",
        podIP: [4, (192 << 24) | (2 << 8) | 7],
        nodeName: "node-1",
        containers: [{ name: "main", image: "cart:1", ports: [], requests: {}, limits: {} }],
        restarts: 5,
        containerCount: 1,
        ready: "False",
      },
    });
  }
});

const CELLS: readonly (readonly [kind: AnyKind, object: Json, field: string, value: unknown])[] = [
  [leases, { spec: { renewTime: "2026-01-31T08:00:00.000123Z" } }, "renewTime", [1_769_846_400, 123]],
  [leases, {}, "renewTime", [0, 0]],
  [leases, { spec: { leaseDurationSeconds: 0 } }, "leaseDurationSeconds", 0],
  [leases, {}, "leaseDurationSeconds", undefined],
  [configMaps, { binaryData: { a: "AAH/", b: "" } }, "binaryData", { a: "AAH/", b: undefined }],
  [configMaps, { data: { a: "x", b: "" } }, "data", { a: "x", b: undefined }],
  [configMaps, { immutable: false }, "immutable", 1],
  [configMaps, { immutable: true }, "immutable", 2],
  [configMaps, {}, "immutable", 0],
  [services, { spec: { clusterIPs: ["10.0.0.1", "fd00::1"] } }, "clusterIPs", ["10.0.0.1", "fd00::1"]],
  [services, { spec: { clusterIP: "None" } }, "clusterIP", [1, "None"]],
  [services, { spec: { clusterIP: "fd00::1" } }, "clusterIP", [6, "fd00::1"]],
  [services, { spec: { ipFamilies: ["IPv4", "IPv6"] } }, "ipFamilies", ["IPv4", "IPv6"]],
  [services, { spec: { type: "NodePort" } }, "type", "NodePort"],
  [services, { spec: { type: "Fancy" } }, "type", "Fancy"],
  [services, {}, "type", ""],
  [deployments, { spec: { strategy: { rollingUpdate: { maxSurge: "25%" } } } }, "maxSurge", [2, "25%"]],
  [deployments, { spec: { strategy: { rollingUpdate: { maxSurge: 0 } } } }, "maxSurge", [1, 0]],
  [deployments, {}, "maxSurge", [0, 0]],
  [deployments, { spec: { paused: true } }, "paused", 1],
  [deployments, { metadata: { generation: 7 } }, "generation", 7],
  [nodes, { status: { capacity: { cpu: "8", memory: "16Gi" } } }, "capacity", { cpu: "8", memory: "16Gi" }],
  [nodes, { status: { nodeInfo: { architecture: "arm64" } } }, "architecture", "arm64"],
];

test("every type of cell holds what the object says", () => {
  for (const [kind, object, field, value] of CELLS) {
    const plan = kind.plan();
    const metadata = { name: "a", resourceVersion: "1", ...(object.metadata as Json | undefined) };
    for (const format of FORMATS) {
      const bytes = eventBytes(format, "ADDED", plan.apiVersion, plan.kind, { ...object, metadata });
      assert.deepEqual(readOne(plan, format, bytes).cells[field], value, `${kind.name} ${field} from ${format}`);
    }
  }
});

test("a number that is kept as float64 keeps its fraction and size", () => {
  const kind = defineCustomKind({
    apiVersion: "example.org/v1",
    kind: "Widget",
    plural: "widgets",
    namespaced: true,
    fields: { weight: long("spec.weight"), bytes: long("spec.bytes") },
  });
  const object = {
    metadata: { name: "a", resourceVersion: "1" },
    spec: { weight: -1.5e-7, bytes: 9_007_199_254_740_991 },
  };
  const { cells } = readOne(kind.plan(), "json", eventBytes("json", "ADDED", "example.org/v1", "Widget", object));
  assert.deepEqual(cells, { ...cells, weight: -1.5e-7, bytes: 9_007_199_254_740_991 });
});

test("a watch cut at any byte gives the same events", () => {
  for (const format of FORMATS) {
    const bookmark = { metadata: { resourceVersion: "12", annotations: { "k8s.io/initial-events-end": "true" } } };
    const bytes = joined(
      eventBytes(format, "ADDED", "v1", "Pod", POD),
      eventBytes(format, "BOOKMARK", "v1", "Pod", bookmark),
      eventBytes(format, "DELETED", "v1", "Pod", POD),
    );
    const whole = readWatch(FEW, format, [bytes]);
    assert.deepEqual(
      whole.map(([type]) => type),
      ["ADDED", "BOOKMARK", "DELETED"],
    );
    assert.deepEqual(whole[1], ["BOOKMARK", "12", true]);
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(readWatch(FEW, format, [bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
    }
    assert.deepEqual(readWatch(FEW, format, chunksOf(bytes, 1)), whole);
    assert.deepEqual(readWatch(FEW, format, chunksOf(bytes, 7)), whole);
  }
});

test("a list cut at any byte gives the same items", () => {
  const other = { ...POD, metadata: { ...(POD.metadata as Json), name: "cart-2" } };
  for (const format of FORMATS) {
    const metadata = { resourceVersion: "99", continue: "next", remainingItemCount: 7 };
    const bytes = listBytes(format, FEW, metadata, [POD, other]);
    const whole = readList(FEW, format, [bytes]);
    assert.deepEqual(whole.end, { resourceVersion: "99", continueToken: "next", remaining: 7 });
    assert.deepEqual(
      whole.items.map((item) => item.name),
      ["cart-1", "cart-2"],
    );
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(readList(FEW, format, [bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
      // Behind the list, protobuf has only two empty fields of its envelope, and does not say that they will come.
      if (format === "json" || cut < bytes.length - 4) {
        assert.throws(() => readList(FEW, format, [bytes.subarray(0, cut)]), { code: "WIRE_TRUNCATED" });
      }
    }
    assert.deepEqual(readList(FEW, format, chunksOf(bytes, 1)), whole);
  }
});

test("hands list items out while the page still arrives", () => {
  const many = Array.from({ length: 2000 }, (_, index) => ({
    ...POD,
    metadata: { ...(POD.metadata as Json), name: `cart-${index}` },
  }));
  for (const format of FORMATS) {
    const bytes = listBytes(format, FEW, { resourceVersion: "1" }, many);
    for (const size of [1000, 16_384, 100_000]) {
      assert.equal(readList(FEW, format, chunksOf(bytes, size)).items.length, many.length);
    }
    assert.throws(() => readList(FEW, format, [bytes.subarray(0, bytes.length / 2)]), { code: "WIRE_TRUNCATED" });
  }
});

test("an empty list is a list; Go's null too", () => {
  for (const format of FORMATS) {
    const bytes = listBytes(format, FEW, { resourceVersion: "5" }, []);
    assert.deepEqual(readList(FEW, format, [bytes]), {
      items: [],
      end: { resourceVersion: "5", continueToken: "", remaining: 0 },
    });
  }
  const nil = new TextEncoder().encode(
    '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":null}\n',
  );
  assert.equal(readList(FEW, "json", [nil]).items.length, 0);
});

test("reads the status of an ERROR event and of a response", () => {
  const status = {
    metadata: {},
    status: "Failure",
    message: "too old resource version: 1 (2)",
    reason: "Expired",
    details: {
      retryAfterSeconds: 3,
      causes: [{ reason: "ResourceVersionTooLarge", message: "x" }, { reason: "Other" }],
    },
    code: 410,
  };
  const expected = {
    code: 410,
    reason: "Expired",
    message: "too old resource version: 1 (2)",
    retryAfterSeconds: 3,
    causes: ["ResourceVersionTooLarge", "Other"],
  };
  for (const format of FORMATS) {
    assert.deepEqual(readWatch(FEW, format, [eventBytes(format, "ERROR", "v1", "Status", status)]), [
      ["ERROR", expected],
    ]);
  }
  assert.deepEqual(decodeStatus("protobuf", protobufOf("v1", "Status", status)), expected);
  const json = new TextEncoder().encode(JSON.stringify({ kind: "Status", apiVersion: "v1", ...status }));
  assert.deepEqual(decodeStatus("json", json), expected);
  assert.equal(decodeStatus("json", new TextEncoder().encode("<html>")), undefined);
  assert.equal(decodeStatus("protobuf", protobufOf("v1", "Pod", POD)), undefined);
  assert.equal(decodeStatus("protobuf", json), undefined);
});

test("asks for protobuf only where fields of a known layout are enough", () => {
  const protobuf = "application/vnd.kubernetes.protobuf";
  assert.equal(acceptHeader(FEW, "list"), `${protobuf}, application/json;q=0.9`);
  assert.equal(acceptHeader(FEW, "watch"), `${protobuf};stream=watch, application/json;q=0.9`);
  assert.equal(acceptHeader(pods.keep("slim").plan(), "watch"), "application/json");
  assert.equal(acceptHeader(WIDGETS.plan(), "list"), "application/json");
  assert.match(
    acceptHeader(WIDGETS.plan(), "audit"),
    /^application\/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;/,
  );
});

test("takes a content type for what it is", () => {
  assert.equal(formatOf("application/vnd.kubernetes.protobuf;stream=watch"), "protobuf");
  assert.equal(formatOf("application/json; charset=utf-8"), "json");
  assert.equal(formatOf("Application/JSON"), "json");
  assert.equal(formatOf("text/html"), undefined);
  assert.equal(formatOf(undefined), undefined);
});

test("the audit reads names and versions, of metadata lists and of whole ones", () => {
  const plan = metadataPlan(FEW);
  for (const format of FORMATS) {
    for (const bytes of [
      listBytes(format, plan, { resourceVersion: "7" }, [{ metadata: POD.metadata }]),
      listBytes(format, FEW, { resourceVersion: "7" }, [POD]),
    ]) {
      const { items } = readList(plan, format, [bytes]);
      assert.deepEqual(
        [items[0].namespace, items[0].name, items[0].resourceVersion],
        ["shop", "cart-1", "18446744073709551615"],
      );
    }
    const table = eventBytes(format, "ADDED", "v1", "Pod", POD);
    assert.throws(() => readList(plan, format, [table]), { code: /^WIRE_/ });
  }
  const table = new TextEncoder().encode('{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"rows":[]}');
  assert.throws(() => readList(plan, "json", [table]), { code: "WIRE_WRONG_KIND" });
  assert.throws(() => readList(FEW, "json", [table]), { code: "WIRE_WRONG_KIND" });
});

const WIDGETS = defineCustomKind({
  apiVersion: "example.org/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
  fields: {
    size: integer("spec.size"),
    color: text("spec.color"),
    tags: names("spec.tags"),
    parts: records("spec.parts", { name: text("name") }),
  },
});

test("reads custom resources in the key order of their server, whatever their values are", () => {
  const plan = WIDGETS.plan();
  const object = {
    apiVersion: "example.org/v1",
    kind: "Widget",
    metadata: { name: "w", namespace: "shop", uid: "u", resourceVersion: "x1" },
    spec: { color: 7, parts: [{ name: "a" }, 3, null], size: 2.9, tags: ["x", 1, { y: [] }] },
  };
  const list = {
    apiVersion: "example.org/v1",
    items: [object],
    kind: "WidgetList",
    metadata: { resourceVersion: "3" },
  };
  const { items } = readList(plan, "json", [new TextEncoder().encode(JSON.stringify(list))]);
  assert.deepEqual(
    [
      items[0].uid,
      items[0].resourceVersion,
      items[0].cells.color,
      items[0].cells.size,
      items[0].cells.tags,
      items[0].cells.parts,
    ],
    ["u", "x1", "7", 2, ["x"], [{ name: "a" }]],
  );
});

test("slim keeps the JSON without managedFields, wherever they stand; full keeps all", () => {
  const slim = services.select("type").keep("slim").plan();
  const full = services.select("type").keep("full").plan();
  const meta = { name: "cart", resourceVersion: "4" };
  const managedFields = [{ manager: 'a "}] b', fieldsV1: { "f:metadata": {} } }];
  const spec = { type: "ClusterIP" };
  for (const metadata of [
    { managedFields, ...meta },
    { ...meta, managedFields },
    { name: "cart", managedFields, resourceVersion: "4" },
  ]) {
    for (const space of [undefined, 2]) {
      const object = { kind: "Service", apiVersion: "v1", metadata, spec };
      const bytes = joined(
        new TextEncoder().encode(JSON.stringify({ type: "ADDED", object }, null, space).replaceAll("\n", " ")),
        Uint8Array.of(10),
      );
      const kept = String(readOne(slim, "json", bytes).cells.json);
      assert.deepEqual(JSON.parse(kept), { kind: "Service", apiVersion: "v1", metadata: meta, spec });
      assert.deepEqual(JSON.parse(String(readOne(full, "json", bytes).cells.json)), object);
    }
  }
});

test("slim JSON out of a list has the apiVersion and kind that items come without", () => {
  const plan = services.select("type").keep("slim").plan();
  const item = { metadata: { name: "cart", resourceVersion: "4" }, spec: {} };
  const { items } = readList(plan, "json", [listBytes("json", plan, { resourceVersion: "1" }, [item])]);
  assert.deepEqual(JSON.parse(String(items[0].cells.json)), { kind: "Service", apiVersion: "v1", ...item });
});

test("protobuf cannot give what slim keeps", () => {
  assert.throws(() => readWatch(services.keep("slim").plan(), "protobuf", []), { code: "WIRE_BAD_FORMAT" });
});
