import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { attachReader } from "./attach-reader.ts";
import type { ObjectsOf, StoreView } from "./reader.ts";
import { MARKED, OBJECTS, STRESS_KIND, type StressReaderData } from "./stress.test-support.ts";

// Given by the test that starts this thread.
const { handle, readerId, isTorn } = workerData as StressReaderData;
const REPORT_EVERY_MS = 100;

type Kinds = readonly [typeof STRESS_KIND];
type Objects = ObjectsOf<typeof STRESS_KIND>;
type View = NonNullable<ReturnType<Objects["get"]>>;

const reader = attachReader<Kinds>(handle, { readerId, onError: (error) => note(String(error)) });
const violations: string[] = [];
const shown = new Map<string, string>();
let snapshots = 0;
let batches = 0;

function note(violation: string): void {
  if (violations.length < 20) {
    violations.push(violation);
  }
}

function check(isRight: boolean, what: string): void {
  if (!isRight) {
    note(what);
  }
}

/** Each object carries its version twice, once with padding that depends on it. */
function checkWhole(pod: View): void {
  const version = pod.restarts;
  const wanted = `${version}:${"x".repeat(version % 90)}`;
  check(pod.metadata.annotations.check === wanted, `torn object: ${version} and ${pod.metadata.annotations.check}`);
  check(pod.metadata.resourceVersion === String(version), "version and restarts differ");
}

function checkSnapshot(read: <T>(part: (view: StoreView<Kinds>) => T) => T): void {
  const byLabel = read((view) => view.pods.byLabel("marked", "yes").length);
  check(byLabel === MARKED, `${byLabel} marked by index`);
  const scanned = read((view) => {
    const ips = new Set<string>();
    let marked = 0;
    for (const pod of view.pods) {
      checkWhole(pod);
      ips.add(pod.status.podIP ?? "");
      marked += pod.metadata.labels.marked === "yes" ? 1 : 0;
    }
    return { ips: ips.size, marked, size: view.pods.size };
  });
  check(scanned.marked === MARKED && scanned.marked === byLabel, `${scanned.marked} marked by scan`);
  check(scanned.ips === OBJECTS && scanned.size === OBJECTS, `${scanned.ips} addresses, ${scanned.size} objects`);
  for (let i = 0; i < OBJECTS; i += 41) {
    const found = read((view) => view.pods.by("podIP", `10.0.${i >> 8}.${i & 255}`).map((pod) => pod.key));
    check(found.length === 1, `${found.length} pods with one address`);
    const version = read((view) => view.pods.get(found[0] ?? "")?.restarts);
    check(version !== undefined, "a pod found by address is not found by key");
    const again = read((view) => view.pods.get(found[0] ?? "")?.restarts);
    check(version === again, "a pod changed within a snapshot");
  }
  snapshots++;
}

reader.changes(STRESS_KIND, (batch) => {
  batches++;
  for (const change of batch) {
    const key = (change.new ?? change.old)?.key ?? "";
    if (change.op === "added") {
      check(!shown.has(key), `added ${key} twice`);
    } else if (change.op === "updated") {
      check(shown.get(key) === change.old.metadata.resourceVersion, `old of ${key} is not what was shown`);
    } else {
      check(shown.has(key), `${change.op} ${key}, which was not there`);
    }
    if (change.op === "deleted") {
      shown.delete(key);
    } else {
      checkWhole(change.new);
      shown.set(key, change.new.metadata.resourceVersion);
    }
  }
  check(shown.size === OBJECTS, `the changes add up to ${shown.size} objects`);
});

function report(): void {
  parentPort?.postMessage({ snapshots, batches, violations: violations.splice(0) });
  snapshots = 0;
  batches = 0;
}

function loop(): void {
  const until = performance.now() + REPORT_EVERY_MS;
  while (performance.now() < until) {
    if (isTorn) {
      checkSnapshot((part) => reader.read((view) => part(view) as never));
    } else {
      reader.read((outer) => {
        // Made first and looked at last: where they point must not be used again meanwhile.
        const early = outer.pods.all();
        checkSnapshot((part) => part(outer));
        early.forEach(checkWhole);
      });
    }
  }
  report();
  if (parentPort === null || receiveMessageOnPort(parentPort) !== undefined) {
    reader.close();
    parentPort?.close();
    return;
  }
  setImmediate(loop);
}

loop();
