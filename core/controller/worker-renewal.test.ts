import assert from "node:assert/strict";
import { test } from "node:test";
import { pods } from "../kinds/index.ts";
import { silentLogger } from "../log.ts";
import { createStore, type Store } from "../store/create-store.ts";
import { RowMaker } from "../store/row-maker.test-support.ts";
import type { StoreWriter } from "../store/store.ts";
import { realClock } from "../watch/clock.ts";
import type { PluginSite } from "./plugin-site.ts";
import { shareStore } from "./plugin-threads-store.ts";
import { createWorkerRunner } from "./worker-runner.ts";

type Handlers = Readonly<Record<string, (given: unknown) => unknown>>;

/** A site that keeps what is provided. */
function site(): { readonly site: PluginSite; handlers(): Handlers } {
  let provided: Handlers = {};
  const refuse = (): never => {
    throw new Error("not in this test");
  };
  return {
    handlers: () => provided,
    site: {
      plugin: "unruly",
      log: () => {},
      declareMetric: () => 0,
      record: () => {},
      tap: () => ({ remove: () => {}, [Symbol.dispose]: () => {} }),
      declareHook: refuse,
      kube: refuse,
      event: () => {},
      task: refuse,
      provide: (_service, handlers) => {
        provided = handlers;
      },
      callService: refuse,
      secret: refuse,
      failed: (_where, error) => {
        throw error;
      },
    },
  };
}

/** Writes one pod and tells that the kind is complete. */
function fill(writer: StoreWriter, name: string): void {
  const kind = writer.open(PLAN);
  const row = { namespace: "shop", name, uid: `u-${name}`, resourceVersion: "1", fields: { phase: "Running" } };
  kind.put(new RowMaker(kind.plan, kind.interner).make(row));
  writer.commit();
  kind.status.synced(true);
  writer.commit();
}

const PLAN = pods.select("phase").plan();

function open(): Store {
  const store = createStore({ plans: [PLAN], maxBytes: 1 << 20 });
  fill(store.writer(), "cart-1");
  return store;
}

test("a plugin in a thread, and its own thread, go over to the store's new memory", async () => {
  const store = open();
  const { site: own, handlers } = site();
  const runner = createWorkerRunner({
    entry: { use: new URL("./unruly-plugin.test-support.ts", import.meta.url), options: { name: "x" } },
    store,
    clock: realClock,
    log: silentLogger,
    crashed: () => {},
    restarted: async () => {},
    gaveUp: () => {},
    changesCalled: () => {},
  });
  const ask = async (name: string, given?: unknown): Promise<unknown> => await handlers()[name](given);
  const until = async (what: () => Promise<unknown>, expected: unknown): Promise<void> => {
    let last: unknown;
    for (let i = 0; i < 2000; i++) {
      last = await what();
      try {
        assert.deepEqual(last, expected);
        return;
      } catch {
        // Not yet.
      }
    }
    assert.deepEqual(last, expected);
  };
  try {
    await runner.load();
    await runner.start(own);
    await ask("ready");
    await until(async () => await ask("phases"), ["shop/cart-1 Running"]);
    const { readers } = store.reader().stats();
    assert.equal(readers, 3, "this thread, the plugin's, and the one that it started");
    store.renew();
    fill(store.writer(), "cart-2");
    store.reader().flush();
    await until(async () => await ask("phases"), ["shop/cart-2 Running"]);
    await until(async () => {
      await ask("post", "pods");
      const heard = await ask("heard");
      return Array.isArray(heard) ? heard.filter(Array.isArray).at(-1) : undefined;
    }, ["cart-2"]);
  } finally {
    await runner.stop(1000);
  }
  assert.equal(store.reader().stats().readers, 1, "the places of threads that ended are free");
  store.close();
});

test("places among the readers are given from the last one downwards, once each", () => {
  const store = open();
  const places = [1, 2, 3].map(() => shareStore(store, () => {}));
  assert.deepEqual(
    places.map(({ share }) => share.readerId),
    [63, 62, 61],
  );
  places[1].release();
  places[1].release();
  assert.equal(shareStore(store, () => {}).share.readerId, 62);
  const more = Array.from({ length: 60 }, () => shareStore(store, () => {}));
  assert.equal(more.at(-1)?.share.readerId, 1);
  assert.throws(() => shareStore(store, () => {}), { code: "STORE_TOO_MANY_READERS" });
  store.close();
});
