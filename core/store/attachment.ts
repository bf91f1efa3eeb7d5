import type { RowPlan } from "../kinds/plan.ts";
import type { StoreHandle } from "./handle.ts";
import { KindEntry, shownKinds } from "./kind-entry.ts";
import { readStatus } from "./kind-status.ts";
import { KindView } from "./kind-view.ts";
import { KINDS_CHANGED, NO_KIND, VERSION } from "./layout.ts";
import { Memory } from "./memory.ts";
import { Snapshot } from "./snapshot.ts";
import type { KindCounters, KindStatus } from "./store.ts";

/** One memory of a store as one thread reads it: the place among its readers, its kinds, and their views. */
export class Attachment {
  readonly handle: StoreHandle;
  readonly snapshot: Snapshot;
  /** By the kinds' numbers; those that were seen last. */
  readonly #entries: (KindEntry | undefined)[] = [];
  /** Views of kinds that are not there. */
  readonly #empty = new WeakMap<RowPlan, KindView<unknown>>();
  #kinds: ReadonlyMap<string, KindEntry> = new Map();
  #changed = -1;

  /** Takes a place among the readers. Throws STORE_TOO_MANY_READERS, STORE_READER_TAKEN. */
  constructor(handle: StoreHandle, readerId?: number) {
    this.handle = handle;
    this.snapshot = new Snapshot(handle.buffer, readerId);
  }

  /** The kinds at the pinned version, or at the newest one, by their names. */
  get kinds(): ReadonlyMap<string, KindEntry> {
    if (Atomics.load(this.snapshot.words, KINDS_CHANGED) !== this.#changed && !this.snapshot.isClosed) {
      this.#look();
    }
    return this.#kinds;
  }

  /** A kind without objects, with the fields of the plan. */
  emptyView(plan: RowPlan): KindView<unknown> {
    let view = this.#empty.get(plan);
    if (view === undefined) {
      view = new KindView<unknown>(this.snapshot, { number: NO_KIND, serial: 0, plan });
      this.#empty.set(plan, view);
    }
    return view;
  }

  /** The counters of a kind, with those of the memories before this one. */
  status(entry: KindEntry): KindStatus {
    const { status } = entry;
    const before = this.handle.before?.[entry.plan.name];
    return before === undefined ? status : { ...status, ...sumOf(status, before) };
  }

  #look(): void {
    const { snapshot } = this;
    // Pinned, so that no kind goes while its plan is read.
    snapshot.pin();
    try {
      const changed = Atomics.load(snapshot.words, KINDS_CHANGED);
      const known = (number: number, serial: number): KindEntry | undefined => {
        const entry = this.#entries[number];
        return entry?.serial === serial ? entry : undefined;
      };
      const shown = shownKinds(snapshot.memory, this.handle.plans, snapshot.version, known);
      const kinds = new Map<string, KindEntry>();
      for (const opened of shown.kinds) {
        const entry = opened instanceof KindEntry ? opened : new KindEntry(snapshot, opened);
        this.#entries[entry.number] = entry;
        kinds.set(entry.plan.name, entry);
      }
      this.#kinds = kinds;
      this.#changed = shown.isSettled ? changed : -1;
    } finally {
      snapshot.unpin();
    }
  }
}

/** What a memory's successor begins with: its kinds, and the counters that go on. Any thread; takes no place. */
export function legacyOf(handle: StoreHandle): Required<Pick<StoreHandle, "plans" | "before">> {
  const memory = new Memory(handle.buffer);
  const { kinds } = shownKinds(memory, handle.plans, Atomics.load(memory.words, VERSION));
  const counted = kinds.map(({ number, plan }): [string, KindCounters] => [
    plan.name,
    sumOf(readStatus(memory, number), handle.before?.[plan.name]),
  ]);
  return { plans: kinds.map(({ plan }) => plan), before: { ...handle.before, ...Object.fromEntries(counted) } };
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
