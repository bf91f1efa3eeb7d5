import { randomBytes } from "node:crypto";
import { codeOf, messageOf } from "../errors.ts";
import type { KubeClient, KubeObject } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import { LEASE_VERSION, microTime } from "./lease-record.ts";

/** What is told of a Lease. */
export interface LeaseEvent {
  readonly identity: string;
  /** "became leader", "stopped leading". */
  readonly what: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly log: Logger;
}

/** A cluster that is busy loses an Event rather than keeping a process from ending. */
const EVENT_TIMEOUT_MS = 2_000;
const LONGEST_WORD = 128;

/** Writes the Event on the Lease that client-go writes: reason LeaderElection, "<identity> became leader". Never rejects. */
export async function recordLeaseEvent(
  client: Pick<KubeClient, "create">,
  lease: KubeObject,
  { identity, what, atMs, log }: LeaseEvent,
): Promise<void> {
  const { name, namespace, uid } = lease.metadata ?? {};
  const event = {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: `${String(name).slice(0, 200)}.${randomBytes(8).toString("hex")}`, namespace },
    eventTime: microTime(atMs),
    reportingController: "fairlead/leader-election",
    reportingInstance: identity.slice(0, LONGEST_WORD),
    action: "LeaderElection",
    reason: "LeaderElection",
    type: "Normal",
    note: `${identity} ${what}`,
    regarding: { apiVersion: LEASE_VERSION, kind: "Lease", namespace, name, uid },
  };
  const target = { apiVersion: "events.k8s.io/v1", plural: "events", namespace: String(namespace) };
  try {
    await client.create(target, event, { timeoutMs: EVENT_TIMEOUT_MS });
  } catch (error) {
    log.debug({ code: codeOf(error), detail: messageOf(error) }, "event on the lease not written");
  }
}
