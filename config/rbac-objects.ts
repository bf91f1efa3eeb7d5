import type { PermissionRule } from "../core/api/plugin.ts";
import { mergeRules, type RulesSource, rulesFor } from "../core/controller/permission-check.ts";
import { type ScopedKind, splitByScope } from "../core/controller/rule-scope.ts";
import type { LeaseName } from "../core/election/lease-record.ts";
import { leaseRules, shardRules } from "../core/election/lease-rules.ts";
import { type NamespaceScope, planScope } from "../core/watch/namespace-scope.ts";

/** Whom to grant what. */
export interface RbacRequest {
  /** Name of all objects. */
  readonly name: string;
  /** Where Fairlead runs: the namespace of the service account. */
  readonly namespace: string;
  readonly plugins: readonly (RulesSource & { readonly kinds: readonly ScopedKind[] })[];
  /** Kinds that are followed beside those of the plugins. */
  readonly kinds: readonly ScopedKind[];
  readonly scope: NamespaceScope;
  /** The Lease of an election; undefined: there is none. */
  readonly lease?: LeaseName | undefined;
  /** Where the Leases are of those who share work out; undefined: nobody does. */
  readonly shardNamespace?: string | undefined;
}

/** An object of the API. */
export interface RbacObject {
  readonly apiVersion: string;
  readonly kind: "ServiceAccount" | "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding";
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly PermissionRule[];
  readonly roleRef?: { readonly apiGroup: string; readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

const GROUP = "rbac.authorization.k8s.io";
const SEE_NAMESPACES: PermissionRule = { apiGroups: [""], resources: ["namespaces"], verbs: ["list", "watch"] };

/**
 * The least objects that let Fairlead do its work: rules in Roles of the namespaces that are followed where their names are
 * known, in a ClusterRole where they are not, and for what belongs to no namespace. Pure.
 */
export function rbacObjects(request: RbacRequest): RbacObject[] {
  const { name, namespace, plugins, kinds, scope, lease, shardNamespace } = request;
  const plan = planScope(scope);
  const watched = [...kinds, ...plugins.flatMap((plugin) => plugin.kinds)];
  const rules = rulesFor(plugins, kinds);
  const account: RbacObject = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
  const leases: RbacObject[] = [];
  if (lease !== undefined) {
    const own = `${name}-leader-election`;
    leases.push(...roleAndBinding({ name: own, place: lease.namespace, rules: leaseRules(lease), account }));
  }
  if (shardNamespace !== undefined) {
    leases.push(...roleAndBinding({ name: `${name}-shards`, place: shardNamespace, rules: shardRules(), account }));
  }
  const granted = (roleRules: readonly PermissionRule[], place?: string): RbacObject[] =>
    roleRules.length === 0 ? [] : roleAndBinding({ name, place, rules: roleRules, account });
  if (plan.kind !== "fixed") {
    const seesNamespaces = plan.kind === "follow" && watched.some((kind) => kind.namespaced);
    return [account, ...granted(mergeRules(seesNamespaces ? [...rules, SEE_NAMESPACES] : rules)), ...leases];
  }
  const { inCluster, inNamespaces } = splitByScope(rules, watched);
  const inEach = plan.namespaces.flatMap((place) => granted(inNamespaces, place));
  return [account, ...granted(inCluster), ...inEach, ...leases];
}

interface Grant {
  readonly name: string;
  /** Undefined: in the whole cluster. */
  readonly place: string | undefined;
  readonly rules: readonly PermissionRule[];
  readonly account: RbacObject;
}

function roleAndBinding({ name, place, rules, account }: Grant): RbacObject[] {
  const kind = place === undefined ? "ClusterRole" : "Role";
  const metadata = place === undefined ? { name } : { name, namespace: place };
  const { name: accountName, namespace = "" } = account.metadata;
  return [
    { apiVersion: `${GROUP}/v1`, kind, metadata, rules },
    {
      apiVersion: `${GROUP}/v1`,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: GROUP, kind, name },
      subjects: [{ kind: "ServiceAccount", name: accountName, namespace }],
    },
  ];
}
