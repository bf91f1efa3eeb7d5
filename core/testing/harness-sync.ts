import { FairleadError } from "../errors.ts";
import type { StoreReader } from "../store/reader.ts";
import type { ApiServer } from "./api-server.ts";
import type { Recorded } from "./harness-records.ts";

/** Turns of the event loop after which a bookmark is sent again: the first may have met a watch that was being opened. */
const TURNS_OF_A_BOOKMARK = 50;
const NOT_SERVED = 5;
const FORBIDDEN = 6;

/** Who is to catch up with whom. */
export interface CatchUp {
  readonly server: ApiServer;
  readonly store: StoreReader;
  readonly timeoutMs: number;
  /** True once there is nothing to wait for any more. */
  readonly isStopped: () => boolean;
  /** Tells the plugin of what is in its store, and waits for what it does. */
  readonly settle: () => Promise<Recorded>;
}

/** Brings store and plugin to what the server has, and again while what the plugin does changes the cluster. */
export async function catchUp(who: CatchUp): Promise<Recorded> {
  const { server, settle } = who;
  const endAt = performance.now() + who.timeoutMs;
  for (;;) {
    await reach(who, endAt);
    // What was read in one turn of the event loop is in the store before the next: a second version is read in another.
    server.bump();
    await reach(who, endAt);
    const before = server.objects.version;
    const recorded = await settle();
    if (server.objects.version === before) {
      return recorded;
    }
  }
}

/** Waits until every kind has been followed up to the server's newest version. */
async function reach({ server, store, timeoutMs, isStopped }: CatchUp, endAt: number): Promise<void> {
  const version = Number(server.objects.version);
  for (let turn = 0; ; turn++) {
    if (isStopped()) {
      throw new FairleadError("TESTING_NOT_SETTLED", "the harness was stopped; start another one");
    }
    const behind = store.kinds.filter((kind) => isBehind(store, kind, version));
    if (behind.length === 0) {
      return;
    }
    if (performance.now() > endAt) {
      throw new FairleadError(
        "TESTING_NOT_SETTLED",
        `within ${timeoutMs} ms the store did not follow the test server in ${behind.join(", ")}; a fault that is still scripted, or a plugin that never stops writing`,
        { facts: { kinds: behind } },
      );
    }
    if (turn % TURNS_OF_A_BOOKMARK === 0) {
      server.bookmark();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function isBehind(store: StoreReader, kind: string, version: number): boolean {
  const { phase, synced, resourceVersion } = store.status(kind);
  if (phase === NOT_SERVED || phase === FORBIDDEN) {
    return false;
  }
  return !synced || Number(resourceVersion) < version;
}
