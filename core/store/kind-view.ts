import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { hashBytes, mixIn } from "./hash.ts";
import {
  type IndexSpec,
  indexSpecs,
  NAMESPACE_INDEX,
  nameProbe,
  type Probe,
  ProbeMatcher,
  pairOfNames,
  probeFor,
} from "./index-plan.ts";
import type { OpenedKind } from "./kind-entry.ts";
import { labelCheck } from "./label-check.ts";
import {
  isAfter,
  KIND_COUNTS,
  KIND_FROM,
  KIND_HIGH,
  KIND_PRIMARY,
  KIND_SERIAL,
  KIND_SLOTS,
  KIND_UIDS,
  KIND_UNTIL,
  KIND_VALUES,
  KINDS_CHANGED,
  kindAt,
  LIST_COUNT,
  LIST_HEADER,
  LIST_STALE,
  NO_KIND,
  RECORD_HEADER,
} from "./layout.ts";
import { KeyMatcher, UidMatcher } from "./object-matcher.ts";
import type { DeletedObjects, KindObjects, Selection } from "./reader.ts";
import type { Snapshot } from "./snapshot.ts";
import { findTagged } from "./tag-table.ts";
import { findValue } from "./value-index.ts";
import { type MakeView, partMaker, viewMaker } from "./view-class.ts";

/** The objects of one kind in the pinned snapshot. `View` is what `viewMaker` makes for the kind. */
export class KindView<View> implements KindObjects<View, string> {
  readonly plan: RowPlan;
  readonly deleted: DeletedObjects<View, string>;
  readonly #snapshot: Snapshot;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #kind: OpenedKind;
  /** Address of the kind's words, or of those of no kind. */
  #base: number;
  /** The read in which the kind was last seen to be there. */
  #checked = 0;
  /** How often kinds had changed when it was last seen to be there, for now and until they change again. */
  #changed = -1;
  readonly #make: (row: number) => View;
  readonly #specs: readonly IndexSpec[];
  readonly #labels: IndexSpec | undefined;
  readonly #labelsAt: number;
  readonly #matcher = new ProbeMatcher();
  readonly #key: KeyMatcher;
  readonly #uid: UidMatcher;
  /** For lists that may name a slot twice: the number of the query that saw it last. */
  #marks = new Int32Array(0);
  #query = 0;

  /** `part`: what may be seen of the kind. Default: all of its plan. */
  constructor(snapshot: Snapshot, kind: OpenedKind, part?: RowPlan) {
    this.plan = part ?? kind.plan;
    this.#snapshot = snapshot;
    this.#words = snapshot.words;
    this.#bytes = snapshot.memory.bytes;
    this.#kind = kind;
    this.#base = kindAt(kind.number);
    const make: MakeView = part === undefined ? viewMaker(kind.plan, snapshot) : partMaker(kind.plan, part, snapshot);
    // The class is made from the plan; `View` is the type of the kind that the plan was made from.
    this.#make = make as (row: number) => View;
    const { indexes, cells } = this.plan;
    const isSeen = (spec: IndexSpec): boolean =>
      spec.name === NAMESPACE_INDEX || indexes.some((index) => index.name === spec.name);
    this.#specs = indexSpecs(kind.plan).filter(isSeen);
    const labels = indexes.find((index) => index.on === "labels");
    this.#labels = this.#specs.find((spec) => spec.name === labels?.name);
    this.#labelsAt = cells.find((cell) => cell.field === "labels")?.at ?? 0;
    this.#key = new KeyMatcher(snapshot);
    this.#uid = new UidMatcher(snapshot);
    this.deleted = {
      get: (namespaceOrKey, name) => this.#get(namespaceOrKey, name, true),
      byUid: (uid) => this.#byUid(uid, true),
      by: (index, value) => this.#by(index, value, true),
      all: () => this.#scan(true),
    };
  }

  get size(): number {
    this.#check();
    const words = this.#words;
    const { version } = this.#snapshot;
    const counts = this.#base + KIND_COUNTS;
    let best = 0;
    let count = 0;
    for (const at of [counts, counts + 2]) {
      const from = Atomics.load(words, at);
      const value = Atomics.load(words, at + 1);
      const isStable = Atomics.load(words, at) === from;
      if (isStable && from !== 0 && !isAfter(from, version) && (best === 0 || isAfter(from, best))) {
        best = from;
        count = value;
      }
    }
    if (best === 0 || this.#hasOtherCount(best)) {
      return words[this.#base + KIND_SLOTS] === 0 ? 0 : this.#count();
    }
    return count;
  }

  get(namespaceOrKey: string, name?: string): View | undefined {
    return this.#get(namespaceOrKey, name, false);
  }

  has(namespaceOrKey: string, name?: string): boolean {
    return this.#find(namespaceOrKey, name, false) !== 0;
  }

  all(): View[] {
    return this.#scan(false);
  }

  *[Symbol.iterator](): IterableIterator<View> {
    this.#check();
    const slots = Atomics.load(this.#words, this.#base + KIND_SLOTS);
    const high = this.#high(slots);
    for (let slot = 1; slot <= high; slot++) {
      const record = this.#snapshot.visible(slots, slot);
      if (record !== 0 && !this.#snapshot.isDeleted(record)) {
        yield this.#make(record + RECORD_HEADER);
        this.#check();
      }
    }
  }

  inNamespace(namespace: string): View[] {
    this.#check();
    const spec = this.#spec(NAMESPACE_INDEX);
    return this.#withValue(nameProbe(spec, namespace, this.#snapshot.dictionary), false);
  }

  byLabel(key: string, value: string): View[] {
    this.#check();
    return this.#withValue(pairOfNames(this.#labelSpec(), key, value, this.#snapshot.dictionary), false);
  }

  byOwner(uid: string): View[] {
    const owner = this.plan.indexes.find((index) => index.on === "owner");
    return this.#by(owner?.name ?? "owner", uid, false);
  }

  byUid(uid: string): View | undefined {
    return this.#byUid(uid, false);
  }

  by(index: string, value: string | number | boolean): View[] {
    return this.#by(index, value, false);
  }

  select(selection: Selection): View[] {
    this.#check();
    const { dictionary } = this.#snapshot;
    const probes: Probe[] = [];
    const add = (probe: Probe | undefined): boolean => probe !== undefined && probes.push(probe) > 0;
    if (
      selection.namespace !== undefined &&
      !add(nameProbe(this.#spec(NAMESPACE_INDEX), selection.namespace, dictionary))
    ) {
      return [];
    }
    for (const [key, value] of Object.entries(selection.labels ?? {})) {
      if (!add(pairOfNames(this.#labelSpec(), key, value, dictionary))) {
        return [];
      }
    }
    const checks = (selection.expressions ?? []).map((expression) => {
      this.#labelSpec();
      return labelCheck(expression, this.#labelsAt, this.#snapshot);
    });
    const [first, ...others] = probes.toSorted((a, b) => this.#candidates(a) - this.#candidates(b));
    const accepts = (row: number): boolean =>
      others.every((probe) => this.#matcher.matches(this.#words, this.#bytes, row, probe)) &&
      checks.every((check) => check(row));
    return first === undefined ? this.#scan(false, accepts) : this.#withValue(first, false, accepts);
  }

  /** The view of a record. */
  viewOf(record: number): View {
    return this.#make(record + RECORD_HEADER);
  }

  #check(): void {
    const { serial, isOpen } = this.#snapshot;
    if (!isOpen) {
      throw new FairleadError(
        "STORE_VIEW_EXPIRED",
        "the store was read outside of read(); use the view only inside the callback that it was given to",
      );
    }
    if (this.#checked !== serial) {
      this.#checked = serial;
      const changed = Atomics.load(this.#words, KINDS_CHANGED);
      if (changed !== this.#changed) {
        this.#look(changed);
      }
    }
  }

  /** Whether the kind is there at the pinned version: a view that somebody kept from an earlier read may be of one that is not. */
  #look(changed: number): void {
    const { version } = this.#snapshot;
    const { number, serial } = this.#kind;
    const base = kindAt(number);
    const from = Atomics.load(this.#words, base + KIND_FROM);
    const until = Atomics.load(this.#words, base + KIND_UNTIL);
    const isThere =
      from !== 0 &&
      !isAfter(from, version) &&
      (until === 0 || isAfter(until, version)) &&
      Atomics.load(this.#words, base + KIND_SERIAL) === serial &&
      Atomics.load(this.#words, base + KIND_FROM) === from;
    this.#base = kindAt(isThere ? number : NO_KIND);
    this.#changed = isThere && until === 0 ? changed : -1;
  }

  #get(namespaceOrKey: string, name: string | undefined, isDeleted: boolean): View | undefined {
    const record = this.#find(namespaceOrKey, name, isDeleted);
    return record === 0 ? undefined : this.#make(record + RECORD_HEADER);
  }

  #find(namespaceOrKey: string, name: string | undefined, isDeleted: boolean): number {
    this.#check();
    let namespace = namespaceOrKey;
    let wanted = name;
    if (typeof namespace !== "string" || (typeof wanted !== "string" && wanted !== undefined)) {
      throw new FairleadError(
        "STORE_BAD_VALUE",
        `"${this.plan.name}" is looked up by strings: a key, or namespace and name`,
      );
    }
    if (wanted === undefined) {
      const slash = namespaceOrKey.indexOf("/");
      namespace = slash < 0 ? "" : namespaceOrKey.slice(0, slash);
      wanted = namespaceOrKey.slice(slash + 1);
    }
    const { dictionary } = this.#snapshot;
    const id = dictionary.id(namespace);
    if (id < 0 || wanted === "") {
      return 0;
    }
    const size = dictionary.encode(wanted);
    const hash = mixIn(hashBytes(dictionary.encoded, 0, size), id);
    this.#key.set(this.#base, id, dictionary.encoded, size);
    const slot = findTagged(this.#snapshot.memory, this.#base + KIND_PRIMARY, hash, this.#key);
    return slot === 0 ? 0 : this.#snapshot.visibleOfKey(this.#key.slots, slot, isDeleted);
  }

  #byUid(uid: string, isDeleted: boolean): View | undefined {
    this.#check();
    const hash = this.#uid.set(this.#base, uid, isDeleted);
    const slot = hash === 0 ? 0 : findTagged(this.#snapshot.memory, this.#base + KIND_UIDS, hash, this.#uid);
    return slot === 0 ? undefined : this.#make(this.#uid.record + RECORD_HEADER);
  }

  #by(index: string, value: unknown, isDeleted: boolean): View[] {
    this.#check();
    return this.#withValue(probeFor(this.#spec(index), value, this.#snapshot.dictionary), isDeleted);
  }

  #spec(name: string): IndexSpec {
    const spec = this.#specs.find((candidate) => candidate.name === name);
    if (spec === undefined) {
      const names = this.#specs.map((candidate) => candidate.name).join(", ") || "none";
      throw new FairleadError(
        "STORE_INDEX_NOT_DECLARED",
        `"${this.plan.name}" has no index "${name}" (it has: ${names}); ` +
          (this.plan === this.#kind.plan
            ? "an index is there while its field is selected"
            : 'an index is there while its field is in "needs"'),
        { facts: { kind: this.plan.name, index: name } },
      );
    }
    return spec;
  }

  #labelSpec(): IndexSpec {
    return this.#labels ?? this.#spec("labels");
  }

  #candidates(probe: Probe): number {
    const words = this.#words;
    const entry = findValue(words, this.#base + KIND_VALUES, probe.hash);
    const head = entry === 0 ? 0 : Atomics.load(words, entry + 1);
    return head < 0 ? words[-head + LIST_COUNT] : Math.min(head, 1);
  }

  #withValue(probe: Probe | undefined, isDeleted: boolean, accepts?: (row: number) => boolean): View[] {
    const found: View[] = [];
    const words = this.#words;
    const entry = probe === undefined ? 0 : findValue(words, this.#base + KIND_VALUES, probe.hash);
    if (probe === undefined || entry === 0) {
      return found;
    }
    const slots = Atomics.load(words, this.#base + KIND_SLOTS);
    const head = Atomics.load(words, entry + 1);
    if (head > 0) {
      this.#offer(found, slots, head, probe, isDeleted, accepts);
    } else if (head < 0) {
      const list = -head;
      const count = Atomics.load(words, list + LIST_COUNT);
      // After the count: an entry that repeats an old one is added after this is raised.
      const mayRepeat = Atomics.load(words, list + LIST_STALE) !== 0;
      const marks = mayRepeat ? this.#marksFor(slots) : undefined;
      for (let at = list + LIST_HEADER; at < list + LIST_HEADER + count; at++) {
        const slot = words[at];
        if (marks !== undefined) {
          if (marks[slot] === this.#query) {
            continue;
          }
          marks[slot] = this.#query;
        }
        this.#offer(found, slots, slot, probe, isDeleted, accepts);
      }
    }
    return found;
  }

  /** Adds the object of a slot when it is visible and really has the value. */
  #offer(
    found: View[],
    slots: number,
    slot: number,
    probe: Probe,
    isDeleted: boolean,
    accepts: ((row: number) => boolean) | undefined,
  ): void {
    const record = this.#snapshot.visible(slots, slot);
    const row = record + RECORD_HEADER;
    if (
      record !== 0 &&
      this.#snapshot.isDeleted(record) === isDeleted &&
      this.#matcher.matches(this.#words, this.#bytes, row, probe) &&
      (accepts === undefined || accepts(row))
    ) {
      found.push(this.#make(row));
    }
  }

  #marksFor(slots: number): Int32Array {
    const size = this.#words[slots] + 1;
    if (this.#marks.length < size) {
      this.#marks = new Int32Array(size);
      this.#query = 0;
    }
    this.#query = (this.#query + 1) | 0 || 1;
    return this.#marks;
  }

  #scan(isDeleted: boolean, accepts?: (row: number) => boolean): View[] {
    this.#check();
    const found: View[] = [];
    const slots = Atomics.load(this.#words, this.#base + KIND_SLOTS);
    const high = this.#high(slots);
    for (let slot = 1; slot <= high; slot++) {
      const record = this.#snapshot.visible(slots, slot);
      if (record !== 0 && this.#snapshot.isDeleted(record) === isDeleted) {
        const row = record + RECORD_HEADER;
        if (accepts === undefined || accepts(row)) {
          found.push(this.#make(row));
        }
      }
    }
    return found;
  }

  #count(): number {
    let count = 0;
    const slots = Atomics.load(this.#words, this.#base + KIND_SLOTS);
    const high = this.#high(slots);
    for (let slot = 1; slot <= high; slot++) {
      const record = this.#snapshot.visible(slots, slot);
      count += record !== 0 && !this.#snapshot.isDeleted(record) ? 1 : 0;
    }
    return count;
  }

  /** True when a commit not after the pinned version, but after `best`, was written while the counts were read. */
  #hasOtherCount(best: number): boolean {
    const counts = this.#base + KIND_COUNTS;
    const a = Atomics.load(this.#words, counts);
    const b = Atomics.load(this.#words, counts + 2);
    return a !== best && b !== best;
  }

  #high(slots: number): number {
    return slots === 0 ? 0 : Math.min(Atomics.load(this.#words, this.#base + KIND_HIGH), this.#words[slots]);
  }
}
