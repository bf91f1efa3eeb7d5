import { type ChannelEnd, PulledPort } from "../../sandbox/pulled-port.ts";
import { enterSupervised } from "../../sandbox/supervised-entry.ts";
import type { ThreadContext } from "../api/thread.ts";
import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { attachReader } from "../store/attach-reader.ts";
import type { StoreHandle } from "../store/handle.ts";
import { narrowReader } from "../store/narrow-reader.ts";
import type { StoreReader } from "../store/reader.ts";
import type { StoreShare } from "./plugin-threads-store.ts";
import { createRemoteSite } from "./remote-site.ts";
import { siteLog, siteMetrics } from "./site-log-metrics.ts";

/** What a thread of a plugin is started with. */
export interface PluginThreadData {
  readonly plugin: string;
  readonly module: string;
  /** To the plugin. */
  readonly channel: ChannelEnd;
  readonly data: unknown;
  /** Undefined: it reads nothing. */
  readonly store: StoreShare | undefined;
  readonly plans: readonly RowPlan[];
}

await enterSupervised<PluginThreadData>(
  (code, message, facts) => new FairleadError(code, message, { facts }),
  async ({ data, rpc, onStop }) => {
    const { plugin, module, channel, store, plans } = data;
    const site = createRemoteSite(plugin, rpc);
    const listeners: ((message: unknown) => void)[] = [];
    const port = new PulledPort(channel, {
      onMessage: (message) => {
        for (const listener of listeners) {
          listener(message);
        }
      },
    });
    const base = store === undefined ? undefined : attachReader(store.handle, readerOptions(store.readerId));
    rpc.handle("renew", (handle) => base?.renew(handle as StoreHandle));
    const stopping = new AbortController();
    onStop(async () => {
      stopping.abort(new FairleadError("PLUGIN_STOPPED", `plugin "${plugin}" was stopped`));
      // What hears the signal gets its turn.
      await new Promise((resolve) => setImmediate(resolve));
      site.end();
      base?.close();
    });
    const context: ThreadContext<unknown, unknown, unknown> = {
      data: data.data,
      store: base === undefined ? nothingToRead(plugin) : narrowReader(base, plans),
      log: siteLog(site),
      metrics: siteMetrics(site),
      post: (message, transfer) => port.post(message, transfer),
      onMessage: (listener) => {
        listeners.push(listener);
      },
      stop: stopping.signal,
    };
    const { default: main }: { readonly default?: unknown } = await import(module);
    if (typeof main !== "function") {
      throw new FairleadError(
        "THREAD_BAD_MODULE",
        `${module} has no function as its default export; write: export default ({ data, store }: ThreadContext) => { … }`,
      );
    }
    await main(Object.freeze(context));
    await site.settled();

    function readerOptions(readerId: number) {
      return { readerId, onError: (error: unknown, kind: string) => site.failed(`changes:${kind}`, error) };
    }
  },
);

/** A store in which there is nothing: the thread was started without kinds. */
function nothingToRead(plugin: string): StoreReader {
  const refuse = (): never => {
    throw new FairleadError(
      "STORE_KIND_NOT_NEEDED",
      `this thread of plugin "${plugin}" was started without a store; name the kinds: threads.spawn(module, { store: ["pods"] })`,
    );
  };
  return new Proxy({} as StoreReader, { get: refuse });
}
