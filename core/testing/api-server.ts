import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Answer } from "./answer.ts";
import type { Tokens, User } from "./auth.ts";
import { type Clock, realClock, timeText } from "./clock.ts";
import { followDefinitions, rereadDefinitions } from "./crd.ts";
import { type Fault, FaultList, type Faults, faultOf } from "./faults.ts";
import { type Listener, listen } from "./listen.ts";
import type { ObjectInput } from "./object.ts";
import { type Objects, objectsOf } from "./objects.ts";
import { seededRandom } from "./random.ts";
import { renderStatus } from "./render.ts";
import { type RequestInfo, requestInfo } from "./request.ts";
import type { RequestLog } from "./request-log.ts";
import { type OpenEntry, RequestRecorder } from "./request-recorder.ts";
import { builtInResources, ResourceTable } from "./resources.ts";
import { serve } from "./serve.ts";
import { failure, Refusal, type Status } from "./status.ts";
import { type Snapshot, Storage } from "./storage.ts";
import type { OpenWatch } from "./watch.ts";
import type { Behaviour, World } from "./world.ts";

/** How a server is made; all has defaults. */
export interface ApiServerOptions {
  /** TLS with HTTP/2 and HTTP/1.1 by ALPN, with these PEM texts. Default: plain HTTP/1.1. */
  readonly tls?: {
    readonly certPem: string;
    readonly keyPem: string;
    readonly caPem: string;
    readonly http2?: boolean;
  };
  /** Users by bearer token. Default: none, and everyone is an administrator. */
  readonly tokens?: Readonly<Record<string, User>>;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Seed of all that is random: uids, generated names, timeouts. Default 1. */
  readonly seed?: number;
  /** How many events of a kind are kept for watches and exact lists. Default 10,000. */
  readonly historyLimit?: number;
  /** The resourceVersion to begin at. Default 1. */
  readonly firstVersion?: number;
  readonly behaviour?: Partial<Behaviour>;
}

/** An API server inside this process. */
export interface ApiServer {
  /** "http://127.0.0.1:<port>" or "https://…". */
  readonly url: string;
  readonly port: number;
  readonly objects: Objects;
  readonly requests: RequestLog;
  readonly faults: Faults;
  /** Can be changed while it runs. */
  readonly behaviour: Behaviour;
  readonly clock: Clock;
  /** Users by bearer token; can be changed while it runs. */
  readonly tokens: Tokens;
  /** A kubeconfig (JSON, which is YAML) for this server, with the token if one is given. */
  kubeconfig(token?: string): string;
  /** Forgets the history up to a version (default: all): watches from before it are told 410. */
  compact(version?: string): void;
  snapshot(): Snapshot;
  /** Goes back to a snapshot as a restored etcd does: versions too, all connections dropped. */
  restore(snapshot: Snapshot): void;
  /** Lets the version grow as if kinds that nobody watches had changed. */
  bump(by?: number): void;
  /** Sends a bookmark of the newest version on every watch that asked for bookmarks. */
  bookmark(): void;
  /**
   * From now on open watches say nothing, as behind a server that lags: caches grow old, while reads and writes are served.
   * The function that is returned lets them go on, with all that they missed.
   */
  holdWatches(): () => void;
  /** Drops all connections by a TCP reset. */
  dropConnections(): void;
  /** Ends all; resolves when no socket is left. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const NAMESPACES = ["default", "kube-node-lease", "kube-public", "kube-system"];
const BODY_LIMIT = 3 * 1024 * 1024;

/** Starts an API server on loopback. */
export async function createApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const server = new Server(options);
  await server.start();
  return server;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

class Server implements ApiServer {
  readonly requests = new RequestRecorder();
  readonly faults = new FaultList();
  readonly behaviour: Behaviour;
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly objects: Objects;
  readonly #options: ApiServerOptions;
  readonly #world: World;
  readonly #watches = new Map<OpenWatch, string>();
  #holds = 0;
  #listener: Listener | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.clock = options.clock ?? realClock();
    this.tokens = new Map(Object.entries(options.tokens ?? {}));
    this.behaviour = {
      bookmarkPeriodMs: 60_000,
      watchList: true,
      initialEventsEnd: true,
      expired: "event",
      namespaceController: true,
      ...options.behaviour,
    };
    this.#world = {
      clock: this.clock,
      random: seededRandom(options.seed ?? 1),
      storage: new Storage({ historyLimit: options.historyLimit ?? 10_000, firstVersion: options.firstVersion ?? 1 }),
      resources: new ResourceTable(builtInResources()),
      faults: this.faults,
      behaviour: this.behaviour,
      schemas: new Map(),
      endWatches: (storageKey) => this.#endWatches(storageKey),
      watchesHeld: () => this.#holds > 0,
    };
    this.objects = objectsOf(this.#world);
    followDefinitions(this.#world);
    for (const name of NAMESPACES) {
      this.objects.apply(namespaceOf(name, this.clock));
    }
  }

  async start(): Promise<void> {
    this.#listener = await listen(this.#options.tls, (request, response) => {
      void this.#handle(request, response);
    });
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get url(): string {
    return `${this.#options.tls ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  kubeconfig(token?: string): string {
    const ca = this.#options.tls?.caPem;
    const cluster = {
      server: this.url,
      ...(ca === undefined ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
    };
    return JSON.stringify(
      {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "testing", cluster }],
        users: [{ name: "testing", user: token === undefined ? {} : { token } }],
        contexts: [{ name: "testing", context: { cluster: "testing", user: "testing" } }],
        "current-context": "testing",
      },
      undefined,
      2,
    );
  }

  compact(version?: string): void {
    this.#world.storage.compact(version === undefined ? undefined : Number(version));
  }

  snapshot(): Snapshot {
    return this.#world.storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.#world.storage.restore(snapshot);
    rereadDefinitions(this.#world);
    this.dropConnections();
  }

  bump(by = 1): void {
    this.#world.storage.bump(by);
  }

  bookmark(): void {
    for (const watch of this.#watches.keys()) {
      watch.bookmark();
    }
  }

  holdWatches(): () => void {
    this.#holds++;
    let isHeld = true;
    return () => {
      if (!isHeld) {
        return;
      }
      isHeld = false;
      this.#holds--;
      if (this.#holds === 0) {
        for (const watch of [...this.#watches.keys()]) {
          watch.catchUp();
        }
      }
    };
  }

  dropConnections(): void {
    this.#listener?.drop();
  }

  async stop(): Promise<void> {
    for (const watch of [...this.#watches.keys()]) {
      watch.end();
    }
    await this.#listener?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #endWatches(storageKey: string): void {
    for (const [watch, key] of [...this.#watches]) {
      if (key === storageKey) {
        watch.end();
      }
    }
  }

  async #handle(request: Request, response: Response): Promise<void> {
    const method = request.method ?? "GET";
    const url = request.url ?? "/";
    const info = this.#infoOf(method, url);
    const mark = url.indexOf("?");
    const entry: OpenEntry = {
      method,
      path: mark < 0 ? url : url.slice(0, mark),
      query: mark < 0 ? "" : url.slice(mark + 1),
      verb: info instanceof Refusal ? method.toLowerCase() : info.verb,
      userAgent: String(request.headers["user-agent"] ?? ""),
      httpVersion: request.httpVersion,
      at: this.clock.now(),
      status: 0,
      open: true,
    };
    const faults = this.faults.take(entry);
    const socket = this.#listener?.socketOf(request);
    const answer = new Answer({ response, socket, faults, clock: this.clock, random: this.#world.random });
    answer.onHead((status) => {
      entry.status = status;
      this.requests.changed();
    });
    answer.onClose(() => {
      entry.open = false;
      this.requests.changed();
    });
    this.requests.add(entry);
    if (faultOf(faults, "halfOpen")) {
      request.resume();
      return;
    }
    const delay = faultOf(faults, "delay");
    if (delay) {
      await new Promise<void>((resolve) => this.clock.after(delay.ms, resolve));
    }
    await this.#answer({ request, response, info, answer, faults });
  }

  #infoOf(method: string, url: string): RequestInfo | Refusal {
    try {
      return requestInfo(method, url, this.#world.resources);
    } catch (error) {
      return error instanceof Refusal
        ? error
        : new Refusal(failure(400, "BadRequest", "the path of the request is malformed"));
    }
  }

  async #answer(step: {
    readonly request: Request;
    readonly response: Response;
    readonly info: RequestInfo | Refusal;
    readonly answer: Answer;
    readonly faults: readonly Fault[];
  }): Promise<void> {
    const { request, response, info, answer, faults } = step;
    if (faultOf(faults, "goaway")) {
      goAway(request, response);
    }
    const wrong = faultOf(faults, "status");
    if (wrong) {
      const status = failure(wrong.code, wrong.reason ?? "", wrong.message ?? "scripted error");
      const headers = wrong.retryAfterSeconds === undefined ? {} : { "retry-after": String(wrong.retryAfterSeconds) };
      const body = wrong.body === undefined ? renderStatus(status, "json") : Buffer.from(wrong.body);
      answer.complete(wrong.code, wrong.contentType ?? "application/json", body, headers);
      return;
    }
    try {
      if (info instanceof Refusal) {
        throw info;
      }
      await serve({
        world: this.#world,
        tokens: this.tokens,
        info,
        headers: request.headers,
        answer,
        faults,
        address: `127.0.0.1:${this.port}`,
        body: () => readAll(request),
        watching: (storageKey, watch) => {
          this.#watches.set(watch, storageKey);
          answer.onClose(() => this.#watches.delete(watch));
        },
      });
    } catch (error) {
      refuse(answer, error, String(request.headers.accept ?? ""));
    }
  }
}

function namespaceOf(name: string, clock: Clock): ObjectInput {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "kubernetes.io/metadata.name": name }, creationTimestamp: timeText(clock.now()) },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  };
}

function refuse(answer: Answer, error: unknown, accept: string): void {
  const status: Status =
    error instanceof Refusal
      ? error.status
      : failure(
          500,
          "InternalError",
          `the in-process API server failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
  const wire = accept.trim().startsWith("application/vnd.kubernetes.protobuf") ? "protobuf" : "json";
  const contentType = wire === "json" ? "application/json" : "application/vnd.kubernetes.protobuf";
  const seconds = (status.details as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds;
  answer.complete(
    status.code ?? 500,
    contentType,
    renderStatus(status, wire),
    seconds === undefined ? {} : { "retry-after": String(seconds) },
  );
}

/** Tells the client to open a new connection for what comes next. */
function goAway(request: Request, response: Response): void {
  if ("stream" in request && request.stream?.session) {
    request.stream.session.goaway(0);
    return;
  }
  if (!response.headersSent) {
    response.setHeader("connection", "close");
  }
}

async function readAll(request: Request): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += bytes.length;
    if (size > BODY_LIMIT) {
      throw new Refusal(failure(413, "RequestEntityTooLarge", `Request entity too large: limit is ${BODY_LIMIT}`));
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
