import type { ChannelEnd } from "../../sandbox/pulled-port.ts";
import type { RpcPeer } from "../../sandbox/rpc.ts";
import { enterSupervised } from "../../sandbox/supervised-entry.ts";
import { FairleadError } from "../errors.ts";
import { attachReader } from "../store/attach-reader.ts";
import type { StoreHandle } from "../store/handle.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import { realClock } from "../watch/clock.ts";
import { createPluginContext } from "./plugin-context.ts";
import { loadPlugin } from "./plugin-load.ts";
import { createPluginThreads, type ThreadHost, type ThreadNews } from "./plugin-threads.ts";
import type { StoreShare } from "./plugin-threads-store.ts";
import { createRemoteSite, type RemoteSite } from "./remote-site.ts";

/** What the thread of a plugin is started with. */
export interface WorkerPluginData {
  /** The plugin's module. */
  readonly use: string;
  /** As configured; the plugin's schema checks them here. */
  readonly options: unknown;
}

/** News of a thread that the plugin started. */
export type RemoteThreadNews =
  | { readonly id: number; readonly kind: "connected"; readonly channel: ChannelEnd }
  | { readonly id: number; readonly kind: "ready" }
  | { readonly id: number; readonly kind: "alive"; readonly isAlive: boolean }
  | { readonly id: number; readonly kind: "disconnected" }
  | { readonly id: number; readonly kind: "gave-up"; readonly code: string; readonly message: string };

await enterSupervised<WorkerPluginData>(
  (code, message, facts) => new FairleadError(code, message, { facts }),
  async ({ data, rpc, onStop }) => {
    const loaded = await loadPlugin(new URL(data.use), data.options);
    const { declaration, kinds, options, plugin } = loaded;
    rpc.handle("declaration", () => declaration);
    rpc.handle("setup", async (given) => {
      const { handle, readerId } = given as StoreShare;
      const site = createRemoteSite(declaration.name, rpc);
      const base = attachReader(handle, {
        readerId,
        onError: (error, kind) => site.failed(`changes:${kind}`, error),
      });
      rpc.handle("renew", (next) => base.renew(next as StoreHandle));
      const own = createPluginContext({
        site,
        options,
        kinds,
        reader: narrowReader(base, kinds),
        threads: createPluginThreads(declaration.name, kinds, remoteThreads(rpc, site)),
        clock: realClock,
        changesCalled: site.changesCalled,
      });
      onStop(async () => {
        own.end();
        // What hears the signal gets its turn.
        await new Promise((resolve) => setImmediate(resolve));
        site.end();
        base.close();
      });
      await plugin.setup(own.context);
      await site.settled();
    });
  },
);

/** Threads that the plugin starts are run by the main thread: it watches them also while this one hangs. */
function remoteThreads(rpc: RpcPeer, site: RemoteSite): ThreadHost {
  const threads = new Map<number, ThreadNews>();
  rpc.handle("thread.news", (given) => {
    const news = given as RemoteThreadNews;
    const thread = threads.get(news.id);
    switch (news.kind) {
      case "connected":
        thread?.connected(news.channel);
        return;
      case "ready":
        thread?.ready();
        return;
      case "alive":
        thread?.alive(news.isAlive);
        return;
      case "disconnected":
        thread?.disconnected();
        return;
      case "gave-up":
        thread?.gaveUp(new FairleadError(news.code, news.message));
        return;
      default:
        news satisfies never;
    }
  });
  return {
    start(order, news) {
      threads.set(order.id, news);
      rpc.request("thread.start", order).catch((error: Error) => news.gaveUp(error));
    },
    async stop(id) {
      await rpc.request("thread.stop", id);
      threads.delete(id);
    },
    failed: (name, error) => site.failed(`messages of thread ${name}`, error),
    dropped: (thread, dropped) => site.log("warn", { thread, dropped }, "messages to a plugin thread were dropped"),
    flooded: (id) => void rpc.event("thread.flooded", id),
    // The main thread ends them with the plugin.
    stopAll: () => Promise.resolve(),
  };
}
