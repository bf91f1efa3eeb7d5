import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { stringify } from "yaml";
import { FairleadError } from "../../core/errors.ts";
import { freePorts } from "../cluster/ports.ts";
import { ask } from "../dns/client.ts";
import { startCoreDns } from "../dns/coredns.ts";
import { decodeMessage } from "../dns/message.ts";

/** A DNS server under measurement, a process of its own on core 0. */
export interface DnsServer {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to the first right answer, milliseconds. */
  readonly firstAnswerMs: number;
  stop(): Promise<void>;
}

/** What is needed to start one. */
export interface ServerPlace {
  readonly kubeconfigPath: string;
  /** A folder for its files. */
  readonly folder: string;
  /** A name with an address. */
  readonly known: string;
}

/** How ours is started. */
export interface OurSettings {
  /** False: what it reads is followed, and nothing answers. */
  readonly dns: boolean;
  /** A plugin that blocks the main thread 100 ms each second. */
  readonly blocked?: boolean;
}

/** The core of servers; the load has core 1. */
const PIN = ["taskset", "-c", "0"];
/** Node as the image runs it. */
const IMAGE_FLAGS = ["--max-semi-space-size=1"];
const IMAGE_ENV = { NODE_ENV: "production", MALLOC_ARENA_MAX: "2" };
const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const LOOK_MS = 60_000;

/** Starts `fairlead run` with the plugin. */
export async function startOurs(place: ServerPlace, settings: OurSettings): Promise<DnsServer> {
  const [port, status] = await freePorts(2);
  const plugins: object[] = settings.dns ? [{ use: "dns", options: { listen: `127.0.0.1:${port}` } }] : [];
  if (settings.blocked === true) {
    plugins.push({ use: join(DIST, "test/bench/blocking-plugin.js") });
  }
  const config = {
    apiVersion: "fairlead/v1",
    cluster: { kubeconfig: place.kubeconfigPath },
    log: { level: "warn", statisticsEveryMs: 0 },
    status: { host: "127.0.0.1", port: status },
    ...(settings.dns ? { plugins } : { kinds: await kindsOfPlugin() }),
  };
  const file = join(place.folder, `ours-${port}.yaml`);
  await writeFile(file, stringify(config));
  const startedAtMs = performance.now();
  const program = [process.execPath, ...IMAGE_FLAGS, join(DIST, "config/bin.js")];
  const [command, ...args] = [...PIN, ...program, "run", "--config", file];
  const env = { ...process.env, ...IMAGE_ENV };
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = once(child, "close");
  let isOver = false;
  ended.then(() => {
    isOver = true;
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  try {
    const isReady = settings.dns ? () => answers(port, place.known) : () => isSynced(status);
    await untilReady(isReady, () => isOver);
  } catch (cause) {
    await stop();
    throw new FairleadError("BENCH_CONTENDER_FAILED", `fairlead did not become ready: ${said.slice(-1000)}`, { cause });
  }
  return { pid: child.pid ?? 0, port, firstAnswerMs: performance.now() - startedAtMs, stop };
}

/** Starts CoreDNS: with the kubernetes plugin alone, or with the plugins that clusters ship it with. */
export async function startTheirs(place: ServerPlace, shipped: boolean): Promise<DnsServer> {
  const [port, metrics] = await freePorts(2);
  const around = shipped ? ["cache 30", "loadbalance", `prometheus 127.0.0.1:${metrics}`] : [];
  const startedAtMs = performance.now();
  const server = await startCoreDns({
    port,
    prefix: [...PIN, "env", "GOMAXPROCS=1"],
    kubeconfig: await readFile(place.kubeconfigPath, "utf8"),
    corefile: (path) => {
      const zones = "cluster.local in-addr.arpa ip6.arpa";
      const block = [
        "bind 127.0.0.1",
        "errors",
        `kubernetes ${zones} {\nkubeconfig ${path}\npods insecure\n}`,
        ...around,
      ];
      return `.:${port} {\n${block.join("\n")}\n}\n`;
    },
    readyName: place.known,
  });
  return { pid: server.pid, port, firstAnswerMs: performance.now() - startedAtMs, stop: server.stop };
}

/** The kinds and fields that the plugin needs, for a process that follows the same without it. */
async function kindsOfPlugin(): Promise<Readonly<Record<string, unknown>>> {
  const module: unknown = await import(pathToFileURL(join(DIST, "plugins/dns/index.js")).href);
  const plugin: unknown = Reflect.get(Object(module), "default");
  const needs: Readonly<Record<string, unknown>> = Object(Reflect.get(Object(plugin), "needs"));
  return Object.fromEntries(Object.entries(needs).map(([kind, need]) => [kind, need === true ? {} : need]));
}

async function answers(port: number, name: string): Promise<boolean> {
  const reply = await ask({ address: "127.0.0.1", port }, { name, type: "A" }, { deadlineMs: 200 }).catch(
    () => undefined,
  );
  return reply !== undefined && decodeMessage(reply).an.length > 0;
}

async function isSynced(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/readyz`).then(
    (reply) => reply.ok,
    () => false,
  );
}

/** Asks again and again, a turn of the event loop apart, so that times are told to the millisecond. */
async function untilReady(holds: () => Promise<boolean>, isOver: () => boolean): Promise<void> {
  const deadline = performance.now() + LOOK_MS;
  while (!(await holds())) {
    if (isOver() || performance.now() > deadline) {
      throw new Error(isOver() ? "it ended" : `not within ${LOOK_MS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
