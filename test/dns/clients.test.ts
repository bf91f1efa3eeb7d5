import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ensureProgram, whyNoCluster } from "../cluster/programs.ts";
import { dataFolder } from "./data-folder.ts";

const run = promisify(execFile);
const WORLD = fileURLToPath(new URL("./client-world.ts", import.meta.url));
const PROGRAMS = ["dig", "getent", "unbound", "dnsmasq", "gcc", "musl-gcc", "unshare", "ip"];
const missing = process.env.CI === "true" ? undefined : (whatIsMissing() ?? (await whyNoCluster(["coredns"])));
const LIMIT_MS = 150_000;

function whatIsMissing(): string | undefined {
  const lacking = PROGRAMS.filter((program) => {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
      return false;
    } catch {
      return true;
    }
  });
  if (lacking.length > 0) {
    return `programs are missing: ${lacking.join(", ")} (Debian: dnsutils, unbound, dnsmasq-base, gcc, musl-tools)`;
  }
  return process.getuid?.() === 0 ? undefined : "a network namespace needs root";
}

const RING = "172.20.1.2 172.20.1.3 172.20.1.4 172.20.1.5";
const CART = "cart.shop.svc.cluster.local";
/** What every resolver library finds, with the search path of a pod in "shop". */
const LIBRARY = {
  cart: "10.0.0.1",
  "ledger.bank": "10.96.0.100",
  six: "fd00:10::1",
  duo: "10.0.0.3 fd00:10::3",
  ring: `${RING} fd00:20::a fd00:20::b`,
  "set-0.set": "172.20.2.1",
  "ext-in": "10.0.0.1",
  "www.example.test": "1.2.3.4",
  nope: "!none",
};
const THROUGH = {
  cart: "10.0.0.1",
  six: "fd00:10::1",
  ring: RING,
  crowd: "200",
  reverse: `${CART}.`,
  elsewhere: "1.2.3.4",
  missing: "",
};

const NODE = {
  lookup: "10.0.0.1",
  resolve4: "10.0.0.1",
  resolve6: "fd00:20::a fd00:20::b",
  crowd: "200",
  srv: `80:${CART}`,
  reverse: CART,
  txt: "1.1.0",
  missing: "ENOTFOUND",
  noData: "ENODATA",
};
const DIG = {
  plain: "10.0.0.1",
  tcp: "10.0.0.1",
  keepOpen: "10.0.0.3",
  noEdns: "10.0.0.1",
  dnssec: "10.0.0.1",
  reverse: `${CART}.`,
  reverse6: "six.shop.svc.cluster.local.",
  srv: "0 100 80 cart.shop.svc.cluster.local.",
  cutThenTcp: "200",
  cutThenTcpWithoutEdns: "200",
  notFollowed: "NOERROR",
  missing: "NXDOMAIN",
  version: "BADVERS",
};

type Results = Readonly<Record<string, Readonly<Record<string, string>>>>;

describe("clients that nobody here wrote", { skip: missing ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-dns-clients-"));
  let goResolver: string;

  before(async () => {
    const source = fileURLToPath(new URL("peers/lookup.c", dataFolder));
    await run("gcc", ["-O1", "-o", join(folder, "lookup-glibc"), source]);
    await run("musl-gcc", ["-O1", "-static", "-o", join(folder, "lookup-musl"), source]);
    goResolver = await ensureProgram("go-resolver", (line) => console.error(line));
    await ensureProgram("coredns", (line) => console.error(line));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  async function resultsOf(which: "ours" | "coredns"): Promise<Results> {
    const args = ["--net", "--mount", "--", process.execPath, WORLD, which, folder, goResolver];
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const { stdout } = await run("unshare", args, { env, timeout: LIMIT_MS });
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  }

  for (const which of ["coredns", "ours"] as const) {
    test(`find what is there and nothing else (${which})`, { timeout: LIMIT_MS }, async () => {
      const { glibc, musl, getent, go, node, dig, unbound, dnsmasq } = await resultsOf(which);
      checkLibrary("glibc", glibc, { dot: "", least: 200 });
      // It does not ask again by TCP, and takes what it was given.
      checkLibrary("musl", musl, { dot: "", least: 20 });
      const { "_web._tcp.cart.shop.svc.cluster.local.": srv, ...names } = go;
      checkLibrary("go", names, { dot: ".", least: 200 });
      assert.equal(srv, `80:${CART}.`);
      assert.deepEqual(getent, { cart: LIBRARY.cart, ring: LIBRARY.ring, nope: "" });
      assert.deepEqual(node, NODE);
      const { chaos, notify, transfer, ...plain } = dig;
      assert.deepEqual(plain, DIG);
      if (which === "ours") {
        assert.deepEqual({ chaos, notify, transfer }, { chaos: "REFUSED", notify: "NOTIMP", transfer: "failed" });
      }
      assert.deepEqual(unbound, THROUGH);
      assert.deepEqual(dnsmasq, THROUGH);
    });
  }
});

/** `dot`: the resolver gives names with the dot at their end; `least`: of 200 addresses so many must have come. */
function checkLibrary(
  name: string,
  found: Readonly<Record<string, string>>,
  { dot, least }: { readonly dot: string; readonly least: number },
): void {
  const { crowd, "=10.0.0.99": unknown, ...rest } = found;
  const reverse = {
    "=10.0.0.1": `${CART}${dot}`,
    "=172.20.2.1": `set-0.set.shop.svc.cluster.local${dot}`,
    "=fd00:10::1": `six.shop.svc.cluster.local${dot}`,
  };
  assert.deepEqual(rest, { ...LIBRARY, ...reverse }, name);
  assert.match(unknown, /^!/, name);
  assert.ok(crowd.split(" ").length >= least, `${name}: ${crowd}`);
}
