import { FairleadError } from "../errors.ts";
import type { Store } from "../store/create-store.ts";
import type { StoreHandle } from "../store/handle.ts";
import { MAX_READERS } from "../store/layout.ts";
import type { Subscription } from "../store/reader.ts";

/** What a thread needs to attach to the store as a reader. */
export interface StoreShare {
  readonly handle: StoreHandle;
  /** The reader's place, agreed on: it is given free when the thread has ended, however that was. */
  readonly readerId: number;
}

/** A place of a thread among the readers of a store. */
export interface ReaderPlace {
  readonly share: StoreShare;
  /** The thread is gone. */
  release(): void;
}

/** Places that are given to threads, from the last downwards: readers that choose for themselves take the first free one. */
const taken = new WeakMap<Store, Set<number>>();

/**
 * Takes a place among the readers of the store for a thread; `onRenewed` is called with each later handle. Throws
 * STORE_TOO_MANY_READERS, STORE_NOT_SHARED.
 */
export function shareStore(store: Store, onRenewed: (handle: StoreHandle) => void): ReaderPlace {
  const handle = store.handle();
  const places = taken.get(store) ?? new Set<number>();
  taken.set(store, places);
  let readerId = MAX_READERS - 1;
  while (places.has(readerId)) {
    readerId--;
  }
  if (readerId <= 0) {
    throw new FairleadError("STORE_TOO_MANY_READERS", `a store has at most ${MAX_READERS} readers; run fewer threads`);
  }
  places.add(readerId);
  const renewals: Subscription = store.onRenewed(onRenewed);
  return {
    share: { handle, readerId },
    release() {
      renewals.stop();
      if (places.delete(readerId)) {
        store.releaseReader(readerId);
      }
    },
  };
}
