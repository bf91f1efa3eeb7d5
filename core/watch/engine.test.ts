import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createEngine, type Engine, type EngineOptions } from "./engine.ts";
import { ManualClock, settle } from "./manual-clock.test-support.ts";
import { MemoryApi } from "./memory-api.test-support.ts";
import { headerPlan, MemoryStore } from "./memory-store.test-support.ts";

const PODS = headerPlan("Pod", "pods");
const NODES = headerPlan("Node", "nodes", false);

interface World {
  readonly api: MemoryApi;
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly engine: Engine;
  readonly logs: string[];
}

function world(options: Partial<EngineOptions> = {}, prepare: (api: MemoryApi) => void = () => {}): World {
  const api = new MemoryApi();
  prepare(api);
  const store = new MemoryStore();
  const clock = new ManualClock();
  const logs: string[] = [];
  const log = (fields: object): void => {
    logs.push(JSON.stringify(fields));
  };
  const engine = createEngine({
    transport: api.transport(),
    store,
    plans: [PODS],
    clock,
    random: () => 0.5,
    auditEveryMs: 0,
    log: { debug: log, info: log, warn: log, error: log },
    ...options,
  });
  return { api, store, clock, engine, logs };
}

function twoPods(api: MemoryApi): void {
  api.apply("pods", "a", "shop");
  api.apply("pods", "b", "shop");
}

function assertEqual(w: World, plural = "pods", filter?: (namespace: string) => boolean): void {
  assert.deepEqual(
    new Map([...w.store.kind(plural).objects].sort()),
    new Map([...w.api.expected(plural, filter)].sort()),
  );
}

describe("engine", () => {
  test("loads by one streamed list, is synced after the commit, and follows changes", async () => {
    const w = world({}, twoPods);
    const { commits } = w.store;
    w.engine.start();
    const pods = w.store.kind("pods");
    const commitsAtSync = Promise.withResolvers<number>();
    pods.onSynced = () => commitsAtSync.resolve(w.store.commits - commits);
    await settle();
    assert.equal(await commitsAtSync.promise, 1);
    assert.equal(w.api.requests.length, 1);
    assert.deepEqual(pods.log, ["add shop/a 101", "add shop/b 102", "synced 2"]);
    assert.ok(w.store.commits >= 1);
    w.api.apply("pods", "a", "shop");
    w.api.delete("pods", "b", "shop");
    await settle();
    assertEqual(w);
    assert.deepEqual([pods.version, pods.count("events"), pods.count("watches"), pods.phase], ["104", 4, 1, 3]);
    assert.ok(pods.count("bytes") > 400);
    w.engine.stop();
  });

  test("pages where streaming is refused, and remembers it for the next load", async () => {
    const w = world({ limits: { pageSize: 2 } }, (api) => {
      api.watchList = false;
      for (let i = 0; i < 5; i++) {
        api.apply("pods", `p${i}`, "shop");
      }
    });
    w.engine.start();
    await settle();
    assertEqual(w);
    assert.equal(w.api.count(/limit=2/), 3);
    w.engine.relist("pods", "test");
    await settle();
    assert.equal(w.api.count(/sendInitialEvents/), 1);
    assert.equal(w.api.count(/resourceVersion=105&resourceVersionMatch=NotOlderThan/), 1);
    w.engine.stop();
  });

  test("a list page that breaks off is not taken for the whole", async () => {
    const w = world({}, (api) => {
      api.watchList = false;
      twoPods(api);
    });
    w.api.once((reply) => {
      if (!reply.url.search.includes("limit=500")) {
        return false;
      }
      reply.head().bytes('{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"102"},"items":[').end();
      return true;
    });
    w.engine.start();
    await settle();
    assert.equal(w.store.kind("pods").synced, false);
    await w.clock.advance(2000);
    assertEqual(w);
    assert.equal(w.store.kind("pods").count("brokenFrames"), 1);
    w.engine.stop();
  });

  test("a torn frame goes on from the last whole event", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    const [stream] = [...w.api.open];
    const event = { type: "MODIFIED", object: w.api.objects.get("pods/shop/a") };
    stream.bytes(JSON.stringify(event).slice(0, 40));
    stream.end();
    w.api.apply("pods", "c", "shop");
    await w.clock.advance(2000);
    assertEqual(w);
    assert.match(w.api.requests[1], /resourceVersion=102(&|$)/);
    assert.equal(w.store.kind("pods").count("relists"), 0);
    w.engine.stop();
  });

  test("objects that vanished while away are removed by the next load", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    w.api.transport().reset("test");
    w.api.delete("pods", "b", "shop");
    w.api.compacted = w.api.version + 1;
    await w.clock.advance(2000);
    assertEqual(w);
    assert.equal(w.store.kind("pods").log.at(-1), "delete shop/b");
    w.engine.stop();
  });

  test("repeated and old events change nothing, lost order loads anew", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    const pods = w.store.kind("pods");
    const old = structuredClone(w.api.objects.get("pods/shop/a"));
    w.api.apply("pods", "a", "shop");
    w.api.delete("pods", "a", "shop");
    w.api.apply("pods", "d", "shop");
    const [stream] = [...w.api.open];
    stream.send({ type: "ADDED", object: old });
    assert.deepEqual([pods.count("relists"), w.api.open.size], [0, 1]);
    for (const { type, object } of w.api.history.slice(-3)) {
      stream.send({ type, object });
    }
    await settle();
    assertEqual(w);
    assert.equal(pods.log.filter((line) => line.startsWith("add shop/a")).length, 1);
    const between = structuredClone(w.api.objects.get("pods/shop/b"));
    w.api.version += 10;
    w.api.apply("pods", "e", "shop");
    if (between !== undefined) {
      between.metadata.resourceVersion = String(w.api.version - 3);
      stream.send({ type: "MODIFIED", object: between });
    }
    await w.clock.advance(2000);
    assertEqual(w);
    assert.equal(pods.count("relists"), 1);
    w.engine.stop();
  });

  test("a wrong content type and another kind are broken streams", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    w.api.once((reply) => {
      reply.head(200, { "content-type": "text/html" }).bytes("<html>");
      return true;
    });
    w.api.once((reply) => {
      const object = { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata: { resourceVersion: "500" }, rows: [] };
      reply.head().send({ type: "ADDED", object });
      return true;
    });
    w.api.transport().reset("test");
    await w.clock.advance(10_000);
    w.api.apply("pods", "c", "shop");
    await settle();
    assertEqual(w);
    assert.equal(w.store.kind("pods").count("brokenFrames"), 2);
    assert.equal(w.store.kind("pods").count("relists"), 0);
    w.engine.stop();
  });

  test("Retry-After of an error answer is honoured", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    w.api.once((reply) => {
      reply.status(429, "TooManyRequests", { headers: { "retry-after": "20" } });
      return true;
    });
    w.api.transport().reset("test");
    await w.clock.advance(2000);
    const requests = w.api.requests.length;
    await w.clock.advance(17_000);
    assert.equal(w.api.requests.length, requests);
    await w.clock.advance(3000);
    assert.equal(w.api.open.size, 1);
    w.engine.stop();
  });

  test("a server set back in time is loaded anew, with its ghosts removed", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    const before = { version: w.api.version, objects: new Map(w.api.objects), events: w.api.history.length };
    w.api.apply("pods", "ghost", "shop");
    w.api.apply("pods", "a", "shop");
    await settle();
    w.api.version = before.version;
    w.api.objects.clear();
    for (const [key, object] of before.objects) {
      w.api.objects.set(key, object);
    }
    w.api.history.length = before.events;
    w.api.transport().reset("test");
    await w.clock.advance(5000);
    assertEqual(w);
    assert.match(w.logs.join("\n"), /WATCH_TIME_TRAVEL/);
    w.api.apply("pods", "c", "shop");
    await settle();
    assertEqual(w);
    w.engine.stop();
  });

  test("a kind that is not served any more is emptied, and followed again when it is back", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    w.api.kinds.delete("pods");
    w.api.transport().reset("test");
    await w.clock.advance(5000);
    assert.deepEqual([w.store.kind("pods").size, w.store.kind("pods").phase], [0, 5]);
    w.api.kinds.set("pods", "Pod");
    await w.clock.advance(16_000);
    assertEqual(w);
    w.engine.stop();
  });

  test("stop leaves no request, timer or planned commit, at any moment", async () => {
    for (const moments of [0, 1, 2, 3, 50]) {
      const w = world({ plans: [PODS, NODES], scope: { allow: ["sh*"] }, auditEveryMs: 1000 }, (api) => {
        twoPods(api);
        api.apply("namespaces", "shop");
      });
      w.engine.start();
      for (let i = 0; i < moments; i++) {
        await Promise.resolve();
      }
      w.engine.stop();
      assert.equal(w.clock.running, 0);
      const requests = w.api.requests.length;
      const { commits } = w.store;
      await w.clock.advance(600_000);
      assert.deepEqual(
        [w.api.open.size, w.clock.running, w.api.requests.length, w.store.commits],
        [0, 0, requests, commits],
      );
    }
  });

  test("objects that a full store refused are loaded when there is room", async () => {
    const w = world({}, twoPods);
    w.store.kind("pods").capacity = 1;
    w.engine.start();
    await w.clock.advance(2000);
    assert.deepEqual([w.store.kind("pods").size, w.api.requests.length], [1, 1]);
    w.store.kind("pods").capacity = 10;
    await w.clock.advance(2000);
    assertEqual(w);
    assert.equal(w.api.requests.length, 2);
    w.engine.stop();
  });

  test("a kind can be added to and dropped from a running engine", async () => {
    const w = world({}, (api) => {
      twoPods(api);
      api.apply("nodes", "n1");
    });
    w.engine.start();
    w.engine.setPlans([PODS, NODES]);
    await settle();
    assertEqual(w, "nodes");
    w.engine.setPlans([NODES]);
    await settle();
    assert.deepEqual([[...w.store.kinds.keys()], w.api.open.size], [["nodes"], 1]);
    w.engine.setPlans([PODS, NODES]);
    await settle();
    assertEqual(w);
    w.engine.stop();
  });
});

describe("engine: namespaces", () => {
  const seed = (api: MemoryApi): void => {
    for (const namespace of ["shop", "shop-test", "kube-system", "bank"]) {
      api.apply("namespaces", namespace);
      api.apply("pods", "p", namespace);
    }
  };

  test("listed namespaces are watched one by one, without a right to see namespaces", async () => {
    const w = world({ scope: { allow: ["shop", "bank"], deny: ["bank"] } }, seed);
    w.engine.start();
    await settle();
    assertEqual(w, "pods", (namespace) => namespace === "shop");
    assert.deepEqual([w.store.kind("pods").synced, w.api.count(/namespaces\?/), w.api.requests.length], [true, 0, 1]);
    w.engine.stop();
  });

  test("all but some by name is one watch", async () => {
    const w = world({ scope: { allow: ["*"], deny: ["kube-system"] } }, seed);
    w.engine.start();
    await settle();
    assertEqual(w, "pods", (namespace) => namespace !== "kube-system");
    assert.equal(w.api.requests.length, 1);
    w.engine.stop();
  });

  test("globs follow namespaces that come, go and come back", async () => {
    const w = world({ scope: { allow: ["shop*"], deny: ["*-test"] } }, seed);
    w.engine.start();
    await settle();
    const wanted = (namespace: string): boolean => namespace.startsWith("shop") && !namespace.endsWith("-test");
    assertEqual(w, "pods", wanted);
    assert.equal(w.store.kind("pods").synced, true);
    w.api.apply("namespaces", "shop-2");
    w.api.apply("pods", "q", "shop-2");
    await settle();
    assertEqual(w, "pods", wanted);
    w.api.delete("pods", "p", "shop");
    w.api.delete("namespaces", "shop");
    await settle();
    assertEqual(w, "pods", wanted);
    w.api.apply("namespaces", "shop");
    w.api.apply("pods", "again", "shop");
    await settle();
    assertEqual(w, "pods", wanted);
    assert.equal(w.api.open.size, 3);
    w.engine.stop();
  });

  test("a kind is synced only when every namespace is", async () => {
    const w = world({ scope: { allow: ["shop", "bank"] } }, seed);
    w.api.once((reply) => {
      if (!reply.url.pathname.includes("/bank/")) {
        return false;
      }
      reply.status(503, "ServiceUnavailable");
      return true;
    });
    w.engine.start();
    await settle();
    assert.equal(w.store.kind("pods").synced, false);
    await w.clock.advance(2000);
    assert.equal(w.store.kind("pods").synced, true);
    assertEqual(w, "pods", (namespace) => namespace === "shop" || namespace === "bank");
    w.engine.stop();
  });

  test("without the right to see namespaces, kinds in globs are told to be forbidden", async () => {
    const w = world({ scope: { allow: ["shop*"] } }, seed);
    w.api.always((reply) => {
      if (reply.url.pathname !== "/api/v1/namespaces") {
        return false;
      }
      reply.status(403, "Forbidden");
      return true;
    });
    w.engine.start();
    await settle();
    assert.deepEqual([w.store.kind("pods").synced, w.store.kind("pods").phase], [false, 6]);
    w.engine.stop();
  });

  test("with no namespace in scope a kind is synced and empty", async () => {
    const w = world({ scope: { allow: ["nothing*"] } }, seed);
    w.engine.start();
    await settle();
    assert.deepEqual([w.store.kind("pods").synced, w.store.kind("pods").size], [true, 0]);
    w.engine.stop();
  });

  test("namespaces are loaded anew side by side without removing each other's objects", async () => {
    const w = world({ scope: { allow: ["shop", "bank"] } }, seed);
    w.engine.start();
    await settle();
    w.api.delete("pods", "p", "shop");
    w.api.apply("pods", "q", "bank");
    w.engine.relist("pods", "test");
    await settle();
    assertEqual(w, "pods", (namespace) => namespace === "shop" || namespace === "bank");
    w.engine.stop();
  });
});

describe("engine: drift audit", () => {
  test("an equal store counts an audit and no drift", async () => {
    const w = world({ auditEveryMs: 60_000 }, twoPods);
    w.engine.start();
    await w.clock.advance(100_000);
    const pods = w.store.kind("pods");
    assert.deepEqual([pods.count("audits"), pods.count("drift")], [1, 0]);
    w.engine.stop();
  });

  test("a difference that stays is counted and healed; one that the watch brings is not", async () => {
    const w = world({ limits: { watchIdleMs: 1e9, watchIdleMaxMs: 1e9 } }, twoPods);
    w.engine.start();
    await settle();
    const pods = w.store.kind("pods");
    pods.objects.set("shop/ghost", "90");
    pods.objects.delete("shop/a");
    const audit = w.engine.audit("pods");
    w.api.apply("pods", "fresh", "shop");
    await w.clock.advance(20_000);
    assert.deepEqual(await audit, { outcome: "drift", drift: 2 });
    await settle();
    assertEqual(w);
    assert.deepEqual([pods.count("drift"), pods.count("relists")], [2, 1]);
    w.engine.stop();
  });

  test("what changed between the list and the comparison is no difference", async () => {
    const w = world({ limits: { watchIdleMs: 1e9, watchIdleMaxMs: 1e9 } }, twoPods);
    w.engine.start();
    await settle();
    w.api.apply("nodes", "elsewhere");
    const audit = w.engine.audit("pods");
    await settle();
    w.api.apply("pods", "a", "shop");
    w.api.apply("pods", "new", "shop");
    await w.clock.advance(1500);
    assert.equal(w.api.requests.length, 2);
    assert.deepEqual(await audit, { outcome: "equal", drift: 0 });
    w.engine.stop();
  });

  test("a difference that is gone at the second look is none", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    const { objects } = w.store.kind("pods");
    objects.set("shop/ghost", "90");
    const audit = w.engine.audit("pods");
    await settle();
    objects.delete("shop/ghost");
    await w.clock.advance(5000);
    assert.deepEqual(await audit, { outcome: "equal", drift: 0 });
    assert.equal(w.api.requests.length, 3);
    w.engine.stop();
  });

  test("waits for the watch to pass the list's version, and gives up when it does not", async () => {
    const w = world({ limits: { watchIdleMs: 1e9, watchIdleMaxMs: 1e9 } }, twoPods);
    w.engine.start();
    await settle();
    w.api.apply("nodes", "elsewhere");
    const late = w.engine.audit("pods");
    await w.clock.advance(30_000);
    w.api.bookmark();
    await w.clock.advance(5_000);
    assert.equal((await late).outcome, "equal");
    w.api.apply("nodes", "elsewhere");
    const never = w.engine.audit("pods");
    await w.clock.advance(200_000);
    assert.equal((await never).outcome, "skipped");
    w.engine.stop();
  });

  test("a refused list is no drift", async () => {
    const w = world({}, twoPods);
    w.engine.start();
    await settle();
    w.api.once((reply) => {
      reply.status(500, "InternalError");
      return true;
    });
    assert.equal((await w.engine.audit("pods")).outcome, "skipped");
    assert.equal(w.store.kind("pods").count("audits"), 0);
    w.engine.stop();
  });
});
