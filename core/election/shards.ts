import { codeOf, FairleadError, messageOf } from "../errors.ts";
import type { KubeObject, ResourceName } from "../kube/client.ts";
import { TimerSet } from "../watch/clock.ts";
import { imprintOf, LEASE_VERSION, type LeaseRecord, microTime, readRecord, versionOf } from "./lease-record.ts";
import { type Members, membersOf, winnerOf } from "./rendezvous.ts";
import {
  badElection,
  type CompleteTimes,
  completeTimes,
  groupProblem,
  identityProblem,
  nameProblem,
} from "./settings.ts";
import { ShardGroup } from "./shard-group.ts";
import { leaseNameOf, memberLease } from "./shard-member.ts";
import type { ShardFigures, ShardOptions, Shards } from "./shard-options.ts";
import { mayOwn, narrowed, type Rival, rivalsOf, sameMembers } from "./shard-rivals.ts";

/** Prepares a member of a group. Throws ELECTION_BAD_OPTION. */
export function createShards(options: ShardOptions): Shards {
  const { namespace, group, identity } = options;
  const problems = [
    ["the group", groupProblem(group)],
    ["the namespace", nameProblem("a name", namespace)],
    ["identity", identityProblem(identity)],
  ]
    .filter(([, problem]) => problem !== undefined)
    .map(([part, problem]) => `${part} must be ${problem}`);
  if (problems.length > 0) {
    throw badElection(problems);
  }
  return new LeaseShards(options, completeTimes(options));
}

const NOBODY = membersOf([]);

/*
 * How two never own the same key. A member writes into its Lease among whom it shares out: what it wins among them it claims.
 * It owns a key when its claim has been written, and a list that was begun after that shows no other living member that claims
 * it. Of two that claim a key, the one whose claim was written second sees that of the first; so at most one owns it. A
 * member that learns of a change first stops to own what it loses, waits until no work on that is under way, and only then
 * writes the new claim; then the winner finds the key free. While it is not sure what its Lease says, it owns only what it
 * wins by all that the Lease may say. A member that could not renew its Lease in time owns nothing, before others take it for
 * dead, and begins anew with no claim.
 */
class LeaseShards implements Shards {
  readonly identity: string;
  readonly #options: ShardOptions;
  readonly #times: CompleteTimes;
  readonly #own: ResourceName;
  readonly #timers: TimerSet<"round" | "deadline">;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<() => void | Promise<void>>();
  readonly #written = new Set<string>();
  readonly #group: ShardGroup;
  #lease: KubeObject | undefined;
  /** When a Lease of our name that we did not write was first seen as it is. */
  #strangerSinceMs = 0;
  #strangerImprint = "";
  /** Among whom we share out by our Lease; NOBODY: we claim nothing. */
  #published: Members = NOBODY;
  /** The members that there are now, as far as we know. */
  #target: Members = NOBODY;
  /** What we own we win among each of these: what the Lease says or may say, and what we go over to. */
  #mustWin: readonly Members[] = [];
  /** Others that may own what we win; undefined before a list that was begun after a claim of ours was written. */
  #rivals: readonly Rival[] | undefined;
  /** True when no work is under way on keys that are not ours among `#target`. */
  #isDrained = true;
  /** The next round need not wait for its time. */
  #isHurried = false;
  #renewedAtMs = 0;
  #renewedAtWallMs = 0;
  #rounds: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #isStarted = false;
  #lost = 0;
  #failures = 0;
  #problem = "";
  #toldState = "";

  constructor(options: ShardOptions, times: CompleteTimes) {
    const { namespace, group, identity } = options;
    this.identity = identity;
    this.#options = options;
    this.#times = times;
    this.#own = { apiVersion: LEASE_VERSION, plural: "leases", namespace, name: leaseNameOf(group, identity) };
    const { leaseDurationMs, renewDeadlineMs } = times;
    this.#group = new ShardGroup({ options, own: this.#own, leaseDurationMs, timeoutMs: renewDeadlineMs / 2 });
    this.#timers = new TimerSet(options.clock);
    this.#random = options.random ?? Math.random;
  }

  owns(key: string): boolean {
    if (this.#rivals === undefined || this.#mustWin.length === 0 || this.#leftMs() <= 0) {
      return false;
    }
    return (
      this.#mustWin.every((members) => winnerOf(key, members) === this.identity) &&
      !this.#rivals.some((rival) => mayOwn(key, rival))
    );
  }

  check(key: string): void {
    if (!this.owns(key)) {
      const { group } = this.#options;
      throw new FairleadError(
        "SHARD_NOT_OWNED",
        `"${key}" does not belong to this process now, by the members of "${group}"; whoever owns it does the work`,
        { facts: { key, group, identity: this.identity } },
      );
    }
  }

  changes(listener: () => void | Promise<void>): () => void {
    // One for each call, so that a function can be given twice.
    const own = (): void | Promise<void> => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  start(): void {
    if (!this.#isStarted && !this.#stopping.signal.aborted) {
      this.#isStarted = true;
      this.#roundNow();
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  figures(): ShardFigures {
    const joined = this.#rivals !== undefined && this.#leftMs() > 0;
    const isFree =
      this.#rivals?.every(({ claims }) => claims.some((one) => sameMembers(one, this.#published))) === true;
    return {
      group: this.#options.group,
      identity: this.identity,
      members: this.#target.names,
      moving: joined && !(isFree && sameMembers(this.#target, this.#published)),
      joined,
      lost: this.#lost,
      failures: this.#failures,
    };
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#timers.stop("round");
    this.#timers.stop("deadline");
    this.#rivals = undefined;
    await this.#tellInTime();
    await this.#rounds;
    if (this.#written.size > 0) {
      await this.#leave();
    }
  }

  /** Milliseconds for which what we own is ours without another renewal. */
  #leftMs(): number {
    const { clock } = this.#options;
    const passedMs = Math.max(clock.now() - this.#renewedAtMs, clock.wallNow() - this.#renewedAtWallMs);
    return this.#times.renewDeadlineMs - passedMs;
  }

  #roundNow(): void {
    this.#rounds ??= this.#round().finally(() => {
      this.#rounds = undefined;
      if (!this.#stopping.signal.aborted) {
        const waitMs = this.#isHurried ? 0 : this.#times.retryPeriodMs * (1 + this.#random() * 0.2);
        this.#isHurried = false;
        this.#timers.start("round", waitMs, () => this.#roundNow());
      }
    });
  }

  /** The next round at once, or right after the one that is under way: a new claim can be written. */
  #roundSoon(): void {
    if (this.#rounds === undefined && !this.#stopping.signal.aborted) {
      this.#roundNow();
      return;
    }
    this.#isHurried = true;
  }

  /** Renews, looks at the others, and goes over to the members that there are now. Never rejects. */
  async #round(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      // Twice at most: the second time with the new claim.
      for (let again = true, turn = 0; again && turn < 2; turn++) {
        this.#loseWhenOverdue();
        again = await this.#turn(signal);
      }
      this.#failures = 0;
      this.#problem = "";
    } catch (error) {
      if (!signal.aborted) {
        this.#failed(error);
      }
    }
  }

  /** One renewal and one look at the others; true when there is a new claim that can be written at once. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    // While work on keys that move is under way, the old claim stands.
    const claims = this.#isDrained ? this.#target : this.#published;
    const isNew = !sameMembers(claims, this.#published) || this.#rivals === undefined;
    const isSure = this.#lease !== undefined;
    if (!(await this.#publish(claims, signal))) {
      return false;
    }
    // One of all members is enough to tidy up.
    const others = await this.#group.look(signal, this.#target.names[0] === this.identity);
    if (signal.aborted || this.#leftMs() <= 0) {
      return false;
    }
    this.#rivals = isNew || !isSure || this.#rivals === undefined ? rivalsOf(others) : narrowed(this.#rivals, others);
    this.#target = membersOf([this.identity, ...others.map(({ identity }) => identity)]);
    const isChanged = !sameMembers(this.#target, claims);
    this.#mustWin = isChanged ? [claims, this.#target] : [claims];
    this.#tellWhenChanged();
    return isChanged && this.#isDrained;
  }

  /** Writes our Lease with what we claim; true when it is written in time. */
  async #publish(claims: Members, signal: AbortSignal): Promise<boolean> {
    const { clock, client, group } = this.#options;
    const base = this.#lease ?? (await this.#findOwn(signal));
    if (base === undefined) {
      return false;
    }
    const atMs = clock.now();
    const atWallMs = clock.wallNow();
    // Looked at after the time was taken: what was lost by a pause right before it is not won back by this renewal.
    this.#loseWhenOverdue();
    const record = this.#freshRecord(base);
    this.#written.add(record.renewTime);
    const { apiVersion, plural, namespace = "", name } = this.#own;
    const object = memberLease(base, { namespace, name, group }, { record, claims });
    const limits = { signal, timeoutMs: this.#requestMs() };
    if (!this.#mustWin.some((members) => sameMembers(members, claims))) {
      this.#mustWin = [...this.#mustWin, claims];
    }
    this.#lease = undefined; // whatever becomes of it is read, unless it is written
    const written =
      versionOf(base) === ""
        ? await client.create({ apiVersion, plural, namespace }, object, limits)
        : await client.update(this.#own, object, limits);
    this.#lease = written;
    this.#written.clear();
    this.#written.add(record.renewTime);
    this.#published = claims;
    this.#renewedAtMs = atMs;
    this.#renewedAtWallMs = atWallMs;
    this.#armDeadline();
    return this.#leftMs() > 0;
  }

  /** Our Lease as it is, or an empty object where there is none; undefined while another process of our identity holds it. */
  async #findOwn(signal: AbortSignal): Promise<KubeObject | undefined> {
    const { client, clock, log } = this.#options;
    let lease: KubeObject;
    try {
      lease = await client.get(this.#own, { signal, timeoutMs: this.#requestMs() });
    } catch (error) {
      if (codeOf(error) === "KUBE_NOT_FOUND") {
        // Who was deleted is not known to the others any more.
        this.#forgetAll();
        return {};
      }
      throw error;
    }
    const record = readRecord(lease);
    if (record.holder === "" || this.#written.has(record.renewTime)) {
      return lease;
    }
    this.#forgetAll();
    const imprint = imprintOf(lease);
    if (imprint !== this.#strangerImprint) {
      this.#strangerImprint = imprint;
      this.#strangerSinceMs = clock.now();
      log.warn({ group: this.#options.group, identity: this.identity }, "another process has this identity, or had it");
    }
    return clock.now() - this.#strangerSinceMs >= record.durationSeconds * 1000 ? lease : undefined;
  }

  #freshRecord(base: KubeObject): LeaseRecord {
    const { acquireTime, transitions } = readRecord(base);
    const now = microTime(this.#options.clock.wallNow(), this.#random() * 1000);
    return {
      holder: this.identity,
      durationSeconds: this.#times.leaseDurationMs / 1000,
      acquireTime: acquireTime === "" ? now : acquireTime,
      renewTime: now,
      transitions,
    };
  }

  #armDeadline(): void {
    this.#timers.start("deadline", Math.max(0, this.#leftMs()), () => {
      this.#loseWhenOverdue();
      if (this.#rivals !== undefined) {
        this.#armDeadline(); // timers may come a moment early
      }
    });
  }

  #loseWhenOverdue(): void {
    if (this.#rivals !== undefined && this.#leftMs() <= 0) {
      this.#lost++;
      this.#options.log.warn(
        { group: this.#options.group, identity: this.identity },
        "all keys lost: lease not renewed in time",
      );
      this.#forgetAll();
    }
  }

  /** Owns nothing until a claim is written and the others were looked at again. */
  #forgetAll(): void {
    const owned = this.#rivals !== undefined;
    this.#rivals = undefined;
    this.#published = NOBODY;
    this.#target = NOBODY;
    this.#mustWin = [];
    this.#isDrained = true;
    if (owned) {
      void this.#tell(); // never rejects
    }
  }

  /** Tells the listeners; what is given up is written when they have resolved, and the Lease is renewed meanwhile. */
  #tellWhenChanged(): void {
    const rivals = (this.#rivals ?? []).filter(
      ({ claims }) => !claims.some((one) => sameMembers(one, this.#published)),
    );
    const state = JSON.stringify([
      this.#mustWin.map(({ names }) => names),
      rivals.map(({ identity, claims }) => [identity, claims.map(({ names }) => names)]),
    ]);
    if (state === this.#toldState) {
      return;
    }
    this.#toldState = state;
    const { log, group } = this.#options;
    log.info({ group, identity: this.identity, members: this.#target.names.length }, "keys are shared out anew");
    this.#isDrained = this.#listeners.size === 0;
    void this.#tellInTime().then(() => {
      // Another change may have come meanwhile: its own call of the listeners counts.
      if (this.#toldState === state && !this.#isDrained) {
        this.#isDrained = true;
        this.#roundSoon();
      }
    });
  }

  /** Tells the listeners. Work that does not end holds nobody up for longer than a lease lasts: it may not write any more. */
  async #tellInTime(): Promise<void> {
    const { log, group, clock } = this.#options;
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = clock.setTimer(this.#times.leaseDurationMs, () => resolve("late"), true);
    if ((await Promise.race([this.#tell(), late])) === "late") {
      log.warn({ group, identity: this.identity }, "work on keys that go to other processes does not end");
    }
    timer.clear();
  }

  async #tell(): Promise<void> {
    if (this.#rivals === undefined) {
      this.#toldState = "";
    }
    const results = await Promise.allSettled([...this.#listeners].map(async (listener) => await listener()));
    for (const result of results) {
      if (result.status === "rejected") {
        const { log, group } = this.#options;
        log.error(
          { group, code: codeOf(result.reason), detail: messageOf(result.reason) },
          "a change of shards failed",
        );
      }
    }
  }

  #failed(error: unknown): void {
    const { log, group, onSilence } = this.#options;
    const code = codeOf(error);
    if (code === "KUBE_TIMEOUT") {
      onSilence?.();
    }
    this.#failures++;
    const isNews = this.#problem !== code;
    this.#problem = code;
    log[isNews ? "warn" : "debug"](
      { group, code, detail: messageOf(error) },
      "shards failed at the server, it is tried again",
    );
  }

  #requestMs(): number {
    return this.#times.renewDeadlineMs / 2;
  }

  /** Tells the others that what was ours is free. Never rejects. */
  async #leave(): Promise<void> {
    const { client, clock, log, group } = this.#options;
    const limits = { timeoutMs: this.#requestMs() };
    try {
      const lease = await client.get(this.#own, limits);
      const record = readRecord(lease);
      if (record.holder !== this.identity || !this.#written.has(record.renewTime)) {
        return;
      }
      const now = microTime(clock.wallNow());
      const free = { ...record, holder: "", durationSeconds: 1, renewTime: now };
      const { namespace = "", name } = this.#own;
      const place = { namespace, name, group };
      await client.update(this.#own, memberLease(lease, place, { record: free, claims: NOBODY }), limits);
    } catch (error) {
      log.warn(
        { group, code: codeOf(error), detail: messageOf(error) },
        "group not left; others wait until the lease ends",
      );
    }
  }
}
