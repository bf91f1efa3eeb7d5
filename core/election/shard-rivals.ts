import { type Members, winnerOf } from "./rendezvous.ts";
import type { MemberRecord } from "./shard-member.ts";

/** Another member that claimed keys when our own claim was written: they are not ours before it has given them up. */
export interface Rival {
  readonly identity: string;
  /** All that it claimed since then: a key that is in each of them was never given up. */
  readonly claims: readonly Members[];
}

/** The others as rivals, right after a claim of ours was written. */
export function rivalsOf(others: readonly MemberRecord[]): Rival[] {
  return others.map(({ identity, claims }) => ({ identity, claims: [claims] }));
}

/** What rivals have not given up yet. Who came later claims after us, and sees our claim. */
export function narrowed(rivals: readonly Rival[], others: readonly MemberRecord[]): Rival[] {
  return rivals.flatMap(({ identity, claims }): Rival[] => {
    const other = others.find((one) => one.identity === identity);
    if (other === undefined) {
      return [];
    }
    const isKnown = claims.some((one) => sameMembers(one, other.claims));
    return [{ identity, claims: isKnown ? claims : [...claims, other.claims] }];
  });
}

/** True while the rival has claimed the key all the time since our own claim was written. */
export function mayOwn(key: string, { identity, claims }: Rival): boolean {
  return claims.every((members) => winnerOf(key, members) === identity);
}

/** Whether both are the same members. */
export function sameMembers(a: Members, b: Members): boolean {
  return a === b || (a.names.length === b.names.length && a.names.every((name, at) => name === b.names[at]));
}
