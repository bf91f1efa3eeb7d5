import { FairleadError } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { legacyOf } from "./attachment.ts";
import { collectClosed, noteClosed } from "./give-back.ts";
import type { StoreHandle } from "./handle.ts";
import { KIND_COUNT, KIND_FROM, kindAt, MAX_KINDS, VERSION } from "./layout.ts";
import { reserveMemory } from "./memory.ts";
import type { StoreReader, Subscription } from "./reader.ts";
import { SharedStoreReader, warn } from "./shared-reader.ts";
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

/** How to renew a store. */
export interface RenewOptions extends TakeOverOptions {
  /** The kinds of the new memory. Default: those of the old one. Kinds that are left out vanish when the reader goes over. */
  readonly plans?: readonly RowPlan[];
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
   * threads want `StoreReader.renew(handle)`; see `onRenewed`. Throws STORE_NO_MEMORY, STORE_TOO_MANY_READERS, STORE_CLOSED,
   * STORE_TOO_MANY_KINDS.
   */
  renew(options?: RenewOptions): void;
  /** Calls back after each renewal with what `handle()` gives from then on, to be posted to the readers of other threads. */
  onRenewed(listener: (handle: StoreHandle) => void): Subscription;
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
  // Unique in the process, which is as far as shared memory reaches.
  const store = `store-${process.hrtime.bigint()}`;
  const onError = options.onError ?? warn;
  const listeners = new Set<(handle: StoreHandle) => void>();
  collectClosed();
  let isClosed = false;
  let handle = reserve({ store, plans, maxBytes, keepDeletedMs });
  let reader: SharedStoreReader<Kinds> | undefined;
  const ownReader = (): SharedStoreReader<Kinds> => {
    reader ??= new SharedStoreReader<Kinds>(handle, { onError });
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
    renew: (how = {}) => {
      const own = ownReader();
      const legacy = legacyOf(handle);
      const next = reserve({ ...handle, ...legacy, plans: how.plans ?? legacy.plans });
      own.renewAsOwner(next, how);
      handle = next;
      for (const listener of backend === "local" ? [] : [...listeners]) {
        try {
          listener(next);
        } catch (error) {
          onError(error, "renewal");
        }
      }
    },
    onRenewed: (listener) => {
      // A listener of its own for each call, so that one function can be given twice.
      const own = (next: StoreHandle): void => listener(next);
      listeners.add(own);
      const stop = (): void => void listeners.delete(own);
      return { stop, [Symbol.dispose]: stop };
    },
    releaseReader: (readerId) => releaseReader(handle, readerId),
    close: () => {
      if (!isClosed) {
        isClosed = true;
        noteClosed(handle.buffer.byteLength);
      }
      reader?.close();
    },
  };
}

/** Takes memory for a store that is empty. */
function reserve(options: Omit<StoreHandle, "buffer">): StoreHandle {
  if (options.plans.length > MAX_KINDS) {
    throw new FairleadError("STORE_TOO_MANY_KINDS", `a store cannot hold more than ${MAX_KINDS} kinds`);
  }
  const buffer = reserveMemory(options.maxBytes);
  const words = new Int32Array(buffer);
  words[VERSION] = 1;
  words[KIND_COUNT] = options.plans.length;
  for (let number = 0; number < options.plans.length; number++) {
    words[kindAt(number) + KIND_FROM] = words[VERSION];
  }
  return { ...options, buffer };
}

/** The one writer of a store, in the calling thread. Throws STORE_HAS_WRITER. */
export function attachWriter(handle: StoreHandle): StoreWriter {
  return new SharedStoreWriter(handle);
}

/** Gives the place of a reader free whose thread ended without closing it; any thread may call this. */
export function releaseReader(handle: StoreHandle, readerId: number): void {
  freeReader(new Int32Array(handle.buffer), readerId);
}
