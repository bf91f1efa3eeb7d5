import { readdirSync, readFileSync } from "node:fs";

/** Whether a process exists and has not ended; one that has ended but was not waited for does not run. */
export function isRunning(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && !["Z", "X"].includes(stat.state);
}

/** Processes that another one started, as /proc tells it. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => statOf(candidate)?.parent === pid);
}

function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program is in parentheses and may hold spaces.
    const [state, parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
