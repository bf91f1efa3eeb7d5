import type { Kind } from "../kinds/kind.ts";
import type { StoreHandle } from "./handle.ts";
import type { StoreReader } from "./reader.ts";
import { type ReaderOptions, SharedStoreReader } from "./shared-reader.ts";

/** A reader of a store for the calling thread. Throws STORE_TOO_MANY_READERS, STORE_READER_TAKEN. */
export function attachReader<Kinds extends readonly Kind[] = readonly Kind[]>(
  handle: StoreHandle,
  options?: ReaderOptions,
): StoreReader<Kinds> {
  return new SharedStoreReader<Kinds>(handle, options);
}
