import { contentTypeOf, type Format } from "./media.ts";
import type { StoredObject } from "./object.ts";
import { type ListMeta, renderList } from "./render.ts";
import type { Target } from "./request.ts";
import { fieldSelector, labelSelector, type Selector } from "./selectors.ts";
import { badRequest, expired, failure, invalid, Refusal, tooLarge } from "./status.ts";
import type { World } from "./world.ts";

/** A list that is ready to be sent. */
export interface ListAnswer {
  readonly body: Buffer;
  readonly contentType: string;
}

const LIST_OPTIONS = { group: "meta.k8s.io", plural: "listoptions", kind: "ListOptions" };
const WAIT_MS = 3000;
const CONTINUE_EXPIRED =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/** What a continue token says. A version of -1 continues at whatever is newest. */
interface Continue {
  readonly version: number;
  readonly start: string;
}

/** Answers a list; waits up to three seconds for a version that is not reached yet. `newest` caps what is seen (a stale replica). */
export async function list(
  world: World,
  target: Target,
  query: URLSearchParams,
  format: Format,
  newest?: number,
): Promise<ListAnswer> {
  const select = selectorOf(query, target);
  const token = query.get("continue") ?? "";
  const wantedVersion = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  checkOptions(token, wantedVersion, match, query);
  const limit = limitOf(query, token, wantedVersion, match);
  const from: Continue =
    token === ""
      ? { version: await versionFor(world, wantedVersion, match, newest), start: "" }
      : decodeToken(token, world);
  const version = from.version < 0 ? world.storage.version : from.version;
  const shown = world.storage.list(target.resource.storageKey, version);
  const prefix = target.namespace === undefined ? "" : `${target.namespace}/`;
  const items: StoredObject[] = [];
  let next: string | undefined;
  let remaining = 0;
  for (const object of shown) {
    const key = relativeKey(object, target.namespace);
    if ((prefix !== "" && object.metadata.namespace !== target.namespace) || key < from.start || !select(object)) {
      continue;
    }
    if (limit > 0 && items.length === limit) {
      remaining++;
      next ??= `${relativeKey(items[items.length - 1], target.namespace)}\0`;
      continue;
    }
    items.push(object);
  }
  // Lists of custom resources show an empty token too.
  const metadata: ListMeta = { ...(target.resource.custom ? { continue: "" } : {}), resourceVersion: String(version) };
  if (next !== undefined) {
    metadata.continue = encodeToken({ version, start: next });
    if (!query.get("labelSelector") && !query.get("fieldSelector")) {
      metadata.remainingItemCount = remaining;
    }
  }
  return { body: renderList(target.resource, items, metadata, format), contentType: contentTypeOf(format, false) };
}

function relativeKey(object: StoredObject, namespace: string | undefined): string {
  const { namespace: own, name } = object.metadata;
  return namespace !== undefined || own === undefined ? name : `${own}/${name}`;
}

/** The selectors of a query, as one. */
export function selectorOf(query: URLSearchParams, target: Target): Selector {
  const byLabel = labelSelector(query.get("labelSelector") ?? "");
  const byField = fieldSelector(query.get("fieldSelector") ?? "", target.resource);
  return (object) => (byLabel === undefined || byLabel(object)) && (byField === undefined || byField(object));
}

function checkOptions(token: string, version: string, match: string, query: URLSearchParams): void {
  const forbid = (field: string, why: string) =>
    invalid(LIST_OPTIONS, "", [{ field, reason: "FieldValueForbidden", message: `Forbidden: ${why}` }]);
  if (match !== "" && version === "") {
    throw forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (match !== "" && token !== "") {
    throw forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
  }
  if (match !== "" && match !== "Exact" && match !== "NotOlderThan") {
    throw invalid(LIST_OPTIONS, "", [
      {
        field: "resourceVersionMatch",
        reason: "FieldValueNotSupported",
        message: `Unsupported value: "${match}": supported values: "Exact", "NotOlderThan", ""`,
      },
    ]);
  }
  if (match === "Exact" && version === "0") {
    throw forbid("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (query.get("sendInitialEvents")) {
    throw forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
  }
  if (token !== "" && version !== "" && version !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
}

/** The watch cache, which answers version 0 and NotOlderThan without a token, knows no pages for version 0. */
function limitOf(query: URLSearchParams, token: string, version: string, match: string): number {
  const limit = Number(query.get("limit") ?? 0);
  if (!Number.isInteger(limit) || limit < 0) {
    throw badRequest(`invalid limit "${query.get("limit")}"`);
  }
  return token === "" && version === "0" && match !== "Exact" ? 0 : limit;
}

/** The number in a resourceVersion. Throws 400 for a list and 500 for a watch, as the real server does. */
export function versionNumber(text: string, isWatch = false): number {
  if (/^\d+$/.test(text)) {
    return Number(text);
  }
  const why = `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`;
  throw isWatch ? new Refusal(failure(500, "", why)) : badRequest(`invalid resource version: ${why}`);
}

async function versionFor(world: World, text: string, match: string, newest: number | undefined): Promise<number> {
  const current = () => Math.min(world.storage.version, newest ?? Number.POSITIVE_INFINITY);
  if (text === "" || text === "0") {
    return current();
  }
  const wanted = versionNumber(text);
  if (wanted > current()) {
    await reached(world, () => current() >= wanted);
    if (wanted > current()) {
      throw new Refusal(tooLarge(wanted, current()));
    }
  }
  // Pages of an old version are exact even without a match; here, as with NotOlderThan, newest is as good.
  if (match !== "Exact") {
    return current();
  }
  if (wanted < world.storage.oldest) {
    throw new Refusal(expired(`The resourceVersion for the provided list is too old.`));
  }
  return wanted;
}

/** Waits until something holds, for three seconds at most. */
export async function reached(world: World, holds: () => boolean): Promise<void> {
  const stepMs = 50;
  for (let waited = 0; waited < WAIT_MS && !holds(); waited += stepMs) {
    await new Promise<void>((resolve) => world.clock.after(stepMs, resolve));
  }
}

function encodeToken(token: Continue): string {
  const text = JSON.stringify({ v: "meta.k8s.io/v1", rv: token.version, start: token.start });
  return Buffer.from(text).toString("base64url");
}

function decodeToken(text: string, world: World): Continue {
  let parsed: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    parsed = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    throw badRequest("continue key is not valid: invalid character in token");
  }
  const { rv, start } = parsed;
  if (parsed.v !== "meta.k8s.io/v1" || typeof rv !== "number" || typeof start !== "string") {
    throw badRequest("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  }
  if (rv >= 0 && rv < world.storage.oldest) {
    throw new Refusal(expired(CONTINUE_EXPIRED, { continue: encodeToken({ version: -1, start }) }));
  }
  return { version: rv, start };
}
