import { codeOf, FairleadError, messageOf } from "../errors.ts";
import { LOW_PRIORITY, type Taken, WorkQueue } from "../queue/work-queue.ts";
import type { KeyLocks } from "./key-locks.ts";
import { OwnWrites } from "./own-writes.ts";
import { ParkedKeys } from "./parked-keys.ts";
import { ReconcileCounts, type ReconcileFigures } from "./reconcile-figures.ts";
import { RunDeadline } from "./run-deadline.ts";
import { type NextStep, type RunOneParts, runOne } from "./run-one.ts";
import { RunSources, type SourceChange } from "./run-sources.ts";
import { RunTurns } from "./run-turns.ts";

/** Which keys are this process's own, where several share them. */
export interface OwnKeys {
  owns(key: string): boolean;
  /** Throws SHARD_NOT_OWNED. */
  check(key: string): void;
  /** Calls back when what it owns has changed; others wait for what the listener gives. Gives what ends it. */
  changes(listener: () => void | Promise<void>): () => void;
}

export interface RunLoopOptions extends RunOneParts {
  /** Those of the controller of this name, over all its lives. */
  readonly locks: KeyLocks;
  /** Kinds that must be complete before anything is reconciled, beside those of the definition. Default: none. */
  readonly after?: readonly string[];
  /** Default: all keys. */
  readonly shards?: OwnKeys | undefined;
  /** Counts of an earlier life, which go on. Default: from zero. */
  readonly counts?: ReconcileCounts;
  /** How long a reconcile waits for the cache to have its own last writes. Default 5000 milliseconds. */
  readonly staleAfterMs?: number;
}

const DEFAULT_STALE_AFTER_MS = 5000;
const NOW_PRIORITY = 1_000_000;
/** Changes that are kept while their key is reconciled; more are one reconcile more. */
const MOST_SUSPECTS = 100;

/** A reconcile that is under way. */
interface Run {
  readonly taken: Taken;
  readonly ending: AbortController;
  readonly startedMs: number;
  readonly awaited: readonly PromiseWithResolvers<void>[] | undefined;
  /** Resolved when it has ended, where somebody waits for that. */
  over: PromiseWithResolvers<void> | undefined;
  /** Changes that came meanwhile: own writes are known only when they were answered. */
  readonly suspects: { readonly change: SourceChange; readonly priority: number }[];
  isOverdue: boolean;
}

/** Runs one controller, from its start to its stop. Belongs to one thread. */
export class RunLoop {
  readonly #options: RunLoopOptions;
  readonly #queue: WorkQueue;
  readonly #writes: OwnWrites;
  readonly #counts: ReconcileCounts;
  readonly #locks: KeyLocks;
  readonly #runs = new Map<string, Run>();
  readonly #parked: ParkedKeys;
  readonly #deadline: RunDeadline<Run>;
  readonly #turns = new RunTurns(() => this.#pump());
  /** Taken before, and ready to go on. */
  readonly #resumed: Taken[] = [];
  readonly #awaited = new Map<string, PromiseWithResolvers<void>[]>();
  readonly #waitingForSync = new AbortController();
  #sources: RunSources | undefined;
  #stopShards: (() => void) | undefined;
  #state: ReconcileFigures["state"] = "waiting";
  #active = 0;
  #overdue = 0;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(options: RunLoopOptions) {
    const { clock, store, definition, staleAfterMs: longestMs = DEFAULT_STALE_AFTER_MS } = options;
    this.#options = options;
    this.#locks = options.locks;
    this.#counts = options.counts ?? new ReconcileCounts();
    this.#queue = new WorkQueue({ clock, onReady: () => this.#turns.plan() });
    this.#writes = new OwnWrites(store, clock, (key) => this.enqueue(key));
    this.#parked = new ParkedKeys({
      clock,
      longestMs,
      isSeen: (key) => this.#writes.isSeen(key),
      goOn: (taken, isLate) => this.#goOn(taken, isLate),
    });
    this.#deadline = new RunDeadline({
      clock,
      deadlineMs: definition.deadlineMs,
      running: () => this.#runs.values(),
      late: (run) => this.#onDeadline(run),
    });
  }

  get name(): string {
    return this.#options.definition.name;
  }

  /** True when nothing is being reconciled and nothing is ready to be. */
  get isIdle(): boolean {
    return this.#state === "running" && this.#queue.size === 0 && this.#queue.processing === 0;
  }

  /** Keys that wait for their time. */
  get waiting(): number {
    return this.#queue.delayed;
  }

  /** Looks at its kinds, and reconciles once all of them are complete. */
  start(): void {
    const { definition, store, after = [], log, shards } = this.#options;
    this.#state = "syncing";
    this.#stopShards = shards?.changes(() => this.#onShards());
    this.#sources = new RunSources({
      definition,
      store,
      changed: (keys, change, isNew) => this.#onChange(keys, change, isNew ? 0 : LOW_PRIORITY),
      batchOver: () => this.#batchOver(),
      failed: (kind, error) => {
        this.#counts.mappingErrors++;
        log.error(
          { controller: this.name, kind, code: codeOf(error), detail: messageOf(error) },
          "predicate or mapping failed",
        );
      },
    });
    const kinds = [...new Set([...definition.kinds.map(({ name }) => name), ...after])];
    store.whenSynced(kinds, { signal: this.#waitingForSync.signal }).then(
      () => {
        this.#waitingForSync.abort();
        this.#batchOver();
      },
      () => {}, // stopped before
    );
  }

  /**
   * Ends every reconcile: signals are aborted, and nothing is written any more. Resolves when none is under way, or after the
   * deadline; a reconcile that goes on all the same keeps its key.
   */
  async stop(deadlineMs = 10_000): Promise<void> {
    if (this.#state === "stopped") {
      return;
    }
    this.#state = "stopped";
    this.#waitingForSync.abort();
    this.#sources?.stop();
    this.#stopShards?.();
    this.#queue.shutDown();
    this.#deadline.stop();
    this.#parked.stop();
    this.#writes.stop();
    const error = new FairleadError("RECONCILE_STOPPED", `controller "${this.name}" was stopped`);
    for (const run of this.#runs.values()) {
      run.ending.abort(error);
    }
    for (const waiting of [...this.#awaited.values()].flat()) {
      waiting.reject(error);
    }
    this.#awaited.clear();
    if (this.#runs.size > 0) {
      this.#settled = Promise.withResolvers();
      const timer = this.#options.clock.setTimer(deadlineMs, () => this.#settled?.resolve());
      await this.#settled.promise;
      timer.clear();
    }
    if (this.#runs.size > 0) {
      const keys = [...this.#runs.keys()].slice(0, 10);
      this.#options.log.warn({ controller: this.name, keys }, "reconciles do not end; they look at no signal");
    }
  }

  /** Reconciles a key, as if something about it had changed. */
  enqueue(key: string, priority = 0): void {
    if (this.#isOwn(key)) {
      this.#queue.add(key, { priority });
    }
  }

  /** Reconciles a key before all others. Rejects with what the reconcile threw, or RECONCILE_STOPPED. */
  reconcileNow(key: string): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    if (this.#state === "stopped") {
      waiting.reject(new FairleadError("RECONCILE_STOPPED", `controller "${this.name}" was stopped`));
      return waiting.promise;
    }
    const list = this.#awaited.get(key) ?? [];
    list.push(waiting);
    this.#awaited.set(key, list);
    this.#queue.add(key, { priority: NOW_PRIORITY });
    return waiting.promise;
  }

  figures(): ReconcileFigures {
    return {
      controller: this.name,
      state: this.#state,
      counts: this.#counts,
      concurrency: this.#options.definition.concurrency,
      active: this.#active,
      overdue: this.#overdue,
      queue: this.#queue.figures(),
    };
  }

  #isOwn(key: string): boolean {
    return this.#options.shards?.owns(key) ?? true;
  }

  /** Keys may be ours that were not. What is not any more is ended, and waited for: then another process takes it. */
  async #onShards(): Promise<void> {
    const { store, definition } = this.#options;
    const { for: kind } = definition;
    const ends: Promise<void>[] = [];
    for (const [key, run] of this.#runs) {
      if (!this.#isOwn(key)) {
        run.ending.abort(
          new FairleadError("RECONCILE_STOPPED", `"${key}" does not belong to this process any more`, {
            facts: { controller: this.name, key },
          }),
        );
        run.over ??= Promise.withResolvers();
        ends.push(run.over.promise);
      }
    }
    if (kind !== undefined && this.#state !== "stopped") {
      store.read((view) => {
        for (const { key } of view.kind(kind.name)) {
          this.enqueue(key, LOW_PRIORITY);
        }
      });
    }
    await Promise.all(ends);
  }

  #onChange(keys: Iterable<string>, change: SourceChange, priority: number): void {
    let isDeferred = false;
    for (const key of keys) {
      const run = this.#runs.get(key);
      if (run !== undefined && change.mayBeEcho && run.suspects.length < MOST_SUSPECTS) {
        run.suspects.push({ change, priority });
        isDeferred = true;
      } else if (this.#isEcho(key, change)) {
        this.#counts.echoes++;
      } else {
        this.enqueue(key, priority);
      }
    }
    if (!isDeferred) {
      this.#writes.told(change.kind, change.object, change.after);
    }
  }

  #isEcho(key: string, { mayBeEcho, kind, object, before, after }: SourceChange): boolean {
    return mayBeEcho && before !== undefined && this.#writes.isEcho(key, kind, object, before, after);
  }

  #batchOver(): void {
    if (this.#state === "syncing" && this.#waitingForSync.signal.aborted && this.#sources?.isComplete !== false) {
      this.#state = "running";
    }
    this.#parked.look();
    this.#turns.plan();
  }

  #pump(): void {
    const { definition } = this.#options;
    while (this.#state === "running" && this.#active < definition.concurrency) {
      if (this.#resumed.length === 0 && !this.#queue.hasReady) {
        return;
      }
      if (!this.#turns.take()) {
        return;
      }
      const taken = this.#resumed.shift() ?? this.#queue.take();
      if (taken === undefined) {
        return;
      }
      this.#admit(taken);
    }
  }

  /** A key that is not ours, that waits for its own writes, or that an earlier life still works on takes no place. */
  #admit(taken: Taken): void {
    const { key } = taken;
    if (!this.#isOwn(key)) {
      this.#queue.forget(key);
      this.#queue.done(key);
    } else if (!this.#writes.isSeen(key)) {
      this.#parked.park(taken);
    } else if (this.#locks.take(key, () => this.#goOn(taken, false))) {
      this.#begin(taken);
    }
  }

  #goOn(taken: Taken, isLate: boolean): void {
    if (isLate) {
      const { key } = taken;
      this.#counts.stale++;
      this.#writes.giveUp(key);
      this.#options.log.debug({ controller: this.name, key }, "own writes have not come back in time");
    }
    this.#resumed.push(taken);
    this.#turns.plan();
  }

  #begin(taken: Taken): void {
    const { clock, definition } = this.#options;
    const { key, priority } = taken;
    const run: Run = {
      taken,
      ending: new AbortController(),
      startedMs: clock.now(),
      awaited: this.#awaited.get(key),
      over: undefined,
      suspects: [],
      isOverdue: false,
    };
    this.#awaited.delete(key);
    this.#runs.set(key, run);
    this.#active++;
    this.#deadline.begun();
    const { for: kind } = definition;
    runOne(this.#options, {
      key,
      priority: priority === NOW_PRIORITY ? 0 : priority,
      attempt: this.#queue.retries(key) + 1,
      ending: run.ending,
      check: () => this.#options.shards?.check(key),
      wrote: (write) => {
        const isItself = write.kind === kind?.name && write.key === key;
        // Whoever changes the spec of its own object wants to be called again.
        const isWorkOfItsOwn = isItself && write.verb !== "status" && write.verb !== "finalizer";
        this.#writes.wrote(key, write, !isWorkOfItsOwn);
      },
    }).then(
      (next) => this.#finish(run, next, undefined),
      (error: unknown) => this.#finish(run, undefined, { error }),
    );
  }

  /** The place is given to another key; this one stays taken until its reconcile has really ended. */
  #onDeadline(run: Run): void {
    const { definition } = this.#options;
    this.#active--;
    this.#overdue++;
    this.#counts.timeouts++;
    run.ending.abort(
      new FairleadError(
        "RECONCILE_TIMEOUT",
        `the reconcile of "${run.taken.key}" took longer than ${definition.deadlineMs} ms; look at its signal, or raise .deadline()`,
        { facts: { controller: this.name, key: run.taken.key } },
      ),
    );
    this.#turns.plan();
  }

  #finish(run: Run, next: NextStep | undefined, failure: { readonly error: unknown } | undefined): void {
    const { key } = run.taken;
    this.#runs.delete(key);
    if (run.isOverdue) {
      this.#overdue--;
    } else {
      this.#active--;
    }
    this.#counts.seconds.observe((this.#options.clock.now() - run.startedMs) / 1000);
    if (this.#state !== "stopped") {
      this.#afterwards(run, next, failure);
    }
    for (const waiting of run.awaited ?? []) {
      if (failure === undefined) {
        waiting.resolve();
      } else {
        waiting.reject(failure.error);
      }
    }
    this.#queue.done(key);
    this.#locks.free(key);
    run.over?.resolve();
    if (this.#runs.size === 0) {
      this.#settled?.resolve();
    }
    this.#turns.plan();
  }

  #afterwards(run: Run, next: NextStep | undefined, failure: { readonly error: unknown } | undefined): void {
    const { key } = run.taken;
    for (const { change, priority } of run.suspects) {
      if (this.#isEcho(key, change)) {
        this.#counts.echoes++;
      } else {
        this.enqueue(key, priority);
      }
    }
    for (const { change } of run.suspects) {
      this.#writes.told(change.kind, change.object, change.after);
    }
    if (failure !== undefined) {
      this.#onFailure(run, failure.error);
      return;
    }
    this.#queue.forget(key);
    if (next?.requeueAfterMs === undefined) {
      this.#counts.results.success++;
    } else {
      this.#counts.results.requeue_after++;
      this.#queue.add(key, { afterMs: next.requeueAfterMs, priority: next.priority });
    }
  }

  #onFailure(run: Run, thrown: unknown): void {
    const { key, priority } = run.taken;
    const { signal } = run.ending;
    // An abort that the reconcile passed on says nothing; the reason of the abort does.
    const error: unknown = signal.aborted ? signal.reason : thrown;
    if (!this.#isOwn(key)) {
      this.#queue.forget(key);
      return;
    }
    const attempt = this.#queue.retries(key) + 1;
    const fields = { controller: this.name, key, code: codeOf(error), detail: messageOf(error), attempt };
    const { isTerminal, isMistake } = this.#counts.failed(error);
    if (isTerminal) {
      this.#options.log.error(fields, "reconcile failed for good");
      return;
    }
    const stack = isMistake && error instanceof Error ? { stack: error.stack } : {};
    this.#options.log.warn({ ...fields, ...stack }, "reconcile failed");
    this.#queue.add(key, { limited: true, priority: priority === NOW_PRIORITY ? 0 : priority });
  }
}
