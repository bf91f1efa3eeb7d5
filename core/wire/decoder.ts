import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { Interner, RowBuilder } from "../store/row.ts";
import type { DecoderLimits, ListDecoder, ListSink, WatchDecoder, WatchSink, WireFormat } from "./contract.ts";
import { isMetadataPlan, isStatus, unwrap } from "./envelope.ts";
import { JsonListDecoder, JsonWatchDecoder } from "./json.ts";
import { ProtobufListDecoder, ProtobufWatchDecoder } from "./protobuf.ts";
import { ProtobufCursor } from "./protobuf-cursor.ts";
import { hasProtobuf } from "./protobuf-tree.ts";
import { readJsonStatus, readProtobufStatus, type WireStatus } from "./status.ts";

export type { DecoderLimits, ListDecoder, ListSink, WatchDecoder, WatchSink, WireFormat } from "./contract.ts";
export { metadataPlan } from "./envelope.ts";
export type { WireStatus } from "./status.ts";
export { compareVersions, versionText } from "./version.ts";

const MAX_FRAME_BYTES = 32 * 1024 * 1024;

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const JSON_TYPE = "application/json";

/** What to ask for. `audit` asks for metadata only: decode the answer with `metadataPlan(plan)`. */
export function acceptHeader(plan: RowPlan, purpose: "watch" | "list" | "audit"): string {
  if (purpose === "audit") {
    const metadata = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    return `${PROTOBUF}${metadata}, ${JSON_TYPE}${metadata};q=0.9, ${JSON_TYPE};q=0.5`;
  }
  if (plan.keep !== "fields" || !hasProtobuf(plan)) {
    return JSON_TYPE;
  }
  return purpose === "watch" ? `${PROTOBUF};stream=watch, ${JSON_TYPE};q=0.9` : `${PROTOBUF}, ${JSON_TYPE};q=0.9`;
}

/** The format that a response's content type stands for; undefined when it is neither. */
export function formatOf(contentType: string | undefined): WireFormat | undefined {
  const [type] = (contentType ?? "").split(";", 1);
  switch (type.trim().toLowerCase()) {
    case PROTOBUF:
      return "protobuf";
    case JSON_TYPE:
      return "json";
    default:
      return undefined;
  }
}

/** Reads one watch stream into rows. Throws KIND_UNKNOWN_PATH, KIND_BAD_FIELD, KIND_NO_PROTOBUF, WIRE_BAD_FORMAT. */
export function createWatchDecoder(
  plan: RowPlan,
  format: WireFormat,
  interner: Interner,
  builder: RowBuilder,
  sink: WatchSink,
  limits: DecoderLimits = {},
): WatchDecoder {
  const maxFrameBytes = limits.maxFrameBytes ?? MAX_FRAME_BYTES;
  if (format === "json") {
    return new JsonWatchDecoder(plan, interner, builder, sink, maxFrameBytes);
  }
  checkFormat(plan);
  return new ProtobufWatchDecoder(plan, interner, builder, sink, maxFrameBytes);
}

/** Reads one list page into rows; items are handed out while the page still arrives. Throws as `createWatchDecoder`. */
export function createListDecoder(
  plan: RowPlan,
  format: WireFormat,
  interner: Interner,
  builder: RowBuilder,
  sink: ListSink,
  limits: DecoderLimits = {},
): ListDecoder {
  const maxFrameBytes = limits.maxFrameBytes ?? MAX_FRAME_BYTES;
  if (format === "json") {
    return new JsonListDecoder(plan, interner, builder, sink, maxFrameBytes);
  }
  checkFormat(plan);
  return new ProtobufListDecoder(plan, interner, builder, sink, maxFrameBytes);
}

/** The body of an error response; undefined when it is not a `Status`. */
export function decodeStatus(format: WireFormat, bytes: Uint8Array): WireStatus | undefined {
  try {
    if (format === "json") {
      return readJsonStatus(JSON.parse(new TextDecoder().decode(bytes)));
    }
    const cursor = new ProtobufCursor();
    if (!isStatus(cursor, bytes, 0, bytes.length)) {
      return undefined;
    }
    const from = unwrap(cursor, undefined, bytes, 0, bytes.length);
    return readProtobufStatus(cursor, bytes, from, cursor.at);
  } catch {
    return undefined;
  }
}

function checkFormat(plan: RowPlan): void {
  const owned = plan.cells.find((cell) => cell.type === "owned");
  if (owned !== undefined) {
    throw new FairleadError(
      "WIRE_BAD_FORMAT",
      `"${plan.name}" keeps what "${owned.manager}" owns and cannot be read from protobuf`,
      { facts: { kind: plan.name } },
    );
  }
  if (plan.keep !== "fields" && !isMetadataPlan(plan)) {
    throw new FairleadError(
      "WIRE_BAD_FORMAT",
      `"${plan.name}" keeps its JSON (keep: "${plan.keep}") and cannot be read from protobuf`,
      { facts: { kind: plan.name } },
    );
  }
}
