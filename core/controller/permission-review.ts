import type { PermissionRule } from "../api/plugin.ts";
import type { KubeClient, KubeObject } from "../kube/client.ts";
import { covers, mergeRules, type Right, rightsOf, ruleOf } from "./permission-check.ts";
import { type ScopedKind, splitByScope } from "./rule-scope.ts";

const AT_ONCE = 8;
const API = "authorization.k8s.io/v1";

/** Rights that the server does not grant. */
export interface MissingRules {
  /** Where; undefined: in the whole cluster. */
  readonly namespace: string | undefined;
  readonly rules: readonly PermissionRule[];
}

/**
 * Asks the server which of these rules it does not grant to us: by SelfSubjectAccessReviews for the whole cluster, or by one
 * SelfSubjectRulesReview for each of the namespaces; what belongs to no namespace (`watched` says it of custom kinds) is asked
 * for in the whole cluster. Rejects with KUBE_*.
 */
export async function missingRules(
  client: Pick<KubeClient, "create">,
  rules: readonly PermissionRule[],
  namespaces: readonly string[] | undefined,
  watched: readonly ScopedKind[] = [],
): Promise<MissingRules[]> {
  const missing: MissingRules[] = [];
  for (const { namespace, rights } of placesOf(rules, namespaces, watched)) {
    const rest = namespace === undefined ? rights : await notListed(client, rights, namespace);
    const refused = await filterAsync(rest, async (right) => !(await isAllowed(client, right, namespace)));
    if (refused.length > 0) {
      missing.push({ namespace, rules: mergeRules(refused.map(ruleOf)) });
    }
  }
  return missing;
}

interface Place {
  readonly namespace: string | undefined;
  readonly rights: readonly Right[];
}

function placesOf(
  rules: readonly PermissionRule[],
  namespaces: readonly string[] | undefined,
  watched: readonly ScopedKind[],
): Place[] {
  if (namespaces === undefined) {
    return [{ namespace: undefined, rights: rightsOf(rules) }];
  }
  const { inCluster, inNamespaces } = splitByScope(rules, watched);
  const rights = rightsOf(inNamespaces);
  return [
    { namespace: undefined, rights: rightsOf(inCluster) },
    ...namespaces.map((namespace) => ({ namespace, rights })),
  ];
}

/** The rights that the list of our rules in a namespace does not have; such a list may be incomplete. */
async function notListed(
  client: Pick<KubeClient, "create">,
  rights: readonly Right[],
  namespace: string,
): Promise<readonly Right[]> {
  const answer = await review(client, "SelfSubjectRulesReview", { namespace });
  // An authorizer that gives no rules gives an empty list; then every right is asked for by itself.
  const listed = (answer.resourceRules ?? []) as readonly PermissionRule[];
  return rights.filter(({ group, resource, verb, name }) => !covers(listed, { group, resource, verb, name }));
}

async function isAllowed(
  client: Pick<KubeClient, "create">,
  { group, resource, verb, name }: Right,
  namespace: string | undefined,
): Promise<boolean> {
  const [plural, ...subresource] = resource.split("/");
  const attributes = { group, resource: plural, subresource: subresource.join("/"), verb, name, namespace };
  const answer = await review(client, "SelfSubjectAccessReview", { resourceAttributes: attributes });
  return answer.allowed === true;
}

async function review(
  client: Pick<KubeClient, "create">,
  kind: string,
  spec: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const target = { apiVersion: API, plural: `${kind.toLowerCase()}s` };
  const object: KubeObject = { apiVersion: API, kind, spec };
  const { status } = await client.create(target, object);
  return typeof status === "object" && status !== null ? (status as Readonly<Record<string, unknown>>) : {};
}

async function filterAsync<T>(items: readonly T[], isWanted: (item: T) => Promise<boolean>): Promise<T[]> {
  const wanted: T[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const some = items.slice(at, at + AT_ONCE);
    const answers = await Promise.all(some.map(isWanted));
    wanted.push(...some.filter((_, i) => answers[i]));
  }
  return wanted;
}
