import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CompleteTimes } from "../../core/election/settings.ts";

/** How a candidate takes part. */
export interface CandidateOptions {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly lease: string;
  /** The ConfigMap that whoever leads writes to. */
  readonly journal: string;
  readonly identity: string;
  readonly times: CompleteTimes;
  /** Time between two writes, milliseconds. */
  readonly everyMs: number;
  /** What the candidate tells of itself; ours only. */
  readonly logFile: string;
}

/** A candidate in a process of its own. */
export class CandidateProcess {
  readonly identity: string;
  readonly #start: () => ChildProcess;
  #child: ChildProcess;

  private constructor(identity: string, start: () => ChildProcess) {
    this.identity = identity;
    this.#start = start;
    this.#child = start();
  }

  /** One of ours. */
  static ours(options: CandidateOptions): CandidateProcess {
    const program = fileURLToPath(new URL("./candidate.ts", import.meta.url));
    return new CandidateProcess(options.identity, () =>
      spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ["ignore", "ignore", "inherit"] }),
    );
  }

  /** One of client-go. `program` is its path. */
  static clientGo(program: string, options: CandidateOptions): CandidateProcess {
    const { kubeconfig, namespace, lease, journal, identity, times, everyMs } = options;
    const flags = {
      kubeconfig,
      namespace,
      lease,
      journal,
      identity,
      duration: `${times.leaseDurationMs}ms`,
      deadline: `${times.renewDeadlineMs}ms`,
      period: `${times.retryPeriodMs}ms`,
      every: `${everyMs}ms`,
    };
    const args = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
    // What it says of requests that failed under faults is of no use.
    return new CandidateProcess(options.identity, () => spawn(program, args, { stdio: "ignore" }));
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  /** Ends it, by force (SIGKILL) or in good order (SIGTERM). */
  async end(how: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill(how);
      await ended;
    }
  }

  /** Starts it again after its end. */
  again(): void {
    this.#child = this.#start();
  }
}
