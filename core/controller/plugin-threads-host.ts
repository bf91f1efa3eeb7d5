import { openChannel } from "../../sandbox/pulled-port.ts";
import type { RpcPeer } from "../../sandbox/rpc.ts";
import { type Supervised, type SupervisedState, supervise } from "../../sandbox/supervisor.ts";
import { codeOf, FairleadError } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";
import type { Store } from "../store/create-store.ts";
import type { ThreadInfo } from "./metrics-sources.ts";
import type { PluginSite } from "./plugin-site.ts";
import type { PluginThreadData } from "./plugin-thread-entry.ts";
import type { ThreadHost, ThreadNews, ThreadOrder } from "./plugin-threads.ts";
import { type ReaderPlace, shareStore } from "./plugin-threads-store.ts";
import { serveSite } from "./remote-site-main.ts";
import type { RemoteThreadNews } from "./worker-plugin-thread.ts";

/** What threads of one plugin are run with. Main thread. */
export interface ThreadHostParts {
  readonly site: PluginSite;
  /** What the plugin needs. */
  readonly kinds: readonly AnyKind[];
  readonly store: Store;
}

/** Threads that plugins started, by the plugin's site. */
const RUNNING = new WeakMap<PluginSite, Map<string, Supervised>>();

/** Threads that the plugin of this site started and that were not stopped. */
export function threadsOf(site: PluginSite): ThreadInfo[] {
  return [...(RUNNING.get(site) ?? [])].map(([name, thread]) => threadInfo(`${site.plugin}/${name}`, thread));
}

/** A supervised thread as metrics and health see it. */
export function threadInfo(name: string, thread: Pick<Supervised, "state" | "restarts" | "figures">): ThreadInfo {
  return {
    name,
    state: threadState(thread.state),
    restarts: thread.restarts,
    figures: async () => {
      const figures = await thread.figures();
      if (figures === undefined) {
        throw new FairleadError("THREAD_EXITED", `the thread "${name}" does not run now`);
      }
      return figures;
    },
  };
}

function threadState(state: SupervisedState): ThreadInfo["state"] {
  switch (state) {
    case "loading":
    case "ready":
    case "unresponsive":
    case "stopping":
      return "running";
    case "restarting":
      return "restarting";
    case "stuck":
    case "stopped":
    case "failed":
    case "disabled":
      return "gone";
    default:
      return state satisfies never;
  }
}

/** Runs the threads of one plugin under supervision: restarted after a crash, given up after three in five minutes. */
export function createThreadHost({ site, kinds, store }: ThreadHostParts): ThreadHost {
  const threads = new Map<number, Supervised>();
  const running = RUNNING.get(site) ?? new Map<string, Supervised>();
  RUNNING.set(site, running);

  /** Not shown any more; another thread of that name, as after a reload, stays. */
  function hide(thread: Supervised): void {
    for (const [name, other] of running) {
      if (other === thread) {
        running.delete(name);
      }
    }
  }

  function start(order: ThreadOrder, news: ThreadNews): void {
    const { id, module, name, maxHeapMb } = order;
    const title = `thread "${name}" of plugin "${site.plugin}"`;
    const wanted = kinds.filter((kind) => order.store.includes(kind.name));
    let place: ReaderPlace | undefined;
    const thread = supervise({
      module: new URL(
        import.meta.url.endsWith(".ts") ? "./plugin-thread-entry.ts" : "./plugin-thread-entry.js",
        import.meta.url,
      ),
      name: title,
      maxHeapMb,
      retriesFirstStart: true,
      makeError: (code, message, facts) => new FairleadError(code, message, { facts }),
      data: () => {
        if (wanted.length > 0) {
          place = shareStore(store, (handle) => {
            // A thread that is gone meanwhile has no use for it.
            thread.rpc?.request("renew", handle).catch(() => {});
          });
        }
        const [near, far] = openChannel();
        news.connected(near);
        const data: PluginThreadData = {
          plugin: site.plugin,
          module,
          channel: far,
          data: order.data,
          store: place?.share,
          plans: wanted.map((kind) => kind.plan()),
        };
        return { data, transfer: [far.port] };
      },
      onConnect: (rpc) => serveSite(rpc, site, () => {}),
      onPrinted: (text) => site.log("debug", { thread: name, text }, "plugin thread printed"),
      onState: (state, failure) => {
        const fields = { thread: name, code: failure?.code, detail: failure?.message };
        switch (state) {
          case "ready":
            news.ready();
            news.alive(true);
            return;
          case "restarting":
            news.alive(false);
            site.log("warn", fields, "plugin thread crashed, it is started anew");
            return;
          case "unresponsive":
            news.alive(false);
            site.log("warn", fields, "plugin thread does not answer");
            return;
          case "stuck":
            news.alive(false);
            site.log("error", fields, "plugin thread cannot be ended: it waits in native code; restart the process");
            return;
          case "disabled":
          case "failed": {
            const error = new FairleadError(
              failure?.code ?? "THREAD_EXITED",
              failure?.message ?? `${title} was given up`,
            );
            news.gaveUp(error);
            site.failed(`thread ${name}`, error);
            return;
          }
          default:
        }
      },
      onEnd: () => {
        place?.release();
        place = undefined;
      },
    });
    threads.set(id, thread);
    running.set(freeName(name, running), thread);
  }

  return {
    start,
    async stop(id) {
      const thread = threads.get(id);
      threads.delete(id);
      if (thread !== undefined) {
        hide(thread);
        await thread.stop();
      }
    },
    failed: (name, error) => site.failed(`messages of thread ${name}`, error),
    dropped: (thread, dropped) => site.log("warn", { thread, dropped }, "messages to a plugin thread were dropped"),
    flooded(id) {
      const name = `a thread of plugin "${site.plugin}"`;
      threads.get(id)?.crash({ code: "THREAD_FLOOD", message: `${name}: it sends messages without end`, facts: {} });
    },
    async stopAll(deadlineMs) {
      const ending = [...threads.values()].map((thread) => {
        hide(thread);
        return thread.stop(deadlineMs);
      });
      threads.clear();
      await Promise.all(ending);
    },
  };
}

/** Threads that are called the same are told apart by a number. */
function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  let free = name;
  for (let n = 2; taken.has(free); n++) {
    free = `${name}-${n}`;
  }
  return free;
}

/** Lets a plugin in a thread of its own start threads, which the main thread runs. */
export function serveThreads(rpc: RpcPeer, threads: ThreadHost): void {
  const tell = (news: RemoteThreadNews): void => {
    const transfer = news.kind === "connected" ? [news.channel.port] : [];
    // The plugin's thread is gone: these threads end with it.
    rpc.request("thread.news", news, { transfer }).catch(() => {});
  };
  rpc.handle("thread.start", (given) => {
    // What the other half of this module made of the plugin's call.
    const order = given as ThreadOrder;
    const { id } = order;
    threads.start(order, {
      connected: (channel) => tell({ id, kind: "connected", channel }),
      ready: () => tell({ id, kind: "ready" }),
      alive: (isAlive) => tell({ id, kind: "alive", isAlive }),
      disconnected: () => tell({ id, kind: "disconnected" }),
      gaveUp: (error) => tell({ id, kind: "gave-up", code: codeOf(error), message: error.message }),
    });
  });
  rpc.listen("thread.flooded", (id) => threads.flooded(Number(id)));
  rpc.handle("thread.stop", (id) => threads.stop(Number(id)));
}
