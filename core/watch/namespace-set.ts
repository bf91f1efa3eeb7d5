import type { RowPlan } from "../kinds/plan.ts";
import { ROW_HEADER, type RowBuilder } from "../store/row.ts";
import type { KindStatusWriter, KindWriter, PutResult } from "../store/store.ts";
import { nameOf, TextInterner } from "./row-text.ts";

/** Namespaces as the engine watches them for itself: names only. */
export const NAMESPACE_PLAN: RowPlan = {
  name: "namespaces (scope)",
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
  builtIn: true,
  keep: "fields",
  cells: [],
  fixedWords: ROW_HEADER,
  indexes: [],
};

const ignore = (): void => {};
const NO_STATUS: KindStatusWriter = {
  add: ignore,
  synced: ignore,
  currentAt: ignore,
  phase: ignore,
  resourceVersion: ignore,
};

/** The names of the namespaces that exist: takes the place of a store for the reflector that follows them. */
export class NamespaceSet implements KindWriter {
  readonly plan = NAMESPACE_PLAN;
  readonly interner = new TextInterner();
  readonly status = NO_STATUS;
  readonly #names = new Set<string>();
  readonly #changed: (name: string, exists: boolean) => void;
  #missing: Set<string> | undefined;

  constructor(changed: (name: string, exists: boolean) => void) {
    this.#changed = changed;
  }

  get size(): number {
    return this.#names.size;
  }

  put(row: RowBuilder): PutResult {
    const name = nameOf(row);
    this.#missing?.delete(name);
    if (this.#names.has(name)) {
      return "updated";
    }
    this.#names.add(name);
    this.#changed(name, true);
    return "added";
  }

  remove(row: RowBuilder): boolean {
    return this.#remove(nameOf(row));
  }

  beginReplace(): void {
    this.#missing = new Set(this.#names);
  }

  endReplace(): number {
    const gone = this.#missing ?? new Set();
    this.#missing = undefined;
    for (const name of gone) {
      this.#remove(name);
    }
    return gone.size;
  }

  cancelReplace(): void {
    this.#missing = undefined;
  }

  clear(): number {
    const gone = [...this.#names];
    for (const name of gone) {
      this.#remove(name);
    }
    return gone.length;
  }

  needsRelist(): boolean {
    return false;
  }

  forEachIdentity(visit: (namespace: string, name: string, uid: string, resourceVersion: string) => void): void {
    for (const name of this.#names) {
      visit("", name, "", "");
    }
  }

  #remove(name: string): boolean {
    if (!this.#names.delete(name)) {
      return false;
    }
    this.#changed(name, false);
    return true;
  }
}
