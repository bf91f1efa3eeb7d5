import { FairleadError } from "../errors.ts";

/** Times of an election, milliseconds. Every candidate for a lease should use the same ones. */
export interface ElectionTimes {
  /** How long a lease is left alone that is not renewed; whole seconds. Default 15000. */
  readonly leaseDurationMs?: number | undefined;
  /** A leader that could not renew for so long stops leading. Less than the duration. Default 10000. */
  readonly renewDeadlineMs?: number | undefined;
  /** Time between tries. Less than the deadline by a factor of 1.2. Default 2000. */
  readonly retryPeriodMs?: number | undefined;
}

/** Times with all defaults filled in. */
export interface CompleteTimes {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** The times of client-go's own candidates. */
export const DEFAULT_TIMES: CompleteTimes = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

/** Candidates wait up to so many retry periods more, at random: they do not all come at once. As client-go. */
export const JITTER_FACTOR = 1.2;

const LONGEST_MS = 86_400_000;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const LONGEST_IDENTITY = 253;

/** The times with defaults. Throws ELECTION_BAD_OPTION with all that is wrong. */
export function completeTimes(times: ElectionTimes): CompleteTimes {
  const complete = withDefaultTimes(times);
  const problems = timeProblems(complete);
  if (problems.length > 0) {
    throw badElection(problems);
  }
  return complete;
}

/** The times with defaults, unchecked. */
export function withDefaultTimes(times: ElectionTimes): CompleteTimes {
  return {
    leaseDurationMs: times.leaseDurationMs ?? DEFAULT_TIMES.leaseDurationMs,
    renewDeadlineMs: times.renewDeadlineMs ?? DEFAULT_TIMES.renewDeadlineMs,
    retryPeriodMs: times.retryPeriodMs ?? DEFAULT_TIMES.retryPeriodMs,
  };
}

/** What is wrong with the times, one sentence each; none when they fit together. */
export function timeProblems(times: CompleteTimes): string[] {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = times;
  const problems = Object.entries({ leaseDurationMs, renewDeadlineMs, retryPeriodMs })
    .filter(([, ms]) => !(typeof ms === "number" && ms > 0 && ms <= LONGEST_MS))
    .map(([name]) => `${name} must be more than 0 and at most ${LONGEST_MS} ms`);
  if (problems.length > 0) {
    return problems;
  }
  if (leaseDurationMs % 1000 !== 0) {
    problems.push("leaseDurationMs must be whole seconds: a Lease holds no parts of them");
  }
  if (leaseDurationMs <= renewDeadlineMs) {
    problems.push("leaseDurationMs must be more than renewDeadlineMs");
  }
  if (renewDeadlineMs <= retryPeriodMs * JITTER_FACTOR) {
    problems.push(`renewDeadlineMs must be more than ${JITTER_FACTOR} times retryPeriodMs`);
  }
  return problems;
}

/** What a name must be, when it is none that Kubernetes takes; `what` is "a name". */
export function nameProblem(what: string, name: unknown): string | undefined {
  return typeof name === "string" && NAME.test(name)
    ? undefined
    : `${what} as Kubernetes takes it: lower-case letters, digits, "-" and "."`;
}

/** Letters of a group's name: names of Leases are made of it. */
const LONGEST_GROUP = 40;

/** What the name of a group must be, when it is none. */
export function groupProblem(group: unknown): string | undefined {
  const isLong = typeof group === "string" && group.length > LONGEST_GROUP;
  return isLong ? `a name of at most ${LONGEST_GROUP} letters` : nameProblem("a name", group);
}

/** What an identity must be, when it is none. */
export function identityProblem(identity: unknown): string | undefined {
  return typeof identity === "string" && identity.length > 0 && identity.length <= LONGEST_IDENTITY
    ? undefined
    : `a text of 1 to ${LONGEST_IDENTITY} letters, another one in each process`;
}

/** ELECTION_BAD_OPTION. */
export function badElection(problems: readonly string[]): FairleadError {
  return new FairleadError("ELECTION_BAD_OPTION", `the election cannot be made: ${problems.join("; ")}`, {
    facts: { problems },
  });
}
