import { codeOf, FairleadError } from "../errors.ts";
import { type Answer, badResponse, Caller, type CallOptions } from "./call.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { HttpRequest, Transport } from "./transport.ts";
import { type WatchEvent, watchJson } from "./watch-json.ts";

export type { CallOptions } from "./call.ts";
export type { WatchEvent } from "./watch-json.ts";

/** A Kubernetes object as JSON gives it. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** Which collection: `{ apiVersion: "apps/v1", plural: "deployments", namespace: "shop" }`. */
export interface Resource {
  readonly apiVersion: string;
  readonly plural: string;
  /** Left out: all namespaces, or a cluster-scoped kind. */
  readonly namespace?: string;
}

/** One object, or one of its subresources (`status`, `scale`, `ephemeralcontainers`, `eviction`, …). */
export interface ResourceName extends Resource {
  readonly name: string;
  readonly subresource?: string;
}

export interface ListOptions extends CallOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects a page. Default 500; 0: all in one answer. */
  readonly limit?: number;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
  /** Begin with the page that this token of an earlier page stands for. */
  readonly continue?: string;
  /** When the continue token expires, begin again from the first page. Default false: KUBE_EXPIRED. */
  readonly restartWhenExpired?: boolean;
}

export interface WatchOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly bookmarks?: boolean;
  /** After which the server ends the watch, seconds. Default: the server's (5-10 minutes). */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** Check and answer, but store nothing. */
  readonly dryRun?: boolean;
  /** Default: the client's. */
  readonly fieldManager?: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Take over fields that others manage. Default false: KUBE_CONFLICT. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  readonly dryRun?: boolean;
  readonly gracePeriodSeconds?: number;
  readonly propagation?: "Foreground" | "Background" | "Orphan";
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** One page of a list. */
export interface ListPage {
  readonly resourceVersion: string;
  readonly continue: string;
  readonly remaining: number | undefined;
  /** The list began again: what came before this page is void. */
  readonly restarted: boolean;
  readonly items: readonly KubeObject[];
}

export interface KubeClientOptions {
  /** Deadline of a call, milliseconds. Default 30000. */
  readonly timeoutMs?: number;
  /** Largest body that is read, bytes. Default 64 MiB. */
  readonly maxBodyBytes?: number;
  /** Further tries after 429, and for repeatable calls after 503, resets and refused connections. Default 3. */
  readonly maxRetries?: number;
  /** Ask for gzip. Default false. */
  readonly gzip?: boolean;
  /** Name under which the server records our fields. Default "fairlead". */
  readonly fieldManager?: string;
  /** Client-side rate limit. Default: none, the server has its own fairness. */
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number };
  /** 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

type PatchType = "json" | "merge" | "strategic";

const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};
const PAGE_SIZE = 500;
const MAX_BODY_BYTES = 67_108_864;

/**
 * Verbs of the Kubernetes API over one transport. Every promise rejects with a FairleadError: by the server's reason
 * (see `errorFromStatus`), by the connection (KUBE_UNREACHABLE, KUBE_TLS, KUBE_TIMEOUT, KUBE_RESET, KUBE_AUTH),
 * KUBE_BAD_RESPONSE, KUBE_ABORTED, or KUBE_BAD_REQUEST for arguments that make no request.
 */
export interface KubeClient {
  get(target: ResourceName, options?: CallOptions): Promise<KubeObject>;
  /** Pages of a list, one after the other. */
  pages(target: Resource, options?: ListOptions): AsyncGenerator<ListPage, void, undefined>;
  /** Objects of a list, page by page. */
  list(target: Resource, options?: ListOptions): AsyncGenerator<KubeObject, void, undefined>;
  /** Events of one watch request; ends when the server ends it, throws when it breaks or reports an error. */
  watch(target: Resource, options?: WatchOptions): AsyncGenerator<WatchEvent, void, undefined>;
  create(
    target: Resource & { readonly name?: string; readonly subresource?: string },
    object: KubeObject,
    options?: WriteOptions,
  ): Promise<KubeObject>;
  update(target: ResourceName, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  patch(target: ResourceName, type: PatchType, patch: unknown, options?: WriteOptions): Promise<KubeObject>;
  /** Server-side apply; the object carries apiVersion and kind. */
  apply(target: ResourceName, object: KubeObject, options?: ApplyOptions): Promise<KubeObject>;
  /** The deleted object, or the Status that the server answers. */
  delete(target: ResourceName, options?: DeleteOptions): Promise<KubeObject>;
  deleteCollection(
    target: Resource,
    options?: DeleteOptions & Pick<ListOptions, "labelSelector" | "fieldSelector">,
  ): Promise<KubeObject>;
  /** Any request; the answer of a success as it came. */
  raw(request: HttpRequest, options?: CallOptions): Promise<Answer>;
  /** Any request that answers with a JSON object. */
  json(request: HttpRequest, options?: CallOptions): Promise<KubeObject>;
}

/** Makes a client over a transport, which stays the caller's to close. */
export function createKubeClient(transport: Transport, options: KubeClientOptions = {}): KubeClient {
  const { rateLimit } = options;
  const caller = new Caller(transport, {
    timeoutMs: options.timeoutMs ?? 30_000,
    maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
    maxRetries: options.maxRetries ?? 3,
    gzip: options.gzip === true,
    bucket: rateLimit === undefined ? undefined : new TokenBucket(rateLimit.perSecond, rateLimit.burst),
    random: options.random ?? Math.random,
  });
  const manager = options.fieldManager ?? "fairlead";
  const writeQuery = (write: WriteOptions | undefined): Query => ({
    dryRun: write?.dryRun === true ? "All" : undefined,
    fieldManager: write?.fieldManager ?? manager,
  });
  const send = (
    method: HttpRequest["method"],
    path: string,
    body: unknown,
    more: CallOptions | undefined,
    type = "application/json",
  ) =>
    caller.json(
      {
        method,
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": type } }),
      },
      more,
    );
  async function* pages(target: Resource, list: ListOptions = {}): AsyncGenerator<ListPage, void, undefined> {
    let token = list.continue ?? "";
    let restarted = false;
    for (;;) {
      const path = pathTo(target, listQuery(list, token));
      let page: Readonly<Record<string, unknown>>;
      try {
        page = await caller.json({ method: "GET", path }, list);
      } catch (error) {
        const code = codeOf(error);
        if (token !== "" && list.restartWhenExpired === true && (code === "KUBE_EXPIRED" || code === "KUBE_GONE")) {
          token = "";
          restarted = true;
          continue;
        }
        throw error;
      }
      const read = readPage(page, restarted, { method: "GET", path });
      restarted = false;
      yield read;
      token = read.continue;
      if (token === "") {
        return;
      }
    }
  }
  return {
    get: (target, more) => send("GET", pathTo(target), undefined, more),
    pages,
    async *list(target, list) {
      for await (const page of pages(target, list)) {
        yield* page.items;
      }
    },
    watch: (target, watch = {}) => {
      const { labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = watch;
      const query = { watch: "true", labelSelector, fieldSelector, resourceVersion, timeoutSeconds };
      const path = pathTo(target, { ...query, allowWatchBookmarks: watch.bookmarks === true ? "true" : undefined });
      return watchJson(transport, path, watch.signal);
    },
    create: (target, object, more) => send("POST", pathTo(target, writeQuery(more)), object, more),
    update: (target, object, more) => send("PUT", pathTo(target, writeQuery(more)), object, more),
    patch: (target, type, patch, more) =>
      send("PATCH", pathTo(target, writeQuery(more)), patch, more, PATCH_TYPES[type]),
    apply: (target, object, more) => {
      const query = { ...writeQuery(more), force: more?.force === true ? "true" : undefined };
      // JSON is YAML: the one media type of apply that every supported server takes.
      return send("PATCH", pathTo(target, query), object, more, "application/apply-patch+yaml");
    },
    delete: (target, more) => send("DELETE", pathTo(target), deleteBody(more), more),
    deleteCollection: (target, more) => {
      const { labelSelector, fieldSelector } = more ?? {};
      return send("DELETE", pathTo(target, { labelSelector, fieldSelector }), deleteBody(more), more);
    },
    raw: (request, more) => caller.send(request, more),
    json: (request, more) => caller.json(request, more),
  };
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** The path of a collection or an object. KUBE_BAD_REQUEST for names that would lead elsewhere. */
export function pathTo(
  target: Resource & { readonly name?: string; readonly subresource?: string },
  query: Query = {},
): string {
  const parts = target.apiVersion.includes("/")
    ? ["apis", ...target.apiVersion.split("/")]
    : ["api", target.apiVersion];
  if (target.namespace !== undefined) {
    parts.push("namespaces", target.namespace);
  }
  parts.push(target.plural);
  if (target.name !== undefined) {
    parts.push(target.name);
  }
  if (target.subresource !== undefined) {
    parts.push(...target.subresource.split("/"));
  }
  for (const part of parts) {
    if (part === "" || part === "." || part === ".." || part.includes("/")) {
      throw new FairleadError(
        "KUBE_BAD_REQUEST",
        `"${part}" cannot be a part of an address; check apiVersion, namespace and name`,
        {
          facts: { part, plural: target.plural },
        },
      );
    }
  }
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") {
      search.set(name, String(value));
    }
  }
  const tail = search.toString();
  return `/${parts.map(encodeURIComponent).join("/")}${tail === "" ? "" : `?${tail}`}`;
}

function listQuery(list: ListOptions, token: string): Query {
  const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch } = list;
  const limit = list.limit ?? PAGE_SIZE;
  const first = { resourceVersion, resourceVersionMatch };
  // A continue token carries its own version; the server refuses both.
  return {
    labelSelector,
    fieldSelector,
    limit: limit > 0 ? limit : undefined,
    ...(token === "" ? first : { continue: token }),
  };
}

function readPage(page: Readonly<Record<string, unknown>>, restarted: boolean, request: HttpRequest): ListPage {
  const { items, metadata } = page;
  if (
    !(Array.isArray(items) || items === null || items === undefined) ||
    typeof metadata !== "object" ||
    metadata === null
  ) {
    throw badResponse(request, "is no list");
  }
  // A non-null object can be read by any key.
  const meta = metadata as Readonly<Record<string, unknown>>;
  return {
    resourceVersion: typeof meta.resourceVersion === "string" ? meta.resourceVersion : "",
    continue: typeof meta.continue === "string" ? meta.continue : "",
    remaining: typeof meta.remainingItemCount === "number" ? meta.remainingItemCount : undefined,
    restarted,
    items: Array.isArray(items) ? items : [],
  };
}

function deleteBody(options: DeleteOptions | undefined): unknown {
  const preconditions =
    options?.uid === undefined && options?.resourceVersion === undefined
      ? undefined
      : { uid: options.uid, resourceVersion: options.resourceVersion };
  return {
    apiVersion: "v1",
    kind: "DeleteOptions",
    gracePeriodSeconds: options?.gracePeriodSeconds,
    propagationPolicy: options?.propagation,
    dryRun: options?.dryRun === true ? ["All"] : undefined,
    preconditions,
  };
}
