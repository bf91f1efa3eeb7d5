import type { KubeObject } from "../kube/client.ts";
import { LEASE_VERSION, type LeaseRecord, readRecord, specOf } from "./lease-record.ts";
import { hashOf, type Members, membersOf } from "./rendezvous.ts";

/** Label of the Leases of a group's members. */
export const GROUP_LABEL = "fairlead.dev/shard-group";
/** Annotation with the members among which the holder shares keys out: what it claims is what it wins among them. */
export const MEMBERS_ANNOTATION = "fairlead.dev/shard-members";

const MAX_MEMBERS = 1_000;

/** A member as its Lease tells. */
export interface MemberRecord {
  readonly identity: string;
  readonly record: LeaseRecord;
  /** Among whom it shares out; it claims what it wins among them. */
  readonly claims: Members;
}

/** The name of a member's Lease: short, whatever the identity. */
export function leaseNameOf(group: string, identity: string): string {
  const hex = (text: string): string => hashOf(text).toString(16).padStart(8, "0");
  return `${group}-${hex(identity)}${hex(`${identity}\n`)}`;
}

/** The Lease of a member; `base` is the one that there is, of which the rest is kept. */
export function memberLease(
  base: KubeObject,
  place: { readonly namespace: string; readonly name: string; readonly group: string },
  { record, claims }: Pick<MemberRecord, "record" | "claims">,
): KubeObject {
  const { namespace, name, group } = place;
  // Whatever is no table has no entries.
  const labels = Object(base.metadata?.labels);
  const annotations = Object(base.metadata?.annotations);
  return {
    ...base,
    apiVersion: LEASE_VERSION,
    kind: "Lease",
    metadata: {
      ...base.metadata,
      namespace,
      name,
      labels: { ...labels, [GROUP_LABEL]: group },
      annotations: { ...annotations, [MEMBERS_ANNOTATION]: JSON.stringify(claims.names) },
    },
    spec: specOf(record),
  };
}

/** Reads the Lease of a member. One that says nothing readable about whom it knows claims everything: nobody may take its keys. */
export function readMember(lease: KubeObject): MemberRecord {
  const record = readRecord(lease);
  const identity = record.holder;
  const text: unknown = Reflect.get(Object(lease.metadata?.annotations), MEMBERS_ANNOTATION);
  return { identity, record, claims: readClaims(text) ?? membersOf([identity]) };
}

function readClaims(text: unknown): Members | undefined {
  if (typeof text !== "string") {
    return undefined;
  }
  try {
    const names: unknown = JSON.parse(text);
    const isRight =
      Array.isArray(names) && names.length <= MAX_MEMBERS && names.every((name) => typeof name === "string");
    return isRight ? membersOf(names) : undefined;
  } catch {
    return undefined;
  }
}
