import type { KubeObject } from "../kube/client.ts";

/** Who leads, as it is written in a Lease: the record of client-go's LeaseLock. */
export interface LeaseRecord {
  /** "" when nobody holds the lease. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** As text, "2026-01-02T03:04:05.678901Z"; "" when there is none. */
  readonly acquireTime: string;
  readonly renewTime: string;
  readonly transitions: number;
}

/** Which Lease. */
export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

/** API version of Leases. */
export const LEASE_VERSION = "coordination.k8s.io/v1";

/** The record of a Lease. Whatever is not as it should be counts as not there: anybody may have written it. */
export function readRecord(lease: KubeObject): LeaseRecord {
  const spec = tableOf(lease.spec);
  return {
    holder: textOf(spec.holderIdentity),
    durationSeconds: numberOf(spec.leaseDurationSeconds),
    acquireTime: textOf(spec.acquireTime),
    renewTime: textOf(spec.renewTime),
    transitions: numberOf(spec.leaseTransitions),
  };
}

/** The record as the `spec` of a Lease; fields are those that client-go writes. */
export function specOf(record: LeaseRecord): Readonly<Record<string, unknown>> {
  return {
    holderIdentity: record.holder,
    leaseDurationSeconds: record.durationSeconds,
    acquireTime: record.acquireTime,
    renewTime: record.renewTime,
    leaseTransitions: record.transitions,
  };
}

/** What changes with each renewal: two looks at a Lease that give the same text saw the same renewal. */
export function imprintOf(lease: KubeObject): string {
  return JSON.stringify(lease.spec ?? {});
}

/** A version of the Lease for the next write. */
export function versionOf(lease: KubeObject): string {
  return textOf(tableOf(lease.metadata).resourceVersion);
}

/**
 * A time as Kubernetes writes it with microseconds. `micros` (0 to 999) are digits that no clock of this process gives; random
 * ones tell apart who wrote it.
 */
export function microTime(ms: number, micros = 0): string {
  const digits = String(Math.floor(micros)).padStart(3, "0");
  return `${new Date(ms).toISOString().slice(0, -1)}${digits}Z`;
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  // A non-null object can be read by any key.
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
