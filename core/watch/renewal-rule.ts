/** When the strings of a store are worth a renewal. */
export interface RenewalRule {
  /** Milliseconds between two looks. Default 60000. */
  readonly checkEveryMs: number;
  /** Fewer strings are never worth it. Default 50000. */
  readonly minStrings: number;
  /** Strings at most, as a multiple of those after the load. Default 4. */
  readonly growth: number;
  /** Less than this is not worth it, bytes. Default 2097152. */
  readonly minGarbageBytes: number;
  /** A memory lives at least this long, milliseconds: each renewal lists all kinds once. Default 600000. */
  readonly minAgeMs: number;
}

/** The values that production uses. */
export const RENEWAL_RULE: RenewalRule = {
  checkEveryMs: 60_000,
  minStrings: 50_000,
  growth: 4,
  minGarbageBytes: 2 * 1024 * 1024,
  minAgeMs: 600_000,
};

/** What a store holds at one moment. */
export interface StoreContent {
  readonly objects: number;
  /** Different strings in the dictionary, used or not. */
  readonly strings: number;
  /** Bytes of these strings. */
  readonly stringBytes: number;
}

/** The strings that count as garbage, by estimate. */
export interface Garbage {
  readonly strings: number;
  readonly bytes: number;
}

/** Bytes that a string takes in the tables: its length, its address, its place in the hash table. */
const BYTES_PER_STRING = 16;

/**
 * Strings are never given back, so what the objects of today would need is estimated from what the objects needed right
 * after the load. Gives the garbage when there is enough of it to renew the store, else undefined. Pure.
 */
export function worthRenewal(
  loaded: StoreContent,
  now: StoreContent,
  ageMs: number,
  rule: RenewalRule,
): Garbage | undefined {
  // A cluster that grew needs more strings; one that shrank is expected to grow again.
  const scale = Math.max(1, now.objects / Math.max(1, loaded.objects));
  if (ageMs < rule.minAgeMs || now.strings <= Math.max(rule.minStrings, rule.growth * loaded.strings * scale)) {
    return undefined;
  }
  const strings = Math.round(now.strings - loaded.strings * scale);
  const bytes = Math.round(now.stringBytes - loaded.stringBytes * scale) + strings * BYTES_PER_STRING;
  return bytes < rule.minGarbageBytes ? undefined : { strings, bytes };
}
