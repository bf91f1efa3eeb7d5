import type { FailureData } from "../../sandbox/failure.ts";
import { notPlain } from "../../sandbox/plain-data.ts";
import type { RpcPeer } from "../../sandbox/rpc.ts";
import { type Supervised, type SupervisedState, supervise } from "../../sandbox/supervisor.ts";
import { codeOf, FairleadError } from "../errors.ts";
import { DEFAULT_SETUP_TIMEOUT_MS, setupFailure, setupTimeout } from "./inline-runner.ts";
import { stoppedError } from "./plugin-context.ts";
import { kindFromData, type PluginDeclaration } from "./plugin-declaration.ts";
import type { PluginRunner, RunnerParts } from "./plugin-runner.ts";
import type { PluginSite } from "./plugin-site.ts";
import type { ThreadHost } from "./plugin-threads.ts";
import { createThreadHost, serveThreads } from "./plugin-threads-host.ts";
import { type ReaderPlace, shareStore } from "./plugin-threads-store.ts";
import { serveSite } from "./remote-site-main.ts";
import type { WorkerPluginData } from "./worker-plugin-thread.ts";

/** What a plugin in a thread of its own gets beside what every runner does. */
export interface WorkerParts extends RunnerParts {
  readonly changesCalled: (plugin: string, kind: string, ms: number, failed: boolean) => void;
}

/** A plugin in a thread of its own. */
export interface WorkerRunner extends PluginRunner {
  /** The thread; undefined before `load`. */
  readonly thread: Supervised | undefined;
}

/** How long one collection of metrics waits for the thread, milliseconds. */
const FLUSH_MS = 500;
const THREADS_STOP_MS = 1000;

/** Runs a plugin in a thread of its own, where it sees the same context. Main thread. */
export function createWorkerRunner(parts: WorkerParts): WorkerRunner {
  return new PluginWorker(parts);
}

/** One life of the thread. */
interface Life {
  readonly rpc: RpcPeer;
  threads: ThreadHost | undefined;
}

class PluginWorker implements WorkerRunner {
  readonly #parts: WorkerParts;
  readonly #setupTimeoutMs: number;
  #thread: Supervised | undefined;
  #declaration: PluginDeclaration | undefined;
  #site: PluginSite | undefined;
  #life: Life | undefined;
  #place: ReaderPlace | undefined;
  /** The first set-up is done: a crash from now on is followed by another one. */
  #isRunning = false;
  #isStopped = false;
  /** Told of each change of the thread's state. */
  readonly #waiters: (() => void)[] = [];
  /** Threads of lives that are over, still ending. */
  #ending: Promise<unknown> = Promise.resolve();

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#setupTimeoutMs = parts.entry.setupTimeoutMs ?? DEFAULT_SETUP_TIMEOUT_MS;
  }

  get restarts(): number {
    return this.#thread?.restarts ?? 0;
  }

  get thread(): Supervised | undefined {
    return this.#thread;
  }

  async load(): Promise<PluginDeclaration> {
    const data = this.#dataOfThread();
    const thread = this.#supervise(data);
    this.#thread = thread;
    try {
      await thread.ready;
      // Plain data that the other half of this module made.
      this.#declaration = (await this.#rpc().request("declaration", undefined)) as PluginDeclaration;
      return this.#declaration;
    } catch (error) {
      throw this.#isStopped ? stoppedError(this.#title()) : loadFailure(data.use, this.#setupTimeoutMs, error);
    }
  }

  async start(site: PluginSite): Promise<void> {
    if (this.#isStopped || this.#declaration === undefined) {
      throw stoppedError(site.plugin);
    }
    this.#site = site;
    try {
      await this.#untilLoaded();
      await this.#setup();
      this.#isRunning = true;
    } catch (error) {
      throw this.#isStopped ? stoppedError(site.plugin) : setupFailure(site.plugin, this.#cause(error));
    }
  }

  async flush(): Promise<void> {
    if (this.#isRunning && this.#thread?.state === "ready") {
      // One that does not answer is told by its state.
      await this.#life?.rpc.request("site.flush", undefined, { deadlineMs: FLUSH_MS }).catch(() => {});
    }
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true;
    const { log } = this.#parts;
    const life = this.#life;
    const [how] = await Promise.all([this.#thread?.stop(deadlineMs), life?.threads?.stopAll(deadlineMs), this.#ending]);
    if (how === "forced" && this.#isRunning) {
      log.warn(
        { plugin: this.#title(), deadlineMs },
        "the thread of the plugin did not end in time and was terminated",
      );
    }
    if (how === "stuck") {
      throw new FairleadError(
        "PLUGIN_STOP_TIMEOUT",
        `the thread of plugin "${this.#title()}" cannot be ended: it waits in native code; restart the process`,
        { facts: { plugin: this.#title() } },
      );
    }
  }

  #dataOfThread(): WorkerPluginData {
    const { use, options } = this.#parts.entry;
    if (!(use instanceof URL)) {
      throw new FairleadError(
        "PLUGIN_BAD",
        'a plugin with isolation: "worker" is loaded in its thread; give its module: { use: new URL("./plugin.ts", import.meta.url) }',
      );
    }
    const problem = notPlain(options, "options");
    if (problem !== undefined) {
      const message = `options of ${use.href} go into a thread: ${problem}`;
      throw new FairleadError("PLUGIN_OPTIONS", message, { facts: { issues: [problem] } });
    }
    return { use: use.href, options };
  }

  #supervise(data: WorkerPluginData): Supervised {
    const { entry } = this.#parts;
    const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
    return supervise({
      module: new URL(`./worker-plugin-thread.${ending}`, import.meta.url),
      name: `plugin ${data.use.split("/").slice(-2).join("/")}`,
      maxHeapMb: entry.maxHeapMb,
      loadTimeoutMs: this.#setupTimeoutMs,
      makeError: (code, message, facts) => new FairleadError(code, message, { facts }),
      data: () => ({ data }),
      onConnect: (rpc) => {
        this.#life = { rpc, threads: undefined };
      },
      onState: (state, failure) => this.#onState(state, failure),
      onPrinted: (text) => this.#parts.log.debug({ plugin: this.#title(), text }, "plugin printed"),
      onEnd: () => this.#onEnd(),
    });
  }

  #onState(state: SupervisedState, failure: FailureData | undefined): void {
    const { log } = this.#parts;
    const plugin = this.#title();
    for (const told of this.#waiters.splice(0)) {
      told();
    }
    switch (state) {
      case "ready":
        void this.#runAgain();
        return;
      case "unresponsive":
        log.warn({ plugin }, "plugin does not answer: the event loop of its thread stands still");
        return;
      case "stuck":
        log.error({ plugin }, "the thread of the plugin cannot be ended: it waits in native code; restart the process");
        return;
      case "restarting":
        if (this.#isRunning) {
          this.#parts.crashed(crashError(failure));
        }
        return;
      case "disabled":
        if (this.#isRunning) {
          this.#parts.gaveUp(crashError(failure));
        }
        return;
      default:
    }
  }

  /** A life after the first: `setup` runs again. What fails now is one more crash. */
  async #runAgain(): Promise<void> {
    const life = this.#life;
    if (!this.#isRunning || this.#isStopped || life === undefined || life.threads !== undefined) {
      return;
    }
    try {
      await this.#setup();
    } catch (error) {
      const { code, message } = crashError(this.#failureOf(error));
      this.#thread?.crash({ code, message, facts: {} });
      return;
    }
    await this.#parts.restarted();
  }

  /** It may have crashed since `load`; then it is being started again. */
  async #untilLoaded(): Promise<void> {
    while (this.#thread?.state === "loading" || this.#thread?.state === "restarting") {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
    if (this.#thread?.state === "disabled") {
      throw crashError(this.#thread.failure);
    }
  }

  async #setup(): Promise<void> {
    const site = this.#site;
    const life = this.#life;
    if (site === undefined || life === undefined) {
      throw stoppedError(this.#title());
    }
    const { rpc } = life;
    const { plugin } = site;
    serveSite(rpc, site, (kind, ms, failed) => this.#parts.changesCalled(plugin, kind, ms, failed));
    const kinds = (this.#declaration?.kinds ?? []).map(kindFromData);
    life.threads = createThreadHost({ site, kinds, store: this.#parts.store });
    serveThreads(rpc, life.threads);
    this.#place = shareStore(this.#parts.store, (handle) => {
      // A thread that is gone meanwhile has no use for it.
      rpc.request("renew", handle).catch(() => {});
    });
    try {
      await rpc.request("setup", this.#place.share, { deadlineMs: this.#setupTimeoutMs });
    } catch (error) {
      throw codeOf(error) === "RPC_TIMEOUT" ? setupTimeout(plugin, this.#setupTimeoutMs) : error;
    }
  }

  #onEnd(): void {
    this.#place?.release();
    this.#place = undefined;
    const threads = this.#life?.threads;
    this.#life = undefined;
    if (threads !== undefined) {
      this.#ending = Promise.all([this.#ending, threads.stopAll(THREADS_STOP_MS)]);
    }
  }

  /** Why a call to the thread failed: the thread's own end, where that was it. */
  #cause(error: unknown): unknown {
    const failure = this.#thread?.failure;
    return codeOf(error) === "RPC_CLOSED" && failure !== undefined ? crashError(failure) : error;
  }

  #failureOf(error: unknown): FailureData {
    const cause = this.#cause(error);
    return { code: codeOf(cause), message: cause instanceof Error ? cause.message : String(cause), facts: {} };
  }

  #rpc(): RpcPeer {
    const rpc = this.#life?.rpc;
    if (rpc === undefined) {
      throw stoppedError(this.#title());
    }
    return rpc;
  }

  #title(): string {
    return this.#declaration?.name ?? String(this.#parts.entry.use);
  }
}

function crashError(failure: FailureData | undefined): FairleadError {
  const { code, message, facts } = failure ?? { code: "THREAD_EXITED", message: "the thread ended", facts: {} };
  return new FairleadError(code, message, { facts });
}

/** Why a plugin did not load: its own errors as they are. */
function loadFailure(from: string, timeoutMs: number, error: unknown): unknown {
  const code = codeOf(error);
  if (code === "THREAD_LOAD_TIMEOUT") {
    return new FairleadError(
      "PLUGIN_LOAD_TIMEOUT",
      `${from} did not load within ${timeoutMs} ms; look for an await at its top, or a schema that never answers`,
      { cause: error },
    );
  }
  if (code.startsWith("PLUGIN_")) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  return new FairleadError("PLUGIN_LOAD_FAILED", `${from} cannot be loaded: ${message}`, {
    cause: error,
    facts: { from },
  });
}
