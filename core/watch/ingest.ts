import type { ResourceLimits } from "node:worker_threads";
import { spawnThread, type Thread, type ThreadExit } from "../../sandbox/thread.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { StoreReader } from "../store/reader.ts";
import type { StoreWriter } from "../store/store.ts";
import { backoffDelay } from "./backoff.ts";
import { DictionaryWatch } from "./dictionary-watch.ts";
import type { AuditResult } from "./drift-audit.ts";
import type { KindActivity } from "./engine.ts";
import { ingestThreadFile, noThread } from "./ingest-file.ts";
import type { IngestAsk, IngestFigures, IngestReport, IngestRequest, IngestSetup } from "./ingest-messages.ts";
import { WATCH_LIMITS, type WatchLimits } from "./limits.ts";
import { checkPlans } from "./plan-list.ts";
import { RENEWAL_RULE, type RenewalRule } from "./renewal-rule.ts";

export type { IngestFigures } from "./ingest-messages.ts";

/** The store as ingest needs it. `Handle` is plain data with shared memory in it. */
export interface IngestStore<Handle = unknown> {
  /** The one writer, for the thread that made the store. */
  writer(): StoreWriter;
  /** What another thread needs to attach as the one writer. */
  handle(): Handle;
  /**
   * Makes the next `handle()` one that takes a new writer, after the thread of the last one ended, with the kinds that are
   * followed then; one that is out of reach is waited for so long. A store without it cannot go on after a crash.
   */
  renew?(options: { readonly plans: readonly RowPlan[]; readonly outOfReachMs: number }): void;
  /** The reader of the calling thread: tells when a renewal is worth it. */
  reader?(): Pick<StoreReader, "stats" | "status">;
}

/** How to follow a cluster into a store. */
export interface IngestOptions extends IngestSetup {
  readonly store: IngestStore;
  /** `thread`: sockets, decoding and writing in a thread of their own; `inline`: on the calling thread. Default `thread`. */
  readonly mode?: "thread" | "inline";
  readonly log?: Logger;
  /** Heap limits of the thread. The young generation is the cheapest memory to save. Default `{ maxYoungGenerationSizeMb: 2 }`. */
  readonly resourceLimits?: ResourceLimits;
  /** When the store is renewed because of strings that nobody uses any more (thread only). */
  readonly renewal?: Partial<RenewalRule>;
  /** Told each time the thread ended by itself. `final`: it is not started again, since the store takes no other writer. */
  readonly onCrash?: (error: FairleadError, final: boolean) => void;
}

/** A running ingest; the same in both modes. Belongs to the thread that started it. */
export interface Ingest {
  readonly mode: "thread" | "inline";
  /** Times the thread was started again after a crash. */
  readonly restarts: number;
  /** Why there is no thread at the moment; `final`: there will not be one again. */
  readonly failure: { readonly message: string; readonly final: boolean } | undefined;
  /**
   * From now on these kinds are followed. New ones begin to load; those that are left out end, and vanish from the store:
   * listeners are told that their objects are gone; those with other fields, indexes or selectors are loaded anew while the
   * old rows stay, until all new ones are there: listeners hear of what differs; the others are not touched. Calls take
   * effect in their order. Resolves when the kinds are taken over, not when they are complete (`StoreReader.whenSynced`);
   * a thread that crashes meanwhile is waited for. Rejects with STORE_KIND_EXISTS when a kind is named twice,
   * STORE_TOO_MANY_KINDS, WATCH_STOPPED, WATCH_THREAD_CRASHED when the thread is not started again.
   */
  setPlans(plans: readonly RowPlan[]): Promise<void>;
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

/** A renewed store waits so long for a kind that is forbidden: a server that has just started forbids for a while. */
const OUT_OF_REACH_MS = 90_000;
/** And for more than one try. */
const OUT_OF_REACH_RETRIES = 1.5;

/** Begins to follow a cluster. Throws KUBE_BAD_CONFIG for an address that is none (inline), WATCH_NO_THREAD (thread). */
export async function startIngest(options: IngestOptions): Promise<Ingest> {
  return options.mode === "inline" ? await inlineIngest(options) : new ThreadIngest(options);
}

function setupOf({ access, plans, scope, limits, auditEveryMs }: IngestSetup): IngestSetup {
  return { access, plans, scope, limits, auditEveryMs };
}

/** The methods of an ingest over one way to ask. */
function asking(ask: (what: IngestAsk) => Promise<unknown>): Omit<Ingest, "mode" | "restarts" | "failure" | "stop"> {
  // The answer's type follows from the question: both ends are in this folder.
  return {
    setPlans: (plans) => ask({ kind: "setPlans", plans }) as Promise<void>,
    relist: (name, reason) => ask({ kind: "relist", name, reason }) as Promise<void>,
    wake: () => ask({ kind: "wake" }) as Promise<void>,
    audit: (name) => ask({ kind: "audit", name }) as Promise<AuditResult>,
    activity: () => ask({ kind: "activity" }) as Promise<Readonly<Record<string, KindActivity>>>,
    figures: () => ask({ kind: "figures" }) as Promise<IngestFigures>,
  };
}

/** The engine is loaded only here: the thread that starts an ingest thread has no use for it and would pay 10 MB. */
async function inlineIngest(options: IngestOptions): Promise<Ingest> {
  const { openIngestSide } = await import("./ingest-side.ts");
  const side = openIngestSide(setupOf(options), options.store.writer(), options.log ?? silentLogger, "inline");
  let stopped: Promise<void> | undefined;
  return {
    mode: "inline",
    restarts: 0,
    failure: undefined,
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
  readonly ask: IngestAsk;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: FairleadError) => void;
}

/**
 * Keeps one ingest thread running: a thread that crashes is reported and started again, more and more slowly. Each thread
 * writes a memory of its own, so the store is renewed before; also when its dictionary has filled with unused strings.
 */
class ThreadIngest implements Ingest {
  readonly mode = "thread";
  readonly setPlans: Ingest["setPlans"];
  readonly relist: Ingest["relist"];
  readonly wake: Ingest["wake"];
  readonly audit: Ingest["audit"];
  readonly activity: Ingest["activity"];
  readonly figures: Ingest["figures"];
  readonly #options: IngestOptions;
  readonly #log: Logger;
  readonly #limits: WatchLimits;
  readonly #waiting = new Map<number, Waiting>();
  /** Kinds to follow: what was asked for last. */
  #plans: readonly RowPlan[];
  #thread: Thread<IngestRequest>;
  #lastId = 0;
  #restarts = 0;
  #failures = 0;
  #startedAt = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** The thread is being ended, to be started again with a new memory. */
  #isRenewing = false;
  #dictionary: DictionaryWatch | undefined;
  /** No thread will be started any more. */
  #isFinal = false;
  /** Why there is no thread at the moment. */
  #gone: FairleadError | undefined;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.#limits = { ...WATCH_LIMITS, ...options.limits };
    this.#plans = options.plans;
    const methods = asking((what) => this.#ask(what));
    this.setPlans = (plans) => this.#setPlans(plans, methods);
    this.relist = methods.relist;
    this.wake = methods.wake;
    this.audit = methods.audit;
    this.activity = methods.activity;
    this.figures = methods.figures;
    this.#thread = this.#spawn();
    this.#dictionary = this.#watchDictionary();
  }

  get restarts(): number {
    return this.#restarts;
  }

  get failure(): Ingest["failure"] {
    return this.#gone === undefined ? undefined : { message: this.#gone.message, final: this.#isFinal };
  }

  async stop(deadlineMs = 5000): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restartTimer);
    this.#dictionary?.stop();
    await this.#thread.stop(deadlineMs);
    // Those that waited for a thread that was to be started.
    this.#rejectAll(stoppedError());
  }

  #spawn(): Thread<IngestRequest> {
    this.#startedAt = performance.now();
    const setup = setupOf({ ...this.#options, plans: this.#plans });
    const url = ingestThreadFile();
    try {
      return spawnThread<IngestRequest, IngestReport>({
        url,
        name: "fairlead-ingest",
        data: { setup, store: this.#options.store.handle() },
        resourceLimits: this.#options.resourceLimits ?? { maxYoungGenerationSizeMb: 2 },
        onMessage: (report) => this.#onReport(report),
        onExit: (exit) => this.#onExit(exit),
      });
    } catch (error) {
      throw codeOf(error) === "ERR_ACCESS_DENIED" ? noThread(error) : error;
    }
  }

  /** Plans that are asked for outlive the thread: the next one is started with those of the last call. */
  async #setPlans(plans: readonly RowPlan[], { setPlans }: Pick<Ingest, "setPlans">): Promise<void> {
    checkPlans(plans);
    if (!this.#stopped) {
      this.#plans = plans;
    }
    await setPlans(plans);
    this.#dictionary?.restart();
  }

  #ask(ask: IngestAsk): Promise<unknown> {
    if (this.#stopped) {
      return Promise.reject(stoppedError());
    }
    if (this.#gone !== undefined && (ask.kind !== "setPlans" || this.#isFinal)) {
      return Promise.reject(this.#gone);
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { ask, resolve, reject });
      if (!this.#isRenewing && this.#gone === undefined) {
        this.#thread.post({ id, ask });
      }
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
    if (this.#isRenewing && !this.#stopped) {
      return;
    }
    const detail = exit.message ?? `it ended (${exit.kind})`;
    const error = new FairleadError("WATCH_THREAD_CRASHED", `the ingest thread ended: ${detail}`, {
      facts: { exit: exit.kind, exitCode: exit.exitCode, cause: exit.code },
    });
    const final = exit.code === "STORE_HAS_WRITER";
    this.#isFinal = final;
    this.#rejectAll(this.#stopped ? stoppedError() : error);
    if (this.#stopped) {
      if (exit.kind === "forced") {
        this.#log.warn({ exit: exit.kind }, "the ingest thread had to be terminated");
      }
      return;
    }
    this.#gone = error;
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
    if (performance.now() - this.#startedAt > this.#limits.healthyAfterMs) {
      this.#failures = 0;
    }
    const delayMs = backoffDelay(this.#failures++, Math.random, this.#limits);
    this.#log.error(
      { detail, stack: exit.stack, stderr: exit.stderr, restartInMs: Math.round(delayMs) },
      "ingest thread crashed",
    );
    this.#restartTimer = setTimeout(() => {
      this.#restarts++;
      this.#restart();
    }, delayMs);
  }

  #restart(reason = "the ingest thread crashed"): void {
    const { store } = this.#options;
    try {
      if (store.renew !== undefined) {
        const outOfReachMs = Math.max(OUT_OF_REACH_MS, OUT_OF_REACH_RETRIES * this.#limits.forbiddenRetryMs);
        store.renew({ plans: this.#plans, outOfReachMs });
        this.#log.info({ reason }, "store renewed");
      }
      this.#thread = this.#spawn();
      this.#gone = undefined;
    } catch (error) {
      const detail = messageOf(error);
      this.#gone = new FairleadError("WATCH_THREAD_CRASHED", `the ingest thread could not be started: ${detail}`);
      this.#rejectAll(this.#gone);
      this.#log.error({ code: codeOf(error), detail }, "the ingest thread could not be started");
      this.#restartTimer = setTimeout(() => this.#restart(reason), this.#limits.backoffMaxMs);
      return;
    }
    this.#dictionary?.restart();
    for (const [id, { ask }] of this.#waiting) {
      // Plans of earlier calls are of no interest any more.
      this.#thread.post({ id, ask: ask.kind === "setPlans" ? { ...ask, plans: this.#plans } : ask });
    }
  }

  /** All but new plans, which wait for the next thread if there will be one. */
  #rejectAll(error: FairleadError): void {
    for (const [id, { ask, reject }] of this.#waiting) {
      if (ask.kind !== "setPlans" || this.#stopped || this.#isFinal) {
        this.#waiting.delete(id);
        reject(error);
      }
    }
  }

  #watchDictionary(): DictionaryWatch | undefined {
    const { store, renewal } = this.#options;
    if (store.renew === undefined || store.reader === undefined) {
      return undefined;
    }
    return new DictionaryWatch({
      reader: store.reader(),
      kinds: () => this.#plans.map((plan) => plan.name),
      rule: { ...RENEWAL_RULE, ...renewal },
      onGarbage: ({ strings, bytes }, content) => {
        const objects = `for ${content.objects} objects`;
        // Rejects never: the thread's end does not, and a failed start is tried again.
        void this.#renew(`about ${strings} of ${content.strings} strings ${objects} are unused (${bytes} bytes)`);
      },
    });
  }

  /** The thread ends and a fresh one fills a new memory. What was asked and not answered is asked of that one. */
  async #renew(reason: string): Promise<void> {
    if (this.#stopped || this.#isRenewing || this.#gone !== undefined) {
      return;
    }
    this.#isRenewing = true;
    await this.#thread.stop();
    this.#isRenewing = false;
    if (!this.#stopped) {
      this.#restart(reason);
    }
  }
}
