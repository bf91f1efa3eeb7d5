import type { PermissionRule } from "../core/api/plugin.ts";
import { groupOf, mergeRules, type RulesSource, rulesFor } from "../core/controller/permission-check.ts";
import { type NamespaceScope, planScope } from "../core/watch/namespace-scope.ts";

/** A kind that is followed, as far as rights go. */
export interface RbacKind {
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** Whom to grant what. */
export interface RbacRequest {
  /** Name of all objects. */
  readonly name: string;
  /** Where Fairlead runs: the namespace of the service account. */
  readonly namespace: string;
  readonly plugins: readonly (RulesSource & { readonly kinds: readonly RbacKind[] })[];
  /** Kinds that are followed beside those of the plugins. */
  readonly kinds: readonly RbacKind[];
  readonly scope: NamespaceScope;
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

/** Resources of Kubernetes that belong to no namespace; a group alone: all of its resources. */
const CLUSTER_SCOPED: readonly string[] = [
  "/nodes",
  "/namespaces",
  "/persistentvolumes",
  "/componentstatuses",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "apiregistration.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io/selfsubjectaccessreviews",
  "authorization.k8s.io/selfsubjectrulesreviews",
  "authorization.k8s.io/subjectaccessreviews",
  "certificates.k8s.io",
  "flowcontrol.apiserver.k8s.io",
  "metrics.k8s.io/nodes",
  "networking.k8s.io/ingressclasses",
  "networking.k8s.io/ipaddresses",
  "networking.k8s.io/servicecidrs",
  "node.k8s.io",
  "rbac.authorization.k8s.io/clusterroles",
  "rbac.authorization.k8s.io/clusterrolebindings",
  "resource.k8s.io/deviceclasses",
  "resource.k8s.io/resourceslices",
  "scheduling.k8s.io/priorityclasses",
  "storage.k8s.io/csidrivers",
  "storage.k8s.io/csinodes",
  "storage.k8s.io/storageclasses",
  "storage.k8s.io/volumeattachments",
  "storage.k8s.io/volumeattributesclasses",
];

/**
 * The least objects that let Fairlead do its work: rules in Roles of the namespaces that are followed where their names are
 * known, in a ClusterRole where they are not, and for what belongs to no namespace. Pure.
 */
export function rbacObjects(request: RbacRequest): RbacObject[] {
  const { name, namespace, plugins, kinds, scope } = request;
  const plan = planScope(scope);
  const watched = [...kinds, ...plugins.flatMap((plugin) => plugin.kinds)];
  const rules = rulesFor(plugins, kinds);
  const account: RbacObject = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
  const granted = (roleRules: readonly PermissionRule[], place?: string): RbacObject[] =>
    roleRules.length === 0 ? [] : roleAndBinding({ name, place, rules: roleRules, account });
  if (plan.kind !== "fixed") {
    const seesNamespaces = plan.kind === "follow" && watched.some((kind) => kind.namespaced);
    return [account, ...granted(mergeRules(seesNamespaces ? [...rules, SEE_NAMESPACES] : rules))];
  }
  const known = new Map(watched.map((kind) => [`${groupOf(kind.apiVersion)}/${kind.plural}`, kind.namespaced]));
  const inNamespaces = splitRules(rules, (group, resource) => isNamespaced(group, resource, known));
  const inCluster = splitRules(rules, (group, resource) => !isNamespaced(group, resource, known));
  return [account, ...granted(inCluster), ...plan.namespaces.flatMap((place) => granted(inNamespaces, place))];
}

/** The part of the rules that is about resources for which `isWanted`. */
function splitRules(
  rules: readonly PermissionRule[],
  isWanted: (group: string, resource: string) => boolean,
): PermissionRule[] {
  const parts = rules.flatMap((rule) =>
    rule.apiGroups.map((group) => ({
      ...rule,
      apiGroups: [group],
      resources: rule.resources.filter((resource) => isWanted(group, resource)),
    })),
  );
  return mergeRules(parts.filter(({ resources }) => resources.length > 0));
}

/** What is not known to belong to the cluster belongs to namespaces: a right too few is told, one too many is not. */
function isNamespaced(group: string, resource: string, known: ReadonlyMap<string, boolean>): boolean {
  const key = `${group}/${resource.split("/", 1)[0]}`;
  return known.get(key) ?? !(CLUSTER_SCOPED.includes(key) || CLUSTER_SCOPED.includes(group));
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
