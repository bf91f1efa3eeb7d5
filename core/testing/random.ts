/** A source of random numbers that gives the same sequence for the same seed. */
export interface Random {
  /** 0 <= x < 1. */
  next(): number;
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  /** One of the list; the list must not be empty. */
  pick<T>(list: readonly T[]): T;
  /** Letters and digits as Kubernetes puts behind generated names. */
  suffix(length: number): string;
  /** A version 4 UUID. */
  uuid(): string;
}

const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/** Makes a source (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  function word(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
  const next = () => word() / 2 ** 32;
  const below = (limit: number) => Math.floor(next() * limit);
  const hex = (value: number, digits: number) => value.toString(16).padStart(8, "0").slice(0, digits);
  return {
    next,
    below,
    pick: (list) => list[below(list.length)],
    suffix(length) {
      let text = "";
      while (text.length < length) {
        text += SUFFIX_LETTERS[below(SUFFIX_LETTERS.length)];
      }
      return text;
    },
    uuid() {
      const variant = "89ab"[below(4)];
      return `${hex(word(), 8)}-${hex(word(), 4)}-4${hex(word(), 3)}-${variant}${hex(word(), 3)}-${hex(word(), 8)}${hex(word(), 4)}`;
    },
  };
}
