import type { RowPlan } from "../kinds/plan.ts";
import { ROW_NAMESPACE, type RowBuilder } from "../store/row.ts";
import type { KindCounter, KindStatusWriter, KindWriter, PutResult, StoreWriter } from "../store/store.ts";
import { nameOf, TextInterner, versionOf } from "./row-text.ts";

/** For tests: a store that keeps the version of each object and a log of what happened. */
export class MemoryStore implements StoreWriter {
  readonly kinds = new Map<string, MemoryKind>();
  commits = 0;

  open(plan: RowPlan): MemoryKind {
    const kind = new MemoryKind(plan);
    this.kinds.set(plan.name, kind);
    return kind;
  }

  /** Kept aside until it is shown. */
  replace(plan: RowPlan): MemoryKind {
    return this.kinds.has(plan.name) ? new MemoryKind(plan) : this.open(plan);
  }

  show(kind: MemoryKind): void {
    this.kinds.set(kind.plan.name, kind);
  }

  drop(kind: MemoryKind): void {
    if (this.kinds.get(kind.plan.name) === kind) {
      this.kinds.delete(kind.plan.name);
    }
  }

  commit(): void {
    this.commits++;
  }

  maintain(): void {}

  kind(name: string): MemoryKind {
    const kind = this.kinds.get(name);
    if (kind === undefined) {
      throw new Error(`no kind "${name}"`);
    }
    return kind;
  }
}

class MemoryKind implements KindWriter {
  readonly plan: RowPlan;
  readonly interner = new TextInterner();
  readonly objects = new Map<string, string>();
  readonly log: string[] = [];
  readonly counters = new Map<KindCounter, number>();
  synced = false;
  onSynced = (): void => {};
  currentAt = 0;
  phase = 0;
  version = "";
  capacity = Number.POSITIVE_INFINITY;
  #missing: Set<string> | undefined;
  #refused = false;
  readonly status: KindStatusWriter;

  constructor(plan: RowPlan) {
    this.plan = plan;
    this.status = {
      add: (counter, amount) => {
        this.counters.set(counter, this.count(counter) + amount);
      },
      synced: (value) => {
        this.synced = value;
        this.log.push(`synced ${this.objects.size}`);
        this.onSynced();
      },
      currentAt: (at) => {
        this.currentAt = at;
      },
      phase: (phase) => {
        this.phase = phase;
      },
      resourceVersion: (version) => {
        this.version = version;
      },
    };
  }

  get size(): number {
    return this.objects.size;
  }

  count(counter: KindCounter): number {
    return this.counters.get(counter) ?? 0;
  }

  put(row: RowBuilder): PutResult {
    const key = this.#key(row);
    this.#missing?.delete(key);
    const version = versionOf(row);
    const old = this.objects.get(key);
    if (old === version) {
      return "unchanged";
    }
    if (old === undefined && this.objects.size >= this.capacity) {
      this.#refused = true;
      return "refused";
    }
    this.objects.set(key, version);
    this.log.push(`${old === undefined ? "add" : "update"} ${key} ${version}`);
    return old === undefined ? "added" : "updated";
  }

  remove(row: RowBuilder): boolean {
    return this.#remove(this.#key(row));
  }

  beginReplace(): void {
    if (this.#missing !== undefined) {
      throw new Error("a replacement is under way");
    }
    this.#missing = new Set(this.objects.keys());
  }

  endReplace(): number {
    const gone = this.#missing ?? new Set<string>();
    this.#missing = undefined;
    for (const key of gone) {
      this.#remove(key);
    }
    return gone.size;
  }

  cancelReplace(): void {
    this.#missing = undefined;
  }

  clear(scope?: { readonly namespace: string }): number {
    const gone = [...this.objects.keys()].filter((key) => scope === undefined || key.startsWith(`${scope.namespace}/`));
    for (const key of gone) {
      this.#remove(key);
    }
    return gone.length;
  }

  needsRelist(): boolean {
    const roomAgain = this.#refused && this.objects.size < this.capacity;
    this.#refused = this.#refused && !roomAgain;
    return roomAgain;
  }

  forEachIdentity(visit: (namespace: string, name: string, uid: string, resourceVersion: string) => void): void {
    for (const [key, version] of this.objects) {
      const slash = key.indexOf("/");
      visit(key.slice(0, slash), key.slice(slash + 1), "", version);
    }
  }

  #remove(key: string): boolean {
    if (!this.objects.delete(key)) {
      return false;
    }
    this.log.push(`delete ${key}`);
    return true;
  }

  #key(row: RowBuilder): string {
    return `${this.interner.text(row.words[ROW_NAMESPACE])}/${nameOf(row)}`;
  }
}

/** For tests: a plan with the header only. */
export function headerPlan(kind: string, plural: string, namespaced = true): RowPlan {
  return {
    name: plural,
    apiVersion: "v1",
    kind,
    plural,
    namespaced,
    builtIn: false,
    keep: "fields",
    cells: [],
    fixedWords: 12,
    indexes: [],
  };
}
