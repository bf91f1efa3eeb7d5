import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupsNamed, removeCgroup } from "./cgroup.ts";
import { isRunning } from "./processes.ts";

// A supervisor tidies up after its cluster, however the test ends. When it is itself killed, the kernel ends the processes,
// and with them mounts and networks; files and empty cgroups stay until the next cluster is started.

/** Run folders of clusters begin so. */
export const RUN_FOLDER = "fairlead-cluster-";
const NODE_CGROUP = "fairlead-node-";
const OWNER = "supervisor.pid";

/** Cgroup of the real node of the cluster that a supervisor guards. */
export function nodeCgroup(supervisorPid: number): string {
  return `/${NODE_CGROUP}${supervisorPid}`;
}

/** Writes down whose a run folder is. */
export function markRunFolder(folder: string, supervisorPid: number): void {
  writeFileSync(join(folder, OWNER), String(supervisorPid));
}

/** Removes the run folders in `parent` and the cgroups whose supervisor is gone. */
export function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent).filter((one) => one.startsWith(RUN_FOLDER))) {
    const folder = join(parent, name);
    const owner = ownerOf(folder);
    if (owner !== undefined && !isRunning(owner)) {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  }
  for (const name of cgroupsNamed(NODE_CGROUP)) {
    if (!isRunning(Number(name.slice(NODE_CGROUP.length)))) {
      removeCgroup(name);
    }
  }
}

function ownerOf(folder: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(folder, OWNER), "utf8"));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // Not made by this version, or not ours to read.
  }
}
