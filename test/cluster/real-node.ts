import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { FairleadError, messageOf } from "../../core/errors.ts";
import { buildFolder } from "../package/image-build.ts";
import type { ApiClient } from "./api-client.ts";
import { exists, withLock } from "./build-cache.ts";
import { NodeHost } from "./node-host.ts";
import {
  CONTAINER_CGROUP,
  cniConfig,
  containerdConfig,
  kubeletArgs,
  kubeletConfig,
  kubeProxyArgs,
  type NodeAddresses,
  type NodeLayout,
  nodeLayout,
  PAUSE_IMAGE,
  REAL_NODE,
} from "./node-settings.ts";
import { ensurePrograms, type ProgramName, type Progress } from "./programs.ts";
import type { Running, Supervised } from "./supervised.ts";
import { cniFolder, installMissing, type SystemProgram, whatIsMissing } from "./system-packages.ts";

const run = promisify(execFile);
const NODE_PROGRAMS: readonly ProgramName[] = ["kubelet", "kube-proxy", "pause"];
const SYSTEM: readonly SystemProgram[] = [
  "buildah",
  "conntrack",
  "containerd",
  "ctr",
  "ip",
  "iptables",
  "mount",
  "nsenter",
  "runc",
  "setpriv",
  "unshare",
];
const READY_DEADLINE_MS = 60_000;
const LOOK_MS = 100;

/** A node of a cluster that runs pods for real. */
export interface RealNode {
  /** Name of the node; pods that are to be run for real select it by its label, or tolerate its taint. */
  readonly name: string;
  readonly addresses: NodeAddresses;
  /** Cgroup of a container, by the id that the status of its pod tells. */
  cgroupOf(containerId: string): string;
  /** Puts the images of an OCI archive on the node; nothing is ever pulled. */
  loadImage(archive: string): Promise<void>;
  /** Runs a program of this machine in the network of the node, where Services answer; gives what it printed. */
  run(command: string, args: readonly string[]): Promise<string>;
}

/** Why a real node cannot be had here, or undefined. Always undefined when CI=true. */
export function whyNoRealNode(): string | undefined {
  return process.env.CI === "true" ? undefined : whatIsMissing(SYSTEM, true);
}

/** What is needed before the API server starts: programs, and the node's namespaces. */
export interface NodeGround {
  readonly host: NodeHost;
  readonly programs: ReadonlyMap<ProgramName, string>;
}

/** Installs and builds what is missing, and makes the namespaces of a node. */
export async function prepareRealNode(
  supervised: Supervised,
  runFolder: string,
  progress: Progress,
): Promise<NodeGround> {
  await installMissing(SYSTEM, progress, true);
  const programs = await ensurePrograms(NODE_PROGRAMS, progress);
  const host = await NodeHost.start(supervised, pathOf(programs, "pause"), join(runFolder, "logs", "node-init.log"));
  return { host, programs };
}

/** What a node needs of its cluster. */
export interface NodeCluster {
  readonly runFolder: string;
  readonly clientCa: string;
  /** Kubeconfigs of the kubelet and of kube-proxy, which lead to the API server over the link. */
  readonly kubeletKubeconfig: string;
  readonly proxyKubeconfig: string;
  /** Whether there are simulated nodes beside it. */
  readonly hasSimulatedNodes: boolean;
  readonly client: ApiClient;
}

/** Starts containerd, the kubelet and kube-proxy; resolves when the node is ready. Throws CLUSTER_COMPONENT_FAILED. */
export async function startRealNode(ground: NodeGround, cluster: NodeCluster): Promise<RealNode> {
  const { host, programs } = ground;
  const layout = nodeLayout(cluster.runFolder);
  await writeNodeFiles(layout, host, cluster);
  const logPath = (name: string): string => join(cluster.runFolder, "logs", `${name}.log`);
  const spawn = (name: string, command: string, args: readonly string[]): Promise<Running> =>
    host.spawn(name, command, args, logPath(name));
  const containerd = await spawn("containerd", "containerd", ["--config", layout.containerdConfig]);
  await until("containerd", containerd, logPath("containerd"), () => hasContainerd(layout.containerdSocket));
  await loadImage(layout.containerdSocket, await pauseImage(pathOf(programs, "pause")));
  const kubeletFlags = kubeletArgs(layout, host.addresses, cluster.kubeletKubeconfig);
  const kubelet = await spawn("kubelet", pathOf(programs, "kubelet"), kubeletFlags);
  const proxyFlags = kubeProxyArgs(host.addresses, cluster.proxyKubeconfig);
  const proxy = await spawn("kube-proxy", pathOf(programs, "kube-proxy"), proxyFlags);
  await until("kubelet", kubelet, logPath("kubelet"), () => isNodeReady(cluster.client));
  await until("kube-proxy", proxy, logPath("kube-proxy"), () => hasRules(host));
  return {
    name: REAL_NODE,
    addresses: host.addresses,
    cgroupOf: (containerId) => `${CONTAINER_CGROUP}/${containerId.replace(/^.*:\/\//, "")}`,
    loadImage: (archive) => loadImage(layout.containerdSocket, archive),
    run: (command, args) => host.run(command, args),
  };
}

/** Puts the images of an OCI archive on the node whose containerd listens on a socket. Throws CLUSTER_IMAGE_NOT_LOADED. */
export async function loadImage(socket: string, archive: string): Promise<void> {
  const ctr = async (...args: readonly string[]): Promise<string> =>
    (await run("ctr", ["--address", socket, "--namespace", "k8s.io", "images", ...args])).stdout;
  try {
    await ctr("import", archive);
    // The kubelet's side of containerd hears of it a moment later.
    const deadline = Date.now() + READY_DEADLINE_MS;
    while (/^localhost\/(?!.*io\.cri-containerd\.image=managed)/m.test(await ctr("ls")) && Date.now() < deadline) {
      await delay(LOOK_MS);
    }
  } catch (cause) {
    throw new FairleadError("CLUSTER_IMAGE_NOT_LOADED", `"${archive}" could not be loaded: ${messageOf(cause)}`, {
      cause,
    });
  }
}

async function writeNodeFiles(layout: NodeLayout, host: NodeHost, cluster: NodeCluster): Promise<void> {
  await mkdir(layout.cni, { recursive: true });
  const kubelet = kubeletConfig({
    layout,
    clientCa: cluster.clientCa,
    tainted: cluster.hasSimulatedNodes,
  });
  await writeFile(layout.kubeletConfig, kubelet);
  await writeFile(layout.resolvConf, "");
  await writeFile(join(layout.cni, "10-pods.conflist"), cniConfig(layout, host.addresses));
  await writeFile(layout.containerdConfig, containerdConfig(layout, cniFolder() ?? ""));
}

/** The pause image of this program, built once beside it. */
async function pauseImage(program: string): Promise<string> {
  const archive = join(dirname(program), "pause-image.tar");
  await withLock(
    archive,
    () => {},
    async () => {
      if (!(await exists(archive))) {
        await buildPauseImage(program, archive);
      }
    },
  );
  return archive;
}

async function buildPauseImage(program: string, archive: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "fairlead-pause-"));
  try {
    await copyFile(program, join(folder, "pause"));
    await writeFile(
      join(folder, "Dockerfile"),
      'FROM scratch\nCOPY pause /pause\nUSER 65532:65532\nENTRYPOINT ["/pause"]\n',
    );
    buildFolder(folder, `${archive}.new`, PAUSE_IMAGE);
    await rename(`${archive}.new`, archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function until(name: string, running: Running, logPath: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (!(await holds().catch(() => false))) {
    const ended = running.ended();
    if (ended !== undefined || Date.now() > deadline) {
      const log = await readFile(logPath, "utf8").catch(() => "");
      const last = log.trim().split("\n").slice(-12).join("\n");
      const said = ended === undefined ? `was not ready within ${READY_DEADLINE_MS} ms` : `ended (${ended})`;
      throw new FairleadError("CLUSTER_COMPONENT_FAILED", `"${name}" ${said}; the end of its log:\n${last}`);
    }
    await delay(LOOK_MS);
  }
}

async function hasContainerd(socket: string): Promise<boolean> {
  await run("ctr", ["--address", socket, "version"]);
  return true;
}

async function isNodeReady(client: ApiClient): Promise<boolean> {
  const { status, body } = await client.request("GET", `/api/v1/nodes/${REAL_NODE}`);
  const conditions: readonly { type: string; status: string }[] = body.status?.conditions ?? [];
  return status === 200 && conditions.some((one) => one.type === "Ready" && one.status === "True");
}

/** kube-proxy has written the rule of the API server's own Service. */
async function hasRules(host: NodeHost): Promise<boolean> {
  return (await host.run("iptables-save", ["-t", "nat"])).includes("default/kubernetes:https");
}

function pathOf(programs: ReadonlyMap<ProgramName, string>, name: ProgramName): string {
  const path = programs.get(name);
  if (path === undefined) {
    throw new FairleadError("CLUSTER_UNKNOWN_PROGRAM", `"${name}" was not built`);
  }
  return path;
}
