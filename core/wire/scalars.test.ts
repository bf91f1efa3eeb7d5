import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FLAG_UID_TEXT, ROW_FLAGS, ROW_HEADER, ROW_UID, RowBuilder } from "../store/row.ts";
import { compareVersions, versionText } from "./decoder.ts";
import { MapInterner } from "./plain-row.test-support.ts";
import { ProtobufCursor } from "./protobuf-cursor.ts";
import { parseTime } from "./rfc3339.ts";
import { RowWriter } from "./row-writer.ts";
import { ProtobufWriter } from "./sample.test-support.ts";
import { parseVersion } from "./version.ts";

const utf8 = new TextEncoder();

test("versions are compared by length, then text", () => {
  assert(compareVersions("9", "10") < 0);
  assert(compareVersions("10", "9") > 0);
  assert(compareVersions("123456789012345678901", "123456789012345678902") < 0);
  assert.equal(compareVersions("77", "77"), 0);
});

test("a version of 64 bits survives as two words; anything else is refused", () => {
  const words = new Int32Array(4);
  const read = (text: string) => parseVersion(utf8.encode(text), 0, text.length, words, 1);
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
      assert(read(String(value)));
      assert.equal(versionText(words, 1), String(value));
    }),
  );
  for (const bad of ["", "007", "-1", "1x", "18446744073709551616", "99999999999999999999", "100000000000000000000"]) {
    assert(!read(bad), bad);
  }
  for (const good of ["0", "9007199254740993", "18446744073709551615"]) {
    assert(read(good) && versionText(words, 1) === good, good);
  }
});

test("times are read as Date reads them", () => {
  const into = { seconds: 0, micros: 0 };
  const read = (text: string) => parseTime(utf8.encode(text), 0, text.length, into);
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
      assert(read(`${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`));
      assert.equal(into.seconds, seconds);
    }),
  );
  assert(read("2026-01-31T08:00:00.123456789+02:30"));
  assert.deepEqual(into, { seconds: Date.parse("2026-01-31T05:30:00Z") / 1000, micros: 123_456 });
  assert(read("2026-01-31t08:00:00.5z") && into.micros === 500_000);
  for (const bad of [
    "",
    "2026-01-31",
    "2026-01-31T08:00:00",
    "2026-13-31T08:00:00Z",
    "2026-01-31T08:00:00+2:30",
    "x026-01-31T08:00:00Z",
  ]) {
    assert(!read(bad), bad);
  }
});

test("a varint is read as written, rounded beyond 2^53", () => {
  const cursor = new ProtobufCursor();
  const read = (value: bigint) => {
    const bytes = new ProtobufWriter().varint(value).result;
    const number = cursor.varint(bytes, 0, bytes.length);
    assert.equal(cursor.at, bytes.length);
    return number;
  };
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => assert.equal(read(BigInt(value)), value)));
  assert.equal(read(2n ** 63n - 1n), 2 ** 63);
  assert.equal(read(-(2n ** 63n)), -(2 ** 63));
});

test("base64 is that of Node", () => {
  const cursor = new ProtobufCursor();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const encoded = cursor.base64(bytes, 0, bytes.length);
      assert.equal(Buffer.from(encoded.subarray(0, cursor.at)).toString(), Buffer.from(bytes).toString("base64"));
    }),
  );
});

function written(write: (writer: RowWriter) => void): Int32Array {
  const builder = new RowBuilder(16);
  builder.begin(ROW_HEADER + 2);
  write(new RowWriter(builder, new MapInterner()));
  builder.finish();
  return builder.words.subarray(0, builder.length);
}

test("only a canonical IPv4 address becomes a word; all else keeps its text", () => {
  const family = (text: string) => written((writer) => writer.ip(ROW_HEADER, utf8.encode(text), 0, text.length));
  assert.deepEqual([...family("192.0.2.255").subarray(ROW_HEADER)], [4, (192 << 24) | (2 << 8) | 255]);
  assert.deepEqual([...family("0.0.0.0").subarray(ROW_HEADER)], [4, 0]);
  for (const text of ["192.0.2.256", "192.0.02.1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "None", "1..2.3"]) {
    assert.equal(family(text)[ROW_HEADER], 1, text);
  }
  for (const text of ["fd00::1", "::ffff:192.0.2.1", "::"]) {
    assert.equal(family(text)[ROW_HEADER], 6, text);
  }
  assert.equal(family("")[ROW_HEADER], 0);
});

test("only a lower-case UUID becomes words; all else keeps its text", () => {
  const uid = (text: string) => written((writer) => writer.uid(utf8.encode(text), 0, text.length));
  const words = uid("8f14e45f-ceea-467f-a0e6-6a2f1c5b7d10");
  assert.deepEqual(
    Array.from(words.subarray(ROW_UID, ROW_UID + 4), (word) => word >>> 0),
    [0x8f14e45f, 0xceea467f, 0xa0e66a2f, 0x1c5b7d10],
  );
  for (const text of ["8F14E45F-CEEA-467F-A0E6-6A2F1C5B7D10", "8f14e45f", "00000000-0000-0000-0000-000000000000"]) {
    assert.equal(uid(text)[ROW_FLAGS] & FLAG_UID_TEXT, FLAG_UID_TEXT, text);
  }
  assert.equal(uid("")[ROW_FLAGS], 0);
});

test("a uid or name that comes again replaces the one before", () => {
  const row = written((writer) => {
    writer.uid(utf8.encode("odd"), 0, 3);
    const uuid = utf8.encode("8f14e45f-ceea-467f-a0e6-6a2f1c5b7d10");
    writer.uid(uuid, 0, uuid.length);
  });
  assert.equal(row[ROW_FLAGS], 0);
  assert.equal(row[ROW_UID] >>> 0, 0x8f14e45f);
});
