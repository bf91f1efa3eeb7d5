import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { KubeClient, KubeObject, ResourceName } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import { type Clock, TimerSet } from "../watch/clock.ts";
import type { Leadership, Term } from "./leadership.ts";
import {
  imprintOf,
  LEASE_VERSION,
  type LeaseName,
  type LeaseRecord,
  microTime,
  readRecord,
  specOf,
  versionOf,
} from "./lease-record.ts";
import {
  badElection,
  type CompleteTimes,
  completeTimes,
  type ElectionTimes,
  identityProblem,
  JITTER_FACTOR,
  nameProblem,
} from "./settings.ts";
import { LiveTerm } from "./term.ts";

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

/** Prepares a candidate. Throws ELECTION_BAD_OPTION. */
export function createElection(options: ElectionOptions): Election {
  const { lease, identity } = options;
  const problems = [
    ["the lease's name", nameProblem("a name", lease.name)],
    ["the lease's namespace", nameProblem("a name", lease.namespace)],
    ["identity", identityProblem(identity)],
  ]
    .filter(([, problem]) => problem !== undefined)
    .map(([part, problem]) => `${part} must be ${problem}`);
  if (problems.length > 0) {
    throw badElection(problems);
  }
  return new LeaseElection(options, completeTimes(options));
}

/** Tries whose fate is not known: so many of their times are remembered, to recognize them in the Lease. */
const MAX_UNCERTAIN = 64;
/** Candidates that see a lease end come within this part of the retry period. */
const END_SPREAD = 0.25;

class LeaseElection implements Election {
  readonly identity: string;
  readonly #options: ElectionOptions;
  readonly #times: CompleteTimes;
  readonly #target: ResourceName;
  readonly #describe: string;
  readonly #timers: TimerSet<"try" | "deadline">;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  /** Times of renewal that this process wrote, or tried to: a record with another one is not ours. */
  readonly #written = new Set<string>();
  /** The Lease as it was last seen or written. */
  #lease: KubeObject | undefined;
  #record: LeaseRecord | undefined;
  #imprint = "";
  #observedAtMs = Number.NEGATIVE_INFINITY;
  #term: LiveTerm | undefined;
  /** Why there is no term. */
  #lastLoss: unknown;
  #trying: Promise<void> | undefined;
  /** `onFollowing` of the last term. */
  #settling: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #isStarted = false;
  #terms = 0;
  #lost = 0;
  #slowPaths = 0;
  #refused = 0;
  #failures = 0;
  #contactAtMs: number;
  #problem: { readonly code: string; readonly message: string } | undefined;
  #toldLeader = "";

  constructor(options: ElectionOptions, times: CompleteTimes) {
    const { namespace, name } = options.lease;
    this.identity = options.identity;
    this.#options = options;
    this.#times = times;
    this.#target = { apiVersion: LEASE_VERSION, plural: "leases", namespace, name };
    this.#describe = `${namespace}/${name}`;
    this.#timers = new TimerSet(options.clock);
    this.#random = options.random ?? Math.random;
    this.#contactAtMs = options.clock.now();
  }

  get isLeader(): boolean {
    this.#loseWhenOverdue();
    return this.#term !== undefined;
  }

  get leader(): string {
    return this.#record?.holder ?? "";
  }

  term(): Term {
    this.#loseWhenOverdue();
    if (this.#term !== undefined) {
      return this.#term;
    }
    this.#refused++;
    if (this.#lastLoss !== undefined) {
      throw this.#lastLoss;
    }
    const { leader } = this;
    throw new FairleadError(
      "ELECTION_NOT_LEADER",
      `this process does not lead by lease "${this.#describe}"${leader === "" ? "" : `: "${leader}" does`}; do this in the hook "leading", or run it on every process`,
      { facts: { lease: this.#describe, leader } },
    );
  }

  fence(): void {
    this.term();
  }

  start(): void {
    if (!this.#isStarted && !this.#stopping.signal.aborted) {
      this.#isStarted = true;
      this.#contactAtMs = this.#options.clock.now();
      this.#tryNow();
    }
  }

  stop(options: { readonly release?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.release !== false);
    return this.#stopped;
  }

  figures(): ElectionFigures {
    const { isLeader, leader, identity } = this;
    return {
      lease: this.#options.lease,
      identity,
      isLeader,
      leader,
      terms: this.#terms,
      lost: this.#lost,
      slowPaths: this.#slowPaths,
      refused: this.#refused,
      failures: this.#failures,
      silentMs: this.#options.clock.now() - this.#contactAtMs,
      problem: this.#problem,
    };
  }

  async #stop(release: boolean): Promise<void> {
    this.#stopping.abort();
    this.#timers.stop("try");
    this.#endTerm("it was stopped");
    await this.#settling;
    await this.#trying;
    if (release && this.#written.size > 0) {
      await this.#release();
    }
  }

  #tryNow(): void {
    this.#trying ??= this.#try().finally(() => {
      this.#trying = undefined;
      if (!this.#stopping.signal.aborted) {
        this.#timers.start("try", this.#nextTryMs(), () => this.#tryNow());
      }
    });
  }

  /** One look at the Lease, with what follows from it. Never rejects. */
  async #try(): Promise<void> {
    await this.#settling;
    this.#loseWhenOverdue();
    // Loses what did not come in time; the next try is another one.
    const signal = AbortSignal.any([this.#stopping.signal, ...(this.#term === undefined ? [] : [this.#term.signal])]);
    try {
      signal.throwIfAborted();
      await this.#acquireOrRenew(signal);
      this.#failures = 0;
      this.#problem = undefined;
    } catch (error) {
      if (!signal.aborted) {
        this.#failed(error);
      }
    }
    this.#tellLeader();
  }

  async #acquireOrRenew(signal: AbortSignal): Promise<void> {
    if (this.#term !== undefined && this.#lease !== undefined && (await this.#renewedAtOnce(this.#lease, signal))) {
      return;
    }
    const seen = await this.#read(signal);
    if (seen === undefined) {
      await this.#create(signal);
      return;
    }
    const record = readRecord(seen);
    if (this.#isOurs(record)) {
      this.#slowPaths += Number(this.#term !== undefined);
      await this.#write(
        seen,
        { ...this.#freshRecord(), acquireTime: record.acquireTime, transitions: record.transitions },
        signal,
      );
      return;
    }
    if (this.#term !== undefined) {
      this.#lose(`"${record.holder}" holds the lease`);
      return;
    }
    if (record.holder !== "" && this.#isHeld()) {
      return;
    }
    await this.#write(seen, { ...this.#freshRecord(), transitions: record.transitions + 1 }, signal);
  }

  /** The way of a leader that nobody disturbs: one write, no read. */
  async #renewedAtOnce(lease: KubeObject, signal: AbortSignal): Promise<boolean> {
    const { acquireTime, transitions } = readRecord(lease);
    try {
      await this.#write(lease, { ...this.#freshRecord(), acquireTime, transitions }, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#silenceOf(error);
      this.#options.log.debug({ lease: this.#describe, code: codeOf(error) }, "lease not renewed at once, it is read");
      return false;
    }
  }

  /** Reads the Lease and notes when it changed, by our own clock; undefined: there is none. */
  async #read(signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      const lease = await this.#options.client.get(this.#target, { signal, timeoutMs: this.#requestMs() });
      this.#contact();
      this.#observe(lease);
      return lease;
    } catch (error) {
      if (codeOf(error) === "KUBE_NOT_FOUND") {
        this.#contact();
        return undefined;
      }
      throw error;
    }
  }

  async #create(signal: AbortSignal): Promise<void> {
    if (this.#term === undefined && this.#record !== undefined && !this.#isOurs(this.#record) && this.#isHeld()) {
      return; // deleted under a leader that has not noticed yet: it has the time that it was promised
    }
    const { apiVersion, plural, namespace, name } = this.#target;
    const lease = { apiVersion, kind: "Lease", metadata: { namespace, name } };
    await this.#send(
      lease,
      this.#freshRecord(),
      (object, options) => this.#options.client.create({ apiVersion, plural, namespace }, object, options),
      signal,
    );
  }

  #write(lease: KubeObject, record: LeaseRecord, signal: AbortSignal): Promise<void> {
    return this.#send(
      lease,
      record,
      (object, options) => this.#options.client.update(this.#target, object, options),
      signal,
    );
  }

  /** Writes a record; by its success this process leads, or goes on leading. */
  async #send(
    lease: KubeObject,
    record: LeaseRecord,
    send: (
      object: KubeObject,
      options: { readonly signal: AbortSignal; readonly timeoutMs: number },
    ) => Promise<KubeObject>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#options;
    const term = this.#term;
    // The lease runs from before the request: whoever sees the record sees it later.
    const atMs = clock.now();
    const atWallMs = clock.wallNow();
    this.#remember(record.renewTime);
    const written = await send({ ...lease, spec: specOf(record) }, { signal, timeoutMs: this.#requestMs() });
    this.#contact();
    this.#written.clear();
    this.#remember(record.renewTime);
    this.#observe(written, atMs);
    if (signal.aborted) {
      return; // written too late: the Lease is ours for a while, but the term is over
    }
    if (term !== undefined) {
      term.renewed(atMs, atWallMs);
    } else {
      this.#lead(atMs, atWallMs);
    }
    this.#armDeadline();
  }

  #freshRecord(): LeaseRecord {
    const now = microTime(this.#options.clock.wallNow(), this.#random() * 1000);
    return {
      holder: this.identity,
      durationSeconds: this.#times.leaseDurationMs / 1000,
      acquireTime: now,
      renewTime: now,
      transitions: 0,
    };
  }

  #observe(lease: KubeObject, atMs = this.#options.clock.now()): void {
    const imprint = imprintOf(lease);
    if (imprint !== this.#imprint) {
      this.#imprint = imprint;
      this.#observedAtMs = atMs;
    }
    this.#lease = versionOf(lease) === "" ? undefined : lease;
    this.#record = readRecord(lease);
  }

  /** True for a record that this very process wrote: one of another process of the same identity is not ours. */
  #isOurs(record: LeaseRecord): boolean {
    return record.holder === this.identity && this.#written.has(record.renewTime);
  }

  #remember(renewTime: string): void {
    this.#written.add(renewTime);
    if (this.#written.size > MAX_UNCERTAIN) {
      // The first is that of the last success; those after it are of no more use the older they are.
      const [, oldest] = this.#written;
      this.#written.delete(oldest);
    }
  }

  /** Milliseconds until the lease that was last seen ends; its own times do not count, only when we saw it change. */
  #heldForMs(): number {
    const durationMs = (this.#record?.durationSeconds ?? 0) * 1000;
    return this.#observedAtMs + durationMs - this.#options.clock.now();
  }

  #isHeld(): boolean {
    return this.#record !== undefined && this.#record.holder !== "" && this.#heldForMs() > 0;
  }

  #lead(atMs: number, atWallMs: number): void {
    const { clock, log, onLeading, onEvent } = this.#options;
    const { renewDeadlineMs } = this.#times;
    const parts = {
      number: this.#terms + 1,
      clock,
      renewDeadlineMs,
      lease: this.#describe,
      onOverdue: () => this.#loseWhenOverdue(),
    };
    const term = new LiveTerm(parts, atMs, atWallMs);
    if (term.leftMs() <= 0) {
      return; // the answer took too long; the next try renews
    }
    this.#terms = term.number;
    this.#term = term;
    log.info({ lease: this.#describe, identity: this.identity, term: term.number }, "leading");
    if (this.#lease !== undefined) {
      onEvent?.(this.#lease, "became leader");
    }
    void this.#tell("leading", () => onLeading(term));
  }

  #armDeadline(): void {
    const term = this.#term;
    if (term !== undefined) {
      this.#timers.start("deadline", Math.max(0, term.leftMs()), () => {
        // Timers may come a moment early.
        this.#loseWhenOverdue();
        this.#armDeadline();
      });
    }
  }

  #loseWhenOverdue(): void {
    if (this.#term !== undefined && this.#term.leftMs() <= 0) {
      this.#lose(`it could not be renewed within ${this.#times.renewDeadlineMs} ms`);
    }
  }

  #lose(why: string): void {
    const { log } = this.#options;
    this.#lost++;
    log.warn({ lease: this.#describe, identity: this.identity, term: this.#terms, why }, "leadership lost");
    this.#endTerm(why);
  }

  #endTerm(why: string): void {
    const term = this.#term;
    if (term === undefined) {
      return;
    }
    const { onFollowing, onEvent } = this.#options;
    this.#term = undefined;
    this.#timers.stop("deadline");
    term.end(why);
    this.#lastLoss = term.signal.reason;
    if (this.#lease !== undefined) {
      onEvent?.(this.#lease, "stopped leading");
    }
    this.#settling = this.#tell("following", onFollowing);
  }

  async #tell(what: string, callback: () => void | Promise<void>): Promise<void> {
    try {
      await callback();
    } catch (error) {
      const { log } = this.#options;
      log.error(
        { lease: this.#describe, what, code: codeOf(error), detail: messageOf(error) },
        "a change of leadership failed",
      );
    }
  }

  #tellLeader(): void {
    const { leader } = this;
    if (leader !== this.#toldLeader) {
      this.#toldLeader = leader;
      if (leader !== this.identity) {
        this.#options.log.info(
          { lease: this.#describe, leader },
          leader === "" ? "nobody leads" : "following a leader",
        );
      }
    }
  }

  #contact(): void {
    this.#contactAtMs = this.#options.clock.now();
  }

  #failed(error: unknown): void {
    const { log } = this.#options;
    this.#silenceOf(error);
    const code = codeOf(error);
    if (code === "KUBE_CONFLICT" || code === "KUBE_ALREADY_EXISTS") {
      return; // another candidate was first
    }
    this.#failures++;
    const isNews = this.#problem?.code !== code;
    this.#problem = { code, message: messageOf(error) };
    const rule = error instanceof FairleadError ? error.facts.rule : undefined;
    log[isNews ? "warn" : "debug"](
      { lease: this.#describe, code, detail: messageOf(error), ...(rule === undefined ? {} : { rule }) },
      "election failed at the server, it is tried again",
    );
  }

  #silenceOf(error: unknown): void {
    if (codeOf(error) === "KUBE_TIMEOUT") {
      this.#options.onSilence?.();
    }
  }

  /** A leader comes back every period; others spread out, and come when the lease ends that they saw. */
  #nextTryMs(): number {
    const { retryPeriodMs } = this.#times;
    if (this.#term !== undefined) {
      return retryPeriodMs;
    }
    const spread = retryPeriodMs * (1 + this.#random() * JITTER_FACTOR);
    const heldForMs = this.#heldForMs();
    return heldForMs > 0 ? Math.min(spread, heldForMs + this.#random() * retryPeriodMs * END_SPREAD) : spread;
  }

  #requestMs(): number {
    const halfMs = this.#times.renewDeadlineMs / 2;
    return Math.max(1, this.#term === undefined ? halfMs : Math.min(halfMs, this.#term.leftMs()));
  }

  /** Gives the lease away, as client-go does: no holder, one second. Never rejects. */
  async #release(): Promise<void> {
    const { clock, client, log } = this.#options;
    const giveUp = new AbortController();
    const timer = clock.setTimer(this.#times.renewDeadlineMs, () => giveUp.abort());
    const { signal } = giveUp;
    try {
      for (;;) {
        const lease = await client.get(this.#target, { signal, timeoutMs: this.#requestMs() });
        const record = readRecord(lease);
        if (!this.#isOurs(record)) {
          return;
        }
        const now = microTime(clock.wallNow());
        const free = {
          holder: "",
          durationSeconds: 1,
          acquireTime: now,
          renewTime: now,
          transitions: record.transitions,
        };
        try {
          await client.update(this.#target, { ...lease, spec: specOf(free) }, { signal, timeoutMs: this.#requestMs() });
          log.info({ lease: this.#describe, identity: this.identity }, "lease released");
          return;
        } catch (error) {
          signal.throwIfAborted();
          if (codeOf(error) !== "KUBE_CONFLICT") {
            throw error;
          }
        }
      }
    } catch (error) {
      if (codeOf(error) !== "KUBE_NOT_FOUND") {
        log.warn(
          { lease: this.#describe, code: codeOf(error), detail: messageOf(error) },
          "lease not released; others wait until it ends",
        );
      }
    } finally {
      timer.clear();
    }
  }
}
