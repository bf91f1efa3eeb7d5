/** One time of leading, from becoming the leader to losing it. Belongs to the main thread. */
export interface Term {
  /** Counts the terms of this process, from 1. */
  readonly number: number;
  /** Aborted with ELECTION_LOST when the term ends. */
  readonly signal: AbortSignal;
  /**
   * Throws ELECTION_LOST when the term is over, or when its lease was not renewed in time by the clocks of this machine:
   * also right after a pause of the process, before any timer had a chance to run.
   */
  check(): void;
}

/**
 * Where something runs when a leader is elected. `leader`: it leads and writes only in the process that leads; `every`: in
 * each process, as if there were no election.
 */
export type RunOn = "leader" | "every";

/** Whether this process may act as the only one. Main thread. */
export interface Leadership {
  /** Under which this process takes the lease. */
  readonly identity: string;
  /** True at this moment, by the clocks of this machine. */
  readonly isLeader: boolean;
  /** Who held the lease when it was last seen; "" when nobody did. */
  readonly leader: string;
  /**
   * The term under way. Take it when work begins and check it before each write: what was decided in an earlier term is
   * refused then, even when this process leads again. Throws ELECTION_NOT_LEADER, ELECTION_LOST.
   */
  term(): Term;
  /** Throws ELECTION_NOT_LEADER, or ELECTION_LOST, unless this process leads at this moment. */
  fence(): void;
}

/** A leadership whose changes can be heard. */
export interface WatchedLeadership extends Leadership {
  /** How long work may take to end after a loss, milliseconds: then others may lead. */
  readonly handOverMs: number;
  /**
   * Calls back with each change. A loss is over when what the listeners gave has resolved: only then is this process a
   * candidate again, or gives the lease away. Gives what ends it.
   */
  onChange(listener: (isLeading: boolean) => void | Promise<void>): () => void;
}
