import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import type { ElectionTimes } from "./settings.ts";

/** The verbs that shards need. The client should not try again by itself. */
export type ShardClient = Pick<KubeClient, "get" | "create" | "update" | "delete" | "pages">;

/** How to share keys out among processes. */
export interface ShardOptions extends ElectionTimes {
  readonly client: ShardClient;
  /** Where the Leases of the members are. */
  readonly namespace: string;
  /** Name of the group: all that share the same keys out. At most 40 letters. */
  readonly group: string;
  /** Another one in each process. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** A request took too long: the connection may be dead. Default: nothing is done. */
  readonly onSilence?: () => void;
}

/** What a member knows of its group. */
export interface ShardFigures {
  readonly group: string;
  readonly identity: string;
  /** Members that are alive as far as this one knows, itself included; sorted. */
  readonly members: readonly string[];
  /** True when keys move: some are given up, or not yet given up by others. */
  readonly moving: boolean;
  /** False while this member owns nothing: not joined yet, stopped, or its lease was not renewed in time. */
  readonly joined: boolean;
  /** Times that everything was lost because the lease was not renewed in time. */
  readonly lost: number;
  /** Rounds in a row that failed at the API server. */
  readonly failures: number;
}

/**
 * Keys (namespaces, UIDs) shared out among processes: every key is owned by at most one of them at any time, and by exactly
 * one when nothing changes. Main thread.
 */
export interface Shards {
  readonly identity: string;
  /** Whether the key is this process's now, by the clocks of this machine. */
  owns(key: string): boolean;
  /** Throws SHARD_NOT_OWNED unless the key is this process's now. Call it before each write. */
  check(key: string): void;
  /**
   * Calls back when keys were won or are to be given up; ask `owns` for which. What the listener gives is awaited before others
   * may take keys that are given up, for as long as a lease lasts: resolve it when no work on them is under way. Gives what ends it.
   */
  changes(listener: () => void | Promise<void>): () => void;
  /** Joins the group. Never throws: what fails is logged and tried again. */
  start(): void;
  /** Gives everything up, waits for the listeners, and leaves the group. Never rejects. */
  stop(): Promise<void>;
  figures(): ShardFigures;
}
