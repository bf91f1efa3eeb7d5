import type { PermissionRule } from "../../core/api/index.ts";

/** It writes nothing and reads only what `needs` names. */
export const permissions: readonly PermissionRule[] = [];
