import { FairleadError } from "../errors.ts";
import type { Exchange, HttpRequest, ResponseSink, Transport } from "../kube/transport.ts";

/** One response, as a handler of the test writes it. */
export class Reply {
  readonly request: HttpRequest;
  readonly url: URL;
  readonly #sink: ResponseSink;
  readonly #closed: (reply: Reply) => void;
  over = false;
  cancelled = false;
  /** Sends events of this watch from now on. */
  watch: { plural: string; namespace: string | undefined; excluded: readonly string[] } | undefined;

  constructor(request: HttpRequest, sink: ResponseSink, closed: (reply: Reply) => void) {
    this.request = request;
    this.url = new URL(request.path, "http://api");
    this.#sink = sink;
    this.#closed = closed;
  }

  head(status = 200, headers: Record<string, string> = {}): this {
    if (!this.over) {
      this.#sink.head({ status, headers: { "content-type": "application/json", ...headers } });
    }
    return this;
  }

  send(...values: unknown[]): this {
    for (const value of values) {
      this.bytes(`${JSON.stringify(value)}\n`);
    }
    return this;
  }

  bytes(text: string): this {
    if (!this.over) {
      this.#sink.data(Buffer.from(text));
    }
    return this;
  }

  end(): void {
    this.#finish(() => this.#sink.end());
  }

  fail(code = "KUBE_RESET"): void {
    this.#finish(() => this.#sink.fail(new FairleadError(code, "by the test")));
  }

  status(code: number, reason = "", extra: { headers?: Record<string, string>; details?: object } = {}): void {
    this.head(code, extra.headers)
      .send(statusOf(code, reason, extra.details))
      .end();
  }

  cancel(): void {
    this.cancelled = true;
    this.#finish(() => {});
  }

  #finish(tell: () => void): void {
    if (!this.over) {
      this.over = true;
      this.#closed(this);
      tell();
    }
  }
}

/** A `Status` object. */
export function statusOf(code: number, reason: string, details?: object): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message: reason, reason, details, code };
}

interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { name: string; namespace?: string; uid: string; resourceVersion: string };
}

const KINDS: readonly (readonly [plural: string, kind: string])[] = [
  ["pods", "Pod"],
  ["namespaces", "Namespace"],
  ["nodes", "Node"],
];

type Handler = (reply: Reply) => boolean;

/** For tests: an API server in memory, JSON only, with a transport that reaches it without sockets. */
export class MemoryApi {
  version = 100;
  compacted = 0;
  watchList = true;
  bookmarks = true;
  /** Plurals that are served. */
  readonly kinds = new Map(KINDS);
  readonly objects = new Map<string, ApiObject>();
  readonly history: { plural: string; type: string; object: ApiObject }[] = [];
  readonly open = new Set<Reply>();
  readonly requests: string[] = [];
  readonly #handlers: Handler[] = [];
  #uid = 0;

  /** The next request that the handler does not pass on (by false) is answered by it. */
  once(handler: (reply: Reply) => boolean | undefined): void {
    const one: Handler = (reply) => {
      if (handler(reply) === false) {
        return false;
      }
      this.#handlers.splice(this.#handlers.indexOf(one), 1);
      return true;
    };
    this.#handlers.push(one);
  }

  /** Every request that the handler does not pass on (by false) is answered by it; gives back how to end that. */
  always(handler: (reply: Reply) => boolean | undefined): () => void {
    const one: Handler = (reply) => handler(reply) !== false;
    this.#handlers.push(one);
    return () => {
      this.#handlers.splice(this.#handlers.indexOf(one), 1);
    };
  }

  apply(plural: string, name: string, namespace?: string): string {
    const key = `${plural}/${namespace ?? ""}/${name}`;
    const old = this.objects.get(key);
    const object: ApiObject = {
      apiVersion: "v1",
      kind: new Map(KINDS).get(plural) ?? "Unknown",
      metadata: {
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid: old?.metadata.uid ?? `00000000-0000-4000-8000-${String(++this.#uid).padStart(12, "0")}`,
        resourceVersion: String(++this.version),
      },
    };
    this.objects.set(key, object);
    this.#record(plural, old === undefined ? "ADDED" : "MODIFIED", object);
    return object.metadata.resourceVersion;
  }

  delete(plural: string, name: string, namespace?: string): void {
    const key = `${plural}/${namespace ?? ""}/${name}`;
    const old = this.objects.get(key);
    if (old !== undefined) {
      this.objects.delete(key);
      const metadata = { ...old.metadata, resourceVersion: String(++this.version) };
      this.#record(plural, "DELETED", { ...old, metadata });
    }
  }

  /** What a store should hold: "namespace/name" and version. */
  expected(plural: string, filter: (namespace: string) => boolean = () => true): Map<string, string> {
    const found = new Map<string, string>();
    for (const [key, object] of this.objects) {
      const namespace = object.metadata.namespace ?? "";
      if (key.startsWith(`${plural}/`) && filter(namespace)) {
        found.set(`${namespace}/${object.metadata.name}`, object.metadata.resourceVersion);
      }
    }
    return found;
  }

  bookmark(): void {
    for (const reply of this.open) {
      if (reply.watch !== undefined) {
        reply.send(this.#bookmark(reply.watch.plural, false));
      }
    }
  }

  transport(): Transport {
    return {
      open: (request, sink) => this.#accept(request, sink),
      reset: () => {
        for (const reply of [...this.open]) {
          reply.fail();
        }
      },
      close: async () => {},
    };
  }

  count(pattern: RegExp): number {
    return this.requests.filter((path) => pattern.test(path)).length;
  }

  #accept(request: HttpRequest, sink: ResponseSink): Exchange {
    this.requests.push(request.path);
    const reply = new Reply(request, sink, (one) => this.open.delete(one));
    this.open.add(reply);
    queueMicrotask(() => {
      if (!reply.over && !this.#handlers.some((handler) => handler(reply))) {
        this.answer(reply);
      }
    });
    return { cancel: () => reply.cancel(), pause: () => {}, resume: () => {} };
  }

  /** The right answer. */
  answer(reply: Reply): void {
    const match = /^\/api\/v1\/(?:namespaces\/([^/]+)\/)?([^/?]+)$/.exec(reply.url.pathname);
    const plural = match?.[2] ?? "";
    if (!this.kinds.has(plural)) {
      reply.status(404, "NotFound");
      return;
    }
    const query = reply.url.searchParams;
    const excluded = [...(query.get("fieldSelector") ?? "").matchAll(/metadata\.namespace!=([^,]+)/g)].map((m) => m[1]);
    const watch = { plural, namespace: match?.[1], excluded };
    if (query.get("watch") === "1") {
      this.#watch(reply, watch);
    } else {
      this.#list(reply, watch);
    }
  }

  #watch(reply: Reply, watch: NonNullable<Reply["watch"]>): void {
    const query = reply.url.searchParams;
    const from = Number(query.get("resourceVersion") ?? "0");
    if (query.get("sendInitialEvents") === "true") {
      if (!this.watchList) {
        reply.status(422, "Invalid");
        return;
      }
      reply.head();
      for (const object of this.#matching(watch)) {
        reply.send({ type: "ADDED", object });
      }
      reply.watch = watch;
      reply.send(this.#bookmark(watch.plural, true));
      return;
    }
    reply.head();
    if (from < this.compacted) {
      reply.send({ type: "ERROR", object: statusOf(410, "Expired") }).end();
      return;
    }
    for (const { plural, type, object } of this.history) {
      if (plural === watch.plural && Number(object.metadata.resourceVersion) > from && isWanted(watch, object)) {
        reply.send({ type, object });
      }
    }
    reply.watch = watch;
  }

  #list(reply: Reply, watch: NonNullable<Reply["watch"]>): void {
    const query = reply.url.searchParams;
    const limit = Number(query.get("limit") ?? "0");
    const from = Number(query.get("continue") ?? "0");
    const all = this.#matching(watch);
    const items = limit > 0 ? all.slice(from, from + limit) : all.slice(from);
    const rest = all.length - from - items.length;
    const metadata = {
      resourceVersion: String(this.version),
      ...(rest > 0 ? { continue: String(from + items.length), remainingItemCount: rest } : {}),
    };
    reply.head().send({ kind: `${this.kinds.get(watch.plural)}List`, apiVersion: "v1", metadata, items });
    reply.end();
  }

  #matching(watch: NonNullable<Reply["watch"]>): ApiObject[] {
    return [...this.objects]
      .filter(([key, object]) => key.startsWith(`${watch.plural}/`) && isWanted(watch, object))
      .map(([, object]) => object);
  }

  #bookmark(plural: string, initialEnd: boolean): object {
    const annotations = initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
    const metadata = { resourceVersion: String(this.version), ...annotations };
    return { type: "BOOKMARK", object: { kind: this.kinds.get(plural), apiVersion: "v1", metadata } };
  }

  #record(plural: string, type: string, object: ApiObject): void {
    this.history.push({ plural, type, object });
    for (const reply of this.open) {
      if (reply.watch?.plural === plural && isWanted(reply.watch, object)) {
        reply.send({ type, object });
      }
    }
  }
}

function isWanted(watch: NonNullable<Reply["watch"]>, object: ApiObject): boolean {
  const namespace = object.metadata.namespace ?? "";
  return (watch.namespace === undefined || watch.namespace === namespace) && !watch.excluded.includes(namespace);
}
