import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FairleadError } from "../../core/errors.ts";
import { cacheFolder, exists, publish, withLock } from "./build-cache.ts";
import { sourceFolder } from "./source-folder.ts";

/** Programs of the control plane and of a real node; helm, which a test installs our chart with; CoreDNS, which ours is compared with, and Go's resolver, which asks it. */
export type ProgramName =
  | "etcd"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kube-scheduler"
  | "kwok"
  | "kubelet"
  | "kube-proxy"
  | "pause"
  | "helm"
  | "coredns"
  | "go-resolver";

/** Says what happens while it takes long. */
export type Progress = (line: string) => void;

interface GoModule {
  readonly name: string;
  /** Package of each program. */
  readonly programs: Readonly<Partial<Record<ProgramName, string>>>;
}

const MODULES: readonly GoModule[] = [
  { name: "etcd", programs: { etcd: "go.etcd.io/etcd/server/v3" } },
  { name: "kwok", programs: { kwok: "sigs.k8s.io/kwok/cmd/kwok" } },
  {
    name: "control-plane",
    programs: {
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
      "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    },
  },
  {
    // Two minors behind the control plane, which is within the skew that Kubernetes allows: later ones refuse cgroup v1.
    name: "node",
    programs: { kubelet: "k8s.io/kubernetes/cmd/kubelet", "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy" },
  },
  { name: "pause", programs: { pause: "." } },
  { name: "helm", programs: { helm: "helm.sh/helm/v4/cmd/helm" } },
  { name: "coredns", programs: { coredns: "." } },
  { name: "go-resolver", programs: { "go-resolver": "." } },
];

const ALL_PROGRAMS: readonly ProgramName[] = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
];
const PROGRESS_EVERY_MS = 15_000;
const WITHOUT =
  "without it test/cluster, the conformance tests and the benches against a real control plane do not run";

/** Path of a program: from KUBEBUILDER_ASSETS, or from the cache, built into it first. Throws CLUSTER_GO_MISSING, CLUSTER_BUILD_FAILED. */
export async function ensureProgram(name: ProgramName, progress: Progress): Promise<string> {
  const asset = await findAsset(name);
  if (asset !== undefined) {
    return asset;
  }
  const module = moduleOf(name);
  const folder = await folderOf(module);
  if (!(await exists(folder))) {
    const waiting = (pid: number): void => progress(`waiting for process ${pid}, which builds ${module.name}`);
    await withLock(folder, waiting, async () => {
      if (!(await exists(folder))) {
        await build(module, folder, progress);
      }
    });
  }
  return join(folder, name);
}

/** Builds all programs that the cache lacks. */
export async function ensurePrograms(
  names: readonly ProgramName[],
  progress: Progress,
): Promise<ReadonlyMap<ProgramName, string>> {
  const paths = new Map<ProgramName, string>();
  for (const name of names) {
    paths.set(name, await ensureProgram(name, progress));
  }
  return paths;
}

/** Why programs (default: all) cannot be had here, or undefined: tests name it when they are left out. Always undefined when CI=true. */
export async function whyNoCluster(names: readonly ProgramName[] = ALL_PROGRAMS): Promise<string | undefined> {
  if (process.env.CI === "true" || (await run("go", ["version"], ".")).code === 0) {
    return undefined;
  }
  for (const name of names) {
    if ((await findAsset(name)) === undefined && !(await exists(await folderOf(moduleOf(name))))) {
      return `go is missing and ${name} is not built yet; ${WITHOUT}`;
    }
  }
  return undefined;
}

async function findAsset(name: ProgramName): Promise<string | undefined> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  return assets !== undefined && (await exists(join(assets, name))) ? join(assets, name) : undefined;
}

function moduleOf(name: ProgramName): GoModule {
  const module = MODULES.find((candidate) => candidate.programs[name] !== undefined);
  if (module === undefined) {
    throw new FairleadError("CLUSTER_UNKNOWN_PROGRAM", `no module builds "${name}"`);
  }
  return module;
}

async function folderOf(module: GoModule): Promise<string> {
  const pinned = await readFile(join(moduleFolder(module), "go.mod"));
  const key = createHash("sha256")
    .update(pinned)
    .update(process.platform)
    .update(process.arch)
    .digest("hex")
    .slice(0, 16);
  return join(cacheFolder(), "programs", `${module.name}-${key}`);
}

function moduleFolder(module: GoModule): string {
  return join(sourceFolder(), "modules", module.name);
}

async function build(module: GoModule, folder: string, progress: Progress): Promise<void> {
  const version = await run("go", ["env", "GOVERSION"], moduleFolder(module));
  if (version.code === "ENOENT") {
    throw new FairleadError(
      "CLUSTER_GO_MISSING",
      `building ${module.name} needs go 1.26 or later, which is not installed; ${WITHOUT}`,
    );
  }
  const startedAtMs = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - startedAtMs) / 1000)} s`;
  progress(`building ${Object.keys(module.programs).join(", ")} with ${version.output.trim()} (once; minutes)`);
  const timer = setInterval(() => progress(`building ${module.name}: ${elapsed()}`), PROGRESS_EVERY_MS);
  await mkdir(dirname(folder), { recursive: true });
  // Built beside its place and renamed, so that no one ever sees half of it.
  const work = await mkdtemp(`${folder}.`);
  try {
    for (const [program, source] of Object.entries(module.programs)) {
      progress(`building ${program}: ${elapsed()}`);
      const flags = ["build", "-trimpath", "-ldflags", await linkerFlags(module), "-o", join(work, program), source];
      const { code, output } = await run("go", flags, moduleFolder(module));
      if (code !== 0) {
        const last = output.trim().split("\n").slice(-10).join("\n");
        throw new FairleadError(
          "CLUSTER_BUILD_FAILED",
          `"go build ${source}" failed (${code}); go 1.26 or later and a way to its module proxy are needed\n${last}`,
        );
      }
    }
    await publish(work, folder);
  } finally {
    clearInterval(timer);
    await rm(work, { recursive: true, force: true });
  }
  progress(`built ${module.name} in ${elapsed()}`);
}

/** Small programs that tell their true version. */
async function linkerFlags(module: GoModule): Promise<string> {
  const text = await readFile(join(moduleFolder(module), "go.mod"), "utf8");
  const found = /^\s*(?:require )?k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\S+)/m.exec(text);
  if (found === null) {
    return "-s -w";
  }
  const at = "k8s.io/component-base/version";
  return `-s -w -X ${at}.gitVersion=${found[1]} -X ${at}.gitMajor=${found[2]} -X ${at}.gitMinor=${found[3]}`;
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number | string; output: string }> {
  const child = spawn(command, [...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => said.push(text));
  }
  const code = await new Promise<number | string>((resolve) => {
    child.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    child.on("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
  return { code, output: said.join("") };
}
