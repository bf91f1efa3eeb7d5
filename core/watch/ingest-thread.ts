import { enterThread } from "../../sandbox/thread-entry.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { LogFields, Logger } from "../log.ts";
import type { StoreHandle } from "../store/handle.ts";
import { SharedStoreWriter } from "../store/store-writer.ts";
import type { IngestReport, IngestRequest, IngestSetup } from "./ingest-messages.ts";
import { openIngestSide } from "./ingest-side.ts";

/** What the ingest thread is started with. */
interface ThreadData {
  readonly setup: IngestSetup;
  readonly store: StoreHandle;
}

// The entry of the ingest thread: what it imports is all that its memory pays for.
const thread = enterThread<ThreadData, IngestRequest, IngestReport>();

const log = (level: "debug" | "info" | "warn" | "error") => {
  return (fields: LogFields, message: string): void => thread.post({ kind: "log", level, fields, message });
};
const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };

const side = openIngestSide(thread.data.setup, new SharedStoreWriter(thread.data.store), logger, "thread");

async function answer({ id, ask }: IngestRequest): Promise<void> {
  try {
    thread.post({ kind: "answer", id, value: await side.answer(ask) });
  } catch (error) {
    thread.post({ kind: "refusal", id, code: codeOf(error), message: messageOf(error) });
  }
}

thread.listen({
  onMessage: (request) => void answer(request),
  onStop: () => side.stop(),
});
thread.ready();
