import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("./bin.ts", import.meta.url));

/** A line of the program's log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly plugin?: string;
  readonly [field: string]: unknown;
}

/** How a run ended. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program, run in a process of its own; killed when it is disposed of. */
export class ProgramRun implements AsyncDisposable {
  /** Its log so far. */
  readonly lines: LogLine[] = [];
  readonly ended: Promise<ProgramEnd>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(
    args: readonly string[],
    options: { readonly folder: string; readonly env?: Readonly<Record<string, string>> },
  ) {
    this.#child = spawn(process.execPath, [BIN, ...args], {
      cwd: options.folder,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    if (this.#child.stderr !== null) {
      createInterface({ input: this.#child.stderr }).on("line", (text) => {
        stderr += `${text}\n`;
        if (text.startsWith("{")) {
          this.lines.push(JSON.parse(text));
        }
        for (const look of this.#waiting) {
          look();
        }
      });
    }
    this.ended = once(this.#child, "close").then(([code]) => ({ code, stdout, stderr }));
  }

  /** The first line with this message that is not among the first `after` lines. Rejects when the program ends without it. */
  async said(message: string, after = 0): Promise<LogLine> {
    return await new Promise((resolve, reject) => {
      const look = (): void => {
        const line = this.lines.slice(after).find(({ msg }) => msg === message);
        if (line !== undefined) {
          this.#waiting.delete(look);
          resolve(line);
        }
      };
      this.#waiting.add(look);
      void this.ended.then(({ stderr }) => reject(new Error(`ended without saying "${message}":\n${stderr}`)));
      look();
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}
