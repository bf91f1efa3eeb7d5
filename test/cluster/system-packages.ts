import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { promisify } from "node:util";
import { FairleadError } from "../../core/errors.ts";
import type { Progress } from "./programs.ts";

const run = promisify(execFile);

/** The Debian package of each program of the system that containers need. */
const PACKAGES = {
  buildah: "buildah",
  conntrack: "conntrack",
  containerd: "containerd",
  ctr: "containerd",
  ip: "iproute2",
  iptables: "iptables",
  mount: "mount",
  nsenter: "util-linux",
  runc: "runc",
  setpriv: "util-linux",
  umoci: "umoci",
  unshare: "util-linux",
} as const;

/** A program of the system. */
export type SystemProgram = keyof typeof PACKAGES;

/** Debian keeps the network plugins of containerd outside the path. */
const CNI_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];
const CNI_PACKAGE = "containernetworking-plugins";

/** What of a machine decides whether containers run on it. */
export interface Machine {
  readonly isRoot: boolean;
  has(program: SystemProgram | "cni"): boolean;
}

const THIS_MACHINE: Machine = {
  isRoot: process.getuid?.() === 0,
  has: (program) => (program === "cni" ? cniFolder() !== undefined : isThere(program)),
};

/** What is missing on a machine for these programs, in words, or undefined. `cni`: the network plugins as well. */
export function whatIsMissing(
  programs: readonly SystemProgram[],
  cni = false,
  machine: Machine = THIS_MACHINE,
): string | undefined {
  const packages = missingPackages(programs, cni, machine);
  if (packages.length === 0 && machine.isRoot) {
    return undefined;
  }
  const install = packages.length === 0 ? [] : [`programs are missing: apt-get install ${packages.join(" ")}`];
  return [...(machine.isRoot ? [] : ["containers need root"]), ...install].join("; ");
}

/**
 * Installs by apt-get what is missing, where this process may. Throws CLUSTER_PACKAGE_MISSING, which names the packages,
 * where it may not.
 */
export async function installMissing(
  programs: readonly SystemProgram[],
  progress: Progress,
  cni = false,
): Promise<void> {
  const packages = missingPackages(programs, cni, THIS_MACHINE);
  if (packages.length > 0 && THIS_MACHINE.isRoot && isThere("apt-get")) {
    progress(`installing ${packages.join(", ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const install = ["install", "-y", "-qq", "--no-install-recommends", ...packages];
    await run("apt-get", ["update", "-qq"], { env }).catch(() => undefined); // Without a network the lists of before may do.
    await run("apt-get", install, { env }).catch((cause: unknown) => {
      throw new FairleadError("CLUSTER_PACKAGE_MISSING", `"apt-get ${install.join(" ")}" failed`, { cause });
    });
  }
  const missing = whatIsMissing(programs, cni);
  if (missing !== undefined) {
    throw new FairleadError("CLUSTER_PACKAGE_MISSING", missing);
  }
}

/** The folder of the CNI plugins, or undefined. */
export function cniFolder(): string | undefined {
  return CNI_FOLDERS.find((folder) => isExecutable(`${folder}/bridge`));
}

function missingPackages(programs: readonly SystemProgram[], cni: boolean, machine: Machine): readonly string[] {
  const packages: string[] = programs.filter((program) => !machine.has(program)).map((program) => PACKAGES[program]);
  return [...new Set(cni && !machine.has("cni") ? [...packages, CNI_PACKAGE] : packages)].sort();
}

function isThere(program: string): boolean {
  const folders = `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`.split(":");
  return folders.some((folder) => folder !== "" && isExecutable(`${folder}/${program}`));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
