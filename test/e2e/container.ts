import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isAlive } from "../cluster/build-cache.ts";
import { type CgroupFigures, readCgroup, removeCgroup } from "../cluster/cgroup.ts";

/** How a container is run. */
export interface ContainerOptions {
  /** Arguments after the image's entry point. Default: the image's own. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Files and folders of this machine that it sees, read only. */
  readonly mounts?: readonly { readonly from: string; readonly to: string }[];
  /** Default: 128 MiB. */
  readonly memoryBytes?: number;
}

/** How a container ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: readonly string[];
  readonly stderr: string;
}

/** A container that was started. */
export interface Container extends AsyncDisposable {
  /** Lines of its output so far. */
  readonly lines: readonly string[];
  readonly stderr: string;
  readonly ended: Promise<Ended>;
  /** Resolves with the first line, said or to be said, that a test function likes; rejects when it ends before. */
  line(likes: (line: string) => boolean): Promise<string>;
  /** Sends a signal to its first process. */
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): void;
  /** What its cgroup has used. */
  figures(): CgroupFigures;
}

/** An image that was unpacked, ready to be run. */
export interface UnpackedImage {
  readonly rootfs: string;
  /** Runs it under runc: as the user of the image, root read only, no capabilities, the network of this machine. */
  run(options?: ContainerOptions): Container;
  /** Removes the files. */
  remove(): void;
}

/** Parts of the runtime's configuration that umoci makes from the image and that are changed here. */
interface RuntimeConfig {
  process: {
    terminal: boolean;
    user: { uid: number; gid: number };
    args: string[];
    env: string[];
    capabilities: Record<string, string[]>;
    rlimits?: unknown;
  };
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: { destination: string; type?: string; source: string; options?: string[] }[];
  linux: {
    cgroupsPath?: string;
    namespaces: { type: string }[];
    resources?: unknown;
    uidMappings?: unknown;
    gidMappings?: unknown;
  };
}

const STATE = "/run/fairlead-test-containers";
const MEMORY_BYTES = 128 * 2 ** 20;
let counter = 0;

/** Unpacks the image of an OCI archive. Needs root, umoci and runc. */
export function unpackImage(archive: string, name: string): UnpackedImage {
  removeLeftovers();
  const folder = mkdtempSync(join(tmpdir(), "fairlead-container-"));
  const layout = join(folder, "layout");
  mkdirSync(layout);
  execFileSync("tar", ["-xf", archive, "-C", layout]);
  execFileSync("umoci", ["unpack", "--image", `${layout}:${name}`, join(folder, "bundle")], { stdio: "pipe" });
  rmSync(layout, { recursive: true });
  const rootfs = join(folder, "bundle/rootfs");
  const config: RuntimeConfig = JSON.parse(readFileSync(join(folder, "bundle/config.json"), "utf8"));
  return {
    rootfs,
    run: (options = {}) => runContainer(folder, config, rootfs, options),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function runContainer(folder: string, config: RuntimeConfig, rootfs: string, options: ContainerOptions): Container {
  const id = `fairlead-test-${process.pid}-${++counter}`;
  const bundle = join(folder, id);
  mkdirSync(bundle);
  writeFileSync(join(bundle, "config.json"), JSON.stringify(runtimeConfig(config, rootfs, id, options)));
  const child = spawn("runc", ["--root", STATE, "run", "--bundle", bundle, id], { stdio: ["ignore", "pipe", "pipe"] });
  return containerOf(child, id);
}

function runtimeConfig(from: RuntimeConfig, rootfs: string, id: string, options: ContainerOptions): RuntimeConfig {
  const config = structuredClone(from);
  const { process: program, linux } = config;
  program.terminal = false;
  program.capabilities = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  // The command of our images is one word, "run".
  program.args = options.args === undefined ? program.args : [...program.args.slice(0, -1), ...options.args];
  program.env = [...program.env, ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)];
  delete program.rlimits;
  config.root = { path: rootfs, readonly: true };
  config.mounts = [
    ...config.mounts.filter(({ destination }) => destination !== "/sys/fs/cgroup"),
    ...["/etc/resolv.conf", "/etc/hosts"].map((file) => bind(file, file)),
    ...(options.mounts ?? []).map(({ from: source, to }) => bind(source, to)),
  ];
  linux.cgroupsPath = `/${id}`;
  linux.namespaces = ["pid", "ipc", "uts", "mount"].map((type) => ({ type }));
  const limit = options.memoryBytes ?? MEMORY_BYTES;
  linux.resources = { devices: [{ allow: false, access: "rwm" }], memory: { limit } };
  delete linux.uidMappings;
  delete linux.gidMappings;
  return config;
}

function bind(source: string, destination: string): RuntimeConfig["mounts"][number] {
  return { destination, type: "none", source, options: ["rbind", "ro"] };
}

function containerOf(child: ChildProcess, id: string): Container {
  const lines: string[] = [];
  const news = new EventEmitter();
  let stderr = "";
  let over = false;
  const { stdout, stderr: errors } = child;
  if (stdout === null || errors === null) {
    throw new TypeError("a container was started without pipes");
  }
  createInterface({ input: stdout }).on("line", (line) => {
    lines.push(line);
    news.emit("news");
  });
  errors.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code]) => {
    over = true;
    news.emit("news");
    removeCgroup(id);
    return { code, stdout: lines, stderr };
  });
  return {
    lines,
    get stderr() {
      return stderr;
    },
    ended,
    async line(likes) {
      for (let at = 0; ; at++) {
        while (at >= lines.length) {
          if (over) {
            throw new Error(
              `the container ended before it said what was waited for; it said:\n${lines.slice(-5).join("\n")}\n${stderr}`,
            );
          }
          await once(news, "news");
        }
        if (likes(lines[at])) {
          return lines[at];
        }
      }
    },
    kill: (signal) => void execFileSync("runc", ["--root", STATE, "kill", id, signal], { stdio: "pipe" }),
    figures: () => readCgroup(id),
    async [Symbol.asyncDispose]() {
      spawnSync("runc", ["--root", STATE, "delete", "--force", id]);
      await ended;
    },
  };
}

/** Ends containers of a test process that did not live to end them itself. */
function removeLeftovers(): void {
  const listed = spawnSync("runc", ["--root", STATE, "list", "--quiet"], { encoding: "utf8" });
  for (const id of (listed.stdout ?? "").split("\n")) {
    const owner = /^fairlead-test-(\d+)-\d+$/.exec(id)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) {
      spawnSync("runc", ["--root", STATE, "delete", "--force", id]);
      removeCgroup(id);
    }
  }
}
