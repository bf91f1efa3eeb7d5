import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { FairleadError } from "../../core/errors.ts";
import { type MemoryFigures, readCpuMs, readMemory } from "./process-figures.ts";

/** A program under measurement. It takes KUBECONFIG and BENCH_SPAWNED_AT_MS, says one JSON line when synced and one for each SIGUSR1. */
export interface Contender {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One line of a contender. */
export interface ContenderLine {
  readonly state: "synced" | "mark" | "end";
  /** From spawn to the complete set of all kinds, by the contender's own clock. Only with "synced". */
  readonly synced_ms?: number;
  readonly objects: number;
  readonly events: number;
  /** User and system time of all its threads since its start. */
  readonly cpu_ms: number;
}

/** A contender that has all its objects. */
export interface RunningContender {
  readonly pid: number;
  readonly synced: ContenderLine;
  /** Memory at the moment of the first line. */
  readonly atSync: MemoryFigures;
  /** CPU of child processes that it needed on the way, milliseconds. */
  readonly childrenCpuMs: number;
  mark(): Promise<ContenderLine>;
  memory(): MemoryFigures;
  stop(): Promise<void>;
}

const SYNC_DEADLINE_MS = 120_000;
const LINE_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 10_000;

/** Starts a contender and waits until it is synced. Throws BENCH_CONTENDER_FAILED with what it wrote to stderr. */
export async function startContender(contender: Contender, kubeconfig: string): Promise<RunningContender> {
  const child = spawn(contender.command, [...contender.args], {
    env: {
      ...process.env,
      ...contender.env,
      KUBECONFIG: kubeconfig,
      BENCH_SPAWNED_AT_MS: String(performance.timeOrigin + performance.now()),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = new LineReader(contender.name, child);
  try {
    const synced = await lines.next("synced", SYNC_DEADLINE_MS);
    const pid = child.pid ?? 0;
    const atSync = readMemory(pid);
    return {
      pid,
      synced,
      atSync,
      childrenCpuMs: readCpuMs(pid).childrenMs,
      mark: () => {
        child.kill("SIGUSR1");
        return lines.next("mark", LINE_DEADLINE_MS);
      },
      memory: () => readMemory(pid),
      stop: () => stop(child),
    };
  } catch (error) {
    await stop(child);
    throw error;
  }
}

/** Hands out a child's lines one by one and keeps the end of its stderr for an error. */
class LineReader {
  readonly #name: string;
  readonly #ready: ContenderLine[] = [];
  #stderr = "";
  #ended = false;
  #wake: () => void = () => {};

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2000);
    });
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        // The peers and ours.ts write exactly this shape; a line that is not JSON ends the bench with its text.
        this.#ready.push(JSON.parse(line) as ContenderLine);
        this.#wake();
      });
    }
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    child.on("close", end);
    child.on("error", end);
  }

  async next(state: ContenderLine["state"], deadlineMs: number): Promise<ContenderLine> {
    const giveUpAtMs = Date.now() + deadlineMs;
    for (;;) {
      const line = this.#ready.shift();
      if (line?.state === state) {
        return line;
      }
      const leftMs = giveUpAtMs - Date.now();
      if (this.#ended || leftMs <= 0) {
        const why = this.#ended ? "ended" : `said nothing for ${deadlineMs} ms`;
        throw new FairleadError("BENCH_CONTENDER_FAILED", `"${this.#name}" ${why} before "${state}"\n${this.#stderr}`);
      }
      if (line === undefined) {
        await this.#somethingWithin(leftMs);
      }
    }
  }

  #somethingWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
    return;
  }
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const kill = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
  child.kill("SIGTERM");
  await closed;
  clearTimeout(kill);
}
