import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { cgroupsBelow } from "./cgroup.ts";
import { type Cluster, startCluster, whyNoCluster, whyNoRealNode } from "./cluster.ts";
import { CONTAINER_CGROUP, PAUSE_IMAGE } from "./node-settings.ts";
import { childrenOf, isRunning } from "./processes.ts";
import { programModule } from "./source-folder.ts";

const missing = whyNoRealNode() ?? (await whyNoCluster());
const PARTS = ["etcd", "apiserver", "controller-manager"] as const;
const GONE_DEADLINE_MS = 20_000;

/** All that a real node could leave on this machine, as text, but for what others do meanwhile. */
function traces(): Readonly<Record<string, unknown>> {
  const lines = (command: string, ...args: readonly string[]): readonly string[] =>
    (spawnSync(command, args, { encoding: "utf8" }).stdout ?? "").split("\n").sort();
  const settings = ["kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "net/ipv4/ip_forward"];
  return {
    links: lines("ip", "-brief", "link").filter((line) => /^(fairlead|cni|veth)/.test(line)),
    routes: lines("ip", "route").filter((line) => line.includes("10.24")),
    rules: lines("iptables-save").filter((line) => line.includes("KUBE-")),
    mounts: lines("mount").filter((line) => /fairlead|containerd|kubelet|netns/.test(line)),
    cgroups: cgroupsBelow(CONTAINER_CGROUP),
    settings: settings.map((name) => readFileSync(`/proc/sys/${name}`, "utf8")),
    folders: ["/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers", "/run/netns"].filter(
      existsSync,
    ),
  };
}

/** Processes that work in a run folder, or are told of it. */
function processesOf(folder: string): readonly string[] {
  const listed = spawnSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).stdout.split("\n");
  return listed.filter((line) => line.includes(folder) || /containerd-shim.*fairlead/.test(line));
}

/** Waits until nothing is left of a node, as it was before. */
async function untilAsBefore(before: unknown, folder: string): Promise<void> {
  const deadline = Date.now() + GONE_DEADLINE_MS;
  while (Date.now() < deadline && (processesOf(folder).length > 0 || existsSync(folder))) {
    await delay(100); // Not children of ours: they cannot be waited for.
  }
  assert.deepEqual([processesOf(folder), existsSync(folder)], [[], false]);
  assert.deepEqual(traces(), before);
}

/** A cluster with a pod on a real node, in a process of its own, which tells its run folder and then hangs. */
async function startElsewhere() {
  const script = `
    const { startCluster } = await import(${JSON.stringify(programModule("cluster"))});
    const cluster = await startCluster({ components: ${JSON.stringify(PARTS)}, node: "real" });
    const spec = { nodeName: "real-node", containers: [{ name: "pause", image: ${JSON.stringify(PAUSE_IMAGE)} }] };
    const pods = "/api/v1/namespaces/default/pods";
    await cluster.send("POST", pods, { metadata: { name: "still-there" }, spec });
    const deadline = Date.now() + 60_000;
    for (;;) {
      const { status } = (await cluster.send("GET", pods + "/still-there")).body;
      if (status.phase === "Running") {
        break;
      }
      if (Date.now() > deadline) {
        throw new Error("the pod does not run: " + JSON.stringify(status));
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    console.log(cluster.folder);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = once(createInterface({ input: child.stdout }), "line");
  const ended = once(child, "exit").then(([code]) =>
    Promise.reject(new Error(`it ended with ${code} before it was up`)),
  );
  const [folder] = await Promise.race([said, ended]);
  ended.catch(() => {}); // From now on it is ended by the test.
  return { child, folder: String(folder) };
}

function cli(...args: readonly string[]): {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [programModule("cli"), ...args], { encoding: "utf8" });
  return { code: status, stdout, stderr };
}

describe("a real node", { skip: missing ?? false }, () => {
  test("joins beside simulated ones, is left alone by them, and leaves nothing behind", async () => {
    const before = traces();
    const cluster = await startCluster({ seeded: "small", node: "real" });
    try {
      const { body } = await cluster.send("GET", "/api/v1/nodes");
      const kubelets = body.items.map((node: NodeObject) => [node.metadata.name, node.status.nodeInfo.kubeletVersion]);
      assert.equal(kubelets.length, 4);
      assert.deepEqual(
        kubelets.filter(([, version]: readonly string[]) => version !== "simulated"),
        [["real-node", "v1.34.4"]],
      );
      const { body: pods } = await cluster.send("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dreal-node");
      assert.deepEqual(pods.items, []);
    } finally {
      await cluster.stop();
    }
    await untilAsBefore(before, cluster.folder);
  });

  test("a caller that is killed leaves no mount, namespace, rule, link or process behind", async () => {
    const before = traces();
    const { child, folder } = await startElsewhere();
    assert.notDeepEqual(traces(), before);
    child.kill("SIGKILL");
    await untilAsBefore(before, folder);
  });

  test("what is left after its supervisor was killed too, the next start removes", async () => {
    const before = traces();
    const { child, folder } = await startElsewhere();
    const supervisors = childrenOf(child.pid ?? 0);
    child.kill("SIGSTOP"); // Cannot tidy up after its supervisor.
    for (const pid of supervisors) {
      process.kill(pid, "SIGKILL");
    }
    child.kill("SIGKILL");
    while (supervisors.some(isRunning)) {
      await delay(20); // The kernel ends them in its own time; as long as one runs, its folder is its own.
    }
    const cluster: Cluster = await startCluster({ components: [...PARTS], node: "real" });
    await cluster.stop();
    await untilAsBefore(before, folder);
    await untilAsBefore(before, cluster.folder);
  });

  test("the command line starts one, refuses a file that is no image, and stops it", async () => {
    const before = traces();
    const name = `real-${process.pid}`;
    const up = cli("up", "--name", name, "--components", PARTS.join(","), "--node", "real");
    const folder = dirname(dirname(up.stdout.trim().replace("export KUBECONFIG=", "")));
    try {
      assert.equal(up.code, 0, up.stderr);
      const wrong = cli("image", "load", import.meta.filename, "--name", name);
      assert.deepEqual([wrong.code, wrong.stderr.includes("could not be loaded")], [1, true]);
    } finally {
      cli("down", "--name", name);
    }
    await untilAsBefore(before, folder);
  });
});

test("a node that is neither real nor simulated is refused, and images only go to a real one", () => {
  const wrong = cli("up", "--name", `imaginary-${process.pid}`, "--node", "imaginary");
  assert.deepEqual([wrong.code, wrong.stderr.includes('"imaginary" is not one of simulated, real')], [1, true]);
  const alone = cli("up", "--name", `alone-${process.pid}`, "--components", "etcd,apiserver", "--node", "real");
  assert.deepEqual([alone.code, alone.stderr.includes("needs the components")], [1, true]);
  assert.deepEqual(cli("image", "eat", "x.tar").code, 1);
});

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly status: { readonly nodeInfo: { readonly kubeletVersion: string } };
}
