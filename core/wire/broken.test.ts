import assert from "node:assert/strict";
import { test } from "node:test";
import { pods } from "../kinds/core.ts";
import { ProtobufWriter, watchFrame, wrap } from "./sample.test-support.ts";
import {
  eventBytes,
  type Json,
  joined,
  listBytes,
  protobufOf,
  readList,
  readOne,
  readWatch,
} from "./stream.test-support.ts";

const PLAN = pods.select("labels", "phase", "nodeName", "priority", "containers", "restarts", "startTime").plan();
const META: Json = { name: "cart-1", namespace: "shop", resourceVersion: "5" };
const POD: Json = { metadata: META, spec: { nodeName: "node-1" } };

const utf8 = new TextEncoder();

function line(text: string): Uint8Array {
  return utf8.encode(`${text}\n`);
}

/** A frame of the given length word and content. */
function frame(size: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + content.length);
  new DataView(bytes.buffer).setUint32(0, size);
  bytes.set(content, 4);
  return bytes;
}

/** An ADDED event of a pod given as raw protobuf. */
function podFrame(pod: ProtobufWriter): Uint8Array {
  return watchFrame("ADDED", wrap("v1", "Pod", pod.result));
}

function podMeta(): ProtobufWriter {
  return new ProtobufWriter().text(1, "cart-1").text(3, "shop").text(6, "5");
}

const BROKEN_PROTOBUF: readonly (readonly [name: string, bytes: Uint8Array, code: string])[] = [
  ["an empty frame", frame(0, new Uint8Array(0)), "WIRE_BAD_FRAME"],
  ["a frame above the limit", frame(0x7fffffff, new Uint8Array(3)), "WIRE_FRAME_TOO_LARGE"],
  ["a frame of the highest length", frame(0xffffffff, new Uint8Array(3)), "WIRE_FRAME_TOO_LARGE"],
  ["garbage", frame(5, utf8.encode("hello")), "WIRE_BAD_FRAME"],
  ["an HTML page", utf8.encode("<html><body>502 Bad Gateway</body></html>"), "WIRE_FRAME_TOO_LARGE"],
  ["an unknown type", watchFrame("CHANGED", protobufOf("v1", "Pod", POD)), "WIRE_BAD_FRAME"],
  ["an object without the prefix", watchFrame("ADDED", Uint8Array.of(1, 2, 3, 4, 5)), "WIRE_BAD_FRAME"],
  ["another kind", watchFrame("ADDED", protobufOf("v1", "Service", POD)), "WIRE_WRONG_KIND"],
  ["another apiVersion", watchFrame("ADDED", wrap("v2", "Pod", new Uint8Array(0))), "WIRE_WRONG_KIND"],
  ["a compressed object", encoded(), "WIRE_BAD_FRAME"],
  [
    "an object without a name",
    podFrame(new ProtobufWriter().bytes(1, new ProtobufWriter().text(6, "5").result)),
    "WIRE_BAD_OBJECT",
  ],
  [
    "an object without a version",
    podFrame(new ProtobufWriter().bytes(1, new ProtobufWriter().text(1, "a").result)),
    "WIRE_BAD_OBJECT",
  ],
  ["an empty object", podFrame(new ProtobufWriter()), "WIRE_BAD_OBJECT"],
  ["a number in place of the metadata", podFrame(new ProtobufWriter().number(1, 5)), "WIRE_BAD_FRAME"],
  ["a text in place of a number", withSpec((spec) => spec.text(25, "high")), "WIRE_BAD_FRAME"],
  [
    "a varint of eleven bytes",
    withSpec((spec) => spec.raw(Uint8Array.of(200, 1, ...Array(10).fill(255), 1))),
    "WIRE_BAD_FRAME",
  ],
  [
    "an unwanted varint without end",
    withSpec((spec) => spec.raw(Uint8Array.of(32, ...Array(10).fill(255), 1))),
    "WIRE_BAD_FRAME",
  ],
  ["a group", withSpec((spec) => spec.raw(Uint8Array.of(0x1b))), "WIRE_BAD_FRAME"],
  ["field number 0", withSpec((spec) => spec.raw(Uint8Array.of(0x02, 0))), "WIRE_BAD_FRAME"],
  ["a field longer than its message", withSpec((spec) => spec.raw(Uint8Array.of(0x52, 100, 1))), "WIRE_BAD_FRAME"],
  ["a length above 2^31", withSpec((spec) => spec.raw(Uint8Array.of(0x52, 255, 255, 255, 255, 15))), "WIRE_BAD_FRAME"],
  ["an ERROR without a status", watchFrame("ERROR", protobufOf("v1", "Pod", POD)), "WIRE_BAD_FRAME"],
  ["a bookmark without a version", watchFrame("BOOKMARK", protobufOf("v1", "Pod", {})), "WIRE_BAD_FRAME"],
];

function encoded(): Uint8Array {
  const meta = new ProtobufWriter().text(1, "v1").text(2, "Pod").result;
  const pod = new ProtobufWriter().bytes(1, podMeta().result).result;
  const unknown = new ProtobufWriter().bytes(1, meta).bytes(2, pod).text(3, "gzip").result;
  return watchFrame("ADDED", joined(utf8.encode("k8s\0"), unknown));
}

function withSpec(write: (spec: ProtobufWriter) => ProtobufWriter): Uint8Array {
  const spec = write(new ProtobufWriter()).result;
  return podFrame(new ProtobufWriter().bytes(1, podMeta().result).bytes(2, spec));
}

const BROKEN_JSON: readonly (readonly [name: string, bytes: Uint8Array, code: string])[] = [
  ["garbage", line("hello"), "WIRE_BAD_FRAME"],
  ["a line that ends early", line('{"type":"ADDED","object":{"kind":"Pod"'), "WIRE_BAD_FRAME"],
  [
    "two events on a line",
    line('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}} {}'),
    "WIRE_BAD_FRAME",
  ],
  ["an event without a type", line('{"object":{}}'), "WIRE_BAD_FRAME"],
  ["an event without an object", line('{"type":"ADDED"}'), "WIRE_BAD_FRAME"],
  ["an empty event", line("{}"), "WIRE_BAD_FRAME"],
  ["an unknown type", line('{"type":"CHANGED","object":{}}'), "WIRE_BAD_FRAME"],
  ["a list as object", line('{"type":"ADDED","object":[]}'), "WIRE_BAD_FRAME"],
  ["another kind", eventBytes("json", "ADDED", "v1", "Service", POD), "WIRE_WRONG_KIND"],
  ["another apiVersion", eventBytes("json", "ADDED", "v2", "Pod", POD), "WIRE_WRONG_KIND"],
  ["a Table", eventBytes("json", "ADDED", "meta.k8s.io/v1", "Table", {}), "WIRE_WRONG_KIND"],
  [
    "an object without a name",
    eventBytes("json", "ADDED", "v1", "Pod", { metadata: { resourceVersion: "5" } }),
    "WIRE_BAD_OBJECT",
  ],
  [
    "an object without a version",
    eventBytes("json", "ADDED", "v1", "Pod", { metadata: { name: "a" } }),
    "WIRE_BAD_OBJECT",
  ],
  ["a missing colon", line('{"type":"ADDED","object":{"metadata" {}}}'), "WIRE_BAD_FRAME"],
  [
    "a missing comma",
    line('{"type":"ADDED","object":{"metadata":{"name":"a" "resourceVersion":"1"}}}'),
    "WIRE_BAD_FRAME",
  ],
  ["a bad escape", line('{"type":"ADDED","object":{"metadata":{"name":"\\q"}}}'), "WIRE_BAD_FRAME"],
  ["a bad unicode escape", line('{"type":"ADDED","object":{"metadata":{"name":"\\u12g4"}}}'), "WIRE_BAD_FRAME"],
  ["a wrong literal", line('{"type":"ADDED","object":{"metadata":{"name":nul}}}'), "WIRE_BAD_FRAME"],
  ["an ERROR without a status", line('{"type":"ERROR","object":{"kind":"Pod"}}'), "WIRE_BAD_FRAME"],
  ["a bookmark without a version", line('{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{}}}'), "WIRE_BAD_FRAME"],
];

test("broken bytes are an error with a code, and the event before them is kept", () => {
  for (const [format, cases] of [
    ["protobuf", BROKEN_PROTOBUF],
    ["json", BROKEN_JSON],
  ] as const) {
    const good = eventBytes(format, "ADDED", "v1", "Pod", POD);
    for (const [name, bytes, code] of cases) {
      assert.throws(() => readWatch(PLAN, format, [bytes]), { code }, `${format}: ${name}`);
      const seen: (readonly unknown[])[] = [];
      assert.throws(
        () => readWatch(PLAN, format, [joined(good, bytes)], {}, seen),
        { code },
        `${format}: ${name}, second`,
      );
      assert.equal(seen.length, 1, `${format}: ${name}`);
    }
    assert.equal(readWatch(PLAN, format, [good]).length, 1);
  }
});

test("the limit of a frame is what was asked for, however it is cut", () => {
  for (const format of ["protobuf", "json"] as const) {
    const event = eventBytes(format, "ADDED", "v1", "Pod", POD);
    const size = format === "json" ? event.length - 1 : event.length - 4;
    assert.equal(readWatch(PLAN, format, [event], { maxFrameBytes: size }).length, 1);
    assert.throws(() => readWatch(PLAN, format, [event], { maxFrameBytes: size - 1 }), {
      code: "WIRE_FRAME_TOO_LARGE",
    });
    const endless = Array.from({ length: 50 }, () => utf8.encode('{"type":"ADDED'));
    assert.throws(() => readWatch(PLAN, format, endless, { maxFrameBytes: 500 }), { code: "WIRE_FRAME_TOO_LARGE" });
  }
});

test("a JSON list item without end is refused at the limit", () => {
  const start = utf8.encode('{"kind":"PodList","items":[{"metadata":{"name":"');
  const chunks = [start, ...Array.from({ length: 300 }, () => new Uint8Array(1000).fill(0x61))];
  assert.throws(() => readList(PLAN, "json", chunks, { maxFrameBytes: 100_000 }), { code: "WIRE_FRAME_TOO_LARGE" });
});

test("a stream that ends inside an event is truncated", () => {
  for (const format of ["protobuf", "json"] as const) {
    const bytes = eventBytes(format, "ADDED", "v1", "Pod", POD);
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.throws(() => readWatch(PLAN, format, [bytes.subarray(0, cut)]), { code: "WIRE_TRUNCATED" });
    }
  }
});

test("nesting as deep as a frame allows is skipped", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  const json = `{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1","x":${deep}},"spec":{"nodeName":${deep}}}}`;
  assert.equal(readOne(PLAN, "json", line(json)).name, "a");
  const list = `{"kind":"PodList","items":[{"metadata":{"name":"a","resourceVersion":"1"},"x":${deep}}],"y":${deep}}`;
  assert.equal(readList(PLAN, "json", [utf8.encode(list)]).items.length, 1);
});

test("the keys of a JSON event may come in any order", () => {
  const object = '{"metadata":{"resourceVersion":"7","name":"a"},"kind":"Pod"}';
  for (const text of [
    `{"object":${object},"type":"MODIFIED"}`,
    ` { "more" : [1, {"type":"x"}] , "object" : ${object} , "type" : "MODIFIED" } `,
    `{"type":"MODIFIED","object":${object},"more":1}`,
  ]) {
    const [[type, row]] = readWatch(PLAN, "json", [line(text)]);
    assert.deepEqual([type, (row as { name: string }).name], ["MODIFIED", "a"]);
  }
  assert.deepEqual(readWatch(PLAN, "json", [line(""), line("  ")]), []);
});

test("escapes in names, keys and values are what they stand for", () => {
  const labels = '{"a\\u0070p":"snow \\u2603 \\ud834\\udd1e \\/ \\\\ \\" \\b\\f\\n\\r\\t \\u003c\\ud834"}';
  const json = `{"type":"ADDED","object":{"metad\\u0061ta":{"name":"\\u0061","resourceVersion":"1","labels":${labels}}}}`;
  const row = readOne(PLAN, "json", line(json));
  assert.equal(row.name, "a");
  assert.deepEqual(row.cells.labels, { app: 'snow ☃ 𝄞 / \\ " \b\f\n\r\t <\ufffd' });
});

test("bytes that are no UTF-8 are kept, not refused", () => {
  const name = Uint8Array.of(0x61, 0xff, 0xc3);
  const pod = new ProtobufWriter().bytes(1, new ProtobufWriter().bytes(1, name).text(6, "5").result);
  assert.equal(readOne(PLAN, "protobuf", podFrame(pod)).name, "a\ufffd\ufffd");
});

test("of a field that comes twice the last counts; messages are merged, lists go on", () => {
  const container = new ProtobufWriter().text(1, "main").result;
  const pod = new ProtobufWriter()
    .bytes(1, podMeta().text(1, "cart-2").text(6, "6").result)
    .bytes(2, new ProtobufWriter().text(10, "node-1").bytes(2, container).number(25, 7).result)
    .bytes(2, new ProtobufWriter().text(10, "node-2").bytes(2, container).result);
  const row = readOne(PLAN, "protobuf", podFrame(pod));
  assert.deepEqual(
    [row.name, row.resourceVersion, row.cells.nodeName, row.cells.priority],
    ["cart-2", "6", "node-2", 7],
  );
  assert.equal((row.cells.containers as unknown[]).length, 2);
  const label = (value: string) => new ProtobufWriter().text(1, "app").text(2, value).result;
  const labelled = new ProtobufWriter().bytes(1, podMeta().bytes(11, label("a")).bytes(11, label("b")).result);
  assert.deepEqual(readOne(PLAN, "protobuf", podFrame(labelled)).cells.labels, { app: "b" });
  const json =
    '{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1","labels":{"app":"a","app":null}}}}';
  assert.deepEqual(readOne(PLAN, "json", line(json)).cells.labels, { app: "" });
});

test("numbers and times stop at their limits", () => {
  for (const format of ["protobuf", "json"] as const) {
    const read = (object: Json) =>
      readOne(PLAN, format, eventBytes(format, "ADDED", "v1", "Pod", { metadata: META, ...object })).cells;
    assert.equal(read({ spec: { priority: -5 } }).priority, -5);
    assert.equal(read({ spec: { priority: 2 ** 40 } }).priority, 2 ** 31 - 1);
    assert.equal(read({ spec: { priority: -(2 ** 40) } }).priority, -(2 ** 31) + 1);
    assert.equal(read({ spec: {} }).priority, undefined);
    assert.equal(read({ status: { startTime: "1969-12-31T23:59:59Z" } }).startTime, 0);
    assert.equal(read({ status: { startTime: "2106-02-07T06:28:15Z" } }).startTime, 0xffffffff);
    assert.equal(read({ status: { startTime: "9999-01-01T00:00:00Z" } }).startTime, 0xffffffff);
  }
});

test("an unknown field of any wire type is skipped", () => {
  const spec = (writer: ProtobufWriter) =>
    writer
      .number(1000, 2n ** 63n)
      .text(1001, "x")
      .raw(Uint8Array.of(0xd1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8, 0xdd, 0x3e, 1, 2, 3, 4))
      .text(10, "node-9");
  assert.equal(readOne(PLAN, "protobuf", withSpec(spec)).cells.nodeName, "node-9");
});

test("a list whose items reach behind it is broken", () => {
  const bytes = listBytes("protobuf", PLAN, { resourceVersion: "1" }, [POD]);
  const at = bytes.indexOf(0x12, 4 + 2 + 11);
  const shorter = Uint8Array.from(bytes);
  shorter[at + 1] -= 20;
  assert.throws(() => readList(PLAN, "protobuf", [shorter]), { code: /^WIRE_/ });
});
