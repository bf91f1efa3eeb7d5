import type { RowPlan } from "../kinds/plan.ts";
import type { Interner, RowBuilder } from "./row.ts";

/** What a write did. `unchanged`: same uid and resourceVersion, no event. `refused`: the store is full (counted, loud). */
export type PutResult = "added" | "updated" | "unchanged" | "refused";

/** Writes one kind. One writer per store; ingest thread only. Nothing is visible to readers before `StoreWriter.commit`. */
export interface KindWriter {
  readonly plan: RowPlan;
  readonly interner: Interner;
  /** Adds or replaces the object in the builder (already finished). Another uid under the same key is a delete and an add. */
  put(row: RowBuilder): PutResult;
  /** Removes the object with the builder's namespace and name; a tombstone keeps its last state. False when it was not there. */
  remove(row: RowBuilder): boolean;
  /** A relist begins: `endReplace` will remove, with tombstones, all that was not `put` since. With a scope, only that namespace's objects. */
  beginReplace(scope?: { readonly namespace: string }): void;
  /** Gives how many objects vanished. */
  endReplace(): number;
  /** The relist failed; nothing vanishes. */
  cancelReplace(): void;
  /** Removes everything, with tombstones (a namespace left the scope, or the kind is not served any more). */
  clear(scope?: { readonly namespace: string }): number;
  /**
   * True when objects were refused since the last list, or since this was true, and there is room for them now: list again.
   */
  needsRelist(): boolean;
  /** Objects present, refused ones not counted. */
  readonly size: number;
  /** Calls back for each present object's namespace, name, uid and resourceVersion (drift audit; not a hot path). */
  forEachIdentity(visit: (namespace: string, name: string, uid: string, resourceVersion: string) => void): void;
  /** Numbers and marks that readers of every thread see at once, without a commit. */
  readonly status: KindStatusWriter;
}

/** Counters of one kind, all in shared memory. */
export interface KindStatus {
  /** The initial set is complete and was committed. */
  readonly synced: boolean;
  /** Wall clock (ms) at which the kind was last known to be current (event, bookmark, end of list). 0 = never. */
  readonly currentAtMs: number;
  readonly objects: number;
  readonly events: number;
  readonly bytes: number;
  /** Lists that were begun, in pages or streamed; a streamed one is a watch too. */
  readonly lists: number;
  readonly watches: number;
  readonly reconnects: number;
  readonly relists: number;
  readonly errors: number;
  readonly refused: number;
  readonly drift: number;
  readonly audits: number;
  readonly brokenFrames: number;
  /** Last known resourceVersion of the kind, as text; "" before the first list. */
  readonly resourceVersion: string;
  /** 0 idle, 1 connecting, 2 listing, 3 watching, 4 backing off, 5 not served, 6 forbidden, 7 stopped. */
  readonly phase: number;
}

/** The numeric columns of KindStatus. */
export type KindCounter =
  | "events"
  | "bytes"
  | "lists"
  | "watches"
  | "reconnects"
  | "relists"
  | "errors"
  | "refused"
  | "drift"
  | "audits"
  | "brokenFrames";

/** The numeric columns alone; they go on when a store is renewed. */
export type KindCounters = Pick<KindStatus, KindCounter>;

/** Writer's side of KindStatus; ingest thread only. */
export interface KindStatusWriter {
  add(counter: KindCounter, amount: number): void;
  synced(value: boolean): void;
  currentAt(nowMs: number): void;
  phase(value: number): void;
  resourceVersion(value: string): void;
}

/** The one writer of a store. */
export interface StoreWriter {
  /** Adds a kind. Throws STORE_KIND_EXISTS, STORE_BAD_PLAN, STORE_TOO_MANY_KINDS. */
  open(plan: RowPlan): KindWriter;
  /**
   * Begins to fill a kind anew, under another plan: nobody sees it, and the one of the same name goes on, until `show`. A
   * kind that is not there is opened. Throws STORE_KIND_EXISTS when it is being replaced already, STORE_TOO_MANY_KINDS.
   */
  replace(plan: RowPlan): KindWriter;
  /**
   * With the next commit a kind that `replace` gave takes the place of the one of the same name, to which nothing may be
   * written any more. Listeners hear of what differs. Mark it as synced before.
   */
  show(kind: KindWriter): void;
  /**
   * With the next commit the kind is gone, and listeners are told that its objects are. Nothing may be written to it any
   * more. Its memory is free when no reader needs it.
   */
  drop(kind: KindWriter): void;
  /** Publishes all puts and removes since the last commit as one version, and wakes readers once. Cheap when nothing changed. */
  commit(): void;
  /** Housekeeping: frees what no reader can see, drops old tombstones, compacts. Call a few times a second. */
  maintain(nowMs: number): void;
}
