const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Members of a group, ready to be asked for keys. */
export interface Members {
  /** Sorted, each once. */
  readonly names: readonly string[];
  /** Of each name. */
  readonly seeds: Uint32Array;
}

/** Prepares members. The same names in another order are the same members. */
export function membersOf(names: Iterable<string>): Members {
  const sorted = [...new Set(names)].sort();
  return { names: sorted, seeds: Uint32Array.from(sorted, hashOf) };
}

/**
 * The member that a key belongs to, by rendezvous hashing: each member throws for each key, the highest throw wins. When a
 * member comes or goes, only keys move that it wins or held. "" without members.
 */
export function winnerOf(key: string, { names, seeds }: Members): string {
  const hash = hashOf(key);
  let winner = "";
  let highest = -1;
  for (let at = 0; at < seeds.length; at++) {
    const score = mixed(hash ^ seeds[at]);
    // Names are sorted: of two with the same score the first one wins, for everyone.
    if (score > highest) {
      highest = score;
      winner = names[at];
    }
  }
  return winner;
}

/** FNV-1a over UTF-16 units, mixed; 32 bits. */
export function hashOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  }
  return mixed(hash);
}

/** The finalizer of MurmurHash3: every bit of the input moves every bit of the output. */
function mixed(given: number): number {
  let hash = given;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
