import { at, isObject, type JsonObject } from "./object.ts";
import type { RequestInfo } from "./request.ts";
import { failure, qualified, Refusal } from "./status.ts";
import type { World } from "./world.ts";

/** One rule of a user, as in a ClusterRole. "*" stands for all. */
export interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  /** Only in this namespace. Default: everywhere. */
  readonly namespace?: string;
}

/** A user of the server and what it may do. */
export interface User {
  readonly name: string;
  readonly groups?: readonly string[];
  /** Beside the roles that are bound to it in the cluster. */
  readonly rules?: readonly Rule[];
}

/** Users by their bearer token. */
export type Tokens = Map<string, User>;

const ANONYMOUS: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };
const PUBLIC = /^\/(healthz|readyz|livez|version|openapi)(\/|$)/;
const DISCOVERY = /^\/(api|apis)(\/|$)/;

/** Who asks. Throws 401 for a token that nobody has; without tokens everyone is an administrator. */
export function authenticate(tokens: Tokens, authorization: string | undefined): User {
  if (tokens.size === 0) {
    return { name: "kubernetes-admin", groups: ["system:masters"] };
  }
  const token = /^Bearer\s+(\S+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) {
    return ANONYMOUS;
  }
  const user = tokens.get(token);
  if (user === undefined) {
    throw new Refusal(failure(401, "Unauthorized", "Unauthorized"));
  }
  return user;
}

/** What is asked for, in RBAC's words. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  /** "pods", "pods/status". */
  readonly resource: string;
  readonly name: string;
  readonly namespace: string;
  /** Set for paths that are no resources. */
  readonly path: string | undefined;
}

/** What a request asks for. */
export function attributesOf(info: RequestInfo): Attributes {
  const { target } = info;
  if (target === undefined) {
    return { verb: info.verb, group: "", resource: "", name: "", namespace: "", path: info.path };
  }
  const { resource, name = "", subresource } = target;
  return {
    verb: info.verb,
    group: resource.group,
    resource: subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`,
    name,
    namespace: target.namespace ?? (resource.kind === "Namespace" && resource.group === "" ? name : ""),
    path: undefined,
  };
}

/** Lets a request through or throws 403 in the words of the real server. */
export function authorize(world: World, user: User, info: RequestInfo): void {
  const asked = attributesOf(info);
  if (isAllowed(world, user, asked)) {
    return;
  }
  throw forbidden(user, info, asked);
}

function forbidden(user: User, info: RequestInfo, asked: Attributes): Refusal {
  if (asked.path !== undefined || info.target === undefined) {
    return new Refusal(
      failure(403, "Forbidden", `forbidden: User "${user.name}" cannot ${asked.verb} path "${asked.path}"`, {}),
    );
  }
  const { resource, subresource } = info.target;
  const about = { group: resource.group, plural: resource.plural };
  const scope =
    asked.namespace === "" || !resource.namespaced ? "at the cluster scope" : `in the namespace "${asked.namespace}"`;
  const what = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
  const message =
    `${qualified(about)} ${asked.name === "" ? "" : `"${asked.name}" `}is forbidden: User "${user.name}" cannot ${asked.verb} resource "${what}" ` +
    `in API group "${resource.group}" ${scope}`;
  return new Refusal(
    failure(403, "Forbidden", message, {
      ...(asked.name === "" ? {} : { name: asked.name }),
      ...(resource.group === "" ? {} : { group: resource.group }),
      kind: resource.plural,
    }),
  );
}

/** Decides by the rules of the user and by the roles that are bound to it. */
export function isAllowed(world: World, user: User, asked: Attributes): boolean {
  if (user.groups?.includes("system:masters")) {
    return true;
  }
  if (
    asked.path !== undefined &&
    asked.verb === "get" &&
    (PUBLIC.test(asked.path) || (user !== ANONYMOUS && DISCOVERY.test(asked.path)))
  ) {
    return true;
  }
  const isReview =
    asked.path?.startsWith("/apis/authorization.k8s.io/v1/selfsubject") === true && asked.verb === "post";
  return (user !== ANONYMOUS && isReview) || rulesOf(world, user, asked.namespace).some((rule) => fits(rule, asked));
}

function fits(rule: Rule, asked: Attributes): boolean {
  const has = (list: readonly string[] | undefined, value: string) =>
    list?.some((one) => one === "*" || one === value) ?? false;
  if (!has(rule.verbs, asked.verb)) {
    return false;
  }
  if (asked.path !== undefined) {
    const { path } = asked;
    return (
      rule.nonResourceURLs?.some((url) => url === path || (url.endsWith("*") && path.startsWith(url.slice(0, -1)))) ??
      false
    );
  }
  const sub = asked.resource.split("/")[1];
  const named =
    has(rule.resources, asked.resource) || (sub !== undefined && rule.resources?.includes(`*/${sub}`) === true);
  return (
    named &&
    has(rule.apiGroups ?? [""], asked.group) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(asked.name))
  );
}

/** The rules of a user that hold in a namespace. */
export function rulesOf(world: World, user: User, namespace: string): Rule[] {
  const own = (user.rules ?? []).filter((rule) => rule.namespace === undefined || rule.namespace === namespace);
  const bound: Rule[] = [];
  for (const binding of world.storage.list("rbac.authorization.k8s.io/clusterrolebindings")) {
    bound.push(...bindingRules(world, binding, user, ""));
  }
  if (namespace !== "") {
    for (const binding of world.storage.list("rbac.authorization.k8s.io/rolebindings")) {
      if (binding.metadata.namespace === namespace) {
        bound.push(...bindingRules(world, binding, user, namespace));
      }
    }
  }
  return [...own, ...bound];
}

function bindingRules(world: World, binding: JsonObject, user: User, namespace: string): Rule[] {
  const subjects = Array.isArray(binding.subjects) ? binding.subjects : [];
  if (!subjects.some((subject) => isSubject(subject, user))) {
    return [];
  }
  const name = String(at(binding, "roleRef", "name"));
  const role =
    at(binding, "roleRef", "kind") === "ClusterRole"
      ? world.storage.get("rbac.authorization.k8s.io/clusterroles", name)
      : world.storage.get("rbac.authorization.k8s.io/roles", `${namespace}/${name}`);
  // Rules of stored roles have the fields of Rule.
  return Array.isArray(role?.rules) ? (role.rules as unknown as Rule[]) : [];
}

function isSubject(subject: unknown, user: User): boolean {
  if (!isObject(subject)) {
    return false;
  }
  switch (subject.kind) {
    case "User":
      return subject.name === user.name;
    case "Group":
      return user.groups?.includes(String(subject.name)) ?? false;
    case "ServiceAccount":
      return user.name === `system:serviceaccount:${subject.namespace}:${subject.name}`;
    default:
      return false;
  }
}

/** Answers SelfSubjectAccessReview and SelfSubjectRulesReview. */
export function review(world: World, user: User, kind: string, body: JsonObject): JsonObject {
  const spec = isObject(body.spec) ? body.spec : {};
  const apiVersion = "authorization.k8s.io/v1";
  const text = (...path: string[]) => String(at(spec, ...path) ?? "");
  if (kind === "SelfSubjectRulesReview") {
    const rules = user.groups?.includes("system:masters")
      ? [
          { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
          { verbs: ["*"], nonResourceURLs: ["*"] },
        ]
      : rulesOf(world, user, text("namespace"));
    const status = {
      resourceRules: rules
        .filter((rule) => "resources" in rule && rule.resources)
        .map(({ verbs, ...rest }) => plainRule({ verbs, ...rest })),
      nonResourceRules: rules
        .filter((rule) => rule.nonResourceURLs)
        .map(({ verbs, nonResourceURLs }) => ({ verbs: [...verbs], nonResourceURLs: [...(nonResourceURLs ?? [])] })),
      incomplete: false,
    };
    return { kind, apiVersion, metadata: {}, spec: {}, status };
  }
  const sub = text("resourceAttributes", "subresource");
  const asked: Attributes = isObject(spec.nonResourceAttributes)
    ? {
        verb: text("nonResourceAttributes", "verb"),
        group: "",
        resource: "",
        name: "",
        namespace: "",
        path: text("nonResourceAttributes", "path"),
      }
    : {
        verb: text("resourceAttributes", "verb"),
        group: text("resourceAttributes", "group"),
        resource: text("resourceAttributes", "resource") + (sub === "" ? "" : `/${sub}`),
        name: text("resourceAttributes", "name"),
        namespace: text("resourceAttributes", "namespace"),
        path: undefined,
      };
  return { kind, apiVersion, metadata: {}, spec, status: { allowed: isAllowed(world, user, asked) } };
}

function plainRule(rule: Rule): JsonObject {
  const plain: JsonObject = {
    verbs: [...rule.verbs],
    apiGroups: [...(rule.apiGroups ?? [""])],
    resources: [...(rule.resources ?? [])],
  };
  if (rule.resourceNames?.length) {
    plain.resourceNames = [...rule.resourceNames];
  }
  return plain;
}
