import assert from "node:assert/strict";
import { test } from "node:test";
import { isOwn, nameServers, parseUpstream, upstreamText } from "./upstream-address.ts";

test("addresses of upstreams, with and without a port", () => {
  const cases: [text: string, shown: string][] = [
    ["192.0.2.1", "192.0.2.1:53"],
    ["192.0.2.1:5353", "192.0.2.1:5353"],
    ["2001:db8::1", "[2001:db8::1]:53"],
    ["[2001:db8::1]", "[2001:db8::1]:53"],
    ["[2001:db8::1]:5353", "[2001:db8::1]:5353"],
    ["fe80::1%eth0", "[fe80::1%eth0]:53"],
  ];
  for (const [text, shown] of cases) {
    assert.equal(upstreamText(parseUpstream(text)), shown);
  }
});

test("what is no address of an upstream is refused with the reason", () => {
  for (const text of [
    "",
    "dns.example.org",
    "192.0.2",
    "192.0.2.1:",
    "192.0.2.1:x",
    "[192.0.2.1]:53",
    "[::1",
    "1.2.3.4:53:53",
  ]) {
    assert.throws(() => parseUpstream(text), { message: /is not the address of a DNS server; write an IP address/ });
  }
  for (const text of ["192.0.2.1:0", "192.0.2.1:65536", "[::1]:99999"]) {
    assert.throws(() => parseUpstream(text), { message: /has a port that cannot be; ports are 1 to 65535/ });
  }
});

test("name servers of a file, each once, whatever else is there", () => {
  const text =
    "# x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # here\nnameserver 192.0.2.1\nnameserver no\noptions ndots:5\n";
  assert.deepEqual(nameServers(text).map(upstreamText), ["192.0.2.1:53", "[2001:db8::1]:53"]);
  assert.deepEqual(nameServers(""), []);
});

test("an upstream is ourselves when we listen on its port, on its address or on all of this machine's", () => {
  const own = (upstream: string, ...listening: string[]): boolean => isOwn(parseUpstream(upstream), listening);
  assert.equal(own("127.0.0.1:53", "127.0.0.1:53"), true);
  assert.equal(own("127.0.0.1:53", "127.0.0.1:5353"), false);
  assert.equal(own("127.0.0.53:53", "0.0.0.0:53"), true);
  assert.equal(own("[::1]:53", "[::]:53"), true);
  assert.equal(own("192.0.2.1:53", "0.0.0.0:53", "[::]:53"), false);
  assert.equal(own("192.0.2.1:53", "192.0.2.1:53"), true);
  assert.equal(own("192.0.2.1:53", "garbage"), false);
});
