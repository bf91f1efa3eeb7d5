import type { PermissionRule } from "../api/plugin.ts";
import { groupOf, mergeRules } from "./permission-check.ts";

/** A kind that is followed, as far as rights go. */
export interface ScopedKind {
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

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

/** Rules in two parts: for what belongs to no namespace, and for what is in one. `watched` says it of kinds that are known. */
export function splitByScope(
  rules: readonly PermissionRule[],
  watched: readonly ScopedKind[],
): { readonly inCluster: PermissionRule[]; readonly inNamespaces: PermissionRule[] } {
  const known = new Map(watched.map((kind) => [`${groupOf(kind.apiVersion)}/${kind.plural}`, kind.namespaced]));
  return {
    inCluster: partOf(rules, (group, resource) => !isNamespaced(group, resource, known)),
    inNamespaces: partOf(rules, (group, resource) => isNamespaced(group, resource, known)),
  };
}

function partOf(
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
