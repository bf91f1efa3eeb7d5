import assert from "node:assert/strict";
import { connect } from "node:http2";
import { test } from "node:test";
import { codeOf } from "../errors.ts";
import { type ApiServer, type ApiServerOptions, createApiServer } from "./api-server.ts";
import { testCertificates } from "./certificates.ts";
import { manualClock } from "./clock.ts";
import type { Fault } from "./faults.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const WATCH = `${MAPS}?watch=1&allowWatchBookmarks=true`;

interface Body {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly metadata: { readonly name: string; readonly continue: string };
  readonly items: readonly Body[];
}

interface Answered {
  readonly status: number;
  readonly body: Body;
}

interface WatchedEvent {
  readonly type: string;
  readonly object: Body;
}

function put(server: ApiServer, name: string, value = "1") {
  return server.objects.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { value } });
}

async function answer(server: ApiServer, path: string, init: RequestInit = {}): Promise<Answered> {
  const response = await fetch(server.url + path, init);
  return { status: response.status, body: (await response.json()) as Body };
}

/** Reads a watch until so many events came. */
async function events(server: ApiServer, path: string, count: number): Promise<WatchedEvent[]> {
  const found: WatchedEvent[] = [];
  const cancel = new AbortController();
  const response = await fetch(server.url + path, { signal: cancel.signal });
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString("utf8");
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    found.push(...lines.map((line) => JSON.parse(line)));
    if (found.length >= count) {
      break;
    }
  }
  cancel.abort();
  return found;
}

async function withServer(options: ApiServerOptions, use: (server: ApiServer) => Promise<void>): Promise<void> {
  const server = await createApiServer(options);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

test("a watch from a compacted version is told 410, in the stream or by status", () =>
  withServer({}, async (server) => {
    const old = put(server, "a").metadata.resourceVersion;
    put(server, "a", "2");
    server.compact();
    const [event] = await events(server, `${WATCH}&resourceVersion=${old}`, 1);
    assert.deepEqual([event.type, event.object.code, event.object.reason], ["ERROR", 410, "Expired"]);
    server.behaviour.expired = "status";
    assert.equal((await answer(server, `${WATCH}&resourceVersion=${old}`)).status, 410);
  }));

test("a continue token expires by compaction and the answer has a fresh one", () =>
  withServer({}, async (server) => {
    for (const name of ["a", "b", "c"]) {
      put(server, name);
    }
    const first = await answer(server, `${MAPS}?limit=1`);
    put(server, "d");
    server.compact();
    const expired = await answer(server, `${MAPS}?limit=1&continue=${first.body.metadata.continue}`);
    assert.deepEqual([expired.status, expired.body.reason], [410, "Expired"]);
    const rest = await answer(server, `${MAPS}?continue=${expired.body.metadata.continue}`);
    assert.deepEqual(
      rest.body.items.map((item: Body) => item.metadata.name),
      ["b", "c", "d"],
    );
  }));

test("a restored server goes back in time: a watch from the future stays silent until its version is passed", () =>
  withServer({}, async (server) => {
    put(server, "kept");
    const snapshot = server.snapshot();
    const ghost = put(server, "ghost");
    server.restore(snapshot);
    assert.deepEqual(
      server.objects.list("v1", "ConfigMap").map((one) => one.metadata.name),
      ["kept"],
    );
    const waiting = events(server, `${WATCH}&resourceVersion=${ghost.metadata.resourceVersion}`, 1);
    await server.requests.waitFor({ verb: "watch", status: 200 });
    put(server, "hidden");
    put(server, "shown");
    assert.equal((await waiting)[0].object.metadata.name, "shown");
  }));

test("bookmarks and timeouts follow the clock", async () => {
  const clock = manualClock();
  await withServer({ clock }, async (server) => {
    const watched = events(server, `${WATCH}&resourceVersion=${server.objects.version}&timeoutSeconds=100`, 3);
    await server.requests.waitFor({ verb: "watch", status: 200 });
    server.bump();
    clock.advance(60_000);
    put(server, "a");
    clock.advance(40_000);
    assert.deepEqual(
      (await watched).map((event) => event.type),
      ["BOOKMARK", "ADDED", "BOOKMARK"],
    );
    assert.equal(server.requests.open().length, 0);
  });
});

test("without WatchList a streamed list is refused with 422", () =>
  withServer({ behaviour: { watchList: false } }, async (server) => {
    const refused = await answer(server, `${WATCH}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`);
    assert.deepEqual([refused.status, refused.body.reason], [422, "Invalid"]);
  }));

test("a user does what its rules and roles allow and is told what it may not", () =>
  withServer(
    { tokens: { t1: { name: "jane", rules: [{ verbs: ["list"], resources: ["pods"] }] } } },
    async (server) => {
      const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
      assert.equal((await answer(server, "/api/v1/pods", as("t1"))).status, 200);
      const refused = await answer(server, "/api/v1/namespaces/default/secrets/s", as("t1"));
      assert.equal(refused.status, 403);
      assert.equal(
        refused.body.message,
        'secrets "s" is forbidden: User "jane" cannot get resource "secrets" in API group "" in the namespace "default"',
      );
      assert.equal((await answer(server, "/api/v1/pods", as("wrong"))).status, 401);
      const rbac = "rbac.authorization.k8s.io/v1";
      server.objects.apply({
        apiVersion: rbac,
        kind: "Role",
        metadata: { name: "r" },
        rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }],
      });
      const subjects = [{ kind: "User", name: "jane" }];
      server.objects.apply({
        apiVersion: rbac,
        kind: "RoleBinding",
        metadata: { name: "b" },
        subjects,
        roleRef: { kind: "Role", name: "r" },
      });
      assert.equal((await answer(server, "/api/v1/namespaces/default/secrets/s", as("t1"))).status, 404);
    },
  ));

test("deleting a definition ends the watches of its kind and stops serving it", () =>
  withServer({}, async (server) => {
    const versions = [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }];
    const names = { plural: "things", kind: "Thing" };
    const reference = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      name: "things.example.org",
    };
    server.objects.apply({
      ...reference,
      metadata: { name: reference.name },
      spec: { group: "example.org", scope: "Namespaced", names, versions },
    });
    const path = "/apis/example.org/v1/things";
    const watched = fetch(`${server.url}${path}?watch=1`).then((response) => response.text());
    await server.requests.waitFor({ verb: "watch", status: 200 });
    server.objects.delete(reference);
    assert.equal(await watched, "");
    assert.equal((await answer(server, path)).status, 404);
  }));

test("what it does not do is refused with 501", () =>
  withServer({}, async (server) => {
    const init = { method: "POST", headers: { "content-type": "application/yaml" }, body: "kind: ConfigMap" };
    const refused = await answer(server, MAPS, init);
    assert.deepEqual([refused.status, refused.body.reason], [501, "NotImplemented"]);
  }));

async function faulty(server: ApiServer, fault: Fault, path: string): Promise<string> {
  const active = server.faults.add({ match: { path: MAPS }, fault });
  try {
    const response = await fetch(server.url + path, {
      signal: AbortSignal.timeout(fault.kind === "blackHole" || fault.kind === "halfOpen" ? 200 : 5000),
    });
    return `${response.status} ${await response.text()}`;
  } catch (error) {
    return `broken ${codeOf(error instanceof Error ? error.cause : error)}`;
  } finally {
    assert.equal(active.hits, 1);
    active.remove();
  }
}

test("faults of whole answers", () =>
  withServer({}, async (server) => {
    put(server, "a");
    assert.match(
      await faulty(server, { kind: "status", code: 503, body: "busy", retryAfterSeconds: 1 }, MAPS),
      /^503 busy$/,
    );
    assert.equal(await faulty(server, { kind: "reset", afterBytes: 0 }, MAPS), "broken ECONNRESET");
    assert.match(await faulty(server, { kind: "reset", afterBytes: 20 }, MAPS), /^broken/);
    assert.match(await faulty(server, { kind: "close", afterBytes: 20 }, MAPS), /^broken/);
    assert.equal(await faulty(server, { kind: "end", afterBytes: 8 }, MAPS), '200 {"kind":');
    assert.match(await faulty(server, { kind: "slow", bytes: 50, everyMs: 1 }, MAPS), /^200 .*"items".*\}\n$/s);
    const garbled = await faulty(server, { kind: "garbage", afterBytes: 1, bytes: 4 }, MAPS);
    assert.throws(() => JSON.parse(garbled.slice(4)));
  }));

test("faults of watches", () =>
  withServer({}, async (server) => {
    put(server, "a");
    put(server, "b");
    const types = (text: string) => [...text.matchAll(/"type":"([A-Z]+)"/g)].map((match) => match[1]);
    assert.equal(await faulty(server, { kind: "endWatch", afterEvents: 0 }, WATCH), "200 ");
    assert.deepEqual(types(await faulty(server, { kind: "endWatch", afterEvents: 1 }, WATCH)), ["ADDED"]);
    assert.deepEqual(types(await faulty(server, { kind: "errorEvent", afterEvents: 1, code: 500 }, WATCH)), [
      "ADDED",
      "ERROR",
    ]);
    assert.match(
      await faulty(server, { kind: "tornFrame", afterEvents: 1, bytes: 10, followedBy: "end" }, WATCH),
      /\n\{"type":"B$/,
    );
    assert.deepEqual(types(await faulty(server, { kind: "duplicates" }, `${WATCH}&timeoutSeconds=1`)), [
      "ADDED",
      "ADDED",
      "ADDED",
      "ADDED",
    ]);
    assert.match(
      await faulty(server, { kind: "wrongKind", afterEvents: 1 }, `${WATCH}&timeoutSeconds=1`),
      /"kind":"Secret"/,
    );
    assert.match(await faulty(server, { kind: "blackHole", afterEvents: 1 }, WATCH), /^broken/);
    assert.match(await faulty(server, { kind: "halfOpen" }, WATCH), /^broken/);
    const stale = await faulty(server, { kind: "stale", behind: 1 }, MAPS);
    assert.deepEqual(
      JSON.parse(stale.slice(4)).items.map((item: Body) => item.metadata.name),
      ["a"],
    );
  }));

test("a rule hits from the nth request on, so many times", () =>
  withServer({}, async (server) => {
    const active = server.faults.add({
      match: { verb: "list", nth: 2, times: 1 },
      fault: { kind: "status", code: 500 },
    });
    const seen = [];
    for (let i = 0; i < 4; i++) {
      seen.push((await answer(server, MAPS)).status);
    }
    assert.deepEqual(seen, [200, 500, 200, 200]);
    assert.equal(active.hits, 1);
    assert.equal(server.requests.count({ verb: "list", status: 500 }), 1);
  }));

test("HTTP/2 over TLS: GOAWAY, and a reset takes the whole connection down", async () => {
  const tls = await testCertificates();
  await withServer({ tls }, async (server) => {
    const session = connect(server.url, { ca: tls.caPem });
    session.on("error", () => {});
    const status = (path: string) =>
      new Promise<number>((resolve, reject) => {
        const request = session.request({ ":path": path });
        request.on("response", (headers) => resolve(Number(headers[":status"])));
        request.on("error", reject);
        request.resume();
      });
    assert.equal(await status(MAPS), 200);
    assert.equal(server.requests.all()[0].httpVersion, "2.0");
    const goneAway = new Promise((resolve) => session.on("goaway", resolve));
    server.faults.add({ match: { times: 1 }, fault: { kind: "goaway" } });
    assert.equal(await status(MAPS), 200);
    await goneAway;
    const other = connect(server.url, { ca: tls.caPem });
    other.on("error", () => {});
    const broken = new Promise((resolve) => other.on("close", () => resolve("closed")));
    server.faults.add({ fault: { kind: "reset", afterBytes: 5 } });
    other.request({ ":path": MAPS }).on("error", () => {});
    // A client of Node sees an error or only the end, as it happens to look.
    assert.equal(await broken, "closed");
    session.destroy();
  });
});

test("a fault that is none is refused where it is added", async () => {
  await withServer({}, async (server) => {
    // As in a test without types, or with the fault one level too high.
    const add = server.faults.add.bind(server.faults) as (rule: unknown) => unknown;
    assert.throws(() => add({ kind: "halfOpen" }), { code: "TESTING_BAD_FAULT" });
    assert.throws(() => add(undefined), { code: "TESTING_BAD_FAULT" });
  });
});

test("held watches say nothing, bookmarks neither, and miss nothing when they go on", async () => {
  await withServer({}, async (server) => {
    put(server, "before");
    const cancel = new AbortController();
    const response = await fetch(server.url + WATCH, { signal: cancel.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.ok(reader);
    const next = async (): Promise<string[]> =>
      ((await reader.read()).value ?? "")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as WatchedEvent)
        .map(({ type, object }) => `${type} ${object.metadata.name ?? ""}`.trim());
    assert.deepEqual(await next(), ["ADDED before"]);
    const goOn = server.holdWatches();
    const goOnToo = server.holdWatches();
    put(server, "meanwhile");
    server.bookmark();
    assert.equal((await answer(server, `${MAPS}/meanwhile`)).status, 200);
    goOn();
    goOn();
    put(server, "still-held");
    let isQuiet = true;
    const coming = next().finally(() => {
      isQuiet = false;
    });
    await answer(server, MAPS);
    assert.ok(isQuiet, "one of two holds is left");
    goOnToo();
    const told = await coming;
    if (told.length < 2) {
      told.push(...(await next()));
    }
    assert.deepEqual(told, ["ADDED meanwhile", "ADDED still-held"]);
    put(server, "after");
    assert.deepEqual(await next(), ["ADDED after"]);
    cancel.abort();
  });
});
