import { hasProtobuf } from "./protobuf-encode.ts";
import type { Resource } from "./resources.ts";
import { failure, Refusal } from "./status.ts";

/** How an answer is written. */
export interface Format {
  readonly wire: "json" | "protobuf";
  readonly as: "object" | "metadata" | "table";
  /** Version of meta.k8s.io asked for with a Table or PartialObjectMetadata. */
  readonly metaVersion: string;
  /** Milliseconds since 1970, for ages in tables. */
  readonly nowMs?: number;
}

export const JSON_FORMAT: Format = { wire: "json", as: "object", metaVersion: "v1" };

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/** Chooses the format of an answer by its Accept header. Throws 406 when none of the wanted ones is served. */
export function formatOf(accept: string | undefined, resource: Resource | undefined): Format {
  if (accept === undefined || accept.trim() === "") {
    return JSON_FORMAT;
  }
  const clauses = accept
    .split(",")
    .map((clause, place) => ({ ...parseClause(clause), place }))
    .sort((a, b) => b.quality - a.quality || a.place - b.place);
  for (const clause of clauses) {
    const format = formatOfClause(clause.type, clause.parameters, resource);
    if (format !== undefined) {
      return format;
    }
  }
  throw new Refusal(
    failure(
      406,
      "NotAcceptable",
      `only the following media types are accepted: ${ACCEPTED}${resource?.custom ? "" : ", application/cbor"}`,
    ),
  );
}

function parseClause(clause: string): { type: string; parameters: ReadonlyMap<string, string>; quality: number } {
  const [type, ...rest] = clause.split(";").map((part) => part.trim());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const [key, value = ""] = part.split("=");
    parameters.set(key.trim().toLowerCase(), value.trim());
  }
  const quality = Number(parameters.get("q") ?? "1");
  return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality };
}

function formatOfClause(
  type: string,
  parameters: ReadonlyMap<string, string>,
  resource: Resource | undefined,
): Format | undefined {
  const isJson = type === "application/json" || type === "*/*" || type === "application/*";
  if (!isJson && type !== PROTOBUF) {
    return undefined;
  }
  const wire = isJson ? "json" : "protobuf";
  const metaVersion = parameters.get("v") ?? "v1";
  const wanted = parameters.get("as");
  if (wanted === undefined) {
    const served = wire === "json" || resource === undefined || hasProtobuf(resource.apiVersion, resource.kind);
    return served ? { wire, as: "object", metaVersion } : undefined;
  }
  if (parameters.get("g") !== "meta.k8s.io" || metaVersion !== "v1") {
    return undefined;
  }
  if (wanted === "Table") {
    return wire === "json" ? { wire, as: "table", metaVersion } : undefined;
  }
  if (wanted === "PartialObjectMetadata" || wanted === "PartialObjectMetadataList") {
    return { wire, as: "metadata", metaVersion };
  }
  return undefined;
}

/** The Content-Type of an answer. */
export function contentTypeOf(format: Format, streams: boolean): string {
  if (format.wire === "json") {
    return "application/json";
  }
  return streams ? `${PROTOBUF};stream=watch` : PROTOBUF;
}
