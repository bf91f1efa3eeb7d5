import assert from "node:assert/strict";
import { test } from "node:test";
import { contentOf, digestOf, newCopy, sizeOf, withContent } from "./content.ts";

const content = (data: Record<string, string>, binaryData: Record<string, string> = {}, immutable = false) => ({
  data,
  binaryData,
  immutable,
});

test("the digest is of the content alone", () => {
  const one = digestOf(content({ a: "1", b: "2" }));
  assert.equal(digestOf(content({ b: "2", a: "1" })), one);
  const others = [
    content({ a: "1", b: "3" }),
    content({ a: "1" }),
    content({}, { a: "1", b: "2" }),
    content({ a: "1", b: "2" }, {}, true),
    content({ "a=1:1": "", b: "2" }),
    content({ a: "1b", "": "2" }),
  ];
  assert.equal(new Set([one, ...others.map(digestOf)]).size, others.length + 1);
});

test("the size is that of keys and values, binary ones as bytes", () => {
  assert.equal(sizeOf(content({ ä: "€" }, { raw: Buffer.alloc(300).toString("base64") })), 2 + 3 + 3 + 300);
});

test("a copy has the content and its own labels, none of the source's", () => {
  const copy = newCopy({ namespace: "shop", name: "ca" }, "team-a", content({ a: "1" }, { b: "AA==" }, true));
  assert.deepEqual(copy, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "ca",
      namespace: "team-a",
      labels: { "config-mirror.fairlead.dev/copy": "true", "config-mirror.fairlead.dev/source-namespace": "shop" },
    },
    data: { a: "1" },
    binaryData: { b: "AA==" },
    immutable: true,
  });
});

test("new content replaces all of the old and leaves metadata alone", () => {
  const before = {
    ...newCopy({ namespace: "shop", name: "ca" }, "team-a", content({ a: "1" }, { b: "AA==" })),
    more: 1,
  };
  const after = withContent(before, content({ c: "3" }));
  assert.deepEqual(contentOf(after), content({ c: "3" }));
  assert.deepEqual([after.metadata, after.more, "binaryData" in after], [before.metadata, 1, false]);
});
