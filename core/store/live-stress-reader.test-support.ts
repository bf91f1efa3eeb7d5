import { parentPort, workerData } from "node:worker_threads";
import { pods } from "../kinds/index.ts";
import { attachReader } from "./attach-reader.ts";
import type { StoreHandle } from "./handle.ts";
import { narrowReader } from "./narrow-reader.ts";

// For tests: reads as fast as it can while kinds are exchanged, and says what does not belong to one moment.
const { handle, count, id, drops }: { handle: StoreHandle; count: number; id: number; drops: Int32Array } = workerData;
const whole = attachReader(handle, {
  readerId: id,
  onError: (error) => {
    setImmediate(() => {
      throw error;
    });
  },
});
const reader = narrowReader(whole, [pods.select("phase")]);

let reads = 0;
let last = 0;
const rounds = new Set<number>();
const shown = new Map<string, string>();

function check(holds: boolean, what: string): void {
  if (!holds) {
    throw new Error(what);
  }
}

function read(): void {
  reader.read((view) => {
    reads++;
    const versions = new Set(view.pods.all().map((pod) => pod.metadata.resourceVersion));
    const { size } = view.pods;
    check(versions.size <= 1, `${versions.size} rounds in one read`);
    check(size === count || (size === 0 && Atomics.load(drops, 0) === 1), `${size} objects of ${count}`);
    const [version] = versions;
    if (version !== undefined) {
      check(Number(version) >= last, `round ${version} after ${last}`);
      last = Number(version);
      rounds.add(last);
      check(view.pods.get("shop/o-1")?.metadata.resourceVersion === version, "found by key in another round");
      check(view.pods.inNamespace("shop").length === count, "the index does not have all");
      check(view.pods.byUid("u-2")?.status.phase === "Running", "not found by uid");
    }
    check(view.kind("pods").deleted.all().length === 0, "deleted objects");
  });
}

reader.changes(pods, (batch) => {
  for (const { op, old, new: now } of batch) {
    const key = (now ?? old)?.key ?? "";
    check(shown.has(key) === (op !== "added"), `${op} ${key}`);
    if (old !== undefined) {
      check(
        old.metadata.resourceVersion === shown.get(key),
        `old is ${old.metadata.resourceVersion}, not ${shown.get(key)}`,
      );
    }
    if (now === undefined) {
      shown.delete(key);
    } else {
      shown.set(key, now.metadata.resourceVersion);
    }
  }
  check(
    shown.size === count || (shown.size === 0 && Atomics.load(drops, 0) === 1),
    `${shown.size} are known after a batch`,
  );
});

function run(): void {
  for (let i = 0; i < 50; i++) {
    read();
  }
  whole.flush();
  setImmediate(run);
}

parentPort?.on("message", () => {
  whole.flush();
  parentPort?.postMessage({ reads, rounds: rounds.size, shown: shown.size, last });
});
parentPort?.postMessage("ready");
run();
