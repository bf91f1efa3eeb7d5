import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { FairleadError } from "../../core/errors.ts";
import { removeRunFolder } from "./leftovers.ts";
import { programModule } from "./source-folder.ts";
import type { SupervisorNotice, SupervisorRequest } from "./supervisor-messages.ts";

/** A component that was started. */
export interface Running {
  readonly pid: number;
  /** Resolves with the reason when it has ended. */
  readonly exited: Promise<string>;
  /** The reason once it has ended. */
  ended(): string | undefined;
}

interface Watched {
  readonly spawned: (pid: number) => void;
  readonly exited: (reason: string) => void;
}

/** Components of one cluster, children of a supervisor that outlives this process just long enough to end them. */
export class Supervised {
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #watched = new Map<string, Watched>();

  /** `folder` is removed when all is over. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#child = fork(programModule("supervisor"), [folder], {
      detached: true,
      execArgv: ["--max-semi-space-size=1"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (message) => this.#hear(message as SupervisorNotice)); // only our own supervisor holds the channel
    this.#child.on("exit", () => {
      for (const watched of this.#watched.values()) {
        watched.exited("the supervisor ended");
      }
      this.#watched.clear();
    });
  }

  /** The supervisor's process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Starts a program under a name that is free. Throws CLUSTER_COMPONENT_FAILED when it cannot be started at all. */
  async spawn(name: string, command: string, args: readonly string[], logPath: string): Promise<Running> {
    let reason: string | undefined;
    let onSpawned: (pid: number) => void = () => {};
    let onExited: (reason: string) => void = () => {};
    const spawned = new Promise<number>((resolve) => {
      onSpawned = resolve;
    });
    const exited = new Promise<string>((resolve) => {
      onExited = (why) => {
        reason = why;
        resolve(why);
      };
    });
    this.#watched.set(name, { spawned: onSpawned, exited: onExited });
    this.#ask({ kind: "spawn", name, command, args, logPath });
    const pid = await Promise.race([spawned, exited]);
    if (typeof pid === "string") {
      throw new FairleadError("CLUSTER_COMPONENT_FAILED", `"${name}" could not be started (${pid})`);
    }
    return { pid, exited, ended: () => reason };
  }

  /** Lets the supervisor wait for the end of a real node's first process before it removes the files. */
  guardNode(firstPid: number): void {
    this.#ask({ kind: "node", firstPid });
  }

  /** Sends a signal to a component; nothing happens if it is gone. */
  signal(name: string, signal: NodeJS.Signals): void {
    this.#ask({ kind: "signal", name, signal });
  }

  /** Kills all components, removes the folder and ends the supervisor. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const over = once(this.#child, "exit");
      this.#ask({ kind: "end" });
      await over;
    }
    // A supervisor that was killed did not get to it.
    await removeRunFolder(this.#folder);
  }

  #ask(request: SupervisorRequest): void {
    if (this.#child.connected) {
      this.#child.send(request);
    }
  }

  #hear(notice: SupervisorNotice): void {
    switch (notice.kind) {
      case "spawned":
        this.#watched.get(notice.name)?.spawned(notice.pid);
        break;
      case "exited":
        this.#watched.get(notice.name)?.exited(notice.reason);
        this.#watched.delete(notice.name);
        break;
      case "ended":
        break;
    }
  }
}
