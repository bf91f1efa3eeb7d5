import type { PermissionRule } from "../api/plugin.ts";
import type { LeaseName } from "./lease-record.ts";

const GROUP = "coordination.k8s.io";

/** What a member of a group that shares work out may do in the namespace of the Leases. Their names are those of the processes. */
export function shardRules(): PermissionRule[] {
  return [{ apiGroups: [GROUP], resources: ["leases"], verbs: ["get", "list", "create", "update", "delete"] }];
}

/** What a candidate may do in the namespace of its Lease, and no more. */
export function leaseRules({ name }: Pick<LeaseName, "name">): PermissionRule[] {
  return [
    // What does not exist yet cannot be granted by its name.
    { apiGroups: [GROUP], resources: ["leases"], verbs: ["create"] },
    { apiGroups: [GROUP], resources: ["leases"], resourceNames: [name], verbs: ["get", "update"] },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] },
  ];
}
