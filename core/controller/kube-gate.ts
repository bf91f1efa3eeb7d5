import type { WriteRequest, WriteVerdict } from "../api/hooks.ts";
import type { PermissionRule } from "../api/plugin.ts";
import type { Leadership, Term } from "../election/leadership.ts";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { HookBoard } from "../hooks/hook-board.ts";
import type { KubeClient } from "../kube/client.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../watch/clock.ts";
import { type GateCall, readCall, sendCall } from "./kube-gate-call.ts";
import { covers, rulesAsYaml } from "./permission-check.ts";
import type { KubeCall } from "./plugin-site.ts";

/** Who writes, and what it may. */
export interface GateUser {
  /** A plugin, or "controller". */
  readonly name: string;
  /** What it may do; undefined: all that the service account may. */
  readonly rules: readonly PermissionRule[] | undefined;
  readonly dryRun: boolean;
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number };
  /** Its writes pass only while this process leads, and in the term in which they were begun. Default: always. */
  readonly leadership?: Leadership | undefined;
}

/** What one user has done at the API server. */
export interface GateFigures {
  reads: number;
  writes: number;
  /** Writes that were only checked. */
  dryRuns: number;
  /** Refused here, by permissions, by `writeBefore`, or because this process does not lead. */
  refused: number;
  /** Failed at the server. */
  failed: number;
}

export interface KubeGateOptions {
  /** Connects when it is first called. */
  readonly client: () => Promise<KubeClient>;
  readonly board: Pick<HookBoard, "isTapped" | "call">;
  readonly log: Logger;
  readonly clock: Clock;
}

const RATE_LIMIT = { perSecond: 50, burst: 100 };
const WRITE_BEFORE_MS = 1000;
/** Calls of one user that may wait for its rate limit. */
const MAX_WAITING = 1000;

/** The one way out to the API server for plugins: permissions, leadership, rate limit, `writeBefore`, dry run, audit. */
export class KubeGate {
  readonly #options: KubeGateOptions;
  readonly #figures = new Map<string, GateFigures>();

  constructor(options: KubeGateOptions) {
    this.#options = options;
  }

  /** A door for one user; its rate limit is its own. */
  open(user: GateUser): (call: KubeCall, signal?: AbortSignal) => Promise<unknown> {
    const { perSecond, burst } = user.rateLimit ?? RATE_LIMIT;
    const { clock } = this.#options;
    const bucket = new TokenBucket(perSecond, burst, () => clock.now());
    const figures = this.figuresOf(user.name);
    let waiting = 0;
    return async (call, signal = new AbortController().signal) => {
      const read = readCall(call);
      this.#checkPermission(user, read, figures);
      signal.throwIfAborted();
      if (waiting >= MAX_WAITING) {
        figures.refused++;
        throw tooMany(user.name);
      }
      const term = read.isWrite ? termOf(user, figures) : undefined;
      // What waits for its turn when the term ends need not wait any longer.
      const until = term === undefined ? signal : AbortSignal.any([signal, term.signal]);
      waiting++;
      await bucket.take(until);
      waiting--;
      signal.throwIfAborted();
      if (!read.isWrite) {
        figures.reads++;
        return await sendCall(await this.#options.client(), read, signal);
      }
      return await this.#write(user, read, { signal: until, term }, figures);
    };
  }

  /** Counters of a user, by its name. */
  figuresOf(user: string): GateFigures {
    let figures = this.#figures.get(user);
    if (figures === undefined) {
      figures = { reads: 0, writes: 0, dryRuns: 0, refused: 0, failed: 0 };
      this.#figures.set(user, figures);
    }
    return figures;
  }

  forget(user: string): void {
    this.#figures.delete(user);
  }

  #checkPermission(user: GateUser, { access, what }: GateCall, figures: GateFigures): void {
    if (user.rules === undefined || access === undefined || covers(user.rules, access)) {
      return;
    }
    figures.refused++;
    const { group, resource, verb } = access;
    const rule = rulesAsYaml([{ apiGroups: [group], resources: [resource], verbs: [verb] }]);
    throw new FairleadError(
      "PLUGIN_PERMISSION_NOT_DECLARED",
      `plugin "${user.name}" may not ${what}: its permissions have no rule for it; add { apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"] }`,
      { facts: { plugin: user.name, group, resource, verb, rule } },
    );
  }

  async #write(
    user: GateUser,
    call: GateCall,
    { signal, term }: { readonly signal: AbortSignal; readonly term: Term | undefined },
    figures: GateFigures,
  ): Promise<unknown> {
    const { board, log, clock } = this.#options;
    checkTerm(term, figures);
    const verdict = board.isTapped("writeBefore")
      ? await this.#ask(user, call, signal, figures)
      : { call, dryRun: false };
    const dryRun = call.dryRun || user.dryRun || verdict.dryRun;
    const { group = "", resource = "", verb = "" } = call.access ?? {};
    const { name } = call;
    const { namespace } = call.target;
    const line = { plugin: user.name, verb, group, resource, namespace, name, dryRun };
    const client = await this.#options.client();
    checkTerm(term, figures);
    const startedAt = clock.now();
    figures.writes++;
    figures.dryRuns += Number(dryRun);
    try {
      const answer = await sendCall(client, { ...verdict.call, dryRun }, signal, term);
      log.debug({ ...line, ms: Math.round(clock.now() - startedAt) }, "write");
      return answer;
    } catch (thrown) {
      // A request that the end of the term cancelled is told as that.
      const error = term?.signal.aborted === true ? term.signal.reason : thrown;
      figures.failed++;
      log.debug({ ...line, code: codeOf(error), detail: messageOf(error) }, "write failed");
      throw error;
    }
  }

  /** What the taps of `writeBefore` say. They see a frozen copy, and exactly that is sent. */
  async #ask(
    user: GateUser,
    call: GateCall,
    signal: AbortSignal,
    figures: GateFigures,
  ): Promise<{ readonly call: GateCall; readonly dryRun: boolean }> {
    const frozen = { ...call, body: deepFreeze(structuredClone(call.body)) };
    const { name } = call;
    const { apiVersion, plural, namespace, subresource } = call.target;
    const request: WriteRequest = Object.freeze({
      plugin: user.name,
      verb: call.writeVerb,
      apiVersion,
      plural,
      namespace,
      name,
      subresource,
      dryRun: call.dryRun || user.dryRun,
      body: frozen.body,
    });
    const outcome = await this.#options.board.call("writeBefore", "bail", request, {
      // A tap that writes would ask itself without end.
      except: user.name,
      deadlineMs: WRITE_BEFORE_MS,
      signal,
    });
    signal.throwIfAborted();
    // A verdict that failed or came too late may have been a no.
    const broken = outcome.failures[0]?.plugin ?? outcome.late[0]?.plugin;
    if (broken !== undefined) {
      figures.refused++;
      throw this.#refusal(user, call, broken, "it did not answer, or failed");
    }
    const first = outcome.answers[0];
    const verdict = readVerdict(first?.answer);
    if (verdict === undefined || "reason" in verdict) {
      figures.refused++;
      throw this.#refusal(user, call, first?.plugin ?? "", verdict?.reason ?? "its verdict is none");
    }
    return { call: frozen, dryRun: "dryRun" in verdict };
  }

  #refusal(user: GateUser, { what }: GateCall, by: string, reason: string): FairleadError {
    return new FairleadError("PLUGIN_WRITE_REFUSED", `plugin "${by}" does not let "${user.name}" ${what}: ${reason}`, {
      facts: { plugin: user.name, by, reason },
    });
  }
}

/** The term in which a write begins; undefined where nobody is elected. Throws ELECTION_NOT_LEADER, ELECTION_LOST. */
function termOf({ leadership }: GateUser, figures: GateFigures): Term | undefined {
  try {
    return leadership?.term();
  } catch (error) {
    figures.refused++;
    throw error;
  }
}

function checkTerm(term: Term | undefined, figures: GateFigures): void {
  try {
    term?.check();
  } catch (error) {
    figures.refused++;
    throw error;
  }
}

function tooMany(plugin: string): FairleadError {
  return new FairleadError(
    "PLUGIN_TOO_MANY_CALLS",
    `plugin "${plugin}" has ${MAX_WAITING} calls to the API server waiting for its rate limit; await them, or raise rateLimit`,
    { facts: { plugin } },
  );
}

type Verdict = Exclude<WriteVerdict, undefined>;

/** A verdict may come from another thread, or from JavaScript: what is none refuses the write. No answer allows it. */
function readVerdict(answer: unknown): Verdict | undefined {
  if (answer === undefined) {
    return { allow: true };
  }
  if (typeof answer !== "object" || answer === null) {
    return undefined;
  }
  if ("allow" in answer) {
    if (answer.allow === true) {
      return { allow: true };
    }
    const reason = "reason" in answer && typeof answer.reason === "string" ? answer.reason : "it gives no reason";
    return { allow: false, reason };
  }
  return "dryRun" in answer && answer.dryRun === true ? { dryRun: true } : undefined;
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) {
      deepFreeze(part);
    }
  }
  return value;
}
