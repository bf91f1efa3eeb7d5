import type { WriteRequest } from "../api/hooks.ts";
import type { Term } from "../election/leadership.ts";
import { FairleadError } from "../errors.ts";
import type { CallOptions } from "../kube/call.ts";
import type { KubeClient, KubeObject, ListPage, ResourceName } from "../kube/client.ts";
import type { HttpRequest } from "../kube/transport.ts";
import { groupOf, type KubeAccess } from "./permission-check.ts";
import type { KubeCall, KubeVerb } from "./plugin-site.ts";

/** A call of a plugin, understood. */
export interface GateCall {
  readonly verb: KubeVerb;
  readonly isWrite: boolean;
  /** For `WriteRequest`; of writes only. */
  readonly writeVerb: WriteRequest["verb"];
  /** Undefined for paths that are no resources, such as /version: everyone may read them. */
  readonly access: KubeAccess | undefined;
  readonly target: Omit<ResourceName, "name"> & { readonly name?: string };
  /** Of the object that it is about; of one that is being created: where it says its name. */
  readonly name: string | undefined;
  /** The object or patch. */
  readonly body: unknown;
  readonly dryRun: boolean;
  /** For messages: `patch pods "shop/cart-1"`. */
  readonly what: string;
  readonly patchType: unknown;
  readonly options: Readonly<Record<string, unknown>>;
  readonly request: HttpRequest | undefined;
}

/** Which verb of RBAC a method is, and where its arguments are. */
const METHODS: Readonly<
  Record<
    Exclude<KubeVerb, "raw" | "json">,
    { readonly rbac: string; readonly write: boolean; readonly args: readonly string[] }
  >
> = {
  get: { rbac: "get", write: false, args: ["target", "options"] },
  page: { rbac: "list", write: false, args: ["target", "options"] },
  create: { rbac: "create", write: true, args: ["target", "body", "options"] },
  update: { rbac: "update", write: true, args: ["target", "body", "options"] },
  patch: { rbac: "patch", write: true, args: ["target", "type", "body", "options"] },
  apply: { rbac: "patch", write: true, args: ["target", "body", "options"] },
  delete: { rbac: "delete", write: true, args: ["target", "options"] },
  deleteCollection: { rbac: "deletecollection", write: true, args: ["target", "options"] },
};

const HTTP_VERBS: Readonly<Record<HttpRequest["method"], string>> = {
  GET: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Finds out what a call does. Its arguments may come from another thread; KUBE_BAD_REQUEST for what cannot be one. */
export function readCall({ verb, args }: KubeCall): GateCall {
  if (verb === "raw" || verb === "json") {
    return readRequest(verb, args[0], args[1]);
  }
  const method = Object.hasOwn(METHODS, verb) ? METHODS[verb] : undefined;
  if (method === undefined) {
    throw bad(`"${String(verb)}" is no verb`);
  }
  const given: Record<string, unknown> = {};
  for (const [at, name] of method.args.entries()) {
    given[name] = args[at];
  }
  const target = readTarget(given.target);
  const options = isRecord(given.options) ? given.options : {};
  const resource = target.subresource === undefined ? target.plural : `${target.plural}/${target.subresource}`;
  return {
    verb,
    isWrite: method.write,
    writeVerb: verb === "get" || verb === "page" ? "update" : verb,
    access: { verb: method.rbac, group: groupOf(target.apiVersion), resource, name: target.name },
    target,
    name: target.name ?? nameIn(given.body),
    body: given.body,
    dryRun: options.dryRun === true,
    what: `${method.rbac} ${resource}${shownName(target)}`,
    patchType: given.type,
    options,
    request: undefined,
  };
}

function nameIn(body: unknown): string | undefined {
  const metadata = isRecord(body) ? body.metadata : undefined;
  return isRecord(metadata) && typeof metadata.name === "string" ? metadata.name : undefined;
}

function readTarget(target: unknown): GateCall["target"] {
  if (!isRecord(target)) {
    throw bad("the target must be { apiVersion, plural, namespace, name }");
  }
  const { apiVersion, plural, namespace, name, subresource } = target;
  if (typeof apiVersion !== "string" || typeof plural !== "string") {
    throw bad('the target needs apiVersion ("apps/v1") and plural ("deployments")');
  }
  const text = (part: string, value: unknown): string | undefined => {
    if (value !== undefined && typeof value !== "string") {
      throw bad(`the target's ${part} must be a text`);
    }
    return value;
  };
  return {
    apiVersion,
    plural,
    namespace: text("namespace", namespace),
    name: text("name", name),
    subresource: text("subresource", subresource),
  };
}

function readRequest(verb: "raw" | "json", request: unknown, given: unknown): GateCall {
  if (!isRecord(request) || typeof request.path !== "string" || !request.path.startsWith("/")) {
    throw bad('a request needs method and path ("/api/v1/namespaces")');
  }
  const { method, path } = request;
  if (typeof method !== "string" || !Object.hasOwn(HTTP_VERBS, method)) {
    throw bad(`"${String(method)}" is no method of the API; use GET, POST, PUT, PATCH or DELETE`);
  }
  // Looked up above.
  const name = method as HttpRequest["method"];
  const url = URL.parse(path, "http://api");
  if (url === null || url.host !== "api" || url.pathname !== path.split("?", 1)[0]) {
    throw bad("the path of a request must be written as it is sent");
  }
  if (
    url.searchParams.get("watch") === "true" ||
    url.searchParams.get("watch") === "1" ||
    /\/watch\//.test(url.pathname)
  ) {
    throw bad('watches come from "needs": add the kind there and tap its changes');
  }
  const target = targetOfPath(url.pathname);
  const isWrite = method !== "GET";
  if (target === undefined && isWrite) {
    throw bad(`${path} is no resource; only resources can be written`);
  }
  const found = target ?? { apiVersion: "", plural: "" };
  const resource = found.subresource === undefined ? found.plural : `${found.plural}/${found.subresource}`;
  const rbac = rbacVerb(name, found.name);
  const writeVerbs = { get: "update", list: "update", deletecollection: "deleteCollection" } as const;
  return {
    verb,
    isWrite,
    // Reads have none; the table gives the rest.
    writeVerb: (Object.hasOwn(writeVerbs, rbac) ? writeVerbs[rbac as "get"] : rbac) as WriteRequest["verb"],
    access:
      target === undefined ? undefined : { verb: rbac, group: groupOf(target.apiVersion), resource, name: target.name },
    target: found,
    name: found.name,
    body: request.body,
    dryRun: url.searchParams.has("dryRun"),
    what: `${rbac} ${resource === "" ? path : resource}${shownName(found)}`,
    patchType: undefined,
    options: isRecord(given) ? given : {},
    // Method and path were checked; the rest is checked by the client.
    request: request as unknown as HttpRequest,
  };
}

function rbacVerb(method: HttpRequest["method"], name: string | undefined): string {
  if (name === undefined && method === "GET") {
    return "list";
  }
  return name === undefined && method === "DELETE" ? "deletecollection" : HTTP_VERBS[method];
}

/** What a path of the API is about; undefined where it is no resource. */
function targetOfPath(path: string): GateCall["target"] | undefined {
  const parts = path.split("/").slice(1).map(decoded);
  const isCore = parts[0] === "api";
  if (!isCore && parts[0] !== "apis") {
    return undefined;
  }
  const apiVersion = isCore ? parts[1] : `${parts[1]}/${parts[2]}`;
  let rest = parts.slice(isCore ? 2 : 3);
  if (rest.length === 0 || rest[0] === "") {
    return undefined;
  }
  let namespace: string | undefined;
  if (rest[0] === "namespaces" && rest.length > 2 && !["status", "finalize"].includes(rest[2])) {
    namespace = rest[1];
    rest = rest.slice(2);
  }
  const [plural, name, ...subresource] = rest;
  return {
    apiVersion,
    plural,
    namespace,
    name,
    subresource: subresource.length > 0 ? subresource.join("/") : undefined,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw bad(`"${part}" cannot be a part of an address`);
  }
}

/** Sends a call that was read, as long as the term lasts. `dryRun` of the call is what counts. */
export async function sendCall(client: KubeClient, call: GateCall, signal: AbortSignal, term?: Term): Promise<unknown> {
  const { verb, body } = call;
  // The target was checked; methods that need a name refuse one without.
  const target = call.target as ResourceName;
  const object = body as KubeObject;
  const beforeEach = term === undefined ? undefined : () => term.check();
  const options: CallOptions & Record<string, unknown> = { ...call.options, signal, beforeEach, dryRun: call.dryRun };
  if (call.target.name === undefined && ["get", "update", "patch", "apply", "delete"].includes(verb)) {
    throw bad(`${verb} needs the name of the object`);
  }
  switch (verb) {
    case "get":
      return await client.get(target, options);
    case "page":
      return await onePage(client, target, options);
    case "create":
      return await client.create(target, object, options);
    case "update":
      return await client.update(target, object, options);
    case "patch":
      return await client.patch(target, patchType(call.patchType), body, options);
    case "apply":
      return await client.apply(target, object, options);
    case "delete":
      return await client.delete(target, options);
    case "deleteCollection":
      return await client.deleteCollection(target, options);
    case "raw":
      return await client.raw(requestOf(call), options);
    case "json":
      return await client.json(requestOf(call), options);
    default:
      return verb satisfies never;
  }
}

async function onePage(client: KubeClient, target: ResourceName, options: CallOptions): Promise<ListPage | undefined> {
  const pages = client.pages(target, options);
  const { value } = await pages.next();
  await pages.return();
  return value ?? undefined;
}

function patchType(type: unknown): "json" | "merge" | "strategic" {
  if (type === "json" || type === "merge" || type === "strategic") {
    return type;
  }
  throw bad(`"${String(type)}" is no kind of patch; use "json", "merge" or "strategic"`);
}

function requestOf({ request, dryRun, isWrite, body }: GateCall): HttpRequest {
  if (request === undefined) {
    throw bad("there is no request");
  }
  const isMarked = URL.parse(request.path, "http://api")?.searchParams.has("dryRun") === true;
  const mark = isWrite && dryRun && !isMarked ? `${request.path.includes("?") ? "&" : "?"}dryRun=All` : "";
  // What writeBefore saw is what is sent.
  return { ...request, path: `${request.path}${mark}`, body: body as HttpRequest["body"] };
}

function shownName({ namespace, name }: GateCall["target"]): string {
  if (name === undefined) {
    return namespace === undefined ? "" : ` in namespace "${namespace}"`;
  }
  return ` "${namespace === undefined ? name : `${namespace}/${name}`}"`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(what: string): FairleadError {
  return new FairleadError("KUBE_BAD_REQUEST", what);
}
