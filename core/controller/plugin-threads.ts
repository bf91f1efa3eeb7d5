import { type ChannelEnd, PulledPort } from "../../sandbox/pulled-port.ts";
import type { PluginThread, PluginThreads, ThreadStart } from "../api/thread.ts";
import { FairleadError } from "../errors.ts";

/** What a thread of a plugin is started with. Plain data. */
export interface ThreadOrder {
  readonly id: number;
  readonly module: string;
  readonly name: string;
  /** Names of the kinds that it may read. */
  readonly store: readonly string[];
  readonly data: unknown;
  readonly maxHeapMb: number | undefined;
}

/** What becomes of a thread. */
export interface ThreadNews {
  /** A new life of it, and the channel to it. */
  connected(channel: ChannelEnd): void;
  ready(): void;
  /** It does not run at the moment, or does not answer; or it does again. */
  alive(isAlive: boolean): void;
  /** It was given up, or could not be started at all. */
  gaveUp(error: Error): void;
}

/** Runs threads for one plugin. On the main thread, or a connection to it. */
export interface ThreadHost {
  start(order: ThreadOrder, news: ThreadNews): void;
  stop(id: number): Promise<void>;
  /** It sends messages without end: it is ended and started anew like one that crashed. */
  flooded(id: number): void;
  stopAll(deadlineMs: number): Promise<void>;
}

/** `threads` of a plugin's context, and how to end them all. */
export interface OwnThreads extends PluginThreads {
  stop(deadlineMs: number): Promise<void>;
}

/** Makes `threads` of a plugin's context. `kinds`: what the plugin needs; a thread may read some of them. */
export function createPluginThreads(
  plugin: string,
  kinds: readonly { readonly name: string }[],
  host: ThreadHost,
): OwnThreads {
  let lastId = 0;
  let isStopped = false;
  const threads = new Set<SpawnedThread>();
  return {
    spawn<In, Out, Data>(module: URL, options: ThreadStart<Data> = {}): PluginThread<In, Out> {
      const name = options.name ?? module.pathname.split("/").at(-1) ?? module.href;
      if (isStopped) {
        throw new FairleadError(
          "PLUGIN_STOPPED",
          `plugin "${plugin}" was stopped; it cannot start the thread "${name}"`,
        );
      }
      const { store = [], data, maxHeapMb } = options;
      const unknown = store.find((wanted) => !kinds.some((kind) => kind.name === wanted));
      if (unknown !== undefined) {
        throw new FairleadError(
          "STORE_KIND_NOT_NEEDED",
          `the thread "${name}" of plugin "${plugin}" wants to read "${unknown}", which the plugin does not need; add it to needs: { ${unknown}: true }`,
          { facts: { plugin, kind: unknown } },
        );
      }
      const id = ++lastId;
      const stop = async (): Promise<void> => {
        threads.delete(thread);
        await host.stop(id);
      };
      const thread = new SpawnedThread(stop, () => host.flooded(id));
      threads.add(thread);
      host.start({ id, module: module.href, name, store, data, maxHeapMb }, thread);
      // Messages are what the module and its plugin agreed on.
      return thread.face as PluginThread<In, Out>;
    },
    async stop(deadlineMs) {
      isStopped = true;
      for (const thread of threads) {
        thread.close();
      }
      await host.stopAll(deadlineMs);
    },
  };
}

class SpawnedThread implements ThreadNews {
  readonly face: PluginThread<unknown, unknown>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #listeners: ((message: unknown) => void)[] = [];
  #port: PulledPort | undefined;
  #isAlive = false;

  readonly #onFlood: () => void;

  constructor(stop: () => Promise<void>, onFlood: () => void) {
    this.#onFlood = onFlood;
    // Whoever does not wait for it sees `alive`.
    this.#ready.promise.catch(() => {});
    const isAlive = (): boolean => this.#isAlive;
    this.face = {
      get alive() {
        return isAlive();
      },
      ready: this.#ready.promise,
      post: (message, transfer) => {
        // While it restarts there is nobody to hear it.
        this.#port?.post(message, transfer);
      },
      onMessage: (listener) => {
        this.#listeners.push(listener);
      },
      stop: async () => {
        this.close();
        await stop();
      },
    };
  }

  connected(channel: ChannelEnd): void {
    this.#port?.close();
    this.#port = new PulledPort(channel, {
      onMessage: (message) => {
        for (const listener of this.#listeners) {
          listener(message);
        }
      },
      onFlood: this.#onFlood,
    });
  }

  ready(): void {
    this.#isAlive = true;
    this.#ready.resolve();
  }

  alive(isAlive: boolean): void {
    this.#isAlive = isAlive;
  }

  gaveUp(error: Error): void {
    this.#isAlive = false;
    this.#ready.reject(error);
    this.close();
  }

  close(): void {
    this.#isAlive = false;
    this.#ready.reject(new FairleadError("THREAD_STOPPED", "the thread was stopped before it was ready"));
    this.#port?.close();
    this.#port = undefined;
  }
}
