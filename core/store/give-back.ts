import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Until what waited on the memory has ended. */
const DELAY_MS = 1000;
/** A collection of a heap of this size takes some ten milliseconds; a larger one is collected often enough by itself. */
const MAX_HEAP_BYTES = 96 * 1024 * 1024;

/** Address space of closed stores that is left alone; more of it keeps a process from starting children. */
const MAX_CLOSED_BYTES = 2 * 1024 ** 3;

let closedBytes = 0;

/** Counts the memory of a store that nobody uses any more. */
export function noteClosed(bytes: number): void {
  closedBytes += bytes;
}

/**
 * To be called before memory is reserved. Who starts and stops many stores, as tests do, has garbage collected after every
 * few: the engine does not count shared memory, and address space that is only reserved counts when a process is forked.
 */
export function collectClosed(): void {
  if (closedBytes > MAX_CLOSED_BYTES) {
    closedBytes = 0;
    collect();
  }
}

/**
 * Has the calling thread's garbage collected a while after shared memory was dropped: the engine does not count shared
 * memory, so in a thread that allocates little the old memory would stay for hours. Gives how to call it off.
 */
export function giveBackLater(): () => void {
  const timer = setTimeout(collect, DELAY_MS);
  timer.unref();
  return () => clearTimeout(timer);
}

function collect(): void {
  if (getHeapStatistics().used_heap_size > MAX_HEAP_BYTES) {
    return;
  }
  const collectGarbage = globalThis.gc ?? exposedCollection();
  collectGarbage?.();
}

function exposedCollection(): (() => void) | undefined {
  // The flag only adds a function to contexts that are made after it.
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  return typeof found === "function" ? () => void found() : undefined;
}
