import { LOG_LEVELS } from "../log.ts";
import type { HealthReport } from "./health.ts";
import { answerProbe } from "./health-text.ts";
import type { StatusToken } from "./status-files.ts";
import type { LevelControl } from "./status-server.ts";

/** What is served. */
export interface StatusParts {
  health(): Promise<HealthReport>;
  /** Never waits for anybody. */
  liveness(): HealthReport;
  metrics(): Promise<{ readonly text: string; readonly contentType: string }>;
  readonly logLevel: LevelControl | undefined;
}

/** A request, as far as it matters. */
export interface StatusRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly authorization: string | undefined;
  /** Undefined: too large. */
  readonly body: string | undefined;
}

/** What is sent back. */
export interface StatusAnswer {
  readonly status: number;
  readonly body: string;
  /** Default plain text. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const NOT_FOUND: StatusAnswer = {
  status: 404,
  body: "not found; there are /healthz, /livez, /readyz and /metrics\n",
};

/** Answers one request. */
export async function answerStatus(
  request: StatusRequest,
  parts: StatusParts,
  token: StatusToken | undefined,
): Promise<StatusAnswer> {
  const { method, target } = request;
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  if (path === "/loglevel") {
    return answerLevel(request, parts.logLevel, token);
  }
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, body: "only GET and HEAD\n", headers: { allow: "GET, HEAD" } };
  }
  if (path === "/metrics") {
    const refusal = refusalOf(request, token);
    if (refusal !== undefined) {
      return refusal;
    }
    const { text, contentType } = await parts.metrics();
    return { status: 200, body: text, contentType };
  }
  return await answerHealth(path, new URLSearchParams(query < 0 ? "" : target.slice(query + 1)), parts);
}

async function answerHealth(path: string, query: URLSearchParams, parts: StatusParts): Promise<StatusAnswer> {
  const [, probe, ...rest] = path.split("/");
  if (probe !== "healthz" && probe !== "livez" && probe !== "readyz") {
    return NOT_FOUND;
  }
  const { checks } = probe === "readyz" ? await parts.health() : parts.liveness();
  const check = decoded(rest.join("/"));
  return answerProbe(checks, {
    probe,
    check: check === "" ? undefined : check,
    verbose: query.has("verbose"),
    exclude: query.getAll("exclude"),
  });
}

/** A path that is no proper escape is taken as it is: it names no check. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function answerLevel(
  request: StatusRequest,
  logLevel: LevelControl | undefined,
  token: StatusToken | undefined,
): StatusAnswer {
  if (logLevel === undefined) {
    return NOT_FOUND;
  }
  if (token === undefined) {
    return { status: 403, body: "the log level can be seen and changed only where a token is set\n" };
  }
  const refusal = refusalOf(request, token);
  if (refusal !== undefined) {
    return refusal;
  }
  if (request.method === "GET" || request.method === "HEAD") {
    return { status: 200, body: `${logLevel.level}\n` };
  }
  if (request.method !== "PUT") {
    return { status: 405, body: "only GET, HEAD and PUT\n", headers: { allow: "GET, HEAD, PUT" } };
  }
  const wanted = request.body?.trim().replaceAll('"', "");
  const level = LOG_LEVELS.find((name) => name === wanted);
  if (level === undefined) {
    return { status: 400, body: `send one of ${LOG_LEVELS.join(", ")} as the body\n` };
  }
  logLevel.level = level;
  return { status: 200, body: `${level}\n` };
}

function refusalOf(request: StatusRequest, token: StatusToken | undefined): StatusAnswer | undefined {
  if (token === undefined || token.allows(request.authorization)) {
    return undefined;
  }
  return {
    status: 401,
    body: "send the token as Authorization: Bearer TOKEN\n",
    headers: { "www-authenticate": 'Bearer realm="fairlead"' },
  };
}
