import { once } from "node:events";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { pods } from "../kinds/index.ts";
import { createStore } from "./create-store.ts";
import type { StoreHandle } from "./handle.ts";
import { MAX_READERS, READER_EPOCH, readerAt } from "./layout.ts";
import { RowMaker } from "./row-maker.test-support.ts";
import type { KindWriter, StoreWriter } from "./store.ts";

/** For tests: the kind under stress. */
export const STRESS_KIND = pods.select("labels", "podIP", "nodeName", "restarts", "annotations");

/** For tests: objects in the store, and how many of them carry the label that moves. */
export const OBJECTS = 400;
export const MARKED = 100;

/** For tests: what a reader thread is told. */
export interface StressReaderData {
  readonly handle: StoreHandle;
  readonly readerId: number;
  /** Control: reads pieces of one check in reads of their own, so that the check must fail. */
  readonly isTorn: boolean;
}

/** For tests: what a reader thread says now and then. */
export interface StressReport {
  readonly snapshots: number;
  readonly batches: number;
  readonly violations: readonly string[];
}

/** For tests: how to stress. */
export interface StressOptions {
  readonly forMs: number;
  readonly readers: number;
  /** Ends a reader thread wherever it is, and starts another, this often. 0 = never. */
  readonly killEveryMs?: number;
  readonly isTorn?: boolean;
  readonly maxBytes?: number;
}

/** For tests: what came of it. */
export interface StressResult {
  readonly snapshots: number;
  readonly batches: number;
  readonly violations: readonly string[];
  readonly transactions: number;
  readonly killed: number;
  /** Readers that died while they held a snapshot. */
  readonly diedPinned: number;
  readonly segmentsAtMost: number;
  readonly pendingAtEnd: number;
}

/**
 * For tests: writes in this thread while others read. Every transaction moves a label from one pod to another, or deletes a
 * pod and makes another with its address; so in every snapshot as many pods carry the label, and each address is there once.
 */
export async function stress(options: StressOptions): Promise<StressResult> {
  const store = createStore({
    plans: [STRESS_KIND.plan()],
    maxBytes: options.maxBytes ?? 16 << 20,
    keepDeletedMs: 2_000,
  });
  const writer = store.writer();
  const load = new StressWriter(writer, writer.open(STRESS_KIND.plan()));
  const handle = store.handle();
  const observer = store.reader();
  const words = new Int32Array(handle.buffer);
  const total = { snapshots: 0, batches: 0, violations: [] as string[] };
  let killed = 0;
  let diedPinned = 0;
  let segmentsAtMost = 0;
  const readers: Worker[] = [];
  const start = (readerId: number): Worker => {
    const data: StressReaderData = { handle, readerId, isTorn: options.isTorn ?? false };
    const worker = new Worker(new URL(`./stress-reader.test-support${extname(import.meta.url)}`, import.meta.url), {
      workerData: data,
    });
    worker.on("message", (report: StressReport) => {
      total.snapshots += report.snapshots;
      total.batches += report.batches;
      total.violations.push(...report.violations);
    });
    worker.on("error", (error: Error) => total.violations.push(`reader failed: ${error.message}`));
    return worker;
  };
  for (let i = 0; i < options.readers; i++) {
    readers.push(start(MAX_READERS - 1 - i));
  }
  await Promise.all(readers.map((worker) => once(worker, "online")));
  const began = performance.now();
  let lastKill = began;
  for (let now = began; now - began < options.forMs; now = performance.now()) {
    for (let i = 0; i < 50; i++) {
      load.transaction();
    }
    writer.maintain(now);
    segmentsAtMost = Math.max(segmentsAtMost, observer.stats().segments.records);
    if (options.killEveryMs && now - lastKill > options.killEveryMs) {
      lastKill = now;
      const place = killed % readers.length;
      await readers[place].terminate();
      killed++;
      diedPinned += isPinned(words, MAX_READERS - 1 - place) ? 1 : 0;
      store.releaseReader(MAX_READERS - 1 - place);
      readers[place] = start(MAX_READERS - 1 - place);
      await once(readers[place], "online");
    }
    await new Promise(setImmediate);
  }
  await Promise.all(
    readers.map((worker) => {
      worker.postMessage("stop");
      return once(worker, "exit");
    }),
  );
  for (let i = 0; i < readers.length; i++) {
    store.releaseReader(MAX_READERS - 1 - i);
  }
  writer.maintain(performance.now() + 100_000);
  writer.maintain(performance.now() + 200_000);
  const { pendingRecords } = observer.stats();
  store.close();
  return { ...total, transactions: load.count, killed, diedPinned, segmentsAtMost, pendingAtEnd: pendingRecords };
}

function isPinned(words: Int32Array, readerId: number): boolean {
  return words[readerAt(readerId) + READER_EPOCH] !== 0;
}

/** For tests: transactions on a kind; the objects have resourceVersions from `firstVersion` on. */
export class StressWriter {
  readonly #writer: StoreWriter;
  readonly #kind: KindWriter;
  readonly #maker: RowMaker;
  readonly #marked: boolean[] = [];
  readonly #born: number[] = [];
  #version: number;
  count = 0;
  #seed = 1;

  constructor(writer: StoreWriter, kind: KindWriter, firstVersion = 1) {
    this.#version = firstVersion - 1;
    this.#writer = writer;
    this.#kind = kind;
    this.#maker = new RowMaker(kind.plan, kind.interner);
    for (let i = 0; i < OBJECTS; i++) {
      this.#marked.push(i < MARKED);
      this.#born.push(0);
      this.#put(i);
    }
    writer.commit();
    kind.status.synced(true);
  }

  transaction(): void {
    this.count++;
    const a = this.#below(OBJECTS);
    const b = this.#below(OBJECTS);
    if (this.#below(4) === 0) {
      this.#kind.remove(this.#maker.make(this.#identity(a)));
      this.#born[a]++;
      this.#put(a);
    } else {
      [this.#marked[a], this.#marked[b]] = [this.#marked[b], this.#marked[a]];
      this.#put(a);
      this.#put(b);
    }
    this.#writer.commit();
  }

  #identity(i: number): { namespace: string; name: string } {
    return { namespace: `ns-${i % 5}`, name: `pod-${i}-${this.#born[i]}` };
  }

  #put(i: number): void {
    const version = ++this.#version;
    this.#kind.put(
      this.#maker.make({
        ...this.#identity(i),
        uid: `uid-${i}-${this.#born[i]}`,
        resourceVersion: String(version),
        fields: {
          labels: { number: String(i), ...(this.#marked[i] && { marked: "yes" }) },
          podIP: `10.0.${i >> 8}.${i & 255}`,
          nodeName: `node-${i % 7}`,
          restarts: version,
          // Padding of another size in each version: what is read from reused memory would not fit.
          annotations: { check: `${version}:${"x".repeat(version % 90)}` },
        },
      }),
    );
  }

  #below(limit: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) | 0;
    return (this.#seed >>> 8) % limit;
  }
}
