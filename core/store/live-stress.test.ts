import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { pods } from "../kinds/index.ts";
import { createStore } from "./create-store.ts";
import { RowMaker } from "./row-maker.test-support.ts";
import type { KindWriter } from "./store.ts";

const COUNT = 40;
const MS = Number(process.env.FAIRLEAD_STRESS_MS ?? 1500);
const PLANS = [pods.select("phase"), pods.select("phase", "labels"), pods.select("phase", "podIP", "nodeName")].map(
  (kind) => kind.plan(),
);

test("while kinds are exchanged and dropped, threads read whole kinds and are told whole differences; killed ones hold nothing", async () => {
  const store = createStore({ plans: [PLANS[0]], maxBytes: 1 << 20, onError: (error) => errors.push(error) });
  const errors: unknown[] = [];
  const writer = store.writer();
  const start = async (id: number): Promise<Worker> => {
    const worker = new Worker(new URL("./live-stress-reader.test-support.ts", import.meta.url), {
      workerData: { handle: store.handle(), count: COUNT, id, drops },
    });
    worker.on("error", (error) => errors.push(error));
    await once(worker, "message");
    return worker;
  };
  /** 1 once the kind is dropped now and then, so that nothing of it may be seen. */
  const drops = new Int32Array(new SharedArrayBuffer(4));
  let round = 0;
  const fill = (kind: KindWriter): void => {
    round++;
    const maker = new RowMaker(kind.plan, kind.interner);
    for (let i = 0; i < COUNT; i++) {
      const object = { namespace: "shop", name: `o-${i}`, uid: `u-${i}`, resourceVersion: `${round}` };
      kind.put(maker.make({ ...object, fields: { phase: "Running" } }));
      if (i % 7 === 0) {
        writer.commit();
      }
    }
    writer.commit();
    kind.status.synced(true);
  };
  // Listeners of a kind that is opened are shown it when it is synced; readers see it as it grows, so it is exchanged.
  let current = writer.open(PLANS[0]);
  const exchange = (): void => {
    const next = writer.replace(PLANS[round % 3]);
    fill(next);
    writer.show(next);
    writer.commit();
    current = next;
  };
  exchange();
  const readers = [await start(5), await start(6)];
  let killed = 0;
  const end = performance.now() + MS;
  while (performance.now() < end) {
    for (let i = 0; i < 20; i++) {
      exchange();
      writer.maintain(round * 250);
      if (i === 10 && performance.now() > end - MS / 2) {
        Atomics.store(drops, 0, 1);
        writer.drop(current);
        writer.commit();
        current = writer.open(PLANS[1]);
        exchange();
      }
    }
    if (performance.now() > end - MS / 2 && killed === 0) {
      const victim = await start(7);
      exchange();
      await victim.terminate();
      store.releaseReader(7);
      killed++;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const reader of readers) {
    const said = once(reader, "message");
    reader.postMessage("say");
    const [{ reads, rounds, shown, last }] = await said;
    assert.ok(reads > 100 && rounds > 10, `${reads} reads of ${rounds} rounds`);
    assert.deepEqual({ shown, last }, { shown: COUNT, last: round });
    await reader.terminate();
  }
  assert.deepEqual(errors, []);
  store.releaseReader(5);
  store.releaseReader(6);
  writer.drop(current);
  writer.commit();
  writer.maintain(0);
  assert.equal(store.reader().stats().liveBytes, 0);
  store.close();
});
