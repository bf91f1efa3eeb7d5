import { readFileSync } from "node:fs";

/** Memory of a process, MB (10^6 bytes). */
export interface MemoryFigures {
  /** VmRSS: with the pages of program files that the kernel may drop. */
  readonly residentMb: number;
  /** Private_Clean + Private_Dirty: what would be freed if the process ended. */
  readonly privateMb: number;
  /** VmHWM: the most that was ever resident. */
  readonly peakMb: number;
}

const CLOCK_TICKS_PER_SECOND = 100;

/** Reads the memory of a process from /proc. Throws ENOENT when it has ended. */
export function readMemory(pid: number): MemoryFigures {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return {
    residentMb: kilobytes(status, "VmRSS"),
    privateMb: kilobytes(rollup, "Private_Clean") + kilobytes(rollup, "Private_Dirty"),
    peakMb: kilobytes(status, "VmHWM"),
  };
}

/** CPU of a process and of the children that it has waited for, milliseconds, in steps of 10 ms. */
export function readCpuMs(pid: number): { readonly ownMs: number; readonly childrenMs: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name of the program is in parentheses and may hold spaces; "state" is the first field after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = (from: number): number => Number(fields[from]) + Number(fields[from + 1]);
  const toMs = 1000 / CLOCK_TICKS_PER_SECOND;
  return { ownMs: ticks(11) * toMs, childrenMs: ticks(13) * toMs };
}

function kilobytes(text: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1];
  return value === undefined ? Number.NaN : (Number(value) * 1024) / 1e6;
}
