import type { TaskPool } from "../../sandbox/task-pool.ts";
import type { WatchedLeadership } from "../election/leadership.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { HookBoard } from "../hooks/hook-board.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { ClusterAccess } from "../kube/access.ts";
import { createKubeClient, type KubeClient } from "../kube/client.ts";
import type { RestMeter } from "../kube/counted-transport.ts";
import { connect, type HttpTransport } from "../kube/http-transport.ts";
import type { Logger } from "../log.ts";
import type { ReconcileHost } from "../reconcile/run-host.ts";
import type { Store } from "../store/create-store.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import { realClock } from "../watch/clock.ts";
import { planScope } from "../watch/namespace-scope.ts";
import type { ControllerOptions } from "./create-controller.ts";
import { writesOf } from "./fenced-writes.ts";
import { createInlineRunner } from "./inline-runner.ts";
import { PluginMetricValues } from "./metrics-plugins.ts";
import type { NoticeBoard } from "./notices.ts";
import { PluginHost } from "./plugin-host.ts";
import type { PluginRunner, RunnerParts } from "./plugin-runner.ts";
import { createPluginThreads } from "./plugin-threads.ts";
import { createThreadHost } from "./plugin-threads-host.ts";

/** What the plugins of a controller need of it. */
export interface ControllerPluginsParts {
  readonly options: Pick<ControllerOptions, "kinds" | "namespaces" | "dryRun">;
  readonly access: ClusterAccess;
  readonly store: Store;
  readonly log: Logger;
  readonly notices: NoticeBoard;
  /** Undefined where nobody is elected. */
  readonly leadership: WatchedLeadership | undefined;
  readonly rest: RestMeter;
  /** The host of the cluster's controllers. */
  readonly reconcile: () => Promise<ReconcileHost>;
  readonly follow: (kinds: readonly AnyKind[]) => Promise<void>;
  readonly loaded: (kinds: readonly AnyKind[]) => Promise<void>;
}

/** The plugins of one controller with all that is loaded for their sake alone. */
export interface ControllerPlugins {
  readonly host: PluginHost;
  readonly metrics: PluginMetricValues;
  /** Stops the plugins, then closes their connection. Never rejects. */
  stop(): Promise<void>;
}

/** Makes the plugin host of a controller; nothing runs before `host.load`. */
export function openControllerPlugins(parts: ControllerPluginsParts): ControllerPlugins {
  const { access, store, log, options, notices } = parts;
  const metrics = new PluginMetricValues();
  let transport: HttpTransport | undefined;
  let client: KubeClient | undefined;
  let tasks: Promise<TaskPool> | undefined;
  const host = new PluginHost({
    log,
    clock: realClock,
    store,
    metrics,
    notices,
    client: async () => {
      transport ??= connect(access, {
        ...writesOf(parts.leadership),
        warn: (detail, facts) => log.warn({ ...facts, detail }, "connection"),
      });
      client ??= createKubeClient(parts.rest.count(transport));
      return client;
    },
    dryRun: options.dryRun === true,
    leadership: parts.leadership,
    namespaces: namespacesOf(options.namespaces),
    createRunner: (runner, board) => createRunner(runner, board),
    task: async (plugin, module, input, task) => {
      tasks ??= openTaskPool();
      return await (await tasks).run(plugin, module, input, task);
    },
    reconcile: parts.reconcile,
    kinds: options.kinds ?? [],
    follow: parts.follow,
    loaded: parts.loaded,
  });
  return {
    host,
    metrics,
    async stop() {
      await host.stop();
      try {
        await (await tasks)?.close();
        await transport?.close();
      } catch (error) {
        log.warn({ code: codeOf(error), detail: messageOf(error) }, "threads or connection of plugins not closed");
      }
    },
  };
}

/** The namespaces that are followed, where they are named one by one. */
function namespacesOf(scope: ControllerOptions["namespaces"]): readonly string[] | undefined {
  const plan = planScope(scope ?? {});
  return plan.kind === "fixed" ? plan.namespaces : undefined;
}

async function createRunner(parts: RunnerParts, board: HookBoard): Promise<PluginRunner> {
  const { store, entry } = parts;
  const changesCalled = (plugin: string, kind: string, ms: number, failed: boolean): void => {
    const meter = board.meter(plugin, `changes:${kind}`);
    meter.errors += Number(failed);
    board.called(meter, ms);
  };
  if (entry.isolation === "worker") {
    const { createWorkerRunner } = await import("./worker-runner.ts");
    return createWorkerRunner({ ...parts, changesCalled });
  }
  return createInlineRunner({
    ...parts,
    changesCalled,
    openReader: ({ kinds }) => narrowReader(store.reader(), kinds),
    openThreads: ({ kinds }, site) => createPluginThreads(site.plugin, kinds, createThreadHost({ site, kinds, store })),
  });
}

/** The pool of threads that all plugins share; loaded with the first task. */
async function openTaskPool(): Promise<TaskPool> {
  const { TaskPool } = await import("../../sandbox/task-pool.ts");
  return new TaskPool({ makeError: (code, message, facts) => new FairleadError(code, message, { facts }) });
}
