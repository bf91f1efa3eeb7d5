import { execFile } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** Memory, GiB. */
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** "go1.26.8", or "none". */
  readonly go: string;
  /** "1.95.0", or "none". */
  readonly rust: string;
}

/** Describes this machine; asks `go` and `rustc` for their versions. */
export async function describeMachine(): Promise<Machine> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    go: await versionOf("go", ["version"], /go(\d[\w.]*)/),
    rust: await versionOf("rustc", ["--version"], /rustc (\d[\w.]*)/),
  };
}

/** One line of a machine for a page. */
export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGib, kernel, node, go, rust } = machine;
  return `${cpu}, ${cores} cores, ${memoryGib} GiB, Linux ${kernel}; Node ${node}, Go ${go}, Rust ${rust}`;
}

/** Load average of the last minute: how busy others kept the machine. */
export function loadAverage(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

async function versionOf(command: string, args: readonly string[], pattern: RegExp): Promise<string> {
  try {
    const { stdout } = await run(command, [...args]);
    return pattern.exec(stdout)?.[1] ?? "unknown";
  } catch {
    return "none";
  }
}

/** What a page says about the load under which its figures were taken. */
export function loadNote(loads: readonly number[]): string {
  const most = Math.max(...loads);
  const range = `Load average before the runs: ${Math.min(...loads)} to ${most}, what the bench itself needs included.`;
  const busy = "Other programs ran at the same time: the figures are rough, and to be taken again on an idle machine.";
  return most > cpus().length ? `${range} ${busy}` : range;
}
