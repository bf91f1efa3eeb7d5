import { notPlain } from "../../sandbox/plain-data.ts";
import { type ChannelEnd, PulledPort } from "../../sandbox/pulled-port.ts";
import type { PluginThread, PluginThreads, ThreadStart } from "../api/thread.ts";
import { FairleadError, messageOf } from "../errors.ts";
import { builtModule } from "./built-module.ts";

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
  /** It does not answer, or does again. */
  alive(isAlive: boolean): void;
  /** It is gone, and will be started anew. */
  disconnected(): void;
  /** It was given up, or could not be started at all. */
  gaveUp(error: Error): void;
}

/** Runs threads for one plugin. On the main thread, or a connection to it. */
export interface ThreadHost {
  start(order: ThreadOrder, news: ThreadNews): void;
  stop(id: number): Promise<void>;
  /** A listener of the plugin threw. */
  failed(name: string, error: unknown): void;
  /** So many messages to it were dropped, while it was started anew or did not keep up. */
  dropped(name: string, count: number): void;
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
    spawn<In, Out, Data>(given: URL, options: ThreadStart<Data> = {}): PluginThread<In, Out> {
      const module = builtModule(given, "THREAD_BAD_MODULE");
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
      const problem = notPlain(data, "data");
      if (problem !== undefined) {
        const message = `the thread "${name}" of plugin "${plugin}" cannot be started: ${problem}`;
        throw new FairleadError("RPC_NOT_CLONEABLE", message, { facts: { plugin } });
      }
      const thread = new SpawnedThread({ id, name, host, stop });
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

/** Messages that may be on their way to a thread; more are dropped. */
const MAX_BACKLOG = 100_000;

interface SpawnedParts {
  readonly id: number;
  readonly name: string;
  readonly host: ThreadHost;
  readonly stop: () => Promise<void>;
}

class SpawnedThread implements ThreadNews {
  readonly face: PluginThread<unknown, unknown>;
  readonly #parts: SpawnedParts;
  readonly #ready = Promise.withResolvers<void>();
  readonly #listeners: ((message: unknown) => unknown)[] = [];
  readonly #aliveListeners: ((isAlive: boolean) => unknown)[] = [];
  #port: PulledPort | undefined;
  #isAlive = false;
  #dropped = 0;

  constructor(parts: SpawnedParts) {
    this.#parts = parts;
    // Whoever does not wait for it sees `alive`.
    this.#ready.promise.catch(() => {});
    const isAlive = (): boolean => this.#isAlive;
    this.face = {
      get alive() {
        return isAlive();
      },
      ready: this.#ready.promise,
      post: (message, transfer) => this.#post(message, transfer),
      onMessage: (listener) => {
        this.#listeners.push(listener);
      },
      onAlive: (listener) => {
        this.#aliveListeners.push(listener);
      },
      stop: async () => {
        this.close();
        await parts.stop();
      },
    };
  }

  connected(channel: ChannelEnd): void {
    const { id, host } = this.#parts;
    this.#port?.close();
    this.#port = new PulledPort(channel, {
      onMessage: (message) => this.#hear(message),
      onFlood: () => host.flooded(id),
    });
  }

  ready(): void {
    this.#ready.resolve();
    this.alive(true);
  }

  alive(isAlive: boolean): void {
    const isNew = isAlive !== this.#isAlive;
    this.#isAlive = isAlive;
    if (isAlive) {
      this.#tellDropped();
    }
    if (isNew) {
      this.#tell(this.#aliveListeners, isAlive);
    }
  }

  /** Its life is over, and a new one has not begun. */
  disconnected(): void {
    this.#port?.close();
    this.#port = undefined;
    this.alive(false);
  }

  gaveUp(error: Error): void {
    this.#ready.reject(error);
    this.close();
  }

  close(): void {
    this.#ready.reject(new FairleadError("THREAD_STOPPED", "the thread was stopped before it was ready"));
    this.disconnected();
  }

  #post(message: unknown, transfer: readonly ArrayBuffer[] | undefined): void {
    const port = this.#port;
    if (port === undefined || port.backlog >= MAX_BACKLOG) {
      this.#dropped++;
      return;
    }
    try {
      port.post(message, transfer);
    } catch (cause) {
      const { name } = this.#parts;
      const text = `a message to the thread "${name}" cannot go there: ${messageOf(cause)}`;
      throw new FairleadError("RPC_NOT_CLONEABLE", text, { cause, facts: { thread: name } });
    }
  }

  #hear(message: unknown): void {
    this.#tell(this.#listeners, message);
  }

  #tell<Given>(listeners: readonly ((given: Given) => unknown)[], given: Given): void {
    const { name, host } = this.#parts;
    for (const listener of listeners) {
      try {
        const answer = listener(given);
        // A listener that is async by mistake must not end the process with its rejection.
        if (answer instanceof Promise) {
          answer.catch((error: unknown) => host.failed(name, error));
        }
      } catch (error) {
        host.failed(name, error);
      }
    }
  }

  #tellDropped(): void {
    if (this.#dropped > 0) {
      this.#parts.host.dropped(this.#parts.name, this.#dropped);
      this.#dropped = 0;
    }
  }
}
