import { FairleadError } from "../errors.ts";

/** The request that was answered with an error, for the message. */
export interface AnsweredRequest {
  readonly method: string;
  /** With or without its query; the query is not shown. */
  readonly path: string;
}

/** The parts of a Kubernetes `Status` that tell what went wrong. All may be missing or of another type. */
export interface StatusObject {
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly code?: unknown;
  readonly details?: unknown;
}

const CODE_BY_REASON: Readonly<Record<string, string>> = {
  NotFound: "KUBE_NOT_FOUND",
  AlreadyExists: "KUBE_ALREADY_EXISTS",
  Conflict: "KUBE_CONFLICT",
  Expired: "KUBE_EXPIRED",
  Gone: "KUBE_GONE",
  Forbidden: "KUBE_FORBIDDEN",
  Unauthorized: "KUBE_UNAUTHORIZED",
  Invalid: "KUBE_INVALID",
  BadRequest: "KUBE_INVALID",
  RequestEntityTooLarge: "KUBE_INVALID",
  TooManyRequests: "KUBE_TOO_MANY_REQUESTS",
  Timeout: "KUBE_TIMEOUT",
  ServerTimeout: "KUBE_TIMEOUT",
  InternalError: "KUBE_INTERNAL",
  StorageReadError: "KUBE_INTERNAL",
  ServiceUnavailable: "KUBE_UNAVAILABLE",
  MethodNotAllowed: "KUBE_METHOD_NOT_ALLOWED",
  NotAcceptable: "KUBE_NOT_ACCEPTABLE",
  UnsupportedMediaType: "KUBE_UNSUPPORTED_MEDIA_TYPE",
};

const CODE_BY_STATUS: Readonly<Record<number, string>> = {
  400: "KUBE_INVALID",
  401: "KUBE_UNAUTHORIZED",
  403: "KUBE_FORBIDDEN",
  404: "KUBE_NOT_FOUND",
  405: "KUBE_METHOD_NOT_ALLOWED",
  406: "KUBE_NOT_ACCEPTABLE",
  409: "KUBE_CONFLICT",
  410: "KUBE_GONE",
  413: "KUBE_INVALID",
  415: "KUBE_UNSUPPORTED_MEDIA_TYPE",
  422: "KUBE_INVALID",
  429: "KUBE_TOO_MANY_REQUESTS",
  500: "KUBE_INTERNAL",
  502: "KUBE_UNAVAILABLE",
  503: "KUBE_UNAVAILABLE",
  504: "KUBE_TIMEOUT",
};

const ADVICE: Readonly<Record<string, string>> = {
  KUBE_UNAUTHORIZED:
    "the credentials are missing, expired or for another cluster: log in again or fetch the kubeconfig again",
  KUBE_CONFLICT: "read the object again and repeat the change, or apply with force if the field should be yours",
  KUBE_EXPIRED: "list again without resourceVersion and continue token",
  KUBE_UNAVAILABLE: "the API server or something before it is not ready: try again",
};

const MAX_TEXT = 1_000;

/**
 * The typed error for an answer that is not a success: code by the Status's reason, else by the HTTP status. Facts:
 * `status`, `reason`, `method`, `path`, `causes` (of KUBE_INVALID and KUBE_CONFLICT: `field: message`),
 * `retryAfterSeconds`, and `rule` for KUBE_FORBIDDEN (RBAC rule to paste).
 */
export function errorFromStatus(
  httpStatus: number,
  status: StatusObject | undefined,
  request: AnsweredRequest,
): FairleadError {
  const reason = textOf(status?.reason);
  const redirect = httpStatus >= 300 && httpStatus < 400;
  const fallback = httpStatus >= 500 ? "KUBE_INTERNAL" : "KUBE_BAD_RESPONSE";
  const code = CODE_BY_REASON[reason] ?? CODE_BY_STATUS[httpStatus] ?? fallback;
  const details = record(status?.details);
  const causes = causesOf(details);
  const method = request.method;
  const path = request.path.split("?", 1)[0] ?? "";
  const said = redirect
    ? "a redirect, which is not followed; check the server address"
    : textOf(status?.message).slice(0, MAX_TEXT);
  const missing = code === "KUBE_FORBIDDEN" ? missingRule(textOf(status?.message)) : undefined;
  const advice = missing === undefined ? ADVICE[code] : `add to ${missing.role}: ${missing.rule}`;
  const retryAfter = details?.retryAfterSeconds;
  const message = [
    `${method} ${path} answered ${httpStatus}${reason === "" ? "" : ` ${reason}`}`,
    said === "" ? "" : `: ${said}`,
    advice === undefined ? "" : `; ${advice}`,
  ].join("");
  return new FairleadError(code, message, {
    facts: {
      status: httpStatus,
      reason: reason === "" ? undefined : reason,
      method,
      path,
      causes: causes.length === 0 ? undefined : causes,
      retryAfterSeconds: typeof retryAfter === "number" ? retryAfter : undefined,
      rule: missing?.rule,
    },
  });
}

/** The RBAC rule that a "cannot" message asks for, as one line of YAML, and where it belongs. */
export function missingRule(message: string): { readonly role: string; readonly rule: string } | undefined {
  const found =
    /User "(?<user>[^"]*)" cannot (?<verb>[\w*]+) (?:resource "(?<resource>[^"]*)" in API group "(?<group>[^"]*)"(?: in the namespace "(?<namespace>[^"]*)")?|path "(?<path>[^"]*)")/.exec(
      message,
    )?.groups;
  if (found === undefined) {
    return undefined;
  }
  const { user, verb, resource, group, namespace, path } = found;
  if (path !== undefined) {
    return { role: `a ClusterRole of ${user}`, rule: `- {nonResourceURLs: ["${path}"], verbs: ["${verb}"]}` };
  }
  return {
    role: namespace === undefined ? `a ClusterRole of ${user}` : `a Role of ${user} in namespace ${namespace}`,
    rule: `- {apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"]}`,
  };
}

function causesOf(details: Readonly<Record<string, unknown>> | undefined): readonly string[] {
  const causes = details?.causes;
  if (!Array.isArray(causes)) {
    return [];
  }
  return causes.slice(0, 20).map((cause: unknown) => {
    const fields = record(cause);
    const field = textOf(fields?.field);
    const what = (textOf(fields?.message) || textOf(fields?.reason)).slice(0, MAX_TEXT);
    return field === "" ? what : `${field}: ${what}`;
  });
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  // A non-null object can be read by any key.
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
