import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureProgram } from "../cluster/programs.ts";
import { askUntil, type DnsAddress } from "./client.ts";
import { decodeMessage } from "./message.ts";

/** A CoreDNS that runs. */
export interface CoreDns extends DnsAddress, AsyncDisposable {
  readonly pid: number;
  /** All that it said so far. */
  readonly log: () => string;
  stop(): Promise<void>;
}

/** How one is started. */
export interface CoreDnsOptions {
  readonly port: number;
  /** Text of the Corefile by the path of a kubeconfig that CoreDNS may read. */
  readonly corefile: (kubeconfigPath: string) => string;
  /** Text of the kubeconfig. */
  readonly kubeconfig: string;
  /** A name with an address once the cluster is known; undefined: any reply will do. */
  readonly readyName?: string;
  /** Words in front of the command, as "taskset", "-c", "0". */
  readonly prefix?: readonly string[];
}

/** Starts CoreDNS, built first if the cache lacks it, and waits until it answers. */
export async function startCoreDns(options: CoreDnsOptions): Promise<CoreDns> {
  const program = await ensureProgram("coredns", (line) => console.error(line));
  const folder = await mkdtemp(join(tmpdir(), "fairlead-coredns-"));
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, options.kubeconfig);
  await writeFile(join(folder, "Corefile"), options.corefile(kubeconfig));
  const [command, ...args] = [...(options.prefix ?? []), program, "-conf", join(folder, "Corefile")];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const ended = once(child, "close");
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const server = { address: "127.0.0.1", port: options.port };
  const { readyName } = options;
  const asked = { name: readyName ?? "cluster.local", type: readyName === undefined ? "SOA" : "A" };
  const isReady = (reply: Uint8Array): boolean => readyName === undefined || decodeMessage(reply).an.length > 0;
  try {
    await Promise.race([
      askUntil(server, asked, isReady),
      ended.then(([code]) => {
        throw new Error(`CoreDNS ended with ${code}: ${said}`);
      }),
    ]);
  } catch (error) {
    await stop();
    throw new Error(`CoreDNS did not become ready: ${said}`, { cause: error });
  }
  return { ...server, pid: child.pid ?? 0, log: () => said, stop, [Symbol.asyncDispose]: stop };
}
