import type { RowPlan } from "../kinds/plan.ts";
import { readStatus } from "./kind-status.ts";
import { KindView } from "./kind-view.ts";
import {
  isAfter,
  KIND_COUNT,
  KIND_FROM,
  KIND_HIGH,
  KIND_PHASE,
  KIND_PLAN,
  KIND_SERIAL,
  KIND_SLOTS,
  KIND_SYNCED,
  KIND_UNTIL,
  kindAt,
} from "./layout.ts";
import type { Memory } from "./memory.ts";
import { covers, narrowed } from "./need.ts";
import type { Snapshot } from "./snapshot.ts";
import type { KindStatus } from "./store.ts";

/** A kind of one memory as its writer opened it: it ends when the kind is dropped, or gets another plan. */
export interface OpenedKind {
  readonly number: number;
  readonly serial: number;
  readonly plan: RowPlan;
}

/** The kinds that are shown at one version. */
export interface ShownKinds {
  readonly kinds: readonly OpenedKind[];
  /** True when they are the same at all later versions, until KINDS_CHANGED goes up. */
  readonly isSettled: boolean;
}

/**
 * Reads which kinds a memory shows at a version: the newest one, or one that is pinned. `known` gives what is known of a
 * number already, so that plans are parsed once.
 */
export function shownKinds(
  memory: Memory,
  declared: readonly RowPlan[],
  version: number,
  known: (number: number, serial: number) => OpenedKind | undefined = () => undefined,
): ShownKinds {
  const { words } = memory;
  const kinds: OpenedKind[] = [];
  let isSettled = true;
  const count = Atomics.load(words, KIND_COUNT);
  for (let number = 0; number < count; number++) {
    const base = kindAt(number);
    const from = Atomics.load(words, base + KIND_FROM);
    const until = Atomics.load(words, base + KIND_UNTIL);
    const serial = Atomics.load(words, base + KIND_SERIAL);
    // A number that is given to another kind meanwhile begins to be seen after the pinned version.
    if (from === 0 || Atomics.load(words, base + KIND_FROM) !== from) {
      continue;
    }
    const isBegun = !isAfter(from, version);
    const isOver = until !== 0 && !isAfter(until, version);
    isSettled &&= isBegun && (until === 0 || isOver);
    if (isBegun && !isOver) {
      kinds.push(known(number, serial) ?? { number, serial, plan: planOf(memory, declared, number) });
    }
  }
  return { kinds, isSettled };
}

function planOf(memory: Memory, declared: readonly RowPlan[], number: number): RowPlan {
  const at = memory.words[kindAt(number) + KIND_PLAN];
  if (at === 0) {
    return declared[number];
  }
  const plan: unknown = JSON.parse(memory.text.toString("utf8", (at + 1) * 4, (at + 1) * 4 + memory.words[at]));
  // Written by the store's writer as the JSON of a plan.
  return plan as RowPlan;
}

/** An opened kind as one thread reads it. */
export class KindEntry implements OpenedKind {
  readonly number: number;
  readonly serial: number;
  readonly plan: RowPlan;
  readonly #snapshot: Snapshot;
  readonly #base: number;
  #view: KindView<unknown> | undefined;
  /** Views for those who see only a part; undefined where the plan does not have all that they need. */
  readonly #narrow = new WeakMap<RowPlan, { readonly view: KindView<unknown> | undefined }>();

  constructor(snapshot: Snapshot, { number, serial, plan }: OpenedKind) {
    this.number = number;
    this.serial = serial;
    this.plan = plan;
    this.#snapshot = snapshot;
    this.#base = kindAt(number);
  }

  /** The initial set is complete. */
  get isSynced(): boolean {
    return Atomics.load(this.#snapshot.words, this.#base + KIND_SYNCED) === 1;
  }

  get phase(): number {
    return Atomics.load(this.#snapshot.words, this.#base + KIND_PHASE);
  }

  /** What was counted in this memory. */
  get status(): KindStatus {
    return readStatus(this.#snapshot.memory, this.number);
  }

  /** Address of the slot table, and the highest slot in use. */
  get slots(): { readonly table: number; readonly high: number } {
    const { words } = this.#snapshot;
    const table = Atomics.load(words, this.#base + KIND_SLOTS);
    return { table, high: table === 0 ? 0 : Math.min(Atomics.load(words, this.#base + KIND_HIGH), words[table]) };
  }

  /** All that the kind has. */
  get view(): KindView<unknown> {
    this.#view ??= new KindView<unknown>(this.#snapshot, this);
    return this.#view;
  }

  /** What someone who needs only this sees; undefined when the plan does not have all of it. Without a need: all. */
  viewFor(need: RowPlan | undefined): KindView<unknown> | undefined {
    if (need === undefined) {
      return this.view;
    }
    let found = this.#narrow.get(need);
    if (found === undefined) {
      found = {
        view: covers(this.plan, need)
          ? new KindView<unknown>(this.#snapshot, this, narrowed(this.plan, need))
          : undefined,
      };
      this.#narrow.set(need, found);
    }
    return found.view;
  }
}
