import { workerData } from "node:worker_threads";
import { attachWriter } from "./create-store.ts";
import type { StoreHandle } from "./handle.ts";
import { STRESS_KIND, StressWriter } from "./stress.test-support.ts";

/** For tests: what a writer thread is told. */
export interface StressWriterData {
  readonly handle: StoreHandle;
  readonly firstVersion: number;
}

// The data is what the test gave.
const { handle, firstVersion } = workerData as StressWriterData;

// Until it is ended, wherever it is.
const writer = attachWriter(handle);
const load = new StressWriter(writer, writer.open(STRESS_KIND.plan()), firstVersion);
for (;;) {
  load.transaction();
  if (load.count % 50 === 0) {
    writer.maintain(performance.now());
  }
}
