import type { KubeClient, KubeObject } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import type { Leadership, Term } from "./leadership.ts";
import type { LeaseName } from "./lease-record.ts";
import type { ElectionTimes } from "./settings.ts";

/** The verbs that an election needs. The client should not try again by itself: the election does, and knows until when. */
export type LeaseClient = Pick<KubeClient, "get" | "create" | "update">;

/** How to take part in an election. */
export interface ElectionOptions extends ElectionTimes {
  readonly client: LeaseClient;
  readonly lease: LeaseName;
  /** Another one in each process: two that share one could not tell who leads, and wait for each other. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** This process leads from now on, until the signal of the term aborts. What it throws is logged. */
  readonly onLeading: (term: Term) => void | Promise<void>;
  /**
   * This process does not lead any more. It is no candidate again, and `stop` does not give the lease away, before this has
   * resolved; others take the lease `leaseDurationMs - renewDeadlineMs` after a loss. What it throws is logged.
   */
  readonly onFollowing: () => void | Promise<void>;
  /** Tells of the Lease: "became leader", "stopped leading". Must not throw. Default: nobody is told. */
  readonly onEvent?: (lease: KubeObject, what: string) => void;
  /** A request took too long: the connection may be dead. Default: nothing is done. */
  readonly onSilence?: () => void;
}

/** What an election has done, for metrics and health. */
export interface ElectionFigures {
  readonly lease: LeaseName;
  readonly identity: string;
  readonly isLeader: boolean;
  /** Who held the lease when it was last seen. */
  readonly leader: string;
  /** Terms of this process so far. */
  readonly terms: number;
  /** Terms that ended by a loss. */
  readonly lost: number;
  /** Renewals that had to read the Lease first. */
  readonly slowPaths: number;
  /** Writes and other work that was refused because this process did not lead. */
  readonly refused: number;
  /** Tries in a row that failed at the API server; another holder is no failure. */
  readonly failures: number;
  /** Milliseconds since the Lease was last read or written, or since the start. */
  readonly silentMs: number;
  /** What the last try failed with, while `failures` is not 0. */
  readonly problem: { readonly code: string; readonly message: string } | undefined;
}

/** One candidate in an election. */
export interface Election extends Leadership {
  /** Becomes a candidate. Never throws: what fails is logged and tried again. */
  start(): void;
  /**
   * Is no candidate any more. Ends the term, waits for `onFollowing`, and gives the lease away (`release`, default true), so
   * that another one need not wait for its end. Never rejects; takes at most the renew deadline beside `onFollowing`.
   */
  stop(options?: { readonly release?: boolean }): Promise<void>;
  figures(): ElectionFigures;
}
