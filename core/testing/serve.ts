import type { Answer } from "./answer.ts";
import { authenticate, authorize, review, type Tokens, type User } from "./auth.ts";
import { checkDefinition } from "./crd.ts";
import { aggregated, groupList, groupOf, legacyVersions, resourceList } from "./discovery.ts";
import { type Fault, faultOf } from "./faults.ts";
import { list } from "./list.ts";
import { contentTypeOf, type Format, formatOf, JSON_FORMAT } from "./media.ts";
import { isObject, type Json, type JsonObject, type StoredObject } from "./object.ts";
import { patched } from "./patch.ts";
import { decodeObject } from "./protobuf-decode.ts";
import { deleteCollection, deleteObject } from "./remove.ts";
import { json, renderList, renderObject, renderStatus } from "./render.ts";
import type { RequestInfo, Target } from "./request.ts";
import { badRequest, failure, methodNotAllowed, noSuchPath, notImplemented, Refusal, type Status } from "./status.ts";
import { evict, readScale, writeScale } from "./subresources.ts";
import { type OpenWatch, watch } from "./watch.ts";
import type { World } from "./world.ts";
import { createObject, stored, updateObject, type WriteOptions } from "./write.ts";

/** One request with all that is known about it. */
export interface Exchange {
  readonly world: World;
  readonly tokens: Tokens;
  readonly info: RequestInfo;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly answer: Answer;
  readonly faults: readonly Fault[];
  readonly address: string;
  /** The whole body of the request. */
  body(): Promise<Buffer>;
  /** Told of a watch, with the kind it watches. */
  watching(storageKey: string, watch: OpenWatch): void;
}

const DISCOVERY_V2 = /application\/json;g=apidiscovery\.k8s\.io;v=(v2)(?:beta1)?;as=APIGroupDiscoveryList/;

/** Answers a request. Throws Refusal for what is answered by a Status. */
export async function serve(exchange: Exchange): Promise<void> {
  const { world, info, tokens } = exchange;
  const user = authenticate(tokens, text(exchange.headers.authorization));
  authorize(world, user, info);
  if (info.target === undefined) {
    await servePath(exchange, user);
    return;
  }
  await serveTarget(exchange, info.target);
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(",") : value;
}

async function servePath(exchange: Exchange, user: User): Promise<void> {
  const { info, answer, world, address } = exchange;
  const accept = text(exchange.headers.accept) ?? "";
  if (
    info.method === "POST" &&
    /^\/apis\/authorization\.k8s\.io\/v1\/selfsubject(access|rules)reviews$/.test(info.path)
  ) {
    const kind = info.path.endsWith("accessreviews") ? "SelfSubjectAccessReview" : "SelfSubjectRulesReview";
    answer.complete(201, "application/json", json(review(world, user, kind, await readBody(exchange))));
    return;
  }
  if (info.method !== "GET" && info.method !== "HEAD") {
    throw noSuchPath();
  }
  if (/^\/(healthz|readyz|livez)$/.test(info.path)) {
    answer.complete(200, "text/plain; charset=utf-8", Buffer.from("ok"));
    return;
  }
  const wantsAggregated = DISCOVERY_V2.test(accept) && (info.path === "/api" || info.path === "/apis");
  const found = wantsAggregated
    ? aggregated(world.resources, info.path === "/api")
    : discoveryOf(world, info.path, address);
  if (found === undefined) {
    throw noSuchPath();
  }
  const contentType = wantsAggregated
    ? "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    : "application/json";
  answer.complete(200, contentType, json(found));
}

function discoveryOf(world: World, path: string, address: string): JsonObject | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  if (path === "/version") {
    return VERSION;
  }
  if (parts[0] === "api") {
    return parts.length === 1
      ? legacyVersions(address)
      : parts.length === 2
        ? resourceList(world.resources, parts[1])
        : undefined;
  }
  if (parts[0] !== "apis") {
    return undefined;
  }
  if (parts.length === 1) {
    return groupList(world.resources);
  }
  return parts.length === 2
    ? groupOf(world.resources, parts[1])
    : parts.length === 3
      ? resourceList(world.resources, `${parts[1]}/${parts[2]}`)
      : undefined;
}

const VERSION: JsonObject = {
  major: "1",
  minor: "36",
  gitVersion: "v1.36.3-fairlead",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "2026-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "node",
};

async function serveTarget(exchange: Exchange, target: Target): Promise<void> {
  const { info, world, answer } = exchange;
  const format = { ...formatOf(text(exchange.headers.accept), target.resource), nowMs: world.clock.now() };
  if (info.query.get("pretty") === "true") {
    throw notImplemented("pretty output");
  }
  switch (info.verb) {
    case "watch":
      if (format.as === "table") {
        throw notImplemented("watching the Table view");
      }
      exchange.watching(
        target.resource.storageKey,
        watch({ world, target, query: info.query, format, answer, faults: exchange.faults }),
      );
      return;
    case "list": {
      const { body, contentType } = await list(world, target, info.query, format, newestSeen(exchange));
      answer.complete(200, contentType, body);
      return;
    }
    case "get":
      serveGet(exchange, target, format);
      return;
    default:
      await serveWrite(exchange, target, format);
  }
}

function newestSeen(exchange: Exchange): number | undefined {
  const stale = faultOf(exchange.faults, "stale");
  return stale && (stale.version ?? exchange.world.storage.version - (stale.behind ?? 0));
}

function serveGet(exchange: Exchange, target: Target, format: Format): void {
  const { world, info } = exchange;
  if (info.query.get("watch") === "true" || info.query.get("watch") === "1") {
    throw notImplemented("watching a single object by its own path");
  }
  if (target.subresource === "scale") {
    exchange.answer.complete(200, "application/json", json(readScale(world, target)));
    return;
  }
  if (target.subresource === "eviction" || target.subresource === "finalize") {
    throw methodNotAllowed();
  }
  send(exchange, 200, target, stored(world, target), format);
}

function send(exchange: Exchange, status: number, target: Target, object: StoredObject, format: Format): void {
  exchange.answer.complete(status, contentTypeOf(format, false), renderObject(target.resource, object, format));
}

/** The object in a request's body. */
async function readBody(exchange: Exchange): Promise<JsonObject> {
  const bytes = await exchange.body();
  if (bytes.length === 0) {
    return {};
  }
  const type = (text(exchange.headers["content-type"]) ?? "application/json").split(";")[0].trim().toLowerCase();
  if (type === "application/vnd.kubernetes.protobuf") {
    return decodeObject(bytes);
  }
  if (type !== "application/json") {
    const accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor";
    if (type === "application/yaml" || type === "application/cbor") {
      throw notImplemented(`bodies of type ${type}`);
    }
    throw new Refusal(
      failure(
        415,
        "UnsupportedMediaType",
        `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
        {},
      ),
    );
  }
  const parsed = parseJson(bytes.toString("utf8"));
  if (!isObject(parsed)) {
    throw badRequest("the body of the request is no JSON object");
  }
  return parsed;
}

/** Parses a body. Throws 400. */
export function parseJson(body: string): Json {
  try {
    // JSON.parse gives nothing but JSON.
    return JSON.parse(body) as Json;
  } catch (error) {
    throw badRequest(
      `the object provided is unrecognized (must be of type JSON): ${error instanceof Error ? error.message : ""}`,
    );
  }
}

function writeOptions(exchange: Exchange): WriteOptions {
  const { info, headers } = exchange;
  const dryRun = info.query.getAll("dryRun");
  if (dryRun.some((value) => value !== "All" && value !== "")) {
    throw badRequest(`invalid dryRun "${dryRun.join(",")}"`);
  }
  const agent = (text(headers["user-agent"]) ?? "unknown").split("/")[0].slice(0, 128);
  const manager = info.query.get("fieldManager") || agent || "unknown";
  return { dryRun: dryRun.includes("All"), owner: { manager }, strict: info.query.get("fieldValidation") === "Strict" };
}

async function serveWrite(exchange: Exchange, target: Target, format: Format): Promise<void> {
  const { info, world } = exchange;
  const options = writeOptions(exchange);
  if (target.subresource === "scale" || target.subresource === "eviction") {
    await serveSubresource(exchange, target, options);
    return;
  }
  switch (info.verb) {
    case "create": {
      const body = await readBody(exchange);
      if (target.name !== undefined) {
        throw methodNotAllowed();
      }
      if (target.resource.namespaced && target.namespace === undefined) {
        throw badRequest("an empty namespace may not be set during creation");
      }
      if (target.resource.kind === "CustomResourceDefinition") {
        checkDefinition(body);
      }
      send(exchange, 201, target, createObject(world, target, body, options), format);
      return;
    }
    case "update": {
      const body = await readBody(exchange);
      if (target.resource.kind === "CustomResourceDefinition") {
        checkDefinition(body);
      }
      send(exchange, 200, target, updateObject(world, target, body, options), format);
      return;
    }
    case "patch": {
      const type = (text(exchange.headers["content-type"]) ?? "").split(";")[0].trim().toLowerCase();
      const { object, created } = patched(world, target, {
        type,
        body: await exchange.body(),
        query: info.query,
        options,
      });
      send(exchange, created ? 201 : 200, target, object, format);
      return;
    }
    case "delete":
    case "deletecollection":
      await serveDelete(exchange, target, format);
      return;
    default:
      throw methodNotAllowed();
  }
}

async function serveSubresource(exchange: Exchange, target: Target, options: WriteOptions): Promise<void> {
  const { info, world, answer } = exchange;
  if (target.subresource === "eviction") {
    if (info.verb !== "create") {
      throw methodNotAllowed();
    }
    answer.complete(201, "application/json", json(evict(world, target, await readBody(exchange), options.dryRun)));
    return;
  }
  if (info.verb !== "update" && info.verb !== "patch") {
    throw methodNotAllowed();
  }
  const type = (text(exchange.headers["content-type"]) ?? "").split(";")[0].trim().toLowerCase();
  const body = parseJson((await exchange.body()).toString("utf8"));
  answer.complete(
    200,
    "application/json",
    json(writeScale(world, target, { body, patchType: info.verb === "patch" ? type : undefined, options })),
  );
}

async function serveDelete(exchange: Exchange, target: Target, format: Format): Promise<void> {
  const { info, world, answer } = exchange;
  const body = { ...queryOptions(info.query), ...(await readBody(exchange)) };
  const dryRun = writeOptions(exchange).dryRun || (Array.isArray(body.dryRun) && body.dryRun.includes("All"));
  if (target.subresource !== undefined) {
    throw methodNotAllowed();
  }
  if (info.verb === "deletecollection") {
    if (
      ["namespaces", "services"].includes(target.resource.plural) &&
      target.resource.group === "" &&
      target.resource.plural === "namespaces"
    ) {
      throw methodNotAllowed();
    }
    const objects = deleteCollection(world, target, info.query, body, dryRun);
    const metadata = { resourceVersion: String(world.storage.version) };
    answer.complete(200, contentTypeOf(format, false), renderList(target.resource, objects, metadata, format));
    return;
  }
  const { object, gone } = deleteObject(world, target, body, dryRun);
  if (!gone || RETURNS_OBJECT.has(target.resource.kind)) {
    send(exchange, 200, target, object, format);
    return;
  }
  const { group, plural } = target.resource;
  const { name, uid } = object.metadata;
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(group === "" ? {} : { group }), kind: plural, uid },
  };
  answer.complete(200, contentTypeOf({ ...JSON_FORMAT, wire: format.wire }, false), renderStatus(status, format.wire));
}

/** Kinds whose deletion answers with the deleted object. */
const RETURNS_OBJECT: ReadonlySet<string> = new Set([
  "Pod",
  "Service",
  "ServiceAccount",
  "PersistentVolumeClaim",
  "PersistentVolume",
  "PodTemplate",
  "ResourceQuota",
]);

function queryOptions(query: URLSearchParams): JsonObject {
  const options: JsonObject = {};
  const grace = query.get("gracePeriodSeconds");
  if (grace !== null) {
    options.gracePeriodSeconds = Number(grace);
  }
  const propagation = query.get("propagationPolicy");
  if (propagation !== null) {
    options.propagationPolicy = propagation;
  }
  return options;
}
