import { FairleadError } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { legacyOf } from "./attachment.ts";
import type { StoreHandle } from "./handle.ts";
import { KIND_COUNT, MAX_KINDS, VERSION } from "./layout.ts";
import { reserveMemory } from "./memory.ts";
import type { StoreReader } from "./reader.ts";
import { type ReaderOptions, SharedStoreReader } from "./shared-reader.ts";
import { freeReader } from "./snapshot.ts";
import type { StoreWriter } from "./store.ts";
import { SharedStoreWriter } from "./store-writer.ts";
import type { TakeOverOptions } from "./take-over.ts";

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
  /**
   * Reserves a new, empty memory, with the same kinds and options, for a new writer: the last one died in the middle of a
   * write, or strings that nobody uses any more have filled the dictionary. Call it when that writer has ended. From now on `writer()` and `handle()` give the
   * new memory. This thread's reader goes on serving the old one until each kind that was complete there is complete in the
   * new one; then it goes over in one step, and its listeners get at most one batch each, of what differs. Deleted objects
   * of the old memory are not remembered. A renewal before that replaces the memory that was being filled. Readers of other
   * threads want `StoreReader.renew(handle)`. Throws STORE_NO_MEMORY, STORE_TOO_MANY_READERS, STORE_CLOSED.
   */
  renew(options?: TakeOverOptions): void;
  /**
   * Gives the place of a reader free whose thread ended without closing it. In a store that is renewed, agree on a
   * `readerId` with threads that may end so: then the place is the same in each memory.
   */
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
  let handle = reserve({ plans, maxBytes, keepDeletedMs });
  let reader: SharedStoreReader<Kinds> | undefined;
  const ownReader = (): SharedStoreReader<Kinds> => {
    reader ??= new SharedStoreReader<Kinds>(handle, { onError: options.onError });
    return reader;
  };
  return {
    writer: () => attachWriter(handle),
    reader: ownReader,
    handle: () => {
      if (backend === "local") {
        throw new FairleadError("STORE_NOT_SHARED", 'this store is for one thread; make it with backend "shared"');
      }
      return handle;
    },
    renew: (takeOver = {}) => {
      const own = ownReader();
      const next = reserve({ ...handle, ...legacyOf(handle) });
      own.renewAsOwner(next, takeOver);
      handle = next;
    },
    releaseReader: (readerId) => releaseReader(handle, readerId),
    close: () => reader?.close(),
  };
}

/** Takes memory for a store that is empty. */
function reserve(options: Omit<StoreHandle, "buffer">): StoreHandle {
  const buffer = reserveMemory(options.maxBytes);
  const words = new Int32Array(buffer);
  words[VERSION] = 1;
  words[KIND_COUNT] = options.plans.length;
  return { ...options, buffer };
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
