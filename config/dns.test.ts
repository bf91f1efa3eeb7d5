import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Harness, harness, namespace, service } from "../core/testing/index.ts";
import { freeUdpPort } from "../plugins/dns/desk.test-support.ts";
import plugin from "../plugins/dns/index.ts";
import { askUdp, encodeQuestion, reverseName } from "./dns-exchange.ts";
import { ProgramRun } from "./program-run.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-"));
const CART = "cart.shop.svc.cluster.local";
let server: Harness;
let port = 0;

before(async () => {
  port = await freeUdpPort();
  server = await harness(plugin, {
    objects: [namespace("shop"), service("shop/cart", { clusterIP: "10.0.0.1" })],
    options: { listen: `127.0.0.1:${port}` },
  });
  const endsAt = performance.now() + 20_000;
  while (performance.now() < endsAt) {
    const query = encodeQuestion({ name: CART, type: "A" });
    if ((await askUdp(query, { address: "127.0.0.1", port }, 5000)).rcode === "NOERROR") {
      break;
    }
  }
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  await using program = new ProgramRun(["dns", ...args], { folder });
  return await program.ended;
}

test("lookup shows what the server answers, over UDP and TCP", async () => {
  const { code, stdout } = await run("lookup", CART, "--server", `127.0.0.1:${port}`);
  assert.equal(code, 0);
  assert.match(stdout, /^NOERROR, authoritative, [0-9.]+ ms, 127.0.0.1:\d+ over udp\nsection +name +type +ttl +data\n/);
  assert.match(stdout, /\nanswer +cart.shop.svc.cluster.local +A +5 +10.0.0.1\n$/);
  const tcp = await run("lookup", CART, "SRV", "--tcp", "--output", "json", "--server", `127.0.0.1:${port}`);
  const shown = JSON.parse(tcp.stdout);
  assert.deepEqual([shown.proto, shown.rcode, shown.answers[0].type], ["tcp", "NOERROR", "SRV"]);
  assert.match(shown.answers[0].data, /^0 100 80 cart.shop.svc.cluster.local$/);
});

test("an address is asked for its name, and an answer that says no is exit code 1", async () => {
  const name = await run("lookup", "10.0.0.1", "--output", "json", "--server", `127.0.0.1:${port}`);
  assert.equal(JSON.parse(name.stdout).answers[0].data, CART);
  const no = await run("lookup", "nobody.shop.svc.cluster.local", "aaaa", "--server", `127.0.0.1:${port}`);
  assert.deepEqual([no.code, no.stdout.split(",")[0]], [1, "NXDOMAIN"]);
  assert.match(no.stdout, /\nauthority +cluster.local +SOA/);
});

test("the server of a configuration is asked", async () => {
  writeFileSync(
    join(folder, "some.yaml"),
    `apiVersion: fairlead/v1\nplugins:\n  - use: dns\n    options: { listen: "0.0.0.0:${port}" }\n`,
  );
  const { code, stdout } = await run("lookup", CART, "--config", "some.yaml", "--output", "json");
  assert.deepEqual([code, JSON.parse(stdout).server], [0, `127.0.0.1:${port}`]);
});

test("bench tells how fast answers come, and what they say", async () => {
  for (const more of [[], ["--tcp"], ["--rate", "500"]]) {
    const { code, stdout, stderr } = await run(
      ...["bench", CART, "--for", "500ms", "--output", "json", "--server", `127.0.0.1:${port}`],
      ...more,
    );
    assert.deepEqual([code, stderr], [0, ""]);
    const { sent, answered, lost, codes, perSecond, p50Ms, p99Ms } = JSON.parse(stdout);
    assert.ok(answered > 100 && answered + lost === sent, stdout);
    assert.equal(codes.NOERROR, answered);
    assert.ok(perSecond > 100 && p50Ms > 0 && p99Ms >= p50Ms, stdout);
  }
  writeFileSync(join(folder, "names.txt"), `# questions\n${CART} A\nnobody.${CART} AAAA\n`);
  const { stdout } = await run("bench", "--names", "names.txt", "--for", "300ms", "--server", `127.0.0.1:${port}`);
  assert.match(stdout, /\n {2}NOERROR +\d+\n {2}NXDOMAIN +\d+\n|\n {2}NXDOMAIN +\d+\n {2}NOERROR +\d+\n/);
});

const WRONG: readonly (readonly [args: readonly string[], told: RegExp, code: number])[] = [
  [["lookup"], /wants a name.*CLI_BAD_ARGUMENT/, 2],
  [["lookup", "a..b"], /"a..b" is no domain name.*CLI_BAD_ARGUMENT/, 2],
  [["lookup", "example.org", "AAAAA"], /did you mean "AAAA"\?.*CLI_BAD_ARGUMENT/, 2],
  [["lookup", "example.org", "--server", "nowhere:1"], /--server "nowhere:1" is no address.*CLI_BAD_VALUE/, 2],
  [["lookup", "example.org", "--rate", "5"], /"dns lookup" takes no --rate.*CLI_BAD_ARGUMENT/, 2],
  [["bench", "--names", "absent.txt"], /"absent.txt" cannot be read.*CLI_BAD_VALUE/, 2],
  [
    ["lookup", "example.org", "--server", "127.0.0.1:1", "--timeout", "300ms"],
    /no answer from 127.0.0.1:1: .*CLI_NO_ANSWER/,
    1,
  ],
  [["bench", "--server", "127.0.0.1:1", "--for", "100ms", "--tcp"], /no answer from 127.0.0.1:1: .*CLI_NO_ANSWER/, 1],
  [["bench", "--server", "127.0.0.1:1", "--for", "100ms"], /all \d+ questions were lost.*CLI_NO_ANSWER/, 1],
];

for (const [args, told, wanted] of WRONG) {
  test(`dns ${args.join(" ")} is refused with what is wrong`, async () => {
    const { code, stderr } = await run(...args);
    assert.match(stderr, told);
    assert.equal(code, wanted);
  });
}

test("reverse names of addresses", () => {
  assert.equal(reverseName("10.0.0.1"), "1.0.0.10.in-addr.arpa");
  assert.equal(reverseName("fd00::a1"), "1.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa");
  assert.equal(reverseName("::ffff:10.0.0.1").length, 72);
  assert.equal(reverseName("example.org"), "example.org");
});
