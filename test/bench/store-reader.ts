import { parentPort, workerData } from "node:worker_threads";
import { attachReader } from "../../core/store/attach-reader.ts";
import type { StoreHandle } from "../../core/store/handle.ts";
import type { BENCH_PODS } from "./store-load.ts";

// Given by store.ts, which starts this thread.
const { handle, keys, forMs } = workerData as { handle: StoreHandle; keys: readonly string[]; forMs: number };

const reader = attachReader<readonly [typeof BENCH_PODS]>(handle);
const names = keys.map((key) => key.split("/"));
let reads = 0;
let sum = 0;
const began = performance.now();
let now = began;
for (let at = 0; now - began < forMs; now = performance.now()) {
  for (let i = 0; i < 20; i++) {
    reader.read((view) => {
      for (let j = 0; j < 50; j++) {
        at = at + 1 === names.length ? 0 : at + 1;
        const pod = view.pods.get(names[at][0], names[at][1]);
        sum += (pod?.status.phase?.length ?? 0) + (pod?.spec.nodeName?.length ?? 0);
        reads++;
      }
    });
  }
}
reader.close();
parentPort?.postMessage({ readsPerSecond: reads / ((now - began) / 1000), sum });
