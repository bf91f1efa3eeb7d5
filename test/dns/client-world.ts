import { execFile, spawn } from "node:child_process";
import { lookup, Resolver } from "node:dns/promises";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { createApiServer } from "../../core/testing/index.ts";
import { askUntil } from "./client.ts";
import { corefile, pluginOptions } from "./configs.ts";
import { startCoreDns } from "./coredns.ts";
import { loadFixture } from "./fixture.ts";
import { startOurs } from "./ours.ts";
import { startUpstream } from "./upstream.ts";

/**
 * Runs in network and mount namespaces of its own, where port 53 is free and /etc/resolv.conf can be another: a cluster, a
 * server on port 53, and clients that nobody here wrote. Prints one JSON object: client -> question -> what it found.
 * Arguments: "ours" or "coredns", a folder with the programs `lookup-glibc`, `lookup-musl` and the path of `go-resolver`.
 */
const run = promisify(execFile);
const SEARCH = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
const LIMIT_MS = 30_000;
const UNBOUND_PORT = 5301;
const DNSMASQ_PORT = 5302;
/** Short names are found by the search path, the one of elsewhere after it was tried in vain. */
const NAMES = ["cart", "ledger.bank", "six", "duo", "ring", "set-0.set", "crowd", "ext-in", "www.example.test", "nope"];
const ADDRESSES = ["10.0.0.1", "172.20.2.1", "fd00:10::1", "10.0.0.99"];

type Found = Record<string, string>;

async function main(): Promise<void> {
  const [, , which, folder, goResolver] = process.argv;
  await run("ip", ["link", "set", "lo", "up"]);
  const resolvConf = join(folder, "resolv.conf");
  writeFileSync(resolvConf, `nameserver 127.0.0.1\nsearch ${SEARCH.join(" ")}\noptions ndots:5 timeout:2\n`);
  await run("mount", ["--bind", resolvConf, "/etc/resolv.conf"]);
  await using upstream = await startUpstream();
  await using server = await createApiServer();
  loadFixture(server);
  const setUp = { upstream: `127.0.0.1:${upstream.port}` };
  const kubeconfig = server.kubeconfig();
  await using dns =
    which === "ours"
      ? await startOurs({ port: 53, kubeconfig, options: pluginOptions("C", 53, setUp) })
      : await startCoreDns({
          port: 53,
          kubeconfig,
          corefile: (path) => corefile("C", 53, path, setUp),
          readyName: "cart.shop.svc.cluster.local",
        });
  const asked = [...NAMES, ...ADDRESSES.map((address) => `=${address}`)];
  const results: Record<string, Found> = {
    glibc: await lines(join(folder, "lookup-glibc"), asked),
    musl: await lines(join(folder, "lookup-musl"), asked),
    getent: await getent(),
    go: await lines(goResolver, [...asked, "_web._tcp.cart.shop.svc.cluster.local."]),
    node: await nodeResolver(dns.port),
    dig: await dig(dns.port),
    unbound: await behindUnbound(folder),
    dnsmasq: await behindDnsmasq(folder),
  };
  process.stdout.write(`${JSON.stringify(results)}\n`);
}

/** A program that says a line for each of its arguments. */
async function lines(program: string, asked: readonly string[]): Promise<Found> {
  const { stdout } = await run(program, [...asked], { timeout: LIMIT_MS });
  return Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => {
        const [name, ...found] = line.split(" ");
        return [name, sorted(found)];
      }),
  );
}

async function getent(): Promise<Found> {
  const ahosts = async (name: string): Promise<string> => {
    const found = await run("getent", ["ahosts", name], { timeout: LIMIT_MS }).catch(() => ({ stdout: "" }));
    return sorted(found.stdout.split("\n").map((line) => line.split(/\s+/)[0]));
  };
  return { cart: await ahosts("cart"), ring: await ahosts("ring"), nope: await ahosts("nope") };
}

async function nodeResolver(port: number): Promise<Found> {
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${port}`]);
  const cart = "cart.shop.svc.cluster.local";
  const [srv] = await resolver.resolveSrv(`_web._tcp.${cart}`);
  const missing = await resolver.resolve4("nope.shop.svc.cluster.local").catch(({ code }) => code);
  const noData = await resolver.resolve6(cart).catch(({ code }) => code);
  return {
    lookup: (await lookup("cart")).address,
    resolve4: sorted(await resolver.resolve4(cart)),
    resolve6: sorted(await resolver.resolve6("ring.shop.svc.cluster.local")),
    crowd: String((await resolver.resolve4("crowd.shop.svc.cluster.local")).length),
    srv: `${srv.port}:${srv.name}`,
    reverse: sorted(await resolver.reverse("10.0.0.1")),
    txt: (await resolver.resolveTxt("dns-version.cluster.local")).join(),
    missing,
    noData,
  };
}

async function digAt(port: number, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("dig", ["+short", "+time=2", "-p", String(port), "@127.0.0.1", ...args], {
    timeout: LIMIT_MS,
  });
  return sorted(stdout.trim().split("\n"));
}

async function dig(port: number): Promise<Found> {
  const cart = "cart.shop.svc.cluster.local";
  const crowd = "crowd.shop.svc.cluster.local";
  const status = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run("dig", ["-p", String(port), "@127.0.0.1", ...args], { timeout: LIMIT_MS });
    return /status: (\w+)/.exec(stdout)?.[1] ?? stdout;
  };
  const count = async (...args: readonly string[]): Promise<string> =>
    String((await digAt(port, ...args)).split(" ").length);
  return {
    plain: await digAt(port, cart),
    tcp: await digAt(port, "+tcp", cart),
    keepOpen: await digAt(port, "+tcp", "+keepopen", cart, "AAAA", "duo.shop.svc.cluster.local", "A"),
    noEdns: await digAt(port, "+noedns", cart),
    dnssec: await digAt(port, "+dnssec", "+cookie", "+nsid", "+padding=128", cart),
    reverse: await digAt(port, "-x", "10.0.0.1"),
    reverse6: await digAt(port, "-x", "fd00:10::1"),
    srv: await digAt(port, `_web._tcp.${cart}`, "SRV"),
    cutThenTcp: await count(crowd),
    cutThenTcpWithoutEdns: await count("+noedns", crowd),
    notFollowed: await status("+ignore", "+bufsize=512", crowd),
    missing: await status("nope.shop.svc.cluster.local"),
    transfer: await status("cluster.local", "AXFR", "+tcp").then((said) => (said.includes("failed") ? "failed" : said)),
    chaos: await status("version.bind", "TXT", "CH"),
    notify: await status("+opcode=notify", cart),
    version: await status("+edns=1", "+noednsnegotiation", cart),
  };
}

/** The questions that are asked of a resolver that forwards to the server. */
async function through(port: number): Promise<Found> {
  const server = { address: "127.0.0.1", port };
  await askUntil(
    server,
    { name: "cart.shop.svc.cluster.local", type: "A" },
    (reply) => (reply[3] & 15) === 0,
    LIMIT_MS,
  );
  const full = (name: string): string => `${name}.shop.svc.cluster.local`;
  return {
    cart: await digAt(port, full("cart")),
    six: await digAt(port, full("six"), "AAAA"),
    ring: await digAt(port, full("ring")),
    crowd: String((await digAt(port, full("crowd"))).split(" ").length),
    reverse: await digAt(port, "-x", "10.0.0.1"),
    elsewhere: await digAt(port, "www.example.test"),
    missing: await digAt(port, full("nope")),
  };
}

async function behindUnbound(folder: string): Promise<Found> {
  const config = join(folder, "unbound.conf");
  const zones = ["cluster.local", "in-addr.arpa", "ip6.arpa", "example.test"];
  const forward = zones.map((zone) => `forward-zone:\n  name: "${zone}"\n  forward-addr: 127.0.0.1@53\n`).join("");
  const local = ["10.in-addr.arpa", "d.f.ip6.arpa", "test"]
    .map((zone) => `  local-zone: "${zone}" transparent\n`)
    .join("");
  writeFileSync(
    config,
    `server:\n  interface: 127.0.0.1\n  port: ${UNBOUND_PORT}\n  do-not-query-localhost: no\n  chroot: ""\n  username: ""\n` +
      `  directory: "${folder}"\n  pidfile: ""\n  use-syslog: no\n  module-config: "iterator"\n  do-daemonize: no\n${local}` +
      `remote-control:\n  control-enable: no\n${forward}`,
  );
  return whileRuns("unbound", ["-d", "-c", config], () => through(UNBOUND_PORT));
}

async function behindDnsmasq(folder: string): Promise<Found> {
  const pid = join(folder, "dnsmasq.pid");
  const args = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--bind-interfaces"];
  const where = ["--listen-address=127.0.0.1", `--port=${DNSMASQ_PORT}`, "--server=127.0.0.1#53", `--pid-file=${pid}`];
  return whileRuns("dnsmasq", [...args, ...where, "--user=root"], () => through(DNSMASQ_PORT));
}

async function whileRuns(program: string, args: readonly string[], ask: () => Promise<Found>): Promise<Found> {
  const child = spawn(program, [...args], { stdio: ["ignore", "inherit", "inherit"] });
  const ended = once(child, "close");
  try {
    return await ask();
  } finally {
    child.kill("SIGKILL");
    await ended;
    await delay(0);
  }
}

function sorted(texts: readonly string[]): string {
  return [...new Set(texts.filter((text) => text !== ""))].sort().join(" ");
}

await main();
