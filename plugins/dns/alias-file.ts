import { type AliasName, aliasRecords } from "./alias-names.ts";

/** A line that cannot be used. */
export interface BadLine {
  readonly line: number;
  readonly reason: string;
}

/** What a file says. */
export interface HostsFile {
  readonly names: AliasName[];
  /** The first twenty bad lines. */
  readonly bad: BadLine[];
  readonly badLines: number;
}

/** So many bad lines are told one by one; after them only their number matters. */
const MOST_BAD_LINES = 20;
/** After so many lines others get their turn. */
const LINES_A_TURN = 200;

/**
 * Reads lines as in /etc/hosts: an address, then its names; "#" begins a comment. Bad lines are left out and told. A name may
 * be "*.name". Yields now and then, so that a long file need not hold up anything else.
 */
export function* parseHosts(text: string): Generator<void, HostsFile> {
  const names: AliasName[] = [];
  const bad: BadLine[] = [];
  let badLines = 0;
  for (const [at, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    if (at % LINES_A_TURN === LINES_A_TURN - 1) {
      yield;
    }
    const [address, ...owners] = raw.replace(/#.*$/, "").trim().split(/\s+/);
    if (address === "") {
      continue;
    }
    try {
      if (owners.length === 0) {
        throw new Error(`"${address}" has no name after it`);
      }
      names.push(...owners.map((owner) => aliasRecords(owner, [address])));
    } catch (error) {
      badLines++;
      if (bad.length < MOST_BAD_LINES) {
        bad.push({ line: at + 1, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }
  return { names, bad, badLines };
}
