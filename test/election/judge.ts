import type { AuditEntry } from "../cluster/audit-log.ts";

/** A write to the journal by one who did not hold the lease. */
export interface Violation {
  readonly writer: string;
  /** Who held the lease. */
  readonly holder: string;
  readonly at: string;
}

/** What the audit log says of a contest. */
export interface Verdict {
  /** Writes to the journal that the server took. */
  readonly writes: number;
  /** Times that another user took the lease. */
  readonly changes: number;
  readonly violations: readonly Violation[];
}

/** Where the contest took place; users are named as their candidates. */
export interface Place {
  readonly namespace: string;
  readonly lease: string;
  readonly journal: string;
}

/**
 * Goes through what the API server took, in its order: whoever writes to the journal must have been the last one to write the
 * lease. Pure.
 */
export function judge(entries: readonly AuditEntry[], { namespace, lease, journal }: Place): Verdict {
  const taken = entries
    .filter(({ stage, responseStatus }) => stage === "ResponseComplete" && (responseStatus?.code ?? 500) < 300)
    .filter(({ verb, objectRef }) => ["create", "update", "patch"].includes(verb) && objectRef?.namespace === namespace)
    // A write to the lease counts when it is done, one to the journal when it comes: neither is given the benefit of the doubt.
    .map((entry) => ({ entry, isLease: isOf(entry, "leases", lease), isJournal: isOf(entry, "configmaps", journal) }))
    .filter(({ isLease, isJournal }) => isLease || isJournal)
    .map((each) => ({
      ...each,
      at: each.isLease ? each.entry.stageTimestamp : each.entry.requestReceivedTimestamp,
      user: each.entry.user.username,
    }))
    .sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)));
  const violations: Violation[] = [];
  let holder = "";
  let changes = 0;
  let writes = 0;
  for (const { isLease, user, at } of taken) {
    if (isLease) {
      changes += Number(user !== holder);
      holder = user;
      continue;
    }
    writes++;
    if (user !== holder) {
      violations.push({ writer: user, holder, at });
    }
  }
  return { writes, changes, violations };
}

function isOf({ objectRef, verb, requestURI }: AuditEntry, resource: string, name: string): boolean {
  if (objectRef?.resource !== resource || objectRef.subresource !== undefined) {
    return false;
  }
  // The name of what is created is in its body, which the log does not hold.
  return objectRef.name === name || (verb === "create" && !requestURI.includes(`/${resource}/`));
}
