import type { PackedAnswer } from "./resolve-answer.ts";

/** An answer that is kept. */
export interface CacheEntry {
  readonly packed: PackedAnswer;
  readonly kind: "positive" | "negative" | "failure";
  /** Clock time, milliseconds. */
  readonly storedMs: number;
  /** Seconds that it is good for. */
  readonly ttl: number;
  /** After its end it may be given until then, while no upstream answers; clock time, milliseconds. */
  readonly staleUntilMs: number;
  hits: number;
  /** Upstreams are not asked for it again before this, since that failed. */
  retryMs: number;
  /** It was asked for since the clock hand of eviction passed it. */
  isUsed: boolean;
}

/** What the cache may hold. */
export interface CacheBounds {
  readonly entries: number;
  readonly bytes: number;
}

/** Bytes that an entry costs beside its answer and key: the objects and lists that hold it, measured on Node 26. */
const ENTRY_BYTES = 850;
const BYTES_PER_RECORD = 40;

/**
 * Answers by question, bounded by number and by bytes. What was not asked for lately goes first (second chance): a flood of
 * names that are asked once does not drive out what is asked often.
 */
export class AnswerCache {
  readonly #entries = new Map<string, CacheEntry>();
  #bounds: CacheBounds;
  #bytes = 0;
  /** Goes round over the entries; a map's iterator bears changes of the map. */
  #hand = this.#entries.keys();
  /** Entries that were driven out. */
  evictions = 0;

  constructor(bounds: CacheBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** New bounds; what is too much goes. */
  limit(bounds: CacheBounds): void {
    this.#bounds = bounds;
    this.#evict();
  }

  get(key: string): CacheEntry | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: CacheEntry): void {
    this.delete(key);
    const size = sizeOf(key, entry);
    if (size > this.#bounds.bytes || this.#bounds.entries === 0) {
      return;
    }
    this.#entries.set(key, entry);
    this.#bytes += size;
    this.#evict();
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.delete(key);
      this.#bytes -= sizeOf(key, entry);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** Goes on where it stopped: an entry that was used since the last round stays, any other goes. */
  #evict(): void {
    while (this.#entries.size > this.#bounds.entries || this.#bytes > this.#bounds.bytes) {
      const { done, value: key } = this.#hand.next();
      if (done) {
        this.#hand = this.#entries.keys();
        continue;
      }
      const entry = this.#entries.get(key);
      if (entry?.isUsed) {
        entry.isUsed = false;
        continue;
      }
      this.delete(key);
      this.evictions++;
    }
  }
}

function sizeOf(key: string, entry: CacheEntry): number {
  return ENTRY_BYTES + key.length + entry.packed.bytes.length + BYTES_PER_RECORD * entry.packed.starts.length;
}
