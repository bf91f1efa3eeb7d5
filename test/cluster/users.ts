import { setTimeout as delay } from "node:timers/promises";
import { FairleadError } from "../../core/errors.ts";
import type { ApiClient } from "./api-client.ts";

/** What a user may do: everywhere, or in one namespace. */
export interface UserRule {
  /** Default: the core group. */
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  /** Only with paths such as "/healthz". */
  readonly nonResourceURLs?: readonly string[];
  /** Default: all namespaces. */
  readonly namespace?: string;
}

const GROUP = "/apis/rbac.authorization.k8s.io/v1";
const LOOK_MS = 20;
const EFFECTIVE_DEADLINE_MS = 10_000;

/** Gives a user exactly these rules and waits until the API server goes by them. */
export async function grant(admin: ApiClient, user: string, rules: readonly UserRule[]): Promise<void> {
  const name = `test:${user}`;
  const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }];
  for (const namespace of new Set(rules.map((rule) => rule.namespace))) {
    const scoped = rules.filter((rule) => rule.namespace === namespace).map(policyRule);
    const roleKind = namespace === undefined ? "ClusterRole" : "Role";
    const base = namespace === undefined ? GROUP : `${GROUP}/namespaces/${namespace}`;
    const plural = namespace === undefined ? "clusterrole" : "role";
    await replace(admin, `${base}/${plural}s`, { kind: roleKind, metadata: { name, namespace }, rules: scoped });
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: roleKind, name };
    await replace(admin, `${base}/${plural}bindings`, {
      kind: `${roleKind}Binding`,
      metadata: { name, namespace },
      subjects,
      roleRef,
    });
  }
  for (const rule of rules) {
    await untilAllowed(admin, user, rule);
  }
}

/** A token of a service account, which is made if it does not exist. */
export async function serviceAccountToken(
  admin: ApiClient,
  namespace: string,
  name: string,
  seconds: number,
): Promise<string> {
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const made = await admin.request("POST", accounts, { metadata: { name } });
  if (made.status !== 201 && made.status !== 409) {
    throw new FairleadError(
      "CLUSTER_REQUEST_FAILED",
      `service account "${namespace}/${name}" could not be made: ${made.body.message}`,
    );
  }
  const spec = { expirationSeconds: seconds };
  const response = await admin.send("POST", `${accounts}/${name}/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec,
  });
  return String(response.body.status.token);
}

async function replace(
  admin: ApiClient,
  path: string,
  object: { readonly metadata: { readonly name: string; readonly namespace: string | undefined } } & Readonly<
    Record<string, unknown>
  >,
): Promise<void> {
  const body = { apiVersion: "rbac.authorization.k8s.io/v1", ...object };
  const made = await admin.request("POST", path, body);
  if (made.status === 409) {
    await admin.send("PUT", `${path}/${encodeURIComponent(object.metadata.name)}`, body);
  } else if (made.status >= 400) {
    throw new FairleadError(
      "CLUSTER_REQUEST_FAILED",
      `"${object.metadata.name}" could not be granted: ${made.body.message}`,
    );
  }
}

function policyRule(rule: UserRule): object {
  if (rule.nonResourceURLs !== undefined) {
    return { nonResourceURLs: rule.nonResourceURLs, verbs: rule.verbs };
  }
  return {
    apiGroups: rule.apiGroups ?? [""],
    resources: rule.resources ?? [],
    verbs: rule.verbs,
    ...(rule.resourceNames === undefined ? {} : { resourceNames: rule.resourceNames }),
  };
}

async function untilAllowed(admin: ApiClient, user: string, rule: UserRule): Promise<void> {
  const concrete = (text: string | undefined, any: string): string => (text === undefined || text === "*" ? any : text);
  const [resource, subresource] = concrete(rule.resources?.[0], "pods").split("/");
  const attributes =
    rule.nonResourceURLs !== undefined
      ? {
          nonResourceAttributes: {
            path: rule.nonResourceURLs[0].replace("*", ""),
            verb: concrete(rule.verbs[0], "get"),
          },
        }
      : {
          resourceAttributes: {
            group: concrete(rule.apiGroups?.[0], ""),
            resource,
            subresource,
            verb: concrete(rule.verbs[0], "get"),
            name: rule.resourceNames?.[0],
            namespace: rule.namespace,
          },
        };
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec: { user, ...attributes } };
  const deadline = Date.now() + EFFECTIVE_DEADLINE_MS;
  for (;;) {
    const response = await admin.send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review);
    if (response.body.status.allowed === true) {
      return;
    }
    if (Date.now() > deadline) {
      throw new FairleadError(
        "CLUSTER_GRANT_INEFFECTIVE",
        `the API server does not let "${user}" do what it was granted`,
      );
    }
    await delay(LOOK_MS);
  }
}
