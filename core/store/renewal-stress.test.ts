import assert from "node:assert/strict";
import { extname } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { createStore } from "./create-store.ts";
import { MARKED, OBJECTS, STRESS_KIND } from "./stress.test-support.ts";
import type { StressWriterData } from "./stress-writer.test-support.ts";

const ROUNDS = 12;

test("writers that are ended anywhere leave a whole store behind, and the next one's is gone over to", async () => {
  const errors: unknown[] = [];
  const store = createStore<readonly [typeof STRESS_KIND]>({
    plans: [STRESS_KIND.plan()],
    maxBytes: 16 << 20,
    onError: (error) => errors.push(error),
  });
  const reader = store.reader();
  const shown = new Map<string, string>();
  reader.changes(STRESS_KIND, (batch) => {
    for (const change of batch) {
      const { op } = change;
      const { key, metadata, restarts } = change.new ?? change.old;
      assert.equal(op !== "added", shown.has(key), `${op} ${key}`);
      if (op === "deleted") {
        shown.delete(key);
      } else {
        shown.set(key, `${key} ${metadata.uid} ${restarts}`);
      }
    }
  });
  const check = (): number =>
    reader.read((view) => {
      const all = view.pods.all();
      assert.equal(all.length, OBJECTS);
      assert.equal(view.pods.size, OBJECTS);
      assert.equal(view.pods.byLabel("marked", "yes").length, MARKED);
      for (let i = 0; i < OBJECTS; i++) {
        assert.equal(view.pods.by("podIP", `10.0.${i >> 8}.${i & 255}`).length, 1);
      }
      assert(all.every((pod) => pod.metadata.annotations.check.startsWith(`${pod.restarts}:`)));
      return Math.min(...all.map((pod) => pod.restarts));
    });
  for (let round = 1; round <= ROUNDS; round++) {
    const firstVersion = round * 10_000_000;
    const workerData: StressWriterData = { handle: store.handle(), firstVersion };
    const worker = new Worker(new URL(`./stress-writer.test-support${extname(import.meta.url)}`, import.meta.url), {
      workerData,
    });
    while (!reader.status("pods").synced || reader.stats().memories === 2) {
      if (round > 1) {
        check();
      }
      await sleep(1);
    }
    await sleep(5 + round * 3);
    await worker.terminate();
    assert(check() >= firstVersion, "the reader is not at the new memory");
    reader.flush();
    const seen = reader.read((view) => view.pods.all().map((pod) => `${pod.key} ${pod.metadata.uid} ${pod.restarts}`));
    assert.deepEqual([...shown.values()].sort(), seen.sort());
    store.renew();
    check();
  }
  assert.deepEqual(errors, []);
  store.close();
});
