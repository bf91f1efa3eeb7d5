import { Allowance } from "../../sandbox/allowance.ts";
import { failureOf } from "../../sandbox/failure.ts";
import type { RpcPeer } from "../../sandbox/rpc.ts";
import type { EventSubject, TaskOptions } from "../api/context.ts";
import type { DeclaredHookOptions, Tap } from "../api/hooks.ts";
import { codeOf, FairleadError } from "../errors.ts";
import type { PluginSite, SiteDeclaredHook, SiteHook } from "./plugin-site.ts";
import { plainFields } from "./remote-site-log.ts";
import { MetricBatch } from "./remote-site-metrics.ts";

type Handler = (given: unknown) => unknown;

/** A plugin's site in a thread of the plugin's own. */
export interface RemoteSite extends PluginSite {
  /** Resolves when the main thread has taken in all that was declared so far; rejects with the first thing that it refused. */
  settled(): Promise<void>;
  /** Sends what was recorded now; otherwise it is sent each second. */
  flush(): void;
  /** A change callback was called. */
  changesCalled(kind: string, ms: number, failed: boolean): void;
  /** Sends the rest and ends the timer. */
  end(): void;
}

/** A hook answers by its own deadline on the main thread; this only keeps a call from being remembered for ever. */
const CALL_MS = 120_000;
const FLUSH_MS = 1000;
/** Log lines, events and errors of one plugin. */
const TOLD_PER_SECOND = 500;
const TOLD_AT_ONCE = 2000;

/**
 * The site of a plugin over a connection to the main thread, where `serveSite` is the other end. What is declared here and
 * refused there (taps, metrics, hooks, services) fails the plugin's set-up, or is counted as its error after that.
 */
export function createRemoteSite(plugin: string, rpc: RpcPeer): RemoteSite {
  const taps = new Map<number, Handler>();
  const services = new Map<string, Readonly<Record<string, Handler>>>();
  const declared = new Map<string, RemoteHook>();
  const pending = new Set<Promise<unknown>>();
  const metrics = new MetricBatch();
  let refused: unknown;
  let isSettled = false;
  let lastTap = 0;
  let toldDropped = 0;

  rpc.handle("site.call", (given) => {
    const { tap, value } = given as { readonly tap: number; readonly value: unknown };
    return taps.get(tap)?.(value);
  });
  rpc.handle("site.serve", (given) => {
    const { service, handler, value } = given as { service: string; handler: string; value: unknown };
    return services.get(service)?.[handler]?.(value);
  });
  rpc.listen("site.tapped", (given) => {
    const { name, tapped } = given as { readonly name: string; readonly tapped: boolean };
    declared.get(name)?.setTapped(tapped);
  });
  rpc.handle("site.flush", () => flush());

  // Reading them takes the main thread's time, whatever becomes of them there.
  const allowance = new Allowance(TOLD_PER_SECOND, TOLD_AT_ONCE);
  const tell = (method: string, given: () => unknown): void => {
    if (allowance.take()) {
      rpc.event(method, given());
    }
  };
  const failed = (where: string, error: unknown): void => {
    tell("site.failed", () => ({ where, error: failureOf(error) }));
  };
  const declare = (method: string, given: unknown): void => {
    const answer = rpc.request(method, given, { deadlineMs: CALL_MS }).catch((error: unknown) => {
      if (isSettled) {
        failed("declaration", error);
      } else {
        refused ??= error;
      }
    });
    pending.add(answer);
    void answer.finally(() => pending.delete(answer));
  };
  const log: PluginSite["log"] = (level, fields, message) => {
    tell("site.log", () => ({ level, fields: plainFields(fields), message: String(message) }));
  };
  const flush = (): void => {
    const batch = metrics.take();
    if (batch !== undefined) {
      rpc.event("site.metrics", batch);
    }
    const dropped = rpc.figures.droppedEvents + allowance.refused - toldDropped;
    const message = "log lines, events or metrics of the plugin came too fast and were dropped";
    // Tried again the next time when there is no room for it either.
    if (dropped > 0 && rpc.event("site.log", { level: "warn", fields: { dropped }, message })) {
      toldDropped += dropped;
    }
  };
  const timer = setInterval(flush, FLUSH_MS);

  return {
    plugin,
    log,
    declareMetric: (metric) => metrics.declare(metric, (number) => declare("site.metric", { number, metric })),
    record: (metric, value, labels, times) => metrics.record(metric, value, labels, times),
    tap(hook: SiteHook, callback: Handler, options: { readonly stage?: number } = {}): Tap {
      if (hook === "workloadRoot") {
        throw needsInline(plugin);
      }
      const tap = ++lastTap;
      taps.set(tap, callback);
      declare("site.tap", { tap, hook, stage: options.stage });
      const remove = (): void => {
        if (taps.delete(tap)) {
          declare("site.untap", { tap });
        }
      };
      return { remove, [Symbol.dispose]: remove };
    },
    declareHook(name: string, options: DeclaredHookOptions): SiteDeclaredHook {
      const hook = new RemoteHook((given) => rpc.request("site.callHook", { name, given }, { deadlineMs: CALL_MS }));
      declared.set(name, hook);
      declare("site.declareHook", { name, options });
      return hook;
    },
    // The deadline is the client's own.
    kube: (call, signal) =>
      rpc
        .request("site.kube", call, { deadlineMs: 0, signal })
        .catch(asAborted("KUBE_ABORTED", "the caller's signal ended the request")),
    event(type: "Normal" | "Warning", about: EventSubject, reason: string, message: string): void {
      tell("site.event", () => ({ type, about, reason, message }));
    },
    task(module: URL, input: unknown, options: TaskOptions = {}): Promise<unknown> {
      const { transfer = [], timeoutMs, signal } = options;
      return rpc
        .request("site.task", { module: module.href, input, transfer, timeoutMs }, { deadlineMs: 0, signal, transfer })
        .catch(asAborted("TASK_ABORTED", "the caller's signal ended the task"));
    },
    provide(service: string, handlers: Readonly<Record<string, Handler>>): void {
      services.set(service, handlers);
      const wrong = Object.keys(handlers).find((name) => typeof handlers[name] !== "function");
      declare("site.provide", { service, handlers: Object.keys(handlers), wrong });
    },
    callService: (service, handler, given) =>
      rpc.request("site.callService", { service, handler, given }, { deadlineMs: CALL_MS }),
    // The main thread told that it is text.
    secret: (reference) => rpc.request("site.secret", reference) as Promise<string>,
    failed,
    async settled() {
      while (pending.size > 0) {
        await Promise.all(pending);
      }
      isSettled = true;
      if (refused !== undefined) {
        throw refused;
      }
    },
    flush,
    changesCalled: (kind, ms, hasFailed) => metrics.called(kind, ms, hasFailed),
    end() {
      clearInterval(timer);
      flush();
    },
  };
}

/** A call that its own signal ended is told as it would be on the main thread. */
function asAborted(code: string, message: string): (error: unknown) => never {
  return (error) => {
    throw codeOf(error) === "RPC_ABORTED" ? new FairleadError(code, message, { cause: error }) : error;
  };
}

/** What is told to a plugin that taps a hook which is answered at once. */
function needsInline(plugin: string): FairleadError {
  return new FairleadError(
    "PLUGIN_HOOK_NEEDS_INLINE",
    `plugin "${plugin}" taps "workloadRoot", which is answered at once; run the plugin with isolation: inline`,
    { facts: { plugin, hook: "workloadRoot" } },
  );
}

/** A hook that a plugin in this thread declared. */
class RemoteHook implements SiteDeclaredHook {
  readonly call: (given: unknown) => Promise<unknown>;
  #tapped = false;
  #listener = (_tapped: boolean): void => {};

  constructor(call: (given: unknown) => Promise<unknown>) {
    this.call = call;
  }

  get tapped(): boolean {
    return this.#tapped;
  }

  onTapped(listener: (tapped: boolean) => void): void {
    this.#listener = listener;
  }

  setTapped(tapped: boolean): void {
    if (tapped !== this.#tapped) {
      this.#tapped = tapped;
      this.#listener(tapped);
    }
  }
}
