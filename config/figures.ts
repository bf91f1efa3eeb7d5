import { monitorEventLoopDelay } from "node:perf_hooks";

/** What this process has used so far. */
export interface Figures {
  /** User and system time of all threads, milliseconds. */
  readonly cpuMs: number;
  /** Resident memory of the process, MB (10^6 bytes). */
  readonly residentMb: number;
  /** Longest time the main loop was late, milliseconds. */
  readonly longestStallMs: number;
}

const RESOLUTION_MS = 5;

/** Watches the main loop until `stop`. */
export class FigureMeter {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;

  constructor() {
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#delay.enable();
  }

  read(): Figures {
    const cpu = process.cpuUsage();
    const late = this.#delay.count === 0 ? 0 : this.#delay.max / 1e6 - RESOLUTION_MS;
    return {
      cpuMs: Math.round((cpu.user + cpu.system) / 1000),
      residentMb: Math.round(process.memoryUsage.rss() / 1e5) / 10,
      longestStallMs: Math.max(0, Math.round(late * 10) / 10),
    };
  }

  stop(): void {
    this.#delay.disable();
  }
}
