import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { KubeObject, ResourceName } from "../kube/client.ts";
import { TimerSet } from "../watch/clock.ts";
import type { Election, ElectionFigures, ElectionOptions } from "./election-options.ts";
import type { Term } from "./leadership.ts";
import { LEASE_VERSION, type LeaseRecord, microTime, readRecord, specOf } from "./lease-record.ts";
import { releaseLease } from "./lease-release.ts";
import { LeaseSight } from "./lease-sight.ts";
import {
  badElection,
  type CompleteTimes,
  completeTimes,
  identityProblem,
  JITTER_FACTOR,
  nameProblem,
} from "./settings.ts";
import { LiveTerm } from "./term.ts";

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
  readonly #sight: LeaseSight;
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
    this.#sight = new LeaseSight(options.clock, options.identity);
    this.#timers = new TimerSet(options.clock);
    this.#random = options.random ?? Math.random;
    this.#contactAtMs = options.clock.now();
  }

  get isLeader(): boolean {
    this.#loseWhenOverdue();
    return this.#term !== undefined;
  }

  get leader(): string {
    return this.#sight.holder;
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
    if (release && this.#sight.hasWritten) {
      const { client, clock, log } = this.#options;
      const isOurs = (record: LeaseRecord): boolean => this.#sight.isOurs(record);
      const limits = { timeoutMs: this.#requestMs(), deadlineMs: this.#times.renewDeadlineMs };
      await releaseLease({ client, clock, log, isOurs, target: this.#target, ...limits });
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
    const { lease } = this.#sight;
    if (this.#term !== undefined && lease !== undefined && (await this.#renewedAtOnce(lease, signal))) {
      return;
    }
    const seen = await this.#read(signal);
    if (seen === undefined) {
      await this.#create(signal);
      return;
    }
    const record = readRecord(seen);
    if (this.#sight.isOurs(record)) {
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
    if (record.holder !== "" && this.#sight.isHeld()) {
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
      this.#sight.observe(lease);
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
    if (this.#term === undefined && this.#sight.isHeldByAnother()) {
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
    this.#sight.sending(record.renewTime);
    const written = await send({ ...lease, spec: specOf(record) }, { signal, timeoutMs: this.#requestMs() });
    this.#contact();
    this.#sight.sent(record.renewTime);
    this.#sight.observe(written, atMs);
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

  #lead(atMs: number, atWallMs: number): void {
    const { clock, log, onLeading } = this.#options;
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
    this.#tellEvent("became leader");
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
    const { onFollowing } = this.#options;
    this.#term = undefined;
    this.#timers.stop("deadline");
    term.end(why);
    this.#lastLoss = term.signal.reason;
    this.#tellEvent("stopped leading");
    this.#settling = this.#tell("following", onFollowing);
  }

  #tellEvent(what: string): void {
    const { lease } = this.#sight;
    if (lease !== undefined) {
      this.#options.onEvent?.(lease, what);
    }
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
    const heldForMs = this.#sight.heldForMs();
    return heldForMs > 0 ? Math.min(spread, heldForMs + this.#random() * retryPeriodMs * END_SPREAD) : spread;
  }

  #requestMs(): number {
    const halfMs = this.#times.renewDeadlineMs / 2;
    return Math.max(1, this.#term === undefined ? halfMs : Math.min(halfMs, this.#term.leftMs()));
  }
}
