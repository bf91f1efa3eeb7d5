import { FairleadError } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { StoreHandle } from "./handle.ts";
import { KIND_COUNT, MAX_KINDS, VERSION } from "./layout.ts";
import { reserveMemory } from "./memory.ts";
import type { StoreReader } from "./reader.ts";
import { type ReaderOptions, SharedStoreReader } from "./shared-reader.ts";
import { freeReader } from "./snapshot.ts";
import type { StoreWriter } from "./store.ts";
import { SharedStoreWriter } from "./store-writer.ts";

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
const DEFAULT_KEEP_DELETED_MS = 300_000;

/** How to make a store. */
export interface StoreOptions {
  /** "local": for the calling thread only. "shared": other threads may attach. Default "shared". */
  readonly backend?: "shared" | "local";
  /** Kinds that readers know from the start; the writer opens each of them, and others. */
  readonly plans?: readonly RowPlan[];
  /** Bytes of records; objects above are refused. Memory is reserved, and taken only when it is used. Default 268435456. */
  readonly maxBytes?: number;
  /** How long deleted objects can be found, milliseconds. Default 300000. */
  readonly keepDeletedMs?: number;
  /** Told of what this thread's listeners throw. Default: a process warning. */
  readonly onError?: (error: unknown, kind: string) => void;
}

/** A store, in the thread that made it. */
export interface Store<Kinds extends readonly Kind[] = readonly Kind[]> {
  /** The one writer. Throws STORE_HAS_WRITER. */
  writer(): StoreWriter;
  /** This thread's reader, always the same one. Throws STORE_TOO_MANY_READERS. */
  reader(): StoreReader<Kinds>;
  /** For `attachWriter` and `attachReader` in other threads. Throws STORE_NOT_SHARED. */
  handle(): StoreHandle;
  /** Gives the place of a reader free whose thread ended without closing it. */
  releaseReader(readerId: number): void;
  /** Closes this thread's reader. The memory is given back when no thread uses it any more. */
  close(): void;
}

/** Makes an empty store. Throws STORE_BAD_OPTION, STORE_NO_MEMORY, STORE_TOO_MANY_KINDS. */
export function createStore<Kinds extends readonly Kind[] = readonly Kind[]>(options: StoreOptions = {}): Store<Kinds> {
  const { backend = "shared", plans = [], maxBytes = DEFAULT_MAX_BYTES } = options;
  const { keepDeletedMs = DEFAULT_KEEP_DELETED_MS } = options;
  if (plans.length > MAX_KINDS) {
    throw new FairleadError("STORE_TOO_MANY_KINDS", `a store cannot hold more than ${MAX_KINDS} kinds`);
  }
  const buffer = reserveMemory(maxBytes);
  const words = new Int32Array(buffer);
  words[VERSION] = 1;
  words[KIND_COUNT] = plans.length;
  const handle: StoreHandle = { buffer, plans, maxBytes, keepDeletedMs };
  let reader: StoreReader<Kinds> | undefined;
  return {
    writer: () => attachWriter(handle),
    reader: () => {
      reader ??= attachReader<Kinds>(handle, { onError: options.onError });
      return reader;
    },
    handle: () => {
      if (backend === "local") {
        throw new FairleadError("STORE_NOT_SHARED", 'this store is for one thread; make it with backend "shared"');
      }
      return handle;
    },
    releaseReader: (readerId) => releaseReader(handle, readerId),
    close: () => reader?.close(),
  };
}

/** The one writer of a store, in the calling thread. Throws STORE_HAS_WRITER. */
export function attachWriter(handle: StoreHandle): StoreWriter {
  return new SharedStoreWriter(handle);
}

/** A reader of a store for the calling thread. Throws STORE_TOO_MANY_READERS, STORE_READER_TAKEN. */
export function attachReader<Kinds extends readonly Kind[] = readonly Kind[]>(
  handle: StoreHandle,
  options?: ReaderOptions,
): StoreReader<Kinds> {
  return new SharedStoreReader<Kinds>(handle, options);
}

/** Gives the place of a reader free whose thread ended without closing it; any thread may call this. */
export function releaseReader(handle: StoreHandle, readerId: number): void {
  freeReader(new Int32Array(handle.buffer), readerId);
}
