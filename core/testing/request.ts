import type { Resource, ResourceTable } from "./resources.ts";
import { noSuchPath } from "./status.ts";

/** What a request wants. */
export interface RequestInfo {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** As RBAC calls it: get list watch create update patch delete deletecollection; lower-case method for other paths. */
  readonly verb: string;
  readonly target: Target | undefined;
}

/** The object or collection that a request is about. */
export interface Target {
  readonly resource: Resource;
  /** Undefined: cluster-wide, or all namespaces. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

const ONE: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
  POST: "create",
};
const ALL: Readonly<Record<string, string>> = { GET: "list", HEAD: "list", POST: "create", DELETE: "deletecollection" };

/** Takes a request line apart. Throws 404 for groups, versions and kinds that are not served. */
export function requestInfo(method: string, url: string, resources: ResourceTable): RequestInfo {
  const mark = url.indexOf("?");
  const path = decodeURI(mark < 0 ? url : url.slice(0, mark));
  const query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
  const target = targetOf(path, resources);
  if (target === undefined) {
    return { method, path, query, verb: method.toLowerCase(), target };
  }
  const verbs = target.name === undefined ? ALL : ONE;
  const plain = verbs[method] ?? method.toLowerCase();
  const watch = query.get("watch");
  const verb = plain === "list" && (watch === "true" || watch === "1" || watch === "") ? "watch" : plain;
  return { method, path, query, verb, target };
}

function targetOf(path: string, resources: ResourceTable): Target | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const legacy = parts[0] === "api";
  // Reviews are answered by the server itself; nothing of that group is stored.
  if (parts[1] === "authorization.k8s.io") {
    return undefined;
  }
  if ((!legacy && parts[0] !== "apis") || parts.length < (legacy ? 3 : 4)) {
    return undefined;
  }
  const apiVersion = legacy ? parts[1] : `${parts[1]}/${parts[2]}`;
  const rest = parts.slice(legacy ? 2 : 3);
  if (
    rest[0] === "namespaces" &&
    rest.length >= 3 &&
    !(legacy && rest.length === 3 && isNamespaceSubresource(rest[2]))
  ) {
    const resource = resources.byPlural(apiVersion, rest[2]);
    if (resource === undefined || !resource.namespaced || rest.length > 5) {
      throw noSuchPath();
    }
    return checked({ resource, namespace: rest[1], name: rest[3], subresource: rest[4] });
  }
  const resource = resources.byPlural(apiVersion, rest[0]);
  if (resource === undefined || rest.length > 3 || (resource.namespaced && rest.length > 1)) {
    throw noSuchPath();
  }
  return checked({ resource, namespace: undefined, name: rest[1], subresource: rest[2] });
}

function isNamespaceSubresource(name: string): boolean {
  return name === "status" || name === "finalize";
}

function checked(target: Target): Target {
  if (target.subresource !== undefined && !target.resource.subresources.includes(target.subresource)) {
    throw noSuchPath();
  }
  return target;
}
