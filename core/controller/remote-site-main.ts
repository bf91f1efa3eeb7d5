import { readFailure } from "../../sandbox/failure.ts";
import type { RpcPeer } from "../../sandbox/rpc.ts";
import type { TaskOptions } from "../api/context.ts";
import type { DeclaredHookOptions, Tap } from "../api/hooks.ts";
import { codeOf, FairleadError } from "../errors.ts";
import type { KubeCall, MetricDeclaration, PluginSite, SiteDeclaredHook, SiteHook } from "./plugin-site.ts";
import type { MetricReport } from "./remote-site-metrics.ts";

/** A hook has its own deadline; this only keeps a call from being remembered for ever. */
const CALL_MS = 120_000;

const LEVELS = ["debug", "info", "warn", "error"] as const;

/**
 * Serves the site of a plugin to the thread that runs it; the other end is `createRemoteSite`. What comes from there is
 * taken as what it should be: the handlers behind the site check it, and what they throw goes back as an answer.
 */
export function serveSite(
  rpc: RpcPeer,
  site: PluginSite,
  changesCalled: (kind: string, ms: number, failed: boolean) => void,
): void {
  const taps = new Map<number, Tap>();
  const hooks = new Map<string, SiteDeclaredHook>();
  /** Numbers of metrics there -> here. */
  const metrics = new Map<number, number>();
  const handle = <Given>(method: string, handler: (given: Given, signal: AbortSignal) => unknown): void =>
    rpc.handle(`site.${method}`, (given, { signal }) => handler(given as Given, signal));
  const listen = <Given>(method: string, listener: (given: Given) => void): void =>
    rpc.listen(`site.${method}`, (given) => listener(given as Given));

  handle<{ tap: number; hook: SiteHook; stage?: number }>("tap", ({ tap, hook, stage }) => {
    taps.set(
      tap,
      site.tap(hook, (value) => rpc.request("site.call", { tap, value }, { deadlineMs: CALL_MS }), { stage }),
    );
  });
  handle<{ tap: number }>("untap", ({ tap }) => {
    taps.get(tap)?.remove();
    taps.delete(tap);
  });
  handle<{ name: string; options: DeclaredHookOptions }>("declareHook", ({ name, options }) => {
    const hook = site.declareHook(name, options);
    hooks.set(name, hook);
    hook.onTapped((tapped) => rpc.event("site.tapped", { name, tapped }));
    rpc.event("site.tapped", { name, tapped: hook.tapped });
  });
  handle<{ name: string; given: unknown }>("callHook", ({ name, given }) => hooks.get(name)?.call(given));
  handle<KubeCall>("kube", (call, signal) => site.kube(call, signal));
  handle<{ module: string; input: unknown; transfer: readonly ArrayBuffer[]; timeoutMs?: number }>(
    "task",
    ({ module, input, transfer, timeoutMs }, signal) => {
      const options: TaskOptions = { transfer, timeoutMs, signal };
      return site.task(new URL(module), input, options);
    },
  );
  handle<{ service: string; handlers: readonly string[]; wrong?: string }>(
    "provide",
    ({ service, handlers, wrong }) => {
      const remote = handlers.map((handler) => [
        handler,
        async (value: unknown) => {
          try {
            return await rpc.request("site.serve", { service, handler, value }, { deadlineMs: CALL_MS });
          } catch (error) {
            throw codeOf(error) === "RPC_CLOSED" ? unavailable(site.plugin, service) : error;
          }
        },
      ]);
      // What is no function there must be refused here in the same words.
      site.provide(service, { ...Object.fromEntries(remote), ...(wrong === undefined ? {} : { [wrong]: undefined }) });
    },
  );
  handle<{ service: string; handler: string; given: unknown }>("callService", ({ service, handler, given }) =>
    site.callService(service, handler, given),
  );
  handle<string>("secret", (reference) => site.secret(reference));
  handle<{ number: number; metric: MetricDeclaration }>("metric", ({ number, metric }) => {
    metrics.set(number, site.declareMetric(metric));
  });
  listen<{ level: unknown; fields: Readonly<Record<string, unknown>>; message: unknown }>("log", (line) => {
    const level = LEVELS.find((known) => known === line.level) ?? "info";
    site.log(level, { ...line.fields }, String(line.message));
  });
  listen<MetricReport>("metrics", (report) => {
    for (const { metric, labels, values, times } of report.metrics) {
      const own = metrics.get(metric);
      for (const [at, value] of own === undefined ? [] : values.entries()) {
        site.record(own ?? 0, value, labels, times[at]);
      }
    }
    for (const [kind, ms, failed] of report.calls) {
      changesCalled(kind, ms, failed);
    }
  });
  listen<{ type: "Normal" | "Warning"; about: never; reason: string; message: string }>("event", (event) =>
    site.event(event.type, event.about, event.reason, event.message),
  );
  listen<{ where: unknown; error: unknown }>("failed", ({ where, error }) => {
    const { code, message, facts } = readFailure(error) ?? { code: "UNKNOWN", message: "unknown", facts: {} };
    site.failed(String(where), new FairleadError(code, message, { facts }));
  });
}

function unavailable(plugin: string, service: string): FairleadError {
  return new FairleadError(
    "SERVICE_UNAVAILABLE",
    `the service "${service}" went away: the thread of plugin "${plugin}" ended`,
    {
      facts: { plugin, service },
    },
  );
}
