import type { Clock } from "./clock.ts";
import type { FaultList } from "./faults.ts";
import type { Random } from "./random.ts";
import type { ResourceTable } from "./resources.ts";
import type { Schema } from "./schema.ts";
import type { Storage } from "./storage.ts";

/** How the server treats watches and lists. All can be changed while it runs. */
export interface Behaviour {
  /** Milliseconds between bookmarks. Default 60,000. */
  bookmarkPeriodMs: number;
  /** False: sendInitialEvents is refused with 422, as a server without WatchList does. Default true. */
  watchList: boolean;
  /** False: a streamed list never ends its initial events. Default true. */
  initialEventsEnd: boolean;
  /** How a watch from a version that is gone is told: inside the stream (as the real server), or by status 410. Default "event". */
  expired: "event" | "status";
  /** True: deleting a namespace deletes what is in it, as the namespace controller does. Default true. */
  namespaceController: boolean;
}

/** What the parts of one server share. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly storage: Storage;
  readonly resources: ResourceTable;
  readonly faults: FaultList;
  readonly behaviour: Behaviour;
  /** Schemas of custom kinds, by "apiVersion/plural". */
  readonly schemas: Map<string, Schema>;
  /** Ends the watches of a kind that is not served any more. */
  readonly endWatches: (storageKey: string) => void;
  /** True while open watches say nothing. */
  readonly watchesHeld: () => boolean;
}
