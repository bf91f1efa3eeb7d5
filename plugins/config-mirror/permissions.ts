import type { PermissionRule } from "../../core/api/index.ts";

/** Watching ConfigMaps and namespaces is granted by `needs`. Writes go to any namespace: RBAC cannot narrow by name prefix. */
export const permissions: readonly PermissionRule[] = [
  { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "create", "update", "delete"] },
];
