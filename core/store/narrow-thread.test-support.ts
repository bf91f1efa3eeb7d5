import { parentPort, workerData } from "node:worker_threads";
import { codeOf } from "../errors.ts";
import { pods } from "../kinds/index.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { attachReader } from "./attach-reader.ts";
import type { StoreHandle } from "./handle.ts";
import { narrowReader } from "./narrow-reader.ts";

// For tests: a thread that says what it is told through a narrowed reader.
const { handle, plans }: { handle: StoreHandle; plans: RowPlan[] } = workerData;
const reader = narrowReader(attachReader(handle), plans);

function codeOfThrown(read: () => unknown): string {
  try {
    return String(read());
  } catch (error) {
    return codeOf(error);
  }
}

reader.changes(pods, (batch) => {
  for (const { new: pod } of batch) {
    const field = codeOfThrown(() => pod?.spec.nodeName);
    const kind = codeOfThrown(() => reader.read((view) => view.kind("services").size));
    parentPort?.postMessage(`${batch.kind} ${pod?.key} ${pod?.status.phase} ${field} ${kind}`);
  }
});
// A sleeping reader does not keep its thread alive; a port that is listened to does.
parentPort?.on("message", () => {});
