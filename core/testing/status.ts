import type { JsonObject } from "./object.ts";

/** A `Status` object as the API server answers it. */
export interface Status extends JsonObject {
  kind: "Status";
  apiVersion: "v1";
  metadata: JsonObject;
  status: "Failure" | "Success";
  message?: string;
  reason?: string;
  details?: JsonObject;
  code?: number;
}

/** Thrown to end a request with a Status. It never leaves the server, so it is no FairleadError. */
export class Refusal extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message);
    this.status = status;
  }
}

/** A Status that reports a failure. */
export function failure(code: number, reason: string, message: string, details?: JsonObject): Status {
  const status: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure" };
  if (message !== "") {
    status.message = message;
  }
  if (reason !== "") {
    status.reason = reason;
  }
  if (details !== undefined) {
    status.details = details;
  }
  status.code = code;
  return status;
}

/** What a Status says about the resource that it is about. */
export interface About {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

/** "pods", or "deployments.apps" for kinds of a group. */
export function qualified(about: { readonly group: string; readonly plural: string }): string {
  return about.group === "" ? about.plural : `${about.plural}.${about.group}`;
}

function details(about: About, name: string, more: JsonObject = {}): JsonObject {
  return {
    ...(name === "" ? {} : { name }),
    ...(about.group === "" ? {} : { group: about.group }),
    kind: about.plural,
    ...more,
  };
}

export function notFound(about: About, name: string): Refusal {
  return new Refusal(failure(404, "NotFound", `${qualified(about)} "${name}" not found`, details(about, name)));
}

/** The path names nothing that is served. */
export function noSuchPath(): Refusal {
  return new Refusal(failure(404, "NotFound", "the server could not find the requested resource", {}));
}

export function alreadyExists(about: About, name: string): Refusal {
  return new Refusal(
    failure(409, "AlreadyExists", `${qualified(about)} "${name}" already exists`, details(about, name)),
  );
}

export function conflict(about: About, name: string, why: string): Refusal {
  return new Refusal(
    failure(
      409,
      "Conflict",
      `Operation cannot be fulfilled on ${qualified(about)} "${name}": ${why}`,
      details(about, name),
    ),
  );
}

/** The object was changed since it was read. */
export const CHANGED = "the object has been modified; please apply your changes to the latest version and try again";

export function badRequest(message: string): Refusal {
  return new Refusal(failure(400, "BadRequest", message));
}

/** One mistake in an object, as field errors are worded. */
export interface FieldError {
  readonly field: string;
  /** As in causes: FieldValueInvalid, FieldValueRequired, FieldValueNotSupported, FieldValueForbidden … */
  readonly reason: string;
  readonly message: string;
}

export function invalid(about: About, name: string, errors: readonly FieldError[]): Refusal {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const qualifiedKind = about.group === "" ? about.kind : `${about.kind}.${about.group}`;
  const causes = errors.map(({ field, reason, message }) => ({ reason, message, field }));
  return new Refusal(
    failure(422, "Invalid", `${qualifiedKind} "${name}" is invalid: ${list}`, {
      ...(name === "" ? {} : { name }),
      ...(about.group === "" ? {} : { group: about.group }),
      kind: about.kind,
      causes,
    }),
  );
}

export function methodNotAllowed(message = "the server does not allow this method on the requested resource"): Refusal {
  return new Refusal(failure(405, "MethodNotAllowed", message, {}));
}

/** What this server does not do; the real one might. */
export function notImplemented(what: string): Refusal {
  return new Refusal(
    failure(
      501,
      "NotImplemented",
      `the in-process API server does not implement ${what}; test this on a real control plane`,
    ),
  );
}

/** A watch or list from a version that is no longer kept. */
export function expired(message: string, metadata: JsonObject = {}): Status {
  return { ...failure(410, "Expired", message), metadata };
}

/** A version that this server has not reached. */
export function tooLarge(version: number, current: number): Status {
  return failure(504, "Timeout", `Timeout: Too large resource version: ${version}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}
