import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { removeCgroup, removeEmptyCgroup } from "./cgroup.ts";
import { CONTAINER_CGROUP, nodeLayout } from "./node-settings.ts";
import { isRunning } from "./processes.ts";

// A supervisor tidies up after its cluster, however the test ends. When it is itself killed, the kernel ends the processes,
// and with them mounts and networks; files and empty cgroups stay until the next cluster is started.

/** Run folders of clusters begin so. */
export const RUN_FOLDER = "fairlead-cluster-";
const OWNER = "supervisor.pid";
const EMPTY_DEADLINE_MS = 5_000;
const LOOK_MS = 20;

/** Writes down whose a run folder is. */
export function markRunFolder(folder: string, supervisorPid: number): void {
  writeFileSync(join(folder, OWNER), String(supervisorPid));
}

/** Removes a run folder whose processes have ended or are about to, and the cgroups of the containers of its real node. */
export async function removeRunFolder(folder: string): Promise<void> {
  const cgroups = containersOf(folder).map((id) => join(CONTAINER_CGROUP, id));
  const deadline = Date.now() + EMPTY_DEADLINE_MS;
  // A killed container is in its cgroup until the kernel is done with it, which nobody tells.
  while (!cgroups.map(removeCgroup).every((isGone) => isGone) && Date.now() < deadline) {
    await delay(LOOK_MS);
  }
  if (cgroups.length > 0) {
    removeEmptyCgroup(CONTAINER_CGROUP); // Unless another cluster has containers.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes the run folders in `parent` whose supervisor is gone. */
export async function removeLeftovers(parent: string): Promise<void> {
  for (const name of readdirSync(parent).filter((one) => one.startsWith(RUN_FOLDER))) {
    const folder = join(parent, name);
    const owner = ownerOf(folder);
    if (owner !== undefined && !isRunning(owner)) {
      await removeRunFolder(folder);
    }
  }
}

function containersOf(folder: string): readonly string[] {
  try {
    return readdirSync(nodeLayout(folder).containers);
  } catch {
    return []; // There was no real node.
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
