import type { RowPlan } from "../kinds/plan.ts";
import type { StoreHandle } from "./handle.ts";
import { readStatus } from "./kind-status.ts";
import { KindView } from "./kind-view.ts";
import { KIND_COUNT, KIND_PHASE, KIND_PLAN, KIND_SYNCED, kindAt } from "./layout.ts";
import { Memory } from "./memory.ts";
import { Snapshot } from "./snapshot.ts";
import type { KindCounters, KindStatus } from "./store.ts";

/** One memory of a store as one thread reads it: the place among its readers, its kinds, and their views. */
export class Attachment {
  readonly handle: StoreHandle;
  readonly snapshot: Snapshot;
  /** By the kinds' numbers. */
  readonly plans: RowPlan[];
  readonly #views: (KindView<unknown> | undefined)[] = [];

  /** Takes a place among the readers. Throws STORE_TOO_MANY_READERS, STORE_READER_TAKEN. */
  constructor(handle: StoreHandle, readerId?: number) {
    this.handle = handle;
    this.snapshot = new Snapshot(handle.buffer, readerId);
    this.plans = [...handle.plans];
  }

  /** Looks for kinds that the writer announced. */
  learnKinds(): void {
    const { words, memory } = this.snapshot;
    const count = Atomics.load(words, KIND_COUNT);
    while (this.plans.length < count) {
      this.plans.push(announcedPlan(memory, this.plans.length));
    }
  }

  kindView(number: number): KindView<unknown> {
    let view = this.#views[number];
    if (view === undefined) {
      view = new KindView<unknown>(this.snapshot, this.plans[number], number);
      this.#views[number] = view;
    }
    return view;
  }

  isSynced(number: number): boolean {
    return Atomics.load(this.snapshot.words, kindAt(number) + KIND_SYNCED) === 1;
  }

  phase(number: number): number {
    return Atomics.load(this.snapshot.words, kindAt(number) + KIND_PHASE);
  }

  /** The counters of a kind, with those of the memories before this one. */
  status(number: number): KindStatus {
    const status = readStatus(this.snapshot.memory, number);
    const before = this.handle.before?.[number];
    return before === undefined ? status : { ...status, ...sumOf(status, before) };
  }
}

/** What a memory's successor begins with: its kinds, and the counters that go on. Any thread; takes no place. */
export function legacyOf(handle: StoreHandle): Required<Pick<StoreHandle, "plans" | "before">> {
  const memory = new Memory(handle.buffer);
  const plans = [...handle.plans];
  const count = Atomics.load(memory.words, KIND_COUNT);
  while (plans.length < count) {
    plans.push(announcedPlan(memory, plans.length));
  }
  return { plans, before: plans.map((_, number) => sumOf(readStatus(memory, number), handle.before?.[number])) };
}

function announcedPlan(memory: Memory, number: number): RowPlan {
  const at = memory.words[kindAt(number) + KIND_PLAN];
  const plan: unknown = JSON.parse(memory.text.toString("utf8", (at + 1) * 4, (at + 1) * 4 + memory.words[at]));
  // Written by the store's writer as the JSON of a plan.
  return plan as RowPlan;
}

function sumOf(now: KindCounters, before: KindCounters | undefined): KindCounters {
  return {
    events: now.events + (before?.events ?? 0),
    bytes: now.bytes + (before?.bytes ?? 0),
    lists: now.lists + (before?.lists ?? 0),
    watches: now.watches + (before?.watches ?? 0),
    reconnects: now.reconnects + (before?.reconnects ?? 0),
    relists: now.relists + (before?.relists ?? 0),
    errors: now.errors + (before?.errors ?? 0),
    refused: now.refused + (before?.refused ?? 0),
    drift: now.drift + (before?.drift ?? 0),
    audits: now.audits + (before?.audits ?? 0),
    brokenFrames: now.brokenFrames + (before?.brokenFrames ?? 0),
  };
}
