import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { FairleadError } from "../errors.ts";
import type { ClusterAccess } from "../kube/access.ts";
import { createStore } from "../store/create-store.ts";
import { type Ingest, type IngestOptions, startIngest } from "./ingest.ts";
import { MemoryApi } from "./memory-api.test-support.ts";
import { serveMemoryApi } from "./memory-api-server.test-support.ts";
import { headerPlan } from "./memory-store.test-support.ts";
import { untilWithin } from "./until.test-support.ts";

const PODS = headerPlan("Pod", "pods");
const NODES = headerPlan("Node", "nodes", false);

type Store = ReturnType<typeof createStore>;

const until = untilWithin(10_000);

for (const mode of ["thread", "inline"] as const) {
  describe(`ingest: ${mode}`, () => {
    let api: MemoryApi;
    let access: ClusterAccess;
    let close: () => Promise<void>;

    before(async () => {
      api = new MemoryApi();
      for (let i = 0; i < 50; i++) {
        api.apply("pods", `p${i}`, "shop");
      }
      api.apply("nodes", "n1");
      ({ access, close } = await serveMemoryApi(api));
    });

    after(() => close());

    async function start(
      options: Partial<IngestOptions> = {},
    ): Promise<{ ingest: Ingest; store: Store; logs: string[] }> {
      const store = createStore({ plans: [PODS], backend: mode === "thread" ? "shared" : "local" });
      const logs: string[] = [];
      const log = (fields: object, message: string): void => {
        logs.push(`${message} ${JSON.stringify(fields)}`);
      };
      const ingest = await startIngest({
        access,
        store,
        plans: [PODS],
        mode,
        log: { debug: log, info: log, warn: log, error: log },
        ...options,
      });
      return { ingest, store, logs };
    }

    test("fills the store, follows changes, answers questions, ends with nothing left", async () => {
      const { ingest, store } = await start();
      const status = () => store.reader().status("pods");
      await until("synced", () => status().synced);
      assert.equal(status().objects, 50);
      const events = status().events;
      api.apply("pods", "late", "shop");
      await until("the change", () => status().objects === 51 && status().events === events + 1);
      assert.deepEqual(await ingest.audit("pods"), { outcome: "equal", drift: 0 });
      await assert.rejects(ingest.audit("nothing"), (error: FairleadError) => error.code === "WATCH_UNKNOWN_KIND");
      const activity = await ingest.activity();
      assert.equal(activity.pods.reflectors[0].state.mode, "watching");
      await ingest.figures();
      const figures = await ingest.figures();
      assert.equal(figures.mode, mode);
      assert.ok(figures.cpuMs > 0 && figures.heapUsedBytes > 0 && figures.bytesIn > 1000 && figures.requests >= 2);
      await ingest.relist("pods", "test");
      await until("the relist", () => status().relists === 1 && status().phase === 3);
      await ingest.stop();
      await until("no connection", () => api.open.size === 0);
      assert.equal(status().phase, 7);
      api.delete("pods", "late", "shop");
    });

    test("follows one more kind, and no longer one that was dropped", async () => {
      const { ingest, store } = await start();
      await until("synced", () => store.reader().status("pods").synced);
      await ingest.setPlans([PODS, NODES]);
      await until("nodes", () => api.count(/nodes/) > 0 && api.open.size === 2);
      await ingest.setPlans([NODES]);
      await until("dropped", () => store.reader().status("pods").objects === 0 && api.open.size === 1);
      await ingest.stop();
    });

    test("stop at once leaves nothing", async () => {
      const { ingest } = await start();
      await ingest.stop();
      await until("no connection", () => api.open.size === 0);
      await assert.rejects(async () => ingest.audit("pods"));
    });
  });
}

describe("ingest: a thread that crashes", () => {
  const setup = { plans: [PODS], mode: "thread" } as const;
  const nowhere: ClusterAccess = {
    server: "http://127.0.0.1:9",
    insecureSkipTlsVerify: false,
    credentials: {},
    origin: "test",
  };

  test("is told, and started again with what the store gives then", async () => {
    const api = new MemoryApi();
    api.apply("pods", "a", "shop");
    const { access, close } = await serveMemoryApi(api);
    const good = createStore({ plans: [PODS] });
    const crashes: { error: FairleadError; final: boolean }[] = [];
    let renewed = 0;
    const ingest = await startIngest({
      ...setup,
      access,
      store: {
        writer: () => good.writer(),
        handle: () => (renewed === 0 ? { broken: true } : good.handle()),
        renew: () => {
          renewed++;
        },
      },
      onCrash: (error, final) => crashes.push({ error, final }),
    });
    await until("the crash", () => crashes.length === 1);
    assert.deepEqual([crashes[0].error.code, crashes[0].final], ["WATCH_THREAD_CRASHED", false]);
    await assert.rejects(ingest.figures(), (error: FairleadError) => error.code === "WATCH_THREAD_CRASHED");
    await until("synced", () => good.reader().status("pods").synced);
    assert.deepEqual([ingest.restarts, renewed], [1, 1]);
    await ingest.stop();
    await close();
  });

  test("is not started again on a store that takes no other writer", async () => {
    const store = createStore({ plans: [PODS] });
    store.writer();
    const crash = Promise.withResolvers<boolean>();
    const ingest = await startIngest({
      ...setup,
      access: nowhere,
      store,
      onCrash: (_error, final) => crash.resolve(final),
    });
    assert.equal(await crash.promise, true);
    assert.equal(ingest.restarts, 0);
    await ingest.stop();
  });
});
