import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { FairleadError, messageOf } from "../../core/errors.ts";
import { type NodeAddresses, nodeAddresses } from "./node-settings.ts";
import { childrenOf } from "./processes.ts";
import type { Supervised } from "./supervised.ts";

const run = promisify(execFile);
const SLOTS = 16;
const LOOK_MS = 10;
const START_DEADLINE_MS = 10_000;
/** Places where programs of a node write whatever they are told: in its mount namespace they are its own. */
const OWN_FOLDERS = ["/run", "/var/lib", "/var/log"];
/** Settings of the whole machine that a kubelet would change: it is shown what it wants to see, and they stay as they are. */
const SHOWN_SETTINGS = {
  "kernel/keys/root_maxbytes": "25000000",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/panic": "10",
  "kernel/panic_on_oops": "1",
  "vm/overcommit_memory": "1",
  "vm/panic_on_oom": "0",
};

/**
 * A machine within this one: processes, mounts and network in namespaces of their own, which end with their first
 * process, and with them all that was made in them: mounts, links, bridges, rules. Linked to this machine by one cable.
 */
export class NodeHost {
  readonly addresses: NodeAddresses;
  readonly #supervised: Supervised;
  readonly #firstPid: number;

  private constructor(supervised: Supervised, firstPid: number, addresses: NodeAddresses) {
    this.#supervised = supervised;
    this.#firstPid = firstPid;
    this.addresses = addresses;
  }

  /** Makes the namespaces; `init` is a program that waits and reaps. Throws CLUSTER_NODE_FAILED. */
  static async start(supervised: Supervised, init: string, logPath: string): Promise<NodeHost> {
    const flags = ["--fork", "--kill-child=KILL", "--pid", "--mount-proc", "--mount", "--net", "--ipc", "--uts"];
    const unshare = await supervised.spawn("node-init", "unshare", [...flags, init], logPath);
    const firstPid = await firstChildOf(unshare.pid, unshare.ended);
    supervised.guardNode(firstPid);
    try {
      const addresses = await connect(firstPid);
      const host = new NodeHost(supervised, firstPid, addresses);
      await host.#prepare();
      return host;
    } catch (error) {
      throw new FairleadError(
        "CLUSTER_NODE_FAILED",
        `namespaces of a real node could not be made: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  /** Starts a program in it; what is told is the process that stands for it here, and takes it along when it ends. */
  spawn(name: string, command: string, args: readonly string[], logPath: string) {
    const guarded = ["setpriv", "--pdeathsig", "KILL", "--", command, ...args];
    return this.#supervised.spawn(name, "nsenter", [...this.#enter(), "--", ...guarded], logPath);
  }

  /** Runs a program in it to its end and gives what it printed. */
  async run(command: string, args: readonly string[]): Promise<string> {
    return (await run("nsenter", [...this.#enter(), "--", command, ...args])).stdout;
  }

  #enter(): readonly string[] {
    return ["--target", String(this.#firstPid), "--mount", "--uts", "--ipc", "--net", "--pid"];
  }

  async #prepare(): Promise<void> {
    const { machine, node, prefix } = this.addresses;
    const script = [
      "set -e",
      ...OWN_FOLDERS.map((folder) => `mount -t tmpfs tmpfs ${folder}`),
      ...Object.entries(SHOWN_SETTINGS).map(([name, value], at) => {
        return `echo ${value} > /run/setting-${at}; mount --bind /run/setting-${at} /proc/sys/${name}`;
      }),
      "mount --make-rshared /",
      "ip link set lo up",
      `ip address add ${node}/${prefix} dev eth0`,
      "ip link set eth0 up",
      `ip route add default via ${machine}`,
      "echo 1 > /proc/sys/net/ipv4/ip_forward",
      "if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables; fi",
    ];
    await this.run("/bin/sh", ["-c", script.join("\n")]);
  }
}

/** Lays the cable between this machine and a node; a name that is taken is that of another cluster's node. */
async function connect(pid: number): Promise<NodeAddresses> {
  for (let slot = 0; slot < SLOTS; slot++) {
    const addresses = nodeAddresses(slot);
    const { link, machine, node, prefix, pods } = addresses;
    const peer = ["type", "veth", "peer", "name", "eth0", "netns", String(pid)];
    try {
      await run("ip", ["link", "add", link, ...peer]);
    } catch (error) {
      if (messageOf(error).includes("File exists")) {
        continue;
      }
      throw error;
    }
    await run("ip", ["address", "add", `${machine}/${prefix}`, "dev", link]);
    await run("ip", ["link", "set", link, "up"]);
    await run("ip", ["route", "add", pods, "via", node]);
    return addresses;
  }
  throw new FairleadError("CLUSTER_NODE_FAILED", `${SLOTS} real nodes run on this machine already; stop one`);
}

async function firstChildOf(pid: number, ended: () => string | undefined): Promise<number> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    const [child] = childrenOf(pid);
    if (child !== undefined) {
      return child;
    }
    if (ended() !== undefined || Date.now() > deadline) {
      throw new FairleadError(
        "CLUSTER_NODE_FAILED",
        `namespaces of a real node were not made: ${ended() ?? "time is over"}`,
      );
    }
    await delay(LOOK_MS);
  }
}
