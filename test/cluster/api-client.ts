import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { FairleadError } from "../../core/errors.ts";
import type { Identity } from "./kubeconfig.ts";

/** An answer of the API server; `body` is parsed if it is JSON, otherwise text. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies of every kind; a type for each would say nothing
  readonly body: any;
}

/** One event of a watch. */
export interface WatchEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: objects of every kind
  readonly object: any;
}

/** A simple HTTPS client for tests: one request, one answer, nothing retried. */
export interface ApiClient {
  readonly url: string;
  /** Sends a request. A body that is not a string goes as JSON; a patch is a merge patch unless `headers` say otherwise. */
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ApiResponse>;
  /** Like `request`, but throws CLUSTER_REQUEST_FAILED for a status of 400 or more. */
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiResponse>;
  /** Events of a watch, until the server or the caller ends it. The path says what is watched, from where and how long. */
  events(path: string): AsyncGenerator<WatchEvent>;
  /** Closes its connections. */
  close(): void;
}

/** What a client needs to know. */
export interface ApiClientOptions {
  readonly url: string;
  readonly caPem: string;
  readonly identity: Identity;
  /** Connections at once. Default 32. */
  readonly connections?: number;
  /** Default 60,000. */
  readonly timeoutMs?: number;
}

/** Makes a client. */
export function createApiClient(options: ApiClientOptions): ApiClient {
  const { identity } = options;
  const credentials = identity.kind === "certificate" ? { cert: identity.pair.certPem, key: identity.pair.keyPem } : {};
  const agent = new Agent({
    keepAlive: true,
    maxSockets: options.connections ?? 32,
    ca: options.caPem,
    ...credentials,
  });
  const authorization: Record<string, string> =
    identity.kind === "token" ? { authorization: `Bearer ${identity.token}` } : {};

  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ApiResponse> {
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const sent: Record<string, string> = {
      accept: "application/json",
      "user-agent": "fairlead-test",
      ...authorization,
    };
    if (text !== undefined) {
      sent["content-type"] = type;
      sent["content-length"] = String(Buffer.byteLength(text));
    }
    for (const [name, value] of Object.entries(headers ?? {})) {
      sent[name.toLowerCase()] = value;
    }
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest(new URL(path, options.url), {
        agent,
        method,
        headers: sent,
        timeout: options.timeoutMs ?? 60_000,
      });
      outgoing.on("response", (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const received = Buffer.concat(chunks).toString("utf8");
          const isJson = incoming.headers["content-type"]?.startsWith("application/json") === true;
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: isJson && !path.includes("watch=") ? JSON.parse(received) : received,
          });
        });
      });
      outgoing.on("timeout", () =>
        outgoing.destroy(new FairleadError("CLUSTER_REQUEST_TIMEOUT", `${method} ${path}: no answer in time`)),
      );
      outgoing.on("error", reject);
      outgoing.end(text);
    });
  }

  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ApiResponse> {
    const response = await request(method, path, body, headers);
    if (response.status >= 400) {
      const said = typeof response.body === "string" ? response.body : String(response.body.message);
      throw new FairleadError(
        "CLUSTER_REQUEST_FAILED",
        `${method} ${path} answered ${response.status}: ${said.slice(0, 500)}`,
        {
          facts: { status: response.status },
        },
      );
    }
    return response;
  }

  async function* events(path: string): AsyncGenerator<WatchEvent> {
    const outgoing = httpsRequest(new URL(path, options.url), {
      agent,
      headers: { ...authorization, accept: "application/json" },
    });
    outgoing.end();
    try {
      const [incoming] = (await once(outgoing, "response")) as [IncomingMessage]; // what "response" carries
      // From here on a broken connection is told by the response.
      outgoing.on("error", () => {});
      let rest = "";
      for await (const text of incoming.setEncoding("utf8")) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          yield JSON.parse(line);
        }
      }
    } finally {
      outgoing.destroy();
    }
  }

  return { url: options.url, request, send, events, close: () => agent.destroy() };
}

/** A client that logs in as a kubeconfig of this tool says. */
export async function openKubeconfig(path: string): Promise<ApiClient> {
  const config = JSON.parse(await readFile(path, "utf8"));
  const plain = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");
  const { server, "certificate-authority-data": ca } = config.clusters[0].cluster;
  const { token, "client-certificate-data": cert, "client-key-data": key } = config.users[0].user;
  const identity: Identity =
    token === undefined
      ? { kind: "certificate", pair: { certPem: plain(cert), keyPem: plain(key) } }
      : { kind: "token", token };
  return createApiClient({ url: server, caPem: plain(ca), identity });
}
