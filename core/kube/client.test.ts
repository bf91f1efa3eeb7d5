import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { createKubeClient, type KubeClient, type KubeClientOptions, pathTo } from "./client.ts";
import { createDiscovery } from "./discovery.ts";
import { connect, type HttpTransport } from "./http-transport.ts";
import { accessTo, type Handler, serve, type TestServer } from "./server.test-support.ts";
import { TokenBucket } from "./token-bucket.ts";

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const clean of cleanups) {
    await clean();
  }
});

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}
interface Reply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** A client of a server that gives the replies in order (the last one again and again), and what the server saw. */
async function scripted(
  replies: readonly Reply[],
  options: KubeClientOptions = {},
): Promise<{ client: KubeClient; seen: Seen[] }> {
  const seen: Seen[] = [];
  const { client } = await over((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      const reply = replies[Math.min(seen.length, replies.length) - 1] ?? {};
      const content = reply.body ?? {};
      response.writeHead(reply.status ?? 200, { "content-type": "application/json", ...reply.headers });
      response.end(typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content));
    });
  }, options);
  return { client, seen };
}

async function over(
  handler: Handler,
  options: KubeClientOptions = {},
): Promise<{ client: KubeClient; transport: HttpTransport; server: TestServer }> {
  const server = await serve("http", handler);
  const transport = connect(accessTo(`http://127.0.0.1:${server.port}`));
  cleanups.push(async () => {
    await transport.close();
    await server[Symbol.asyncDispose]();
  });
  return { client: createKubeClient(transport, { random: () => 0, ...options }), transport, server };
}

const pods = { apiVersion: "v1", plural: "pods", namespace: "shop" };
const web = { apiVersion: "apps/v1", plural: "deployments", namespace: "shop", name: "web" };

describe("verbs", () => {
  const object = { apiVersion: "apps/v1", kind: "Deployment" };
  const w = "/apis/apps/v1/namespaces/shop/deployments/web";
  const json = "application/json";
  const cases: readonly (readonly [
    name: string,
    run: (client: KubeClient) => Promise<unknown>,
    method: string,
    url: string,
    type?: string,
    body?: unknown,
  ])[] = [
    ["get", (c) => c.get(web), "GET", w],
    ["get a subresource", (c) => c.get({ ...web, subresource: "scale" }), "GET", `${w}/scale`],
    [
      "create",
      (c) => c.create(pods, { a: 1 }),
      "POST",
      "/api/v1/namespaces/shop/pods?fieldManager=fairlead",
      json,
      { a: 1 },
    ],
    [
      "evict",
      (c) => c.create({ ...pods, name: "p", subresource: "eviction" }, {}, { dryRun: true }),
      "POST",
      "/api/v1/namespaces/shop/pods/p/eviction?dryRun=All&fieldManager=fairlead",
      json,
      {},
    ],
    [
      "update status",
      (c) => c.update({ ...web, subresource: "status" }, object, { fieldManager: "me" }),
      "PUT",
      `${w}/status?fieldManager=me`,
      json,
      object,
    ],
    [
      "json patch",
      (c) => c.patch(web, "json", []),
      "PATCH",
      `${w}?fieldManager=fairlead`,
      "application/json-patch+json",
      [],
    ],
    [
      "merge patch",
      (c) => c.patch(web, "merge", {}),
      "PATCH",
      `${w}?fieldManager=fairlead`,
      "application/merge-patch+json",
      {},
    ],
    [
      "strategic patch",
      (c) => c.patch(web, "strategic", {}),
      "PATCH",
      `${w}?fieldManager=fairlead`,
      "application/strategic-merge-patch+json",
      {},
    ],
    [
      "apply",
      (c) => c.apply(web, object, { force: true, dryRun: true }),
      "PATCH",
      `${w}?dryRun=All&fieldManager=fairlead&force=true`,
      "application/apply-patch+yaml",
      object,
    ],
    [
      "delete",
      (c) => c.delete(web, { uid: "u", gracePeriodSeconds: 0, propagation: "Foreground", dryRun: true }),
      "DELETE",
      w,
      json,
      {
        apiVersion: "v1",
        kind: "DeleteOptions",
        gracePeriodSeconds: 0,
        propagationPolicy: "Foreground",
        dryRun: ["All"],
        preconditions: { uid: "u" },
      },
    ],
    [
      "delete a collection",
      (c) => c.deleteCollection(pods, { labelSelector: "a in (b,c)" }),
      "DELETE",
      "/api/v1/namespaces/shop/pods?labelSelector=a+in+%28b%2Cc%29",
      json,
      { apiVersion: "v1", kind: "DeleteOptions" },
    ],
  ];
  for (const [name, run, method, url, type, body] of cases) {
    test(name, async () => {
      const { client, seen } = await scripted([{ body: { kind: "X" } }]);
      assert.deepEqual(await run(client), { kind: "X" });
      assert.deepEqual([seen[0]?.method, seen[0]?.url, seen[0]?.headers["content-type"]], [method, url, type]);
      assert.deepEqual(seen[0]?.body === "" ? undefined : JSON.parse(seen[0]?.body ?? ""), body);
      assert.match(String(seen[0]?.headers["user-agent"]), /^fairlead\/\d+\.\d+\.\d+\S* \(\w+\/\w+\)$/);
    });
  }

  test("names that would lead to another address are refused", () => {
    for (const name of ["", ".", "..", "a/../../b"]) {
      assert.throws(() => pathTo({ ...pods, name }), { code: "KUBE_BAD_REQUEST" });
    }
    assert.equal(pathTo({ ...pods, name: "a b?c#d" }), "/api/v1/namespaces/shop/pods/a%20b%3Fc%23d");
  });
});

describe("lists", () => {
  const page = (names: readonly string[], token?: string): Reply => ({
    body: { metadata: { resourceVersion: "7", continue: token }, items: names.map((name) => ({ metadata: { name } })) },
  });
  const expired: Reply = { status: 410, body: { kind: "Status", reason: "Expired", code: 410 } };
  const namesOf = async (
    objects: AsyncIterable<{ metadata?: Readonly<Record<string, unknown>> }>,
  ): Promise<unknown[]> => {
    const names: unknown[] = [];
    for await (const object of objects) {
      names.push(object.metadata?.name);
    }
    return names;
  };

  test("follow the continue token, 500 a page", async () => {
    const { client, seen } = await scripted([page(["a", "b"], "t+1"), page(["c"])]);
    assert.deepEqual(await namesOf(client.list(pods, { resourceVersion: "0", labelSelector: "x" })), ["a", "b", "c"]);
    assert.deepEqual(
      seen.map(({ url }) => url?.split("?")[1]),
      ["labelSelector=x&limit=500&resourceVersion=0", "labelSelector=x&limit=500&continue=t%2B1"],
    );
  });

  test("an expired token is KUBE_EXPIRED, and begins again only where asked", async () => {
    const { client } = await scripted([page(["a"], "t"), expired]);
    await assert.rejects(namesOf(client.list(pods)), { code: "KUBE_EXPIRED" });
    const { client: other } = await scripted([page(["a"], "t"), expired, page(["b"])]);
    const flags: boolean[] = [];
    for await (const each of other.pages(pods, { restartWhenExpired: true })) {
      flags.push(each.restarted);
    }
    assert.deepEqual(flags, [false, true]);
  });

  test("an object that is no list is KUBE_BAD_RESPONSE", async () => {
    const { client } = await scripted([{ body: { items: 7, metadata: {} } }]);
    await assert.rejects(namesOf(client.list(pods)), { code: "KUBE_BAD_RESPONSE" });
  });
});

describe("retries", () => {
  const busy: Reply = { status: 429, headers: { "retry-after": "0" }, body: { reason: "TooManyRequests" } };
  const down: Reply = { status: 503, headers: { "retry-after": "0" } };

  test("beforeEach is asked before each try and at its connection; what it throws ends the call", async () => {
    const { client, seen } = await scripted([busy, busy, { body: {} }]);
    let left = 4; // two of each try
    const beforeEach = (): void => {
      if (left-- === 0) {
        throw new Error("no more");
      }
    };
    await assert.rejects(client.create({ apiVersion: "v1", plural: "pods" }, {}, { beforeEach }), /no more/);
    assert.equal(seen.length, 2);
  });

  test("429 is tried again for writes too, 503 only for repeatable calls", async () => {
    const { client, seen } = await scripted([busy, busy, { body: { ok: true } }]);
    assert.deepEqual(await client.create(pods, {}), { ok: true });
    assert.equal(seen.length, 3);
    const { client: second, seen: seenSecond } = await scripted([down, { body: { ok: true } }]);
    await assert.rejects(second.create(pods, {}), { code: "KUBE_UNAVAILABLE" });
    assert.equal(seenSecond.length, 1);
    assert.deepEqual(await second.get(web), { ok: true });
    const { client: third, seen: seenThird } = await scripted([down]);
    await assert.rejects(third.delete(web), { code: "KUBE_UNAVAILABLE" });
    assert.equal(seenThird.length, 4);
  });

  test("a Retry-After beyond the deadline fails at once and says so", async () => {
    const { client, seen } = await scripted([{ ...busy, headers: { "retry-after": "3600" } }]);
    await assert.rejects(client.get(web), (error: Error) => {
      assert.deepEqual(
        [Reflect.get(error, "code"), Reflect.get(error, "facts").retryAfterSeconds],
        ["KUBE_TOO_MANY_REQUESTS", 3600],
      );
      return true;
    });
    assert.equal(seen.length, 1);
  });

  test("a server that cuts the connection is KUBE_RESET after the tries", async () => {
    let requests = 0;
    const { client } = await over(
      (request) => {
        requests += 1;
        request.socket.destroy();
      },
      { maxRetries: 1 },
    );
    await assert.rejects(client.get(web), { code: "KUBE_RESET" });
    assert.equal(requests, 2);
  });

  test("a transport that was closed ends its calls at once", async () => {
    const arrived = Promise.withResolvers<void>();
    let requests = 0;
    const { client, transport } = await over(
      () => {
        requests += 1;
        arrived.resolve();
      },
      // The pause before another try would be far longer than the test.
      { random: () => 1_000 },
    );
    const closed = { code: "KUBE_RESET", message: "the transport was closed" };
    const call = assert.rejects(client.get(web), closed);
    await arrived.promise;
    await transport.close();
    await call;
    await assert.rejects(client.get(web), closed);
    assert.equal(requests, 1);
  });
});

describe("limits", () => {
  test("the deadline ends the call with KUBE_TIMEOUT, before and inside the body", async () => {
    const { client } = await over((request, response) => request.url?.endsWith("/web") || response.write("{"));
    await assert.rejects(client.get(web, { timeoutMs: 30 }), { code: "KUBE_TIMEOUT" });
    await assert.rejects(client.get({ ...web, name: "body" }, { timeoutMs: 30 }), { code: "KUBE_TIMEOUT" });
  });

  test("an abort ends the call with KUBE_ABORTED and the request with it", async () => {
    const arrived = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const { client } = await over((_request, response) => {
      response.on("close", () => ended.resolve());
      arrived.resolve();
    });
    const abort = new AbortController();
    const call = client.get(web, { signal: abort.signal });
    await arrived.promise;
    abort.abort();
    await assert.rejects(call, { code: "KUBE_ABORTED" });
    await ended.promise;
    await assert.rejects(client.get(web, { signal: AbortSignal.abort() }), { code: "KUBE_ABORTED" });
  });

  const broken: readonly (readonly [name: string, reply: Reply, message: RegExp])[] = [
    ["a web page", { headers: { "content-type": "text/html" }, body: "<html>" }, /is "text\/html", not JSON/],
    ["JSON that is none", { body: "{" }, /says that it is JSON and is not/],
    ["a list", { body: [] }, /no object/],
    ["too much", { body: { x: "y".repeat(2_000) } }, /larger than 1000 bytes/],
    ["gzip that is none", { headers: { "content-encoding": "gzip" }, body: "{}" }, /says that it is gzip/],
    [
      "gzip that grows too large",
      { headers: { "content-encoding": "gzip" }, body: gzipSync(JSON.stringify("z".repeat(9_000))) },
      /larger than 1000 bytes/,
    ],
    ["a redirect", { status: 307, headers: { location: "https://example.org" } }, /redirect, which is not followed/],
  ];
  for (const [name, reply, message] of broken) {
    test(`${name} is KUBE_BAD_RESPONSE`, async () => {
      const { client } = await scripted([reply], { maxBodyBytes: 1_000 });
      await assert.rejects(client.get(web), { code: "KUBE_BAD_RESPONSE", message });
    });
  }

  test("gzip is asked for only where wanted, and read", async () => {
    const reply = { headers: { "content-encoding": "gzip" }, body: gzipSync('{"a":1}') };
    const { client, seen } = await scripted([reply], { gzip: true });
    assert.deepEqual(await client.get(web), { a: 1 });
    const { client: plain, seen: seenPlain } = await scripted([{}]);
    await plain.get(web);
    assert.deepEqual(
      [seen[0]?.headers["accept-encoding"], seenPlain[0]?.headers["accept-encoding"]],
      ["gzip", undefined],
    );
  });

  test("the token bucket lets the burst through and then waits in turn", () => {
    let now = 0;
    const bucket = new TokenBucket(10, 2, () => now);
    assert.deepEqual([bucket.reserve(), bucket.reserve(), bucket.reserve(), bucket.reserve()], [0, 0, 100, 200]);
    bucket.giveBack();
    now = 200;
    assert.equal(bucket.reserve(), 0);
  });
});

describe("watch", () => {
  const event = (type: string, name: string): string => `${JSON.stringify({ type, object: { metadata: { name } } })}\n`;

  test("gives events across any split, and ends with the server", async () => {
    const text = event("ADDED", "ä") + event("BOOKMARK", "b");
    const { client } = await over((_request, response) => {
      const bytes = Buffer.from(text);
      let at = 0;
      const next = (): void => {
        at < bytes.length ? response.write(bytes.subarray(at, ++at), next) : response.end();
      };
      next();
    });
    const got: unknown[] = [];
    for await (const each of client.watch(pods, { resourceVersion: "5", bookmarks: true })) {
      got.push([each.type, each.object.metadata]);
    }
    assert.deepEqual(got, [
      ["ADDED", { name: "ä" }],
      ["BOOKMARK", { name: "b" }],
    ]);
  });

  const ends: readonly (readonly [name: string, status: number, body: string, code: string])[] = [
    [
      "an ERROR event",
      200,
      `${JSON.stringify({ type: "ERROR", object: { code: 410, reason: "Expired" } })}\n`,
      "KUBE_EXPIRED",
    ],
    ["a refusal", 403, `${JSON.stringify({ reason: "Forbidden" }, undefined, 1)}\n`, "KUBE_FORBIDDEN"],
    ["half an event", 200, `{"type":`, "KUBE_BAD_RESPONSE"],
    ["a line that is no event", 200, "<html>\n", "KUBE_BAD_RESPONSE"],
  ];
  for (const [name, status, body, code] of ends) {
    test(`${name} is ${code}`, async () => {
      const { client } = await scripted([{ status, body }]);
      await assert.rejects(client.watch(pods).next(), { code });
    });
  }

  test("a reader that stops lets the request end, an abort throws KUBE_ABORTED", async () => {
    const ended = Promise.withResolvers<void>();
    const { client } = await over((_request, response) => {
      response.on("close", () => ended.resolve());
      response.write(event("ADDED", "a"));
    });
    for await (const each of client.watch(pods)) {
      assert.equal(each.type, "ADDED");
      break;
    }
    await ended.promise;
    const abort = new AbortController();
    const watch = client.watch(pods, { signal: abort.signal });
    await watch.next();
    abort.abort();
    await assert.rejects(watch.next(), { code: "KUBE_ABORTED" });
  });
});

describe("discovery", () => {
  const aggregated = (group: string, kind: string, plural: string) => ({
    kind: "APIGroupDiscoveryList",
    items: [
      {
        metadata: group === "" ? {} : { name: group },
        versions: [
          {
            version: "v1",
            resources: [
              {
                resource: plural,
                responseKind: { kind },
                scope: "Namespaced",
                verbs: ["get", "watch"],
                shortNames: ["x"],
                subresources: [{ subresource: "status" }],
              },
            ],
          },
        ],
      },
    ],
  });
  const legacy: Record<string, unknown> = {
    "/api": { versions: ["v1"] },
    "/apis": { groups: [{ versions: [{ groupVersion: "apps/v1" }, { groupVersion: "down/v1" }] }] },
    "/api/v1": {
      resources: [
        { name: "pods", kind: "Pod", namespaced: true, verbs: ["get", "watch"], shortNames: ["x"] },
        { name: "pods/status", kind: "Pod" },
      ],
    },
    "/apis/apps/v1": {
      resources: [
        { name: "deployments", kind: "Deployment", namespaced: true, verbs: ["get", "watch"], shortNames: ["x"] },
        { name: "deployments/status" },
      ],
    },
  };
  const modern: Record<string, unknown> = {
    "/api": aggregated("", "Pod", "pods"),
    "/apis": aggregated("apps", "Deployment", "deployments"),
  };

  for (const [name, documents, requests] of [
    ["aggregated", modern, 2],
    ["group by group", legacy, 5],
  ] as const) {
    test(`${name}: kinds are resolved, kept, and read again after invalidate`, async () => {
      const asked: string[] = [];
      const { client } = await over(
        (request, response) => {
          asked.push(request.url ?? "");
          const document = documents[request.url ?? ""];
          response
            .writeHead(document === undefined ? 503 : 200, { "content-type": "application/json" })
            .end(JSON.stringify(document ?? {}));
        },
        { maxRetries: 0 },
      );
      const discovery = createDiscovery(client, () => 0);
      const common = { namespaced: true, verbs: ["get", "watch"], shortNames: ["x"], subresources: ["status"] };
      assert.deepEqual(await discovery.resolve("v1", "Pod"), {
        apiVersion: "v1",
        kind: "Pod",
        plural: "pods",
        ...common,
      });
      assert.deepEqual(await discovery.resolve("apps/v1", "Deployment"), {
        apiVersion: "apps/v1",
        kind: "Deployment",
        plural: "deployments",
        ...common,
      });
      assert.equal(asked.length, requests);
      discovery.invalidate();
      assert.equal((await discovery.all()).length, 2);
      assert.equal(asked.length, requests * 2);
    });
  }

  test("an unknown kind is KUBE_KIND_NOT_SERVED with the nearest names, after one more look when old", async () => {
    let now = 0;
    let served = modern;
    const { client } = await over((request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(served[request.url ?? ""]));
    });
    const discovery = createDiscovery(client, () => now);
    await assert.rejects(discovery.resolve("apps/v1beta1", "Deploment"), {
      code: "KUBE_KIND_NOT_SERVED",
      message: /does not serve apps\/v1beta1 Deploment; the nearest are apps\/v1 Deployment, v1 Pod/,
    });
    served = { ...modern, "/apis": aggregated("example.org", "Widget", "widgets") };
    await assert.rejects(discovery.resolve("example.org/v1", "Widget"), { code: "KUBE_KIND_NOT_SERVED" });
    now = 5_000;
    assert.equal((await discovery.resolve("example.org/v1", "Widget")).plural, "widgets");
  });
});
