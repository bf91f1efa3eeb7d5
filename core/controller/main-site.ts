import { placeOf } from "../../sandbox/place.ts";
import type { EventSubject, TaskOptions } from "../api/context.ts";
import type { ObjectReference } from "../api/hooks.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { HookBoard } from "../hooks/hook-board.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import type { EventRecorder } from "./event-recorder.ts";
import type { MetricSink } from "./metric-sink.ts";
import { needsInline, stoppedError } from "./plugin-context.ts";
import { readSecret } from "./plugin-secrets.ts";
import type { PluginServiceBoard } from "./plugin-services.ts";
import type { KubeCall, PluginSite } from "./plugin-site.ts";

/** What the sites of all plugins of a controller share. */
export interface SiteParts {
  readonly log: Logger;
  readonly clock: Clock;
  readonly board: HookBoard;
  readonly services: PluginServiceBoard;
  readonly metrics: MetricSink;
  /** Runs a task in the pool that all plugins share. */
  readonly task: (plugin: string, module: URL, input: unknown, options?: TaskOptions) => Promise<unknown>;
}

/** What belongs to one site alone. */
export interface OwnSiteParts {
  readonly plugin: string;
  readonly inline: boolean;
  readonly kube: (call: KubeCall, signal?: AbortSignal) => Promise<unknown>;
  readonly events: Pick<EventRecorder, "report">;
}

/** A site and what the host does with it. */
export interface MainSite extends PluginSite {
  /** Errors of the plugin that nobody awaited. */
  readonly failures: number;
  /** Takes away what the plugin tapped and provided; it may tap and provide again. */
  reset(): void;
  /** As `reset`, and the site refuses everything from now on but log lines and metrics. */
  close(): void;
}

const HOOKS: ReadonlySet<string> = new Set([
  "start",
  "synced",
  "leading",
  "following",
  "options",
  "stop",
  "workloadRoot",
  "writeBefore",
  "stats",
]);
/** Failures of one place of a plugin are told at most this often. */
const TOLD_EVERY_MS = 10_000;

/** Makes the site of one plugin on the main thread. */
export function createMainSite(parts: SiteParts, own: OwnSiteParts): MainSite {
  const { log, clock, board, services, metrics } = parts;
  const { plugin } = own;
  const told = new Map<string, { atMs: number; untold: number }>();
  let failures = 0;
  let isClosed = false;
  const assertOpen = (): void => {
    if (isClosed) {
      throw stoppedError(plugin);
    }
  };
  const reset = (): void => {
    board.removePlugin(plugin);
    services.removePlugin(plugin);
    metrics.endLife(plugin);
  };
  return {
    plugin,
    get failures() {
      return failures;
    },
    log(level, fields, message) {
      // A level may come from another thread.
      (log[level] ?? log.info).call(log, { ...fields, plugin }, message);
    },
    declareMetric: (metric) => metrics.declare(plugin, metric),
    record: (metric, value, labels, times) => metrics.record(metric, value, labels, times),
    tap(name, callback, options = {}) {
      assertOpen();
      const { hook, label } = hookOf(plugin, name);
      if (hook === "workloadRoot" && !own.inline) {
        throw needsInline(plugin);
      }
      return board.tap(plugin, hook, callback, { stage: options.stage, label });
    },
    askRoot: (object) => readReference(board.callSync("workloadRoot", object)),
    declareHook(name, options) {
      assertOpen();
      return board.declare(plugin, name, options);
    },
    async kube(call, signal) {
      assertOpen();
      return await own.kube(call, signal);
    },
    event(type, about: EventSubject, reason, message) {
      // Contexts turn views into references before they come here.
      if (!isClosed && "name" in about) {
        own.events.report({ type, about, reason: String(reason), message: String(message) });
      }
    },
    async task(module, input, options) {
      assertOpen();
      return await parts.task(plugin, module, input, options);
    },
    provide(service, handlers) {
      assertOpen();
      services.provide(plugin, service, handlers);
    },
    async callService(service, handler, given) {
      assertOpen();
      return await services.call(service, handler, given);
    },
    secret: (reference) => readSecret(reference, process.env),
    failed(where, error) {
      failures++;
      const now = clock.now();
      const last = told.get(where) ?? { atMs: Number.NEGATIVE_INFINITY, untold: 0 };
      told.set(where, last);
      if (now - last.atMs < TOLD_EVERY_MS) {
        last.untold++;
        return;
      }
      const more = last.untold > 0 ? { untold: last.untold } : {};
      last.atMs = now;
      last.untold = 0;
      const at = placeOf(error);
      log.error({ plugin, where, code: codeOf(error), detail: messageOf(error), at, ...more }, "plugin failed");
    },
    reset,
    close() {
      isClosed = true;
      reset();
    },
  };
}

/** An answer may come from JavaScript: what is no reference is no answer. */
function readReference(answer: unknown): ObjectReference | undefined {
  if (typeof answer !== "object" || answer === null) {
    return undefined;
  }
  // Read as what it should be; every part is checked right here.
  const { apiVersion, kind, namespace, name, uid } = answer as Readonly<Record<string, unknown>>;
  const isWhole = [apiVersion, kind, name, uid].every((part) => typeof part === "string");
  return isWhole && (namespace === undefined || typeof namespace === "string")
    ? (answer as ObjectReference)
    : undefined;
}

function hookOf(plugin: string, name: string): { readonly hook: string; readonly label?: string } {
  if (HOOKS.has(name)) {
    return { hook: name };
  }
  const [kind, rest] = splitOnce(name);
  if (kind === "health" && rest !== "") {
    return { hook: "health", label: rest };
  }
  if (kind === "of" && rest.includes(".")) {
    return { hook: rest };
  }
  throw new FairleadError(
    "HOOK_BAD_NAME",
    `plugin "${plugin}" taps "${kind === "of" ? rest : name}"; hooks of plugins are called "<plugin>.<hook>"`,
    { facts: { plugin, hook: name } },
  );
}

function splitOnce(name: string): [string, string] {
  const at = String(name).indexOf(":");
  return at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1)];
}
