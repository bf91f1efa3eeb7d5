import { availableParallelism } from "node:os";
import type { Piscina } from "piscina";
import { failureOf, type MakeError } from "./failure.ts";
import { FairQueue } from "./fair-queue.ts";
import { notPlain } from "./plain-data.ts";
import type { TaskOrder, TaskOutcome } from "./task-entry.ts";
import { threadFlags } from "./thread.ts";

/** How to make a pool. */
export interface TaskPoolOptions {
  readonly makeError: MakeError;
  /** Default: one less than the machine's processors, from 1 to 4. */
  readonly maxThreads?: number;
  /** A thread without work ends after this time, milliseconds. Default 10000. */
  readonly idleTimeoutMs?: number;
  /** Tasks of one owner that may wait. Default 1000. */
  readonly maxQueued?: number;
  /** Soft limit of heap and buffers of one thread, MB. Default 512. */
  readonly maxHeapMb?: number;
}

/** How to run one task. */
export interface TaskRun {
  /** Moved instead of copied. */
  readonly transfer?: readonly ArrayBuffer[];
  readonly signal?: AbortSignal;
  /** From the call, waiting included. Default 30000 milliseconds. */
  readonly timeoutMs?: number;
}

/** What a pool is doing. */
export interface TaskPoolFigures {
  readonly threads: number;
  readonly running: number;
  readonly waiting: number;
  readonly done: number;
  readonly failed: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_IDLE_MS = 10_000;
const DEFAULT_QUEUED = 1000;
const DEFAULT_HEAP_MB = 512;
const MAX_THREADS = 4;
/** The engine's own limit as so many times the soft one. */
const HARD_HEAP = 4;
const LOOK_MS = 50;
const MIB = 1024 * 1024;

interface Task {
  readonly owner: string;
  readonly order: TaskOrder;
  readonly transfer: readonly ArrayBuffer[];
  readonly stopping: AbortController;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  isRunning: boolean;
  isOver: boolean;
  /** Clears its timer and listeners. */
  forget: () => void;
}

/**
 * Runs short pieces of CPU work in a few threads. Owners take turns, each may have so many tasks waiting, and a task that is
 * ended takes its thread with it. Threads are started when they are needed; the library is loaded with the first task.
 */
export class TaskPool {
  readonly #options: TaskPoolOptions;
  readonly #maxThreads: number;
  readonly #queue = new FairQueue<Task>();
  readonly #running = new Set<Task>();
  #pool: Promise<Piscina> | undefined;
  #threads: Piscina | undefined;
  #looker: NodeJS.Timeout | undefined;
  #done = 0;
  #failed = 0;
  #closed: Promise<void> | undefined;

  constructor(options: TaskPoolOptions) {
    this.#options = options;
    this.#maxThreads = options.maxThreads ?? Math.min(MAX_THREADS, Math.max(1, availableParallelism() - 1));
  }

  get figures(): TaskPoolFigures {
    return {
      threads: this.#threads?.threads.length ?? 0,
      running: this.#running.size,
      waiting: this.#queue.size,
      done: this.#done,
      failed: this.#failed,
    };
  }

  /**
   * Calls the default export of the module with the input in one of the threads. Rejects with TASK_QUEUE_FULL, TASK_ABORTED,
   * TASK_TIMEOUT, TASK_CRASHED, TASK_BAD_MODULE, TASK_CLOSED, RPC_NOT_CLONEABLE, or the code and message of what was thrown.
   */
  run(owner: string, module: URL, input: unknown, options: TaskRun = {}): Promise<unknown> {
    const { makeError, maxQueued = DEFAULT_QUEUED } = this.#options;
    const { transfer = [], signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const name = module.pathname.split("/").at(-1) ?? module.href;
    const problem = notPlain(input, "input");
    if (problem !== undefined) {
      const message = `the task ${name} of "${owner}" cannot go to another thread: ${problem}`;
      return Promise.reject(makeError("RPC_NOT_CLONEABLE", message, { owner, task: name }));
    }
    if (this.#closed !== undefined) {
      return Promise.reject(makeError("TASK_CLOSED", `the task ${name} of "${owner}" came after the pool was closed`));
    }
    if (signal?.aborted === true) {
      return Promise.reject(this.#aborted(owner, name));
    }
    if (this.#queue.sizeOf(owner) >= maxQueued) {
      const message = `${maxQueued} tasks of "${owner}" wait already; wait for answers before running more`;
      return Promise.reject(makeError("TASK_QUEUE_FULL", message, { owner, task: name, waiting: maxQueued }));
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#end(task, this.#aborted(owner, name));
      const timer = setTimeout(() => {
        const how = task.isRunning ? "it was ended" : "it had to wait for others";
        const message = `the task ${name} of "${owner}" was not done within ${timeoutMs} ms: ${how}`;
        this.#end(task, makeError("TASK_TIMEOUT", message, { owner, task: name, timeoutMs }));
      }, timeoutMs);
      const task: Task = {
        owner,
        order: { module: module.href, input },
        transfer,
        stopping: new AbortController(),
        resolve,
        reject,
        isRunning: false,
        isOver: false,
        forget: () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(owner, task);
      this.#runMore();
    });
  }

  /** Rejects what waits and runs (TASK_CLOSED) and ends all threads. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // Before anything else may be added.
    await Promise.resolve();
    const { makeError } = this.#options;
    for (const task of [...this.#queue.drain(), ...this.#running]) {
      this.#end(task, makeError("TASK_CLOSED", `the pool was closed before a task of "${task.owner}" was done`));
    }
    clearTimeout(this.#looker);
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.destroy();
  }

  #runMore(): void {
    while (this.#running.size < this.#maxThreads) {
      const task = this.#queue.next();
      if (task === undefined) {
        return;
      }
      task.isRunning = true;
      this.#running.add(task);
      void this.#runOne(task); // never rejects
    }
  }

  async #runOne(task: Task): Promise<void> {
    const { makeError } = this.#options;
    const { order, stopping, owner } = task;
    try {
      this.#pool ??= this.#open();
      const pool = await this.#pool;
      if (task.isOver) {
        return;
      }
      this.#lookSoon();
      // What the other half of this module gives.
      const outcome: TaskOutcome = await pool.run(order, {
        signal: stopping.signal,
        // The type of the library names the other form that the same argument may have.
        transferList: [...task.transfer] as object,
      });
      if (outcome.kind === "done") {
        this.#end(task, undefined, outcome.value);
      } else {
        const { code, message, facts } = outcome.error;
        this.#end(task, makeError(code, message, facts));
      }
    } catch (thrown) {
      const { code, message } = failureOf(thrown);
      const name = order.module.split("/").at(-1);
      // Everything that the task itself throws is an outcome; this is the end of its thread, or a value that cannot cross.
      const isCopy = /could not be cloned/.test(message);
      const text = isCopy ? "takes or gives what cannot go to another thread" : "ended with its thread";
      const error = makeError(
        isCopy ? "RPC_NOT_CLONEABLE" : "TASK_CRASHED",
        `the task ${name} of "${owner}" ${text}: ${message}`,
        {
          owner,
          cause: code,
        },
      );
      this.#end(task, error);
    } finally {
      this.#running.delete(task);
      this.#runMore();
    }
  }

  #end(task: Task, error: Error | undefined, value?: unknown): void {
    if (task.isOver) {
      return;
    }
    task.isOver = true;
    task.forget();
    if (error === undefined) {
      this.#done++;
      task.resolve(value);
      return;
    }
    this.#failed++;
    this.#queue.remove(task.owner, task);
    // Ends the thread when the task is still running in it.
    task.stopping.abort();
    task.reject(error);
  }

  #aborted(owner: string, name: string): Error {
    return this.#options.makeError("TASK_ABORTED", `the task ${name} of "${owner}" was ended by its signal`, { owner });
  }

  async #open(): Promise<Piscina> {
    const { idleTimeoutMs = DEFAULT_IDLE_MS, maxHeapMb = DEFAULT_HEAP_MB } = this.#options;
    const { Piscina } = await import("piscina");
    const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const pool = new Piscina({
      filename: new URL(`./task-entry.${ending}`, import.meta.url).href,
      // Otherwise a thread sleeps in a way in which its timers and sockets do not work.
      atomics: "disabled",
      minThreads: 0,
      maxThreads: this.#maxThreads,
      idleTimeout: idleTimeoutMs,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb * HARD_HEAP },
      execArgv: threadFlags(process.execArgv),
    });
    // Of threads that end without a task: the next one starts another thread.
    pool.on("error", () => {});
    this.#threads = pool;
    return pool;
  }

  /** While tasks run, their threads' memory is watched: some shapes of growth would end the process. */
  #lookSoon(): void {
    if (this.#looker === undefined && this.#closed === undefined) {
      this.#looker = setTimeout(() => {
        void this.#look().finally(() => {
          this.#looker = undefined;
          if (this.#running.size > 0) {
            this.#lookSoon();
          }
        });
      }, LOOK_MS);
    }
  }

  async #look(): Promise<void> {
    const { maxHeapMb = DEFAULT_HEAP_MB } = this.#options;
    const threads = this.#threads?.threads ?? [];
    // One in native code answers late: the others are not kept waiting for it.
    const looks = threads.map(async (thread) => {
      const { used_heap_size, external_memory } = await thread.getHeapStatistics();
      if (used_heap_size + external_memory > maxHeapMb * MIB) {
        await thread.terminate();
      }
    });
    const later = new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    await Promise.race([Promise.allSettled(looks), later]);
  }
}
