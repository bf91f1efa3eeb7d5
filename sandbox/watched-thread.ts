import { type ResourceLimits, Worker } from "node:worker_threads";
import { type FailureData, failureOf, type MakeError, readFailure } from "./failure.ts";
import { HeapGuard } from "./heap-guard.ts";
import { openChannel } from "./pulled-port.ts";
import { PULSE_RULE, Pulse, type PulseRule } from "./pulse.ts";
import { RpcPeer } from "./rpc.ts";
import type { SupervisedStart } from "./supervised-entry.ts";
import { type ThreadFigures, threadFlags } from "./thread.ts";
import { COLLECT_ASKED, COLLECT_DONE, HEARTBEAT, HEARTBEAT_MS, THREAD_WORDS } from "./thread-words.ts";

/** How a supervised thread ended. */
export interface ThreadEnd {
  /** `stopped`: as asked. `forced`: asked, but it had to be terminated. `crashed`: everything else. */
  readonly kind: "stopped" | "forced" | "crashed";
  /** Of a crash: THREAD_EXITED, THREAD_UNRESPONSIVE, THREAD_HEAP_LIMIT, THREAD_LOAD_TIMEOUT, THREAD_FLOOD, or its own code. */
  readonly failure: FailureData | undefined;
  /** True when it had not become ready. */
  readonly isLoading: boolean;
  /** The end of what it printed. */
  readonly printed: string;
}

/** What a thread tells its owner. */
export interface WatchedListener {
  /** Before anything is received: the place to say what the thread may ask. */
  onConnect(rpc: RpcPeer): void;
  onReady(): void;
  /** False: its event loop has stood still for three seconds. True: it turns again. */
  onResponsive(isResponsive: boolean): void;
  /** It was terminated five seconds ago and is still there: it waits in native code. */
  onStuck(): void;
  onPrinted?(text: string): void;
  /** Exactly once, the last call. */
  onEnd(end: ThreadEnd): void;
}

/** How to run a thread once. */
export interface WatchedOptions {
  /** The module; it must call `enterSupervised`. */
  readonly module: URL;
  /** In errors: `plugin "dns"`. */
  readonly name: string;
  readonly data: unknown;
  /** Moved with the data. */
  readonly transfer?: readonly (ArrayBuffer | import("node:worker_threads").MessagePort)[];
  /** Heap and buffers together, MB. */
  readonly softHeapMb: number;
  readonly loadTimeoutMs: number;
  readonly makeError: MakeError;
  readonly pulse?: PulseRule;
  readonly listener: WatchedListener;
}

const MIB = 1024 * 1024;
/** The engine's own limit, as so many times the soft one: it ends the process where growth has certain shapes. */
const HARD_HEAP = 4;
const YOUNG_MB = 4;
const STUCK_AFTER_MS = 5000;
const PRINTED_KEPT = 2000;

/** One life of a supervised thread: loaded in time, watched by pulse and heap, ended for certain. */
export class WatchedThread {
  readonly rpc: RpcPeer;
  readonly #options: WatchedOptions;
  readonly #worker: Worker;
  readonly #words: Int32Array;
  readonly #pulse: Pulse;
  readonly #heap: HeapGuard;
  readonly #ended = Promise.withResolvers<ThreadEnd>();
  #looker: NodeJS.Timeout | undefined;
  #loadTimer: NodeJS.Timeout | undefined;
  #stuckTimer: NodeJS.Timeout | undefined;
  #heapDueMs = 0;
  #isLookingAtHeap = false;
  #isLoading = true;
  #isResponsive = true;
  #isStopping = false;
  #isForced = false;
  #failure: FailureData | undefined;
  #printed = "";
  #isGone = false;

  constructor(options: WatchedOptions) {
    const { module, name, data, softHeapMb, loadTimeoutMs, makeError, listener } = options;
    this.#options = options;
    const [own, theirs] = openChannel();
    const words = new SharedArrayBuffer(THREAD_WORDS * 4);
    this.#words = new Int32Array(words);
    this.#pulse = new Pulse(performance.now(), options.pulse ?? PULSE_RULE);
    this.#heap = new HeapGuard(softHeapMb * MIB);
    const start: SupervisedStart = { channel: theirs, words, data };
    this.#worker = new Worker(module, {
      name: name.slice(0, 60),
      workerData: start,
      transferList: [theirs.port, ...(options.transfer ?? [])],
      resourceLimits: limitsOf(softHeapMb),
      execArgv: threadFlags(process.execArgv),
      stdout: true,
      stderr: true,
    });
    // Only what the engine itself writes comes here; an unread stream would keep it.
    this.#worker.stdout.resume();
    this.#worker.stderr.on("data", (chunk: Buffer) => this.#keepPrinted(chunk.toString("utf8")));
    this.#worker.on("error", (error: unknown) => {
      this.#failure ??= crashOf(error);
    });
    this.#worker.once("exit", (exitCode) => this.#onExit(exitCode));
    this.rpc = new RpcPeer(own, {
      peer: name,
      makeError,
      onFlood: () => this.kill(this.#fact("THREAD_FLOOD", "it sends messages without end")),
    });
    this.rpc.listen("ready", () => this.#onReady());
    this.rpc.listen("failed", (failure) => this.kill(readFailure(failure) ?? this.#fact("THREAD_EXITED", "it failed")));
    this.rpc.listen("printed", (text) => {
      this.#keepPrinted(String(text));
      listener.onPrinted?.(String(text));
    });
    listener.onConnect(this.rpc);
    this.#loadTimer = setTimeout(() => {
      const message = `it was not set up within ${loadTimeoutMs} ms; look for a promise that never resolves, or raise the time`;
      this.kill(this.#fact("THREAD_LOAD_TIMEOUT", message));
    }, loadTimeoutMs);
    // A question about the heap that is asked before the thread runs is never answered.
    this.#worker.once("online", () => this.#watch());
  }

  /** Resolves when it is gone, also when it has to be terminated. */
  get ended(): Promise<ThreadEnd> {
    return this.#ended.promise;
  }

  /** True while its event loop turns. */
  get isResponsive(): boolean {
    return this.#isResponsive;
  }

  /** Rejects when it is gone; does not answer while it is in native code. */
  async figures(): Promise<ThreadFigures> {
    const worker = this.#worker;
    const [cpu, heap] = await Promise.all([worker.cpuUsage(), worker.getHeapStatistics()]);
    return {
      cpuMs: (cpu.user + cpu.system) / 1000,
      heapUsedBytes: heap.used_heap_size,
      heapTotalBytes: heap.total_physical_size,
      externalBytes: heap.external_memory,
      utilization: worker.performance.eventLoopUtilization().utilization,
    };
  }

  /** Asks it to end and terminates it after the deadline. */
  async stop(deadlineMs: number): Promise<ThreadEnd> {
    if (!this.#isStopping && !this.#isGone) {
      this.#isStopping = true;
      clearTimeout(this.#loadTimer);
      const timer = setTimeout(() => this.#terminate(), deadlineMs);
      // It is told to end once; when it cannot be told, or does not listen, the timer ends it.
      this.rpc.request("stop", undefined, { deadlineMs: 0 }).catch(() => {});
      await this.#ended.promise;
      clearTimeout(timer);
    }
    return await this.#ended.promise;
  }

  /** Ends it at once, as a crash with that cause. */
  kill(failure: FailureData): void {
    if (!this.#isGone && !this.#isForced) {
      this.#failure ??= failure;
      this.#terminate();
    }
  }

  #terminate(): void {
    this.#isForced = true;
    // Nothing that it still sends is of use, and reading it takes time.
    this.rpc.close(this.#gone());
    void this.#worker.terminate();
    this.#stuckTimer = setTimeout(() => this.#options.listener.onStuck(), STUCK_AFTER_MS);
    this.#stuckTimer.unref();
  }

  #onReady(): void {
    if (this.#isLoading && !this.#isForced) {
      this.#isLoading = false;
      clearTimeout(this.#loadTimer);
      this.#options.listener.onReady();
    }
  }

  #watch(): void {
    if (!this.#isGone) {
      this.#looker = setTimeout(() => this.#look(), Math.min(HEARTBEAT_MS, this.#heapDueMs || HEARTBEAT_MS));
      this.#looker.unref();
    }
  }

  #look(): void {
    if (this.#isGone || this.#isForced) {
      return;
    }
    const verdict = this.#pulse.look(Atomics.load(this.#words, HEARTBEAT), performance.now());
    if (verdict === "dead") {
      const seconds = Math.round(this.#pulse.stillMs / 1000);
      this.kill(
        this.#fact("THREAD_UNRESPONSIVE", `its event loop stood still for ${seconds} s; look for an endless loop`),
      );
      return;
    }
    const isResponsive = verdict === "alive";
    if (isResponsive !== this.#isResponsive) {
      this.#isResponsive = isResponsive;
      this.#options.listener.onResponsive(isResponsive);
    }
    void this.#lookAtHeap();
    this.#watch();
  }

  async #lookAtHeap(): Promise<void> {
    // A thread in native code answers late: one question at a time.
    if (this.#isLookingAtHeap) {
      return;
    }
    this.#isLookingAtHeap = true;
    try {
      const { used_heap_size, external_memory } = await this.#worker.getHeapStatistics();
      const words = this.#words;
      const isCollected = Atomics.load(words, COLLECT_ASKED) === Atomics.load(words, COLLECT_DONE);
      const verdict = this.#heap.look(used_heap_size + external_memory, isCollected, performance.now());
      if (verdict.kind === "kill") {
        const { softHeapMb } = this.#options;
        const message = `it uses ${Math.round(verdict.usedBytes / MIB)} MB of heap and buffers; ${softHeapMb} MB are allowed (maxHeapMb)`;
        this.kill(this.#fact("THREAD_HEAP_LIMIT", message));
        return;
      }
      this.#heapDueMs = verdict.nextMs;
      if (verdict.kind === "collect") {
        Atomics.add(words, COLLECT_ASKED, 1);
      }
    } catch {
      // It is gone; its exit tells.
    } finally {
      this.#isLookingAtHeap = false;
    }
  }

  #keepPrinted(text: string): void {
    this.#printed = (this.#printed + text).slice(-PRINTED_KEPT);
  }

  #onExit(exitCode: number): void {
    this.#isGone = true;
    clearTimeout(this.#loadTimer);
    clearTimeout(this.#looker);
    clearTimeout(this.#stuckTimer);
    this.rpc.drain();
    this.rpc.close(this.#gone());
    const end = this.#describe(exitCode);
    this.#ended.resolve(end);
    this.#options.listener.onEnd(end);
  }

  #describe(exitCode: number): ThreadEnd {
    const rest = { isLoading: this.#isLoading, printed: this.#printed };
    if (this.#isStopping && this.#failure === undefined) {
      return { kind: this.#isForced ? "forced" : "stopped", failure: undefined, ...rest };
    }
    const failure = this.#failure ?? this.#fact("THREAD_EXITED", `it ended with exit code ${exitCode}`);
    return { kind: "crashed", failure, ...rest };
  }

  #fact(code: string, message: string): FailureData {
    return { code, message: `${this.#options.name}: ${message}`, facts: {} };
  }

  #gone(): Error {
    return this.#options.makeError("RPC_CLOSED", `${this.#options.name} is gone`);
  }
}

/** The error that ended a thread by itself. */
function crashOf(error: unknown): FailureData {
  const failure = failureOf(error);
  return failure.code === "UNKNOWN" ? { ...failure, code: "THREAD_CRASHED" } : failure;
}

function limitsOf(softHeapMb: number): ResourceLimits {
  return { maxOldGenerationSizeMb: Math.ceil(softHeapMb * HARD_HEAP), maxYoungGenerationSizeMb: YOUNG_MB };
}
