import { codeOf, messageOf } from "../errors.ts";
import type { ResourceName } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import type { LeaseClient } from "./election-options.ts";
import { type LeaseRecord, microTime, readRecord, specOf } from "./lease-record.ts";

/** How to give a lease away. */
export interface ReleaseParts {
  readonly client: LeaseClient;
  readonly target: ResourceName;
  readonly clock: Clock;
  readonly log: Logger;
  /** What is another's is left alone. */
  readonly isOurs: (record: LeaseRecord) => boolean;
  /** Of one request, milliseconds. */
  readonly timeoutMs: number;
  /** Of all of it, milliseconds. */
  readonly deadlineMs: number;
}

/** Gives the lease away, as client-go does: no holder, one second. Never rejects. */
export async function releaseLease(parts: ReleaseParts): Promise<void> {
  const { clock, log, deadlineMs, target } = parts;
  const lease = `${target.namespace}/${target.name}`;
  const giveUp = new AbortController();
  const timer = clock.setTimer(deadlineMs, () => giveUp.abort());
  try {
    while (!(await isReleased(parts, giveUp.signal))) {
      giveUp.signal.throwIfAborted();
    }
    log.info({ lease }, "lease released");
  } catch (error) {
    if (codeOf(error) !== "KUBE_NOT_FOUND") {
      const detail = messageOf(error);
      log.warn({ lease, code: codeOf(error), detail }, "lease not released; others wait until it ends");
    }
  } finally {
    timer.clear();
  }
}

/** False after a conflict: it must be read again. */
async function isReleased(parts: ReleaseParts, signal: AbortSignal): Promise<boolean> {
  const { client, target, clock, isOurs, timeoutMs } = parts;
  const lease = await client.get(target, { signal, timeoutMs });
  const record = readRecord(lease);
  if (!isOurs(record)) {
    return true;
  }
  const now = microTime(clock.wallNow());
  const free = { holder: "", durationSeconds: 1, acquireTime: now, renewTime: now, transitions: record.transitions };
  try {
    await client.update(target, { ...lease, spec: specOf(free) }, { signal, timeoutMs });
    return true;
  } catch (error) {
    if (codeOf(error) === "KUBE_CONFLICT") {
      return false;
    }
    throw error;
  }
}
