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
  /** Writes within the time that the writer's last renewal gave it, after somebody had taken the lease too early. */
  readonly robbed: number;
}

/** What a renewal promises its writer. */
export interface LeasePromise {
  /** Nobody else may take the lease for so long. */
  readonly leaseDurationMs: number;
  /** So long it may write. */
  readonly renewDeadlineMs: number;
}

/** Where the contest took place; users are named as their candidates. */
export interface Place {
  readonly namespace: string;
  readonly lease: string;
  readonly journal: string;
}

/**
 * Goes through what the API server took: whoever writes to the journal must hold the lease when the write comes. A write of the
 * lease takes effect between its coming and its end; who comes in between may be of either holder. Whose lease was taken before
 * its end may write as long as it was promised: a client-go that wakes up from a pause gives the lease away as if it still were
 * its own, whoever holds it then. Pure.
 */
export function judge(
  entries: readonly AuditEntry[],
  { namespace, lease, journal }: Place,
  { leaseDurationMs, renewDeadlineMs }: LeasePromise,
): Verdict {
  const taken = entries
    .filter(({ stage, responseStatus }) => stage === "ResponseComplete" && (responseStatus?.code ?? 500) < 300)
    .filter(
      ({ verb, objectRef }) => ["create", "update", "patch"].includes(verb) && objectRef?.namespace === namespace,
    );
  const holds = taken
    .filter((entry) => isOf(entry, "leases", lease))
    .map(({ user, requestReceivedTimestamp: from, stageTimestamp: to }) => ({ user: user.username, from, to }))
    .sort((a, b) => compare(a.to, b.to));
  const writes = taken
    // The journal is made by the contest itself.
    .filter((entry) => entry.verb !== "create" && isOf(entry, "configmaps", journal))
    .map(({ user, requestReceivedTimestamp: at }) => ({ writer: user.username, at }))
    .sort((a, b) => compare(a.at, b.at));
  const violations: Violation[] = [];
  let robbed = 0;
  let next = 0;
  let holder = "";
  for (const { writer, at } of writes) {
    for (; next < holds.length && holds[next].to <= at; next++) {
      holder = holds[next].user;
    }
    const isTaking = holds.slice(next).some(({ user, from }) => user === writer && from <= at);
    if (writer === holder || isTaking) {
      continue;
    }
    const own = holds.slice(0, next).findLastIndex(({ user }) => user === writer);
    const taker = holds[own + 1];
    const isRobbed = own >= 0 && msBetween(holds[own].from, taker.to) < leaseDurationMs;
    if (isRobbed && msBetween(holds[own].from, at) < renewDeadlineMs) {
      robbed++;
    } else {
      violations.push({ writer, holder, at });
    }
  }
  const changes = holds.filter(({ user }, at) => user !== holds[at - 1]?.user).length;
  return { writes: writes.length, changes, violations, robbed };
}

function msBetween(from: string, to: string): number {
  return Date.parse(to) - Date.parse(from);
}

/** Times as text, with microseconds. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function isOf({ objectRef, verb, requestURI }: AuditEntry, resource: string, name: string): boolean {
  if (objectRef?.resource !== resource || objectRef.subresource !== undefined) {
    return false;
  }
  // The name of what is created is in its body, which the log does not hold.
  return objectRef.name === name || (verb === "create" && !requestURI.includes(`/${resource}/`));
}
