import type { ResourceLimits } from "node:worker_threads";
import { spawnThread, type Thread, type ThreadExit } from "../../sandbox/thread.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { StoreWriter } from "../store/store.ts";
import { backoffDelay } from "./backoff.ts";
import type { AuditResult } from "./drift-audit.ts";
import type { KindActivity } from "./engine.ts";
import type { IngestAsk, IngestFigures, IngestReport, IngestRequest, IngestSetup } from "./ingest-messages.ts";
import { openIngestSide } from "./ingest-side.ts";
import { WATCH_LIMITS } from "./limits.ts";

export type { IngestFigures } from "./ingest-messages.ts";

/** The store as ingest needs it. `Handle` is plain data with shared memory in it. */
export interface IngestStore<Handle = unknown> {
  /** The one writer, for the thread that made the store. */
  writer(): StoreWriter;
  /** What another thread needs to attach as the one writer. */
  handle(): Handle;
  /**
   * Makes the next `handle()` one that takes a new writer, after the thread of the last one crashed. A store without it
   * cannot go on after such a crash.
   */
  renew?(): void;
}

/** How to follow a cluster into a store. */
export interface IngestOptions extends IngestSetup {
  readonly store: IngestStore;
  /** `thread`: sockets, decoding and writing in a thread of their own; `inline`: on the calling thread. Default `thread`. */
  readonly mode?: "thread" | "inline";
  readonly log?: Logger;
  /** Heap limits of the thread. The young generation is the cheapest memory to save. Default `{ maxYoungGenerationSizeMb: 2 }`. */
  readonly resourceLimits?: ResourceLimits;
  /** Told each time the thread ended by itself. `final`: it is not started again, since the store takes no other writer. */
  readonly onCrash?: (error: FairleadError, final: boolean) => void;
}

/** A running ingest; the same in both modes. Belongs to the thread that started it. */
export interface Ingest {
  readonly mode: "thread" | "inline";
  /** Times the thread was started again after a crash. */
  readonly restarts: number;
  addKind(plan: RowPlan): Promise<void>;
  dropKind(name: string): Promise<void>;
  /** Lists a kind again although its watch is healthy. */
  relist(name: string, reason: string): Promise<void>;
  /** Kinds that wait for credentials, rights or their resource try again now. */
  wake(): Promise<void>;
  /** Compares a kind with the server now. */
  audit(name: string): Promise<AuditResult>;
  /** What each kind's reflectors are doing. */
  activity(): Promise<Readonly<Record<string, KindActivity>>>;
  figures(): Promise<IngestFigures>;
  /** Ends all requests, timers, sockets and the thread; terminates the thread after `deadlineMs` (default 5000). */
  stop(deadlineMs?: number): Promise<void>;
}

/** Begins to follow a cluster. Throws KUBE_BAD_CONFIG for an address that is none (inline). */
export function startIngest(options: IngestOptions): Ingest {
  return options.mode === "inline" ? inlineIngest(options) : new ThreadIngest(options);
}

function setupOf({ access, plans, scope, limits, auditEveryMs }: IngestSetup): IngestSetup {
  return { access, plans, scope, limits, auditEveryMs };
}

/** The methods of an ingest over one way to ask. */
function asking(ask: (what: IngestAsk) => Promise<unknown>): Omit<Ingest, "mode" | "restarts" | "stop"> {
  // The answer's type follows from the question: both ends are in this folder.
  return {
    addKind: (plan) => ask({ kind: "addKind", plan }) as Promise<void>,
    dropKind: (name) => ask({ kind: "dropKind", name }) as Promise<void>,
    relist: (name, reason) => ask({ kind: "relist", name, reason }) as Promise<void>,
    wake: () => ask({ kind: "wake" }) as Promise<void>,
    audit: (name) => ask({ kind: "audit", name }) as Promise<AuditResult>,
    activity: () => ask({ kind: "activity" }) as Promise<Readonly<Record<string, KindActivity>>>,
    figures: () => ask({ kind: "figures" }) as Promise<IngestFigures>,
  };
}

function inlineIngest(options: IngestOptions): Ingest {
  const side = openIngestSide(setupOf(options), options.store.writer(), options.log ?? silentLogger, "inline");
  let stopped: Promise<void> | undefined;
  return {
    mode: "inline",
    restarts: 0,
    ...asking(async (what) => {
      if (stopped !== undefined) {
        throw stoppedError();
      }
      return side.answer(what);
    }),
    stop() {
      stopped ??= side.stop();
      return stopped;
    },
  };
}

function stoppedError(): FairleadError {
  return new FairleadError("WATCH_STOPPED", "the ingest was stopped");
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: FairleadError) => void;
}

/** Keeps one ingest thread running: a thread that crashes is reported and started again, more and more slowly. */
class ThreadIngest implements Ingest {
  readonly mode = "thread";
  readonly addKind: Ingest["addKind"];
  readonly dropKind: Ingest["dropKind"];
  readonly relist: Ingest["relist"];
  readonly wake: Ingest["wake"];
  readonly audit: Ingest["audit"];
  readonly activity: Ingest["activity"];
  readonly figures: Ingest["figures"];
  readonly #options: IngestOptions;
  readonly #log: Logger;
  readonly #waiting = new Map<number, Waiting>();
  /** Kinds to follow: those of the options, with later ones and without dropped ones. */
  #plans: readonly RowPlan[];
  #thread: Thread<IngestRequest>;
  #lastId = 0;
  #restarts = 0;
  #failures = 0;
  #startedAt = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Why there is no thread at the moment. */
  #gone: FairleadError | undefined;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.#plans = options.plans;
    const methods = asking((what) => this.#ask(what));
    this.addKind = async (plan) => {
      await methods.addKind(plan);
      this.#plans = [...this.#plans, plan];
    };
    this.dropKind = async (name) => {
      await methods.dropKind(name);
      this.#plans = this.#plans.filter((plan) => plan.name !== name);
    };
    this.relist = methods.relist;
    this.wake = methods.wake;
    this.audit = methods.audit;
    this.activity = methods.activity;
    this.figures = methods.figures;
    this.#thread = this.#spawn();
  }

  get restarts(): number {
    return this.#restarts;
  }

  async stop(deadlineMs = 5000): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restartTimer);
    await this.#thread.stop(deadlineMs);
  }

  #spawn(): Thread<IngestRequest> {
    this.#startedAt = performance.now();
    const setup = setupOf({ ...this.#options, plans: this.#plans });
    return spawnThread<IngestRequest, IngestReport>({
      // Beside this file both unbuilt and built; the ending is that of this file.
      url: new URL(import.meta.url.endsWith(".ts") ? "./ingest-thread.ts" : "./ingest-thread.js", import.meta.url),
      name: "fairlead-ingest",
      data: { setup, store: this.#options.store.handle() },
      resourceLimits: this.#options.resourceLimits ?? { maxYoungGenerationSizeMb: 2 },
      onMessage: (report) => this.#onReport(report),
      onExit: (exit) => this.#onExit(exit),
    });
  }

  #ask(ask: IngestAsk): Promise<unknown> {
    if (this.#stopped) {
      return Promise.reject(stoppedError());
    }
    if (this.#gone !== undefined) {
      return Promise.reject(this.#gone);
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#thread.post({ id, ask });
    });
  }

  #onReport(report: IngestReport): void {
    if (report.kind === "log") {
      this.#log[report.level](report.fields, report.message);
      return;
    }
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if (report.kind === "answer") {
      waiting?.resolve(report.value);
    } else {
      waiting?.reject(new FairleadError(report.code, report.message));
    }
  }

  #onExit(exit: ThreadExit): void {
    const detail = exit.message ?? `it ended (${exit.kind})`;
    const error = new FairleadError("WATCH_THREAD_CRASHED", `the ingest thread ended: ${detail}`, {
      facts: { exit: exit.kind, exitCode: exit.exitCode, cause: exit.code },
    });
    for (const waiting of this.#waiting.values()) {
      waiting.reject(this.#stopped ? stoppedError() : error);
    }
    this.#waiting.clear();
    if (this.#stopped) {
      if (exit.kind === "forced") {
        this.#log.warn({ exit: exit.kind }, "the ingest thread had to be terminated");
      }
      return;
    }
    this.#gone = error;
    const final = exit.code === "STORE_HAS_WRITER";
    if (final) {
      this.#log.error({ detail, stderr: exit.stderr }, "ingest thread crashed and the store takes no other writer");
    } else {
      this.#restartLater(exit, detail);
    }
    try {
      this.#options.onCrash?.(error, final);
    } catch (thrown) {
      this.#log.error({ code: codeOf(thrown), detail: messageOf(thrown) }, "the crash listener failed");
    }
  }

  #restartLater(exit: ThreadExit, detail: string): void {
    if (performance.now() - this.#startedAt > WATCH_LIMITS.healthyAfterMs) {
      this.#failures = 0;
    }
    const delayMs = backoffDelay(this.#failures++, Math.random, WATCH_LIMITS);
    this.#log.error(
      { detail, stack: exit.stack, stderr: exit.stderr, restartInMs: Math.round(delayMs) },
      "ingest thread crashed",
    );
    this.#restartTimer = setTimeout(() => {
      this.#restarts++;
      this.#restart();
    }, delayMs);
  }

  #restart(): void {
    try {
      this.#options.store.renew?.();
      this.#thread = this.#spawn();
      this.#gone = undefined;
    } catch (error) {
      this.#log.error({ code: codeOf(error), detail: messageOf(error) }, "the ingest thread could not be started");
      this.#restartTimer = setTimeout(() => this.#restart(), WATCH_LIMITS.backoffMaxMs);
    }
  }
}
