import type { MessagePort } from "node:worker_threads";
import { afterCrash, CRASH_POLICY, type CrashPolicy } from "./crash-policy.ts";
import { type FailureData, failureOf, type MakeError } from "./failure.ts";
import type { PulseRule } from "./pulse.ts";
import type { RpcPeer } from "./rpc.ts";
import type { ThreadFigures } from "./thread.ts";
import { type ThreadEnd, WatchedThread } from "./watched-thread.ts";

export type { ThreadEnd } from "./watched-thread.ts";

/**
 * Life of a supervised thread. `failed`: its first start did not work. `disabled`: given up after too many crashes. `stuck`:
 * it was to be ended and cannot be, since it waits in native code; the process should be restarted.
 */
export type SupervisedState =
  | "loading"
  | "ready"
  | "unresponsive"
  | "restarting"
  | "stopping"
  | "stuck"
  | "stopped"
  | "failed"
  | "disabled";

/** What each life of the thread is started with. */
export interface SupervisedData {
  readonly data: unknown;
  readonly transfer?: readonly (ArrayBuffer | MessagePort)[];
}

/** How to supervise a module in a thread. Listeners are called on the calling thread and should not throw. */
export interface SupervisorOptions {
  /** The module; it must call `enterSupervised`. */
  readonly module: URL;
  /** In errors: `plugin "dns"`. */
  readonly name: string;
  /** Asked before each start. What it throws counts as a crash. */
  readonly data: () => SupervisedData;
  readonly makeError: MakeError;
  /** Soft limit of heap and buffers together, MB. Default 256. */
  readonly maxHeapMb?: number;
  /** How long the module's set-up may take, milliseconds. Default 10000. */
  readonly loadTimeoutMs?: number;
  /** True: a first start that does not work is tried again like a crash. Default false: the thread is `failed`. */
  readonly retriesFirstStart?: boolean;
  readonly policy?: CrashPolicy;
  readonly pulse?: PulseRule;
  /** For the jitter of restarts, 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** A connection for a new life of the thread, before anything is received: say what it may ask. */
  readonly onConnect?: (rpc: RpcPeer) => void;
  readonly onState?: (state: SupervisedState, failure: FailureData | undefined) => void;
  /** Each time the thread is gone, or could not be started. */
  readonly onEnd?: (end: ThreadEnd) => void;
  readonly onPrinted?: (text: string) => void;
}

/** A supervised thread. */
export interface Supervised {
  readonly state: SupervisedState;
  /** Times it was started again. */
  readonly restarts: number;
  /** The last failure. */
  readonly failure: FailureData | undefined;
  /** Connection of the present life; undefined while there is none. */
  readonly rpc: RpcPeer | undefined;
  /** Resolves when it is ready the first time; rejects when it failed, was given up or stopped before that. */
  readonly ready: Promise<void>;
  /** Undefined while it does not run. Does not resolve while the thread is in native code. */
  figures(): Promise<ThreadFigures | undefined>;
  /**
   * Asks it to end, terminates it after `deadlineMs` (default 5000), and resolves when it is gone, or with `stuck` five
   * seconds later. Safe to call at any moment and twice.
   */
  stop(deadlineMs?: number): Promise<"stopped" | "forced" | "stuck">;
  /** Ends its present life as a crash, for a reason that only its owner can see. */
  crash(failure: FailureData): void;
}

const DEFAULT_HEAP_MB = 256;
const DEFAULT_LOAD_TIMEOUT_MS = 10_000;
const DEFAULT_STOP_MS = 5000;

/** Runs a module in a thread: loaded in time, watched, started again after a crash, given up after too many. */
export function supervise(options: SupervisorOptions): Supervised {
  return new Supervisor(options);
}

class Supervisor implements Supervised {
  readonly ready: Promise<void>;
  readonly #options: SupervisorOptions;
  readonly #firstReady = Promise.withResolvers<void>();
  readonly #crashesAtMs: number[] = [];
  readonly #stuck = Promise.withResolvers<"stuck">();
  #thread: WatchedThread | undefined;
  #state: SupervisedState = "loading";
  #failure: FailureData | undefined;
  #restarts = 0;
  #wasReady = false;
  #isStopping = false;
  #restartTimer: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.ready = this.#firstReady.promise;
    // Whoever does not wait for it is told by the state.
    this.ready.catch(() => {});
    this.#start();
  }

  get state(): SupervisedState {
    return this.#state;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get failure(): FailureData | undefined {
    return this.#failure;
  }

  get rpc(): RpcPeer | undefined {
    return this.#thread?.rpc;
  }

  async figures(): Promise<ThreadFigures | undefined> {
    return await this.#thread?.figures().catch(() => undefined);
  }

  crash(failure: FailureData): void {
    this.#thread?.kill(failure);
  }

  async stop(deadlineMs = DEFAULT_STOP_MS): Promise<"stopped" | "forced" | "stuck"> {
    this.#isStopping = true;
    clearTimeout(this.#restartTimer);
    const thread = this.#thread;
    if (thread === undefined) {
      this.#atEnd();
      return "stopped";
    }
    if (this.#state !== "stuck") {
      this.#setState("stopping");
    }
    const ended = thread.stop(deadlineMs).then(({ kind }) => (kind === "stopped" ? "stopped" : "forced"));
    const how = await Promise.race([ended, this.#stuck.promise]);
    this.#atEnd();
    return how;
  }

  #atEnd(): void {
    const { makeError, name } = this.#options;
    this.#firstReady.reject(makeError("THREAD_STOPPED", `${name} was stopped before it was ready`));
    const isOver = this.#state === "failed" || this.#state === "disabled" || this.#state === "stuck";
    if (!isOver) {
      this.#setState("stopped");
    }
  }

  #setState(state: SupervisedState, failure?: FailureData): void {
    if (state !== this.#state || failure !== undefined) {
      this.#state = state;
      this.#options.onState?.(state, failure);
    }
  }

  #start(): void {
    const {
      module,
      name,
      makeError,
      maxHeapMb = DEFAULT_HEAP_MB,
      loadTimeoutMs = DEFAULT_LOAD_TIMEOUT_MS,
    } = this.#options;
    try {
      this.#thread = new WatchedThread({
        ...this.#options.data(),
        module,
        name,
        makeError,
        softHeapMb: maxHeapMb,
        loadTimeoutMs,
        pulse: this.#options.pulse,
        listener: {
          onConnect: (rpc) => this.#options.onConnect?.(rpc),
          onReady: () => this.#onReady(),
          onResponsive: (isResponsive) => this.#onResponsive(isResponsive),
          onStuck: () => {
            this.#setState("stuck");
            this.#stuck.resolve("stuck");
          },
          onPrinted: this.#options.onPrinted,
          onEnd: (end) => this.#onEnd(end),
        },
      });
    } catch (error) {
      this.#onEnd({ kind: "crashed", failure: failureOf(error), isLoading: true, printed: "" });
    }
  }

  #onReady(): void {
    this.#wasReady = true;
    this.#firstReady.resolve();
    if (!this.#isStopping) {
      this.#setState("ready");
    }
  }

  #onResponsive(isResponsive: boolean): void {
    if (this.#state === "ready" || this.#state === "unresponsive") {
      this.#setState(isResponsive ? "ready" : "unresponsive");
    }
  }

  #onEnd(end: ThreadEnd): void {
    this.#thread = undefined;
    this.#options.onEnd?.(end);
    if (this.#isStopping) {
      this.#failure = end.failure ?? this.#failure;
      if (this.#state === "stuck") {
        this.#setState("stopped");
      }
      this.#atEnd();
      return;
    }
    const { name } = this.#options;
    this.#onCrash(end.failure ?? { code: "THREAD_EXITED", message: `${name}: it ended`, facts: {} }, end.isLoading);
  }

  #onCrash(failure: FailureData, isLoading: boolean): void {
    const { makeError, name, policy = CRASH_POLICY, random = Math.random, retriesFirstStart = false } = this.#options;
    this.#failure = failure;
    const error = (): Error => makeError(failure.code, failure.message, failure.facts);
    if (!this.#wasReady && isLoading && !retriesFirstStart) {
      this.#firstReady.reject(error());
      this.#setState("failed", failure);
      return;
    }
    const nowMs = performance.now();
    this.#crashesAtMs.push(nowMs);
    const decision = afterCrash(this.#crashesAtMs, nowMs, random(), policy);
    if (decision.kind === "give-up") {
      this.#firstReady.reject(error());
      const message = `${name} was given up after ${decision.crashes} crashes; the last: ${failure.message}`;
      this.#setState("disabled", { ...failure, message });
      return;
    }
    this.#setState("restarting", failure);
    this.#restartTimer = setTimeout(() => {
      this.#restarts++;
      this.#setState("loading");
      this.#start();
    }, decision.delayMs);
  }
}
