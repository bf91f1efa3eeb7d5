import { text } from "./envelope.ts";
import type { ProtobufCursor } from "./protobuf-cursor.ts";

/** The error that an API server reports, in a response or inside a watch. */
export interface WireStatus {
  /** HTTP status code; 0 when not given. */
  readonly code: number;
  /** "Expired", "Forbidden", …; "" when not given. */
  readonly reason: string;
  readonly message: string;
  /** 0 when the server asks for no delay. */
  readonly retryAfterSeconds: number;
  /** Reasons of the details' causes: "ResourceVersionTooLarge". */
  readonly causes: readonly string[];
}

/** Reads a `Status` message (2 status, 3 message, 4 reason, 5 details {4 causes {1 reason}, 5 retryAfterSeconds}, 6 code). */
export function readProtobufStatus(cursor: ProtobufCursor, bytes: Uint8Array, start: number, end: number): WireStatus {
  let from = cursor.find(bytes, start, end, 3);
  const message = text(bytes, from, cursor.at);
  from = cursor.find(bytes, start, end, 4);
  const reason = text(bytes, from, cursor.at);
  const details = cursor.find(bytes, start, end, 5);
  const detailsEnd = cursor.at;
  const causes: string[] = [];
  let at = details;
  while (at < detailsEnd) {
    const tag = cursor.length(bytes, at, detailsEnd);
    const value = cursor.at;
    at = cursor.skip(bytes, value, detailsEnd, tag);
    if (tag === 4 * 8 + 2) {
      const cause = cursor.content(bytes, value, detailsEnd);
      from = cursor.find(bytes, cause, cursor.at, 1);
      causes.push(text(bytes, from, cursor.at));
    }
  }
  return {
    code: cursor.findVarint(bytes, start, end, 6),
    reason,
    message,
    retryAfterSeconds: Math.max(0, cursor.findVarint(bytes, details, detailsEnd, 5)),
    causes,
  };
}

/** Reads a parsed JSON `Status`; undefined when it is something else. */
export function readJsonStatus(value: unknown): WireStatus | undefined {
  const status = record(value);
  if (status?.kind !== "Status") {
    return undefined;
  }
  const details = record(status.details);
  const causes = Array.isArray(details?.causes) ? details.causes : [];
  return {
    code: number(status.code),
    reason: string(status.reason),
    message: string(status.message),
    retryAfterSeconds: Math.max(0, number(details?.retryAfterSeconds)),
    causes: causes.map((cause) => string(record(cause)?.reason)),
  };
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  // A non-null object can be read by any key; what comes out is checked by its user.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}
