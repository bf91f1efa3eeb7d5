import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** What a cgroup has used; MB are 10^6 bytes. */
export interface CgroupFigures {
  /** All that is charged to it, pages of files included. */
  readonly usedMb: number;
  /** The most of that. */
  readonly peakMb: number;
  /** Without pages of files that were not read lately: what `kubectl top` shows and the kubelet evicts by. */
  readonly workingSetMb: number;
  /** Private memory: what no pressure takes away. */
  readonly anonymousMb: number;
  /** User and system time. */
  readonly cpuMs: number;
  /** How often the kernel had to end a process in it. */
  readonly oomKills: number;
}

const MOUNT = "/sys/fs/cgroup";

/** Whether this machine has the one hierarchy of cgroup v2; else there is one for each controller. */
function isUnified(): boolean {
  return existsSync(join(MOUNT, "cgroup.controllers"));
}

/** Reads the figures of a cgroup by its path below the root. Throws ENOENT when it is gone. */
export function readCgroup(path: string): CgroupFigures {
  return isUnified() ? readUnified(path) : readSplit(path);
}

/** Removes a cgroup and those below it from every hierarchy; false while one of them holds a process. */
export function removeCgroup(path: string): boolean {
  const folders = hierarchies().map((hierarchy) => join(hierarchy, path));
  folders.forEach(removeTree);
  return !folders.some((folder) => existsSync(folder));
}

/** Removes a cgroup that is empty and has none below it. */
export function removeEmptyCgroup(path: string): void {
  for (const hierarchy of hierarchies()) {
    removeEmpty(join(hierarchy, path));
  }
}

/** Names of the cgroups directly below one. */
export function cgroupsBelow(path: string): readonly string[] {
  return [...new Set(hierarchies().flatMap((hierarchy) => foldersIn(join(hierarchy, path))))].sort();
}

function hierarchies(): readonly string[] {
  return isUnified() ? [MOUNT] : foldersIn(MOUNT).map((controller) => join(MOUNT, controller));
}

function removeTree(folder: string): void {
  for (const name of foldersIn(folder)) {
    removeTree(join(folder, name));
  }
  removeEmpty(folder);
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not there, or not empty.
  }
}

function foldersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function readUnified(path: string): CgroupFigures {
  const text = (file: string): string => readFileSync(join(MOUNT, path, file), "utf8");
  const used = Number(text("memory.current"));
  const stat = text("memory.stat");
  return {
    usedMb: used / 1e6,
    peakMb: Number(text("memory.peak")) / 1e6,
    workingSetMb: (used - field(stat, "inactive_file")) / 1e6,
    anonymousMb: field(stat, "anon") / 1e6,
    cpuMs: field(text("cpu.stat"), "usage_usec") / 1e3,
    oomKills: field(text("memory.events"), "oom_kill"),
  };
}

function readSplit(path: string): CgroupFigures {
  const text = (controller: string, file: string): string => readFileSync(join(MOUNT, controller, path, file), "utf8");
  const used = Number(text("memory", "memory.usage_in_bytes"));
  const stat = text("memory", "memory.stat");
  return {
    usedMb: used / 1e6,
    peakMb: Number(text("memory", "memory.max_usage_in_bytes")) / 1e6,
    workingSetMb: (used - field(stat, "total_inactive_file")) / 1e6,
    anonymousMb: field(stat, "total_rss") / 1e6,
    cpuMs: Number(text("cpuacct", "cpuacct.usage")) / 1e6,
    oomKills: field(text("memory", "memory.oom_control"), "oom_kill"),
  };
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}
