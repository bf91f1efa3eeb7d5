import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { untilWithin } from "../../core/watch/until.test-support.ts";
import { parseHosts } from "./alias-file.ts";
import { aliasRecords } from "./alias-names.ts";
import {
  type ClientQuery,
  query,
  ResolverBench,
  resolverOptions,
  type ShortReply,
  short,
} from "./upstream.test-support.ts";

const until = untilWithin(5_000);
const names = {
  "db.example.org": ["192.0.2.10"],
  "two.example.org": ["192.0.2.11", "2001:db8::11", "192.0.2.12"],
  "mapped.example.org": ["::ffff:192.0.2.13"],
  "*.apps.example.org": ["192.0.2.20", "2001:db8::20"],
  "known.apps.example.org": ["192.0.2.21"],
  "twin.example.org": ["192.0.2.10"],
};

/** What the aliases say, or undefined. */
function alias(
  bench: ResolverBench,
  name: string,
  type = "A",
  how: ClientQuery & { tcp?: boolean } = {},
): ShortReply | undefined {
  const asked = query(name, type, how);
  const out = new Uint8Array(65_535);
  const length = bench.resolver.alias(asked, asked.length, out, how.tcp === true);
  return length < 0 ? undefined : short(out.subarray(0, length));
}

const answers = (bench: ResolverBench, name: string, type?: string) => alias(bench, name, type)?.answers;

test("B01: a name has its addresses, whatever its case, and answers with authority", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  assert.deepEqual(alias(bench, "DB.example.ORG"), {
    rcode: "NOERROR",
    flags: "aa rd",
    answers: ["DB.example.ORG 30 A 192.0.2.10"],
    authority: [],
    additional: [],
  });
  assert.deepEqual(answers(bench, "two.example.org")?.toSorted(), [
    "two.example.org 30 A 192.0.2.11",
    "two.example.org 30 A 192.0.2.12",
  ]);
  assert.deepEqual(answers(bench, "two.example.org", "AAAA"), ["two.example.org 30 AAAA 2001:db8::11"]);
  assert.equal(answers(bench, "two.example.org", "ANY")?.length, 3);
});

test("B01: addresses of IPv4 written as IPv6 are IPv4", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  assert.deepEqual(answers(bench, "mapped.example.org"), ["mapped.example.org 30 A 192.0.2.13"]);
  assert.deepEqual(answers(bench, "mapped.example.org", "AAAA"), []);
  assert.deepEqual(aliasRecords("a.test", ["::ffff:c000:20d"]), aliasRecords("a.test", ["192.0.2.13"]));
});

test("B01: a wildcard stands for one label; the name itself and deeper ones are not its", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  assert.deepEqual(answers(bench, "any.apps.example.org"), ["any.apps.example.org 30 A 192.0.2.20"]);
  assert.deepEqual(answers(bench, "any.apps.example.org", "AAAA"), ["any.apps.example.org 30 AAAA 2001:db8::20"]);
  assert.equal(alias(bench, "apps.example.org"), undefined);
  assert.equal(alias(bench, "a.any.apps.example.org"), undefined);
});

test("B01: what is written out wins over a wildcard, for all types", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  assert.deepEqual(answers(bench, "known.apps.example.org"), ["known.apps.example.org 30 A 192.0.2.21"]);
  assert.deepEqual(answers(bench, "known.apps.example.org", "AAAA"), []);
});

test("B01: addresses lead back to all their names, but not to wildcards", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  assert.deepEqual(answers(bench, "10.2.0.192.in-addr.arpa", "PTR")?.toSorted(), [
    "10.2.0.192.in-addr.arpa 30 PTR db.example.org",
    "10.2.0.192.in-addr.arpa 30 PTR twin.example.org",
  ]);
  const reverse = "1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  assert.deepEqual(answers(bench, reverse, "PTR"), [`${reverse} 30 PTR two.example.org`]);
  assert.equal(alias(bench, "20.2.0.192.in-addr.arpa", "PTR"), undefined);
});

test("B01: types that a name does not have: none, or the next source", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  for (const type of ["AAAA", "TXT", "MX", "SRV", "PTR", "NS"]) {
    assert.deepEqual(
      [alias(bench, "db.example.org", type)?.rcode, answers(bench, "db.example.org", type)],
      ["NOERROR", []],
    );
  }
  const through = new ResolverBench(t, { aliases: { names, fallthrough: true } });
  assert.equal(alias(through, "db.example.org", "AAAA"), undefined);
  assert.equal(answers(through, "db.example.org")?.length, 1);
});

test("B01: other names are not ours, nor are transfers and other classes", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  for (const name of ["example.org", "b.example.org", "db.example.or", "db.example.org.x", "xdb.example.org", "."]) {
    assert.equal(alias(bench, name), undefined, name);
  }
  assert.equal(alias(bench, "db.example.org", "AXFR"), undefined);
  const chaos = query("db.example.org", "A");
  chaos[chaos.length - 1] = 3;
  assert.equal(bench.resolver.alias(chaos, chaos.length, new Uint8Array(512), false), -1);
});

test("without aliases nothing is answered", (t) => {
  const bench = new ResolverBench(t, {});
  assert.equal(alias(bench, "db.example.org"), undefined);
});

test("EDNS is answered, and long answers are cut for UDP", (t) => {
  const many = Array.from({ length: 200 }, (_none, at) => `192.0.2.${at}`);
  const bench = new ResolverBench(t, { aliases: { names: { "many.test": many } } });
  const plain = alias(bench, "many.test");
  assert.equal(plain?.flags, "aa tc rd");
  assert.equal(plain?.answers.length, 30);
  const large = alias(bench, "many.test", "A", { edns: 4096 });
  assert.deepEqual(large?.additional, ["OPT 1232"]);
  assert.equal(large?.answers.length, 74);
  assert.equal(alias(bench, "many.test", "A", { tcp: true })?.answers.length, 200);
});

test("several addresses take turns at the first place", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  const first = Array.from({ length: 200 }, () => answers(bench, "two.example.org")?.[0]);
  const share = first.filter((line) => line?.endsWith(".11")).length;
  assert.ok(share > 50 && share < 150, `${share} of 200`);
});

test("a file as /etc/hosts is read, with all of a line's names; bad lines are told with their place and left out", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "hosts");
  const lines = [
    "# hosts",
    "192.0.2.30 a.test b.test # and more",
    "",
    "192.0.2.300 c.test",
    "192.0.2.31",
    "2001:db8::30\ta.test\t*.w.test\r",
    "192.0.2.32 x..test",
    "fe80::1%eth0 link.test",
    "192.0.2.33 *",
    "192.0.2.34 db.example.org",
  ];
  writeFileSync(file, lines.join("\n"));
  const bench = new ResolverBench(t, { aliases: { names, file } });
  assert.deepEqual(answers(bench, "a.test"), ["a.test 30 A 192.0.2.30"]);
  assert.deepEqual(answers(bench, "a.test", "AAAA"), ["a.test 30 AAAA 2001:db8::30"]);
  assert.deepEqual(answers(bench, "b.test"), ["b.test 30 A 192.0.2.30"]);
  assert.deepEqual(answers(bench, "any.w.test", "AAAA"), ["any.w.test 30 AAAA 2001:db8::30"]);
  assert.equal(alias(bench, "c.test"), undefined);
  assert.deepEqual(answers(bench, "db.example.org")?.length, 2);
  assert.deepEqual(
    bench.lines.filter(({ fields }) => "place" in fields).map(({ fields }) => fields),
    [
      { place: `${file}:4`, reason: '"192.0.2.300" is not an IP address' },
      { place: `${file}:5`, reason: '"192.0.2.31" has no name after it' },
      { place: `${file}:7`, reason: '"x..test" is not a name' },
      { place: `${file}:8`, reason: '"fe80::1%eth0" is not an IP address' },
      { place: `${file}:9`, reason: '"*" is not a name; "*" may only be the first of its labels' },
    ],
  );
  assert.equal(bench.resolver.stats.aliasErrors, 5);
});

test("a changed file takes over; one that is gone leaves the names as they were", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "hosts");
  const bench = new ResolverBench(t, { aliases: { names, file } });
  assert.equal(bench.lines[0].message, "the file with aliases cannot be read");
  writeFileSync(file, "192.0.2.40 a.test\n");
  await bench.clock.advance(5_000);
  await until("the file is read", () => answers(bench, "a.test") !== undefined);
  writeFileSync(file, "192.0.2.41 a.test b.test\n");
  await bench.clock.advance(5_000);
  await until("the new one is read", () => answers(bench, "b.test") !== undefined);
  assert.deepEqual(answers(bench, "a.test"), ["a.test 30 A 192.0.2.41"]);
  rmSync(file);
  await bench.clock.advance(5_000);
  await until("that is told", () => bench.lines.filter(({ message }) => /cannot be read/.test(message)).length === 2);
  assert.deepEqual(answers(bench, "a.test"), ["a.test 30 A 192.0.2.41"]);
});

test("other options replace the aliases", (t) => {
  const bench = new ResolverBench(t, { aliases: { names } });
  bench.resolver.reload(resolverOptions({ aliases: { names: { "new.test": ["192.0.2.50"] }, ttl: 5 } }));
  assert.equal(alias(bench, "db.example.org"), undefined);
  assert.deepEqual(answers(bench, "new.test"), ["new.test 5 A 192.0.2.50"]);
});

test("names and addresses that cannot be are refused with the reason", () => {
  const cases: [name: string, address: string, reason: RegExp][] = [
    ["", "192.0.2.1", /"" is not a name$/],
    [".", "192.0.2.1", /"\." is not a name$/],
    ["a..test", "192.0.2.1", /"a\.\.test" is not a name$/],
    ["a b.test", "192.0.2.1", /is not a name$/],
    [`${"a".repeat(64)}.test`, "192.0.2.1", /is not a name$/],
    [`${"abcdefgh.".repeat(29)}test`, "192.0.2.1", /is not a name$/],
    ["a.*.test", "192.0.2.1", /"\*" may only be the first of its labels$/],
    ["*.*.test", "192.0.2.1", /"\*" may only be the first of its labels$/],
    ["-a.test", "192.0.2.1", /is not a name$/],
    ["a.test", "192.0.2", /"192\.0\.2" is not an IP address$/],
    ["a.test", "b.test", /"b\.test" is not an IP address$/],
    ["a.test", "", /"" is not an IP address$/],
  ];
  for (const [name, address, reason] of cases) {
    assert.throws(() => aliasRecords(name, [address]), { message: reason });
  }
  assert.ok(aliasRecords("_srv.a-b.test.", ["192.0.2.1"]));
});

test("a file full of bad lines is told with twenty of them and their number", () => {
  const steps = parseHosts(`${"nonsense\n".repeat(2_500)}192.0.2.1 a.test`);
  let turns = 0;
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) {
    turns++;
  }
  const { names: good, bad, badLines } = step.value;
  assert.deepEqual([good.length, bad.length, badLines, turns], [1, 20, 2_500, 12]);
});

test("a long file is taken over in turns, and the last one counts", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "hosts");
  writeFileSync(file, "192.0.2.1 first.test\n");
  const bench = new ResolverBench(t, { aliases: { file } });
  const block = (address: string) => Array.from({ length: 20_000 }, (_none, at) => `${address} n${at}.test`).join("\n");
  writeFileSync(file, block("192.0.2.2"));
  await bench.clock.advance(5_000);
  writeFileSync(file, block("192.0.2.33"));
  await bench.clock.advance(5_000);
  await until("the last one is read", () => answers(bench, "n0.test")?.[0] === "n0.test 30 A 192.0.2.33");
  assert.deepEqual(answers(bench, "n19999.test"), ["n19999.test 30 A 192.0.2.33"]);
  assert.equal(alias(bench, "first.test"), undefined);
  assert.equal(bench.resolver.stats.aliasNames, 20_000);
  // Of so many names of one address a hundred are told.
  assert.equal(alias(bench, "33.2.0.192.in-addr.arpa", "PTR", { tcp: true })?.answers.length, 100);
});
