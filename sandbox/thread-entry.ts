import { parentPort, workerData } from "node:worker_threads";
import type { ThreadEnvelope } from "./thread.ts";

/** The inside of a thread that `spawnThread` started. */
export interface ThreadSide<Data, In, Out> {
  readonly data: Data;
  post(message: Out): void;
  /** Tells the starter that the thread works. */
  ready(): void;
  /** Call once: begins to receive. `onStop` frees everything; after it the thread ends when nothing is left. */
  listen(handlers: { onMessage(message: In): void; onStop(): void | Promise<void> }): void;
}

/** Call once in the module that `spawnThread` runs. */
export function enterThread<Data, In, Out>(): ThreadSide<Data, In, Out> {
  const port = parentPort;
  if (port === null) {
    throw new Error("this module runs in a thread started by spawnThread");
  }
  const send = (envelope: ThreadEnvelope<Out>): void => port.postMessage(envelope);
  return {
    // The starter and this module agree on the type of the data.
    data: workerData as Data,
    post: (message) => send({ kind: "message", message }),
    ready: () => send({ kind: "ready" }),
    listen({ onMessage, onStop }) {
      port.on("message", (envelope: ThreadEnvelope<In>) => {
        if (envelope.kind === "message") {
          onMessage(envelope.message);
        } else if (envelope.kind === "stop") {
          void Promise.resolve(onStop()).finally(() => port.close());
        }
      });
    },
  };
}
