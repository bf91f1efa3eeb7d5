import { type ResourceLimits, Worker } from "node:worker_threads";

/** How a thread ended. `stopped`: as asked. `forced`: it did not end in time and was terminated. */
export interface ThreadExit {
  readonly kind: "stopped" | "forced" | "crashed" | "start-timeout";
  readonly exitCode: number;
  /** Code and message of the error that ended it, if there was one. */
  readonly code?: string;
  readonly message?: string;
  readonly stack?: string;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

/** What a thread has used. */
export interface ThreadFigures {
  /** User and system time, milliseconds. */
  readonly cpuMs: number;
  /** Bytes of JavaScript heap in use, and taken from the system. Shared memory is not in it. */
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  /** Bytes outside the heap: buffers. */
  readonly externalBytes: number;
  /** Part of the time that its loop was busy since it began, 0 to 1. */
  readonly utilization: number;
}

/** How to run a module in a thread. */
export interface ThreadOptions<Out> {
  /** The module; it must call `enterThread`. */
  readonly url: URL;
  /** Shown in debuggers and errors. */
  readonly name: string;
  /** Copied into the thread (`SharedArrayBuffer`s are shared). */
  readonly data?: unknown;
  readonly resourceLimits?: ResourceLimits;
  /** The thread must say that it is ready within this time, milliseconds. Default 10000. */
  readonly startTimeoutMs?: number;
  /** Each message of the thread, on the calling thread. */
  readonly onMessage: (message: Out) => void;
  /** Exactly once, after the last message. */
  readonly onExit: (exit: ThreadExit) => void;
}

/** A running thread, seen from the thread that started it. */
export interface Thread<In> {
  /** Resolves when the module said that it is ready; rejects when the thread ended before that. */
  readonly ready: Promise<void>;
  post(message: In): void;
  /** Asks it to end, terminates it after `deadlineMs` (default 5000), and resolves when it is gone. Safe to call twice. */
  stop(deadlineMs?: number): Promise<ThreadExit>;
  /** Rejects when the thread is gone. */
  figures(): Promise<ThreadFigures>;
}

/** What crosses besides the module's own messages. */
export type ThreadEnvelope<T> =
  | { readonly kind: "message"; readonly message: T }
  | { readonly kind: "ready" }
  | { readonly kind: "stop" };

const STDERR_KEPT = 2000;

/**
 * Runs a module in a thread of its own. Its stdin is empty, its stdout is dropped and of its stderr the end is kept for
 * `onExit`: a thread has no business on the terminal.
 */
export function spawnThread<In, Out>(options: ThreadOptions<Out>): Thread<In> {
  return new WorkerThread<In, Out>(options);
}

/**
 * A thread takes over the flags of its process, except where the process runs a script given on the command line: those
 * flags keep a thread from starting, so that only the ones that limit or extend it are passed on.
 */
export function threadFlags(flags: readonly string[]): string[] | undefined {
  if (!flags.some((flag) => /^(-e|-p|-pe|--eval|--print|--input-type)\b/.test(flag))) {
    return undefined;
  }
  return flags.filter((flag) => /^--(permission|allow-|no-addons|conditions=|import=|require=)/.test(flag));
}

class WorkerThread<In, Out> implements Thread<In> {
  readonly ready: Promise<void>;
  readonly #options: ThreadOptions<Out>;
  readonly #worker: Worker;
  readonly #exited: Promise<ThreadExit>;
  #startTimer: NodeJS.Timeout | undefined;
  #asked: "stopped" | "forced" | "start-timeout" | undefined;
  #error: unknown;
  #stderr = "";
  #gone = false;

  constructor(options: ThreadOptions<Out>) {
    this.#options = options;
    const { url, name, data, resourceLimits, startTimeoutMs = 10_000 } = options;
    const execArgv = threadFlags(process.execArgv);
    const worker = new Worker(url, { name, workerData: data, resourceLimits, execArgv, stdout: true, stderr: true });
    this.#worker = worker;
    worker.stdout.resume();
    worker.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-STDERR_KEPT);
    });
    worker.on("error", (error) => {
      this.#error = error;
    });
    const ready = Promise.withResolvers<void>();
    // Whoever does not wait for it is told of a failure by onExit.
    ready.promise.catch(() => {});
    this.ready = ready.promise;
    worker.on("message", (envelope: ThreadEnvelope<Out>) => {
      if (envelope.kind === "ready") {
        clearTimeout(this.#startTimer);
        ready.resolve();
      } else if (envelope.kind === "message") {
        options.onMessage(envelope.message);
      }
    });
    this.#startTimer = setTimeout(() => {
      this.#asked = "start-timeout";
      void worker.terminate();
    }, startTimeoutMs);
    this.#exited = new Promise((resolve) => {
      worker.once("exit", (exitCode) => {
        this.#gone = true;
        clearTimeout(this.#startTimer);
        const exit = this.#describe(exitCode);
        ready.reject(new Error(exit.message ?? `thread "${name}" ended (${exit.kind}) before it was ready`));
        options.onExit(exit);
        resolve(exit);
      });
    });
  }

  post(message: In): void {
    this.#send({ kind: "message", message });
  }

  async stop(deadlineMs = 5000): Promise<ThreadExit> {
    if (!this.#gone && this.#asked === undefined) {
      this.#asked = "stopped";
      this.#send({ kind: "stop" });
      const timer = setTimeout(() => {
        this.#asked = "forced";
        void this.#worker.terminate();
      }, deadlineMs);
      await this.#exited;
      clearTimeout(timer);
    }
    return this.#exited;
  }

  async figures(): Promise<ThreadFigures> {
    if (this.#gone) {
      throw new Error(`thread "${this.#options.name}" is gone`);
    }
    const [cpu, heap] = await Promise.all([this.#worker.cpuUsage(), this.#worker.getHeapStatistics()]);
    return {
      cpuMs: (cpu.user + cpu.system) / 1000,
      heapUsedBytes: heap.used_heap_size,
      heapTotalBytes: heap.total_physical_size,
      externalBytes: heap.external_memory,
      utilization: this.#worker.performance.eventLoopUtilization().utilization,
    };
  }

  #send(envelope: ThreadEnvelope<In>): void {
    this.#worker.postMessage(envelope);
  }

  #describe(exitCode: number): ThreadExit {
    const stderr = this.#stderr;
    if (this.#asked !== undefined && this.#error === undefined) {
      return { kind: this.#asked, exitCode, stderr };
    }
    const error = this.#error;
    if (!(error instanceof Error)) {
      const message = error === undefined ? `it ended with exit code ${exitCode}` : String(error);
      return { kind: "crashed", exitCode, message, stderr };
    }
    const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
    return { kind: "crashed", exitCode, code, message: error.message, stack: error.stack, stderr };
  }
}
