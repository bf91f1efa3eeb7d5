import { parentPort } from "node:worker_threads";
import { type FailureData, failureOf } from "./failure.ts";
import { notPlain } from "./plain-data.ts";

/** A task as the pool sends it. */
export interface TaskOrder {
  readonly module: string;
  readonly input: unknown;
}

/** What becomes of a task that came to its end. */
export type TaskOutcome =
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "failed"; readonly error: FailureData };

let isQuiet = false;

/** Runs in a thread of the task pool: calls the default export of the task's module. */
// biome-ignore lint/style/noDefaultExport: Piscina calls the default export
export default async function runTask({ module, input }: TaskOrder): Promise<TaskOutcome> {
  beQuiet();
  try {
    const { default: run }: { readonly default?: unknown } = await import(module);
    if (typeof run !== "function") {
      const message = `${module} has no function as its default export; write: export default (input) => …`;
      return { kind: "failed", error: { code: "TASK_BAD_MODULE", message, facts: {} } };
    }
    const value: unknown = await run(input);
    const problem = notPlain(value, "answer");
    if (problem !== undefined) {
      const message = `what ${module} gives cannot go to another thread: ${problem}`;
      return { kind: "failed", error: { code: "RPC_NOT_CLONEABLE", message, facts: {} } };
    }
    return { kind: "done", value };
  } catch (error) {
    return { kind: "failed", error: failureOf(error) };
  }
}

/** A task could hold the main thread up through what every thread can write to: its starter's port, and the terminal. */
function beQuiet(): void {
  if (isQuiet) {
    return;
  }
  isQuiet = true;
  parentPort?.close();
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (_chunk: unknown, ...more: readonly unknown[]): boolean => {
      const done = more.findLast((one) => typeof one === "function");
      if (done !== undefined) {
        process.nextTick(done);
      }
      return true;
    };
  }
}
