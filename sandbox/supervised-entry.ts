import { parentPort, workerData } from "node:worker_threads";
import { Allowance } from "./allowance.ts";
import { failureOf, type MakeError } from "./failure.ts";
import type { ChannelEnd } from "./pulled-port.ts";
import { RpcPeer } from "./rpc.ts";
import { COLLECT_ASKED, COLLECT_DONE, HEARTBEAT, HEARTBEAT_MS } from "./thread-words.ts";

/** What a supervised thread is started with. */
export interface SupervisedStart {
  readonly channel: ChannelEnd;
  readonly words: SharedArrayBuffer;
  readonly data: unknown;
}

/** The inside of a supervised thread. */
export interface SupervisedSide<Data> {
  readonly data: Data;
  /** The connection to the thread that supervises this one. */
  readonly rpc: RpcPeer;
  /** Called when the thread shall end; the thread ends when it has returned. The last listener counts. */
  onStop(listener: () => void | Promise<void>): void;
}

/** What the start left behind is collected so long after it, milliseconds. */
const SETTLED_MS = 2000;
/** A larger heap is not: that would take long, and its garbage goes by itself. */
const MOST_SETTLED_BYTES = 32 * 1024 * 1024;
const MAX_PRINTED = 2000;
const PRINTS_PER_SECOND = 200;
const PRINTS_AT_ONCE = 1000;

/**
 * Call once, at once, in the module that `supervise` runs; `setup` brings the thread to life, and what it throws is told to
 * the supervisor. Until the thread ends it shows that its event loop turns.
 */
export async function enterSupervised<Data>(
  makeError: MakeError,
  setup: (side: SupervisedSide<Data>) => void | Promise<void>,
): Promise<void> {
  // Given by the supervisor, which is the other half of this module.
  const { channel, words, data } = workerData as SupervisedStart & { readonly data: Data };
  // A thread could block its starter with messages on the port that every module can import; ours is read by pull.
  parentPort?.close();
  startHeart(new Int32Array(words));
  const rpc = new RpcPeer(channel, { peer: "the main thread", makeError });
  printTo(rpc);
  let onStop = (): void | Promise<void> => {};
  rpc.handle("stop", async () => {
    try {
      await onStop();
    } finally {
      // After the answer has left.
      setImmediate(() => setImmediate(() => process.exit(0)));
    }
  });
  try {
    await setup({
      data,
      rpc,
      onStop: (listener) => {
        onStop = listener;
      },
    });
    rpc.event("ready", undefined);
    setTimeout(() => void settle(), SETTLED_MS).unref();
  } catch (error) {
    rpc.event("failed", failureOf(error));
  }
}

function startHeart(words: Int32Array): void {
  const { add, load, store } = Atomics;
  setInterval(() => {
    add(words, HEARTBEAT, 1);
    const asked = load(words, COLLECT_ASKED);
    if (asked !== load(words, COLLECT_DONE)) {
      void collect().finally(() => store(words, COLLECT_DONE, asked));
    }
  }, HEARTBEAT_MS);
}

/**
 * Loading leaves more garbage than a quiet thread makes in hours, so the engine would keep the pages: 6 MB of 16. Its usual
 * collection keeps them too; this one takes some 50 ms, once.
 */
async function settle(): Promise<void> {
  const { getHeapStatistics } = await import("node:v8");
  if (getHeapStatistics().used_heap_size < MOST_SETTLED_BYTES) {
    await collect({ type: "major", execution: "sync", flavor: "last-resort" });
  }
}

async function collect(options: NodeJS.GCOptions = {}): Promise<void> {
  const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([import("node:v8"), import("node:vm")]);
  // The flag only adds a function to contexts that are made after it.
  setFlagsFromString("--expose-gc");
  const found: unknown = globalThis.gc ?? runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof found === "function") {
    found(options);
  }
}

/** What the thread prints is told to its supervisor: the streams of a thread are fed through its starter without any limit. */
function printTo(rpc: RpcPeer): void {
  const allowance = new Allowance(PRINTS_PER_SECOND, PRINTS_AT_ONCE);
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (chunk: unknown, ...more: readonly unknown[]): boolean => {
      if (allowance.take()) {
        const text = typeof chunk === "string" ? chunk : Buffer.from(chunk as Uint8Array).toString("utf8");
        rpc.event("printed", text.slice(0, MAX_PRINTED));
      }
      const done = more.findLast((one) => typeof one === "function");
      if (done !== undefined) {
        process.nextTick(done);
      }
      return true;
    };
  }
}
