import type { ElectionFigures } from "../election/election-options.ts";
import type { ShardFigures } from "../election/shard-options.ts";
import { messageOf } from "../errors.ts";
import type { HookAsk } from "../hooks/hook-board.ts";
import type { ReconcileFigures } from "../reconcile/reconcile-figures.ts";
import { KIND_PHASES } from "./metric-names.ts";
import type { FigureSources } from "./metrics-sources.ts";
import type { PluginInfo } from "./plugin-entry.ts";

const ASK_EVERY_MS = 1000;
const VOTE_DEADLINE_MS = 1000;
const DEFAULT_STALE_AFTER_SECONDS = 300;

/** One thing that must be well. */
export interface HealthCheck {
  /** "ping", "shutdown", "ingest", "kind/pods", "plugin/dns", "controller/webapp", "vote/dns/upstream". */
  readonly name: string;
  readonly ok: boolean;
  /** Its failure is a reason to start the process again; all others only keep it from being ready. */
  readonly live: boolean;
  /** What is wrong, or worth knowing. */
  readonly detail?: string;
}

/** The health of a controller at one moment. */
export interface HealthReport {
  /** False: only a new process helps. */
  readonly live: boolean;
  readonly ready: boolean;
  readonly checks: readonly HealthCheck[];
}

/** When a controller is well. */
export interface HealthOptions {
  /** A kind that was not known to be current for longer makes it unready. Default 300 seconds; 0: never. */
  readonly staleAfterSeconds?: number;
  /** Checks of the embedder's own, looked at with each report. Must not wait. Default: none. */
  readonly checks?: () => readonly HealthCheck[];
}

/** Looks after the health of one controller. Costs nothing until it is asked. */
export class Health {
  readonly #sources: FigureSources;
  readonly #options: HealthOptions;
  readonly #votes: Votes;
  readonly #isStopping: () => boolean;

  constructor(sources: FigureSources, isStopping: () => boolean, options: HealthOptions = {}, now = monotonic) {
    this.#sources = sources;
    this.#options = options;
    this.#isStopping = isStopping;
    this.#votes = new Votes(() => sources.plugins()?.healthVotes() ?? [], now);
  }

  /** Never rejects; takes at most a second, for votes. */
  async report(): Promise<HealthReport> {
    const votes = await this.#votes.current();
    const checks = [...this.#checks(), ...votes];
    return {
      live: checks.every(({ ok, live }) => ok || !live),
      ready: checks.every(({ ok }) => ok),
      checks,
    };
  }

  /** Checks that a new process could mend. Never waits. */
  liveReport(): HealthReport {
    const checks = this.#checks().filter(({ live }) => live);
    const live = checks.every(({ ok }) => ok);
    return { live, ready: live, checks };
  }

  #checks(): HealthCheck[] {
    const { store, plugins } = this.#sources;
    const staleAfterSeconds = this.#options.staleAfterSeconds ?? DEFAULT_STALE_AFTER_SECONDS;
    return [
      { name: "ping", ok: true, live: true },
      this.#isStopping()
        ? { name: "shutdown", ok: false, live: false, detail: "the controller is being stopped" }
        : { name: "shutdown", ok: true, live: false },
      this.#ingestCheck(),
      ...this.#electionChecks(),
      ...this.#shardChecks(),
      ...this.#sources.reconcile().map(reconcileCheck),
      ...store.kinds.map((name) => kindCheck(name, store.status(name), { nowMs: Date.now(), staleAfterSeconds })),
      ...(plugins()?.infos() ?? []).map(pluginCheck),
      ...this.#embeddersChecks(),
    ];
  }

  #embeddersChecks(): readonly HealthCheck[] {
    try {
      return this.#options.checks?.() ?? [];
    } catch (error) {
      return [{ name: "checks", ok: false, live: false, detail: messageOf(error) }];
    }
  }

  #electionChecks(): readonly HealthCheck[] {
    const election = this.#sources.election();
    return election === undefined ? [] : [electionCheck(election.figures())];
  }

  #shardChecks(): readonly HealthCheck[] {
    const shards = this.#sources.shards();
    return shards === undefined ? [] : [shardCheck(shards.figures())];
  }

  #ingestCheck(): HealthCheck {
    const ingest = this.#sources.ingest();
    if (ingest === undefined) {
      return { name: "ingest", ok: false, live: false, detail: "it has not been started yet" };
    }
    const { failure } = ingest;
    return failure === undefined
      ? { name: "ingest", ok: true, live: true }
      : { name: "ingest", ok: false, live: failure.final, detail: failure.message };
  }
}

function monotonic(): number {
  return performance.now();
}

/** Decides whether a kind can be relied on. A kind that the cluster does not have is no failure: nothing is missed. */
export function kindCheck(
  kind: string,
  status: { readonly synced: boolean; readonly phase: number; readonly currentAtMs: number },
  { nowMs, staleAfterSeconds }: { readonly nowMs: number; readonly staleAfterSeconds: number },
): HealthCheck {
  const name = `kind/${kind}`;
  const phase = KIND_PHASES[status.phase] ?? "unknown";
  const not = (detail: string): HealthCheck => ({ name, ok: false, live: false, detail });
  if (phase === "not_served") {
    return { name, ok: true, live: false, detail: "the cluster does not have it" };
  }
  if (phase === "forbidden") {
    return not("forbidden: a rule for list and watch is missing");
  }
  if (!status.synced) {
    return not(`its initial set is not complete (${phase.replace("_", " ")})`);
  }
  const staleSeconds = Math.round((nowMs - status.currentAtMs) / 1000);
  if (staleAfterSeconds > 0 && staleSeconds > staleAfterSeconds) {
    return not(`not known to be current for ${staleSeconds} s (${phase.replace("_", " ")})`);
  }
  return { name, ok: true, live: false };
}

/** Decides whether a controller reconciles. One that waits for a lease does what it should. */
export function reconcileCheck({
  controller,
  state,
  overdue,
}: Pick<ReconcileFigures, "controller" | "state" | "overdue">): HealthCheck {
  const name = `controller/${controller}`;
  if (state === "syncing") {
    return { name, ok: false, live: false, detail: "its kinds are not complete" };
  }
  if (overdue > 0) {
    return { name, ok: false, live: false, detail: `${overdue} reconciles are over their deadline and do not end` };
  }
  return { name, ok: true, live: false };
}

/** Decides whether a member has its part in the work of its group. */
export function shardCheck({ group, members, joined, failures }: ShardFigures): HealthCheck {
  const name = "shards";
  if (joined) {
    return { name, ok: true, live: false, detail: `one of ${members.length} in "${group}"` };
  }
  const why = failures > 0 ? `; ${failures} tries in a row failed` : "";
  return { name, ok: false, live: false, detail: `has no part in "${group}"${why}` };
}

/** Decides whether an election goes on: to lead or to follow is both well, to hear nothing of the lease is not. */
export function electionCheck(
  figures: Pick<ElectionFigures, "isLeader" | "leader" | "silentMs" | "failures" | "problem"> & {
    readonly leaseDurationMs: number;
  },
): HealthCheck {
  const { isLeader, leader, silentMs, failures, problem, leaseDurationMs } = figures;
  const name = "leader-election";
  if (failures > 0 && silentMs > leaseDurationMs) {
    const why = problem === undefined ? "" : `: ${problem.message} (${problem.code})`;
    return {
      name,
      ok: false,
      live: false,
      detail: `the lease was not reached for ${Math.round(silentMs / 1000)} s${why}`,
    };
  }
  if (isLeader) {
    return { name, ok: true, live: false, detail: "leading" };
  }
  return { name, ok: true, live: false, detail: leader === "" ? "nobody leads" : `following ${leader}` };
}

/** Decides whether a plugin does its work; one that is not required only leaves a remark. */
export function pluginCheck({ name, state, required, error }: PluginInfo): HealthCheck {
  const check = `plugin/${name}`;
  const why = error === undefined ? state : `${state}: ${error.message} (${error.code})`;
  if (state === "running") {
    const remark = error === undefined ? {} : { detail: `${error.message} (${error.code})` };
    return { name: check, ok: true, live: false, ...remark };
  }
  return required
    ? { name: check, ok: false, live: false, detail: why }
    : { name: check, ok: true, live: false, detail: `not required; ${why}` };
}

/** Asks the plugins, at most once a second, and never twice at the same time. */
class Votes {
  readonly #voters: () => readonly HookAsk[];
  readonly #now: () => number;
  /** Answers that have not come yet, by the check's name: a plugin that hangs is not asked again and again. */
  readonly #pending = new Map<string, Promise<unknown>>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #asked = "";
  #last: Promise<readonly HealthCheck[]> = Promise.resolve([]);

  constructor(voters: () => readonly HookAsk[], now: () => number) {
    this.#voters = voters;
    this.#now = now;
  }

  current(): Promise<readonly HealthCheck[]> {
    const now = this.#now();
    const voters = this.#voters();
    const names = voters.map(({ plugin, name }) => `${plugin}/${name}`).join(" ");
    // A vote that was not there a moment ago is not waited for: until it is asked it may well be a no.
    if (now - this.#askedAt >= ASK_EVERY_MS || names !== this.#asked) {
      this.#askedAt = now;
      this.#asked = names;
      this.#last = Promise.all(voters.map((voter) => this.#ask(voter)));
    }
    return this.#last;
  }

  async #ask(voter: HookAsk): Promise<HealthCheck> {
    const name = `vote/${voter.plugin}/${voter.name}`;
    const not = (detail: string): HealthCheck => ({ name, ok: false, live: false, detail });
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => resolve("late"), VOTE_DEADLINE_MS);
    try {
      const vote = await Promise.race([this.#answer(name, voter), late]);
      return vote === "late" ? not(`no answer within ${VOTE_DEADLINE_MS} ms`) : readVote(name, vote);
    } catch (error) {
      return not(messageOf(error));
    } finally {
      clearTimeout(timer);
    }
  }

  #answer(name: string, voter: HookAsk): Promise<unknown> {
    const pending = this.#pending.get(name);
    if (pending !== undefined) {
      return pending;
    }
    const answer = Promise.resolve(voter.ask()).finally(() => this.#pending.delete(name));
    this.#pending.set(name, answer);
    return answer;
  }
}

/** What a plugin gave is not taken for granted: anything but a clear yes is a no. */
function readVote(name: string, vote: unknown): HealthCheck {
  const isObject = typeof vote === "object" && vote !== null;
  const ok = isObject && "ok" in vote ? vote.ok : vote;
  const text = isObject && "detail" in vote && typeof vote.detail === "string" ? vote.detail : undefined;
  if (ok === true) {
    return { name, ok: true, live: false, ...(text === undefined ? {} : { detail: text }) };
  }
  return { name, ok: false, live: false, detail: text ?? "the plugin says no" };
}
