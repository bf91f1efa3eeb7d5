import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { addressBytes, addressText, dashed, labelsOf, readDashed, textOf } from "./zone-names.ts";
import { reverseZones, wireZone } from "./zone-plan.ts";

/** As a URL writes it: the same form, made by someone else. */
function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

test("addresses are read and written as others do", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      assert.equal(addressText(addressBytes(address) ?? new Uint8Array(4)), address);
    }),
  );
  const groups = fc.array(fc.constantFrom("0", "0", "0", "1", "ffff", "db8", "a0"), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, (parts) => {
      const address = parts.join(":");
      const bytes = addressBytes(address);
      assert.equal(bytes?.length, 16);
      const text = addressText(bytes ?? new Uint8Array(16));
      assert.equal(text, canonical(address));
      assert.deepEqual(addressBytes(text), bytes);
      assert.deepEqual(addressBytes(address.toUpperCase()), bytes);
    }),
  );
});

test("what is no address is read as none", () => {
  const odd = fc.string({ unit: fc.constantFrom(..."0123456789abcf:.-g"), maxLength: 42 });
  fc.assert(
    fc.property(fc.oneof(odd, fc.ipV6(), fc.ipV4Extended()), (text) => {
      // IPv6 that ends in IPv4 is nobody's form of a pod or a service.
      const wanted = text.includes(":") && text.includes(".") ? 0 : isIP(text);
      assert.equal(
        addressBytes(text)?.length,
        [undefined, undefined, undefined, undefined, 4, undefined, 16][wanted],
        text,
      );
    }),
    { numRuns: 3000 },
  );
});

test("the first label of a pod's name is read back to its address", () => {
  const out = new Uint8Array(16);
  const read = (label: string): string | undefined => {
    const length = readDashed(Buffer.from(label), 0, label.length, out);
    return length === 0 ? undefined : addressText(out.subarray(0, length));
  };
  fc.assert(fc.property(fc.ipV4(), (address) => assert.equal(read(dashed(address)), address)));
  fc.assert(
    fc.property(
      fc.ipV6().filter((address) => isIP(address) === 6 && !address.includes(".")),
      (address) => {
        assert.equal(read(dashed(canonical(address))), canonical(address));
      },
    ),
  );
  assert.deepEqual(
    ["10-0-0", "10-0-0-0-1", "256-1-1-1", "01-1-1-1", "", "-", "x", "1-2-3-4-5-6-7-8-9", "--1--2"].map(read),
    Array.from({ length: 9 }, () => undefined),
  );
});

test("names become labels, or nothing where they are none", () => {
  const text = (name: string): string | undefined => {
    const labels = labelsOf(name);
    return labels && textOf(labels);
  };
  assert.deepEqual(["a", "A.b.C", "a.b."].map(text), ["a", "a.b.c", "a.b"]);
  assert.deepEqual(
    ["", ".", "a..b", ".a", "a b", "ü", "x".repeat(64), "a.".repeat(128)].map(text),
    Array(8).fill(undefined),
  );
  assert.equal(labelsOf("a.".repeat(127))?.length, 254);
});

test("networks are zones of whole labels", () => {
  const names = (networks?: string[]): string[] => reverseZones(networks).map(({ wire }) => textOf(wire));
  assert.deepEqual(names(), ["in-addr.arpa", "ip6.arpa"]);
  assert.deepEqual(names([]), []);
  assert.deepEqual(names(["10.0.0.0/8", "192.168.3.0/24"]), ["10.in-addr.arpa", "3.168.192.in-addr.arpa"]);
  assert.deepEqual(names(["172.20.0.0/15"]), ["20.172.in-addr.arpa", "21.172.in-addr.arpa"]);
  assert.deepEqual(names(["0.0.0.0/0"]), ["in-addr.arpa"]);
  assert.deepEqual(names(["192.0.2.1"]), ["1.2.0.192.in-addr.arpa"]);
  assert.deepEqual(
    names(["fd00::/14"]),
    [0, 1, 2, 3].map((digit) => `${digit}.0.d.f.ip6.arpa`),
  );
  for (const wrong of ["10.0.0.0/33", "x", "10.0.0/8", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/x"]) {
    assert.throws(() => reverseZones([wrong]), RangeError, wrong);
  }
  assert.deepEqual([wireZone("").labels, wireZone("a.b").labels, wireZone("a.b.").labels], [0, 2, 2]);
});
