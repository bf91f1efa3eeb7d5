import { codeOf, messageOf } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { hash53, IdentityTable } from "./identity-table.ts";
import type { KindGroup } from "./kind-group.ts";
import { type ListHost, listIdentities } from "./list-identities.ts";
import type { Reflector } from "./reflector.ts";
import { isBelow } from "./version-order.ts";

/** How long the watch may take to pass the version of the audit's list: bookmarks come once a minute. */
const PASS_MS = 150_000;
const POLL_MS = 1_000;
/** Pause before a difference is looked at again. */
const CONFIRM_MS = 2_000;

/** What one audit found. `skipped`: it could not be finished, so nothing is known. */
export interface AuditResult {
  readonly outcome: "equal" | "drift" | "skipped";
  /** Objects that differ. */
  readonly drift: number;
  readonly reason?: string;
}

/**
 * Compares the store with a metadata-only list from the server. An object counts only when it differs in two lists in a
 * row, each at a version that the watch had passed. Off the hot path: it holds a few bytes an object while it runs.
 */
export async function auditKind(group: KindGroup, host: ListHost, signal: AbortSignal): Promise<AuditResult> {
  try {
    let suspects = await pass(group, host, signal);
    if (suspects.size > 0) {
      await pause(host.clock, CONFIRM_MS, signal);
      const again = await pass(group, host, signal);
      suspects = new Set([...suspects].filter((key) => again.has(key)));
    }
    return { outcome: suspects.size > 0 ? "drift" : "equal", drift: suspects.size };
  } catch (error) {
    return { outcome: "skipped", drift: 0, reason: `${codeOf(error)}: ${messageOf(error)}` };
  }
}

/** Hashes of the objects that differ now. */
async function pass(group: KindGroup, host: ListHost, signal: AbortSignal): Promise<Set<number>> {
  const table = new IdentityTable();
  const listed = new Map<string, { version: string; reflector: Reflector }>();
  const reflectors = group.reflectors;
  for (const [i, reflector] of reflectors.entries()) {
    const before = reflector.state.version;
    const version = await listIdentities(
      group.plan,
      reflector.scope,
      host,
      signal,
      (namespace, name, objectVersion) => {
        table.add(keyOf(namespace, name), versionNumber(objectVersion), i);
      },
    );
    if (isBelow(version, before)) {
      reflector.suspect();
      throw new Error(`the server is at version ${version}, the watch at ${before}`);
    }
    listed.set(reflector.scope.namespace ?? "", { version, reflector });
  }
  await passed([...listed.values()], host.clock, signal);
  const different = new Set<number>();
  const whole = listed.get("");
  group.writer.forEachIdentity((namespace, name, _uid, version) => {
    const scope = whole ?? listed.get(namespace);
    if (scope === undefined) {
      return;
    }
    const key = keyOf(namespace, name);
    if (table.take(key) !== versionNumber(version) && !isBelow(scope.version, version)) {
      different.add(key);
    }
  });
  if (!group.refused) {
    table.forEachLeft((key) => different.add(key));
  }
  return different;
}

/** Resolves when every watch has passed the version of its list. */
async function passed(
  scopes: readonly { version: string; reflector: Reflector }[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const until = clock.now() + PASS_MS;
  for (const { version, reflector } of scopes) {
    while (reflector.state.loading || isBelow(reflector.state.version, version)) {
      if (clock.now() > until) {
        throw new Error(`the watch did not reach version ${version} in time`);
      }
      await pause(clock, POLL_MS, signal);
    }
  }
}

function keyOf(namespace: string, name: string): number {
  return hash53(`${namespace}/${name}`);
}

function versionNumber(version: string): number {
  const value = Number(version);
  return Number.isSafeInteger(value) && value >= 0 && version !== "" ? value : hash53(version);
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      timer.clear();
      signal.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      end();
      reject(new Error("the audit was stopped"));
    };
    const timer = clock.setTimer(ms, () => {
      end();
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
    }
  });
}
