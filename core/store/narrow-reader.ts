import { FairleadError } from "../errors.ts";
import type { AnyKind, Kind } from "../kinds/kind.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { AnyListener } from "./changes.ts";
import type { StoreHandle } from "./handle.ts";
import type {
  ChangeListener,
  DumpOptions,
  ObjectData,
  StoreReader,
  StoreStats,
  StoreView,
  Subscription,
  WaitOptions,
} from "./reader.ts";
import { SharedStoreReader } from "./shared-reader.ts";
import type { KindStatus } from "./store.ts";

type KindName = string | { readonly name: string };

/** A reader of whatever kinds. */
type AnyReader = Omit<StoreReader, "read">;

/**
 * A reader that sees only these kinds, and of each only the selected fields, whatever else others made the store keep. Give
 * the kinds, or, in another thread, their plans (`kind.plan()`), which are plain data. A kind that is not in the store, or
 * that does not have all these fields yet, is empty and not synced. Other kinds throw STORE_KIND_NOT_NEEDED, other fields
 * STORE_FIELD_NOT_DECLARED, indexes over other fields STORE_INDEX_NOT_DECLARED. `close` ends only what was begun through
 * this reader. Same thread as `reader`, which is one of `Store.reader` or `attachReader`: else STORE_BAD_OPTION; a kind that
 * is named twice: STORE_KIND_EXISTS.
 */
export function narrowReader<const Kinds extends readonly AnyKind[]>(
  reader: AnyReader,
  kinds: Kinds,
): StoreReader<Kinds>;
export function narrowReader(reader: AnyReader, plans: readonly RowPlan[]): StoreReader;
export function narrowReader(reader: AnyReader, kinds: readonly (AnyKind | RowPlan)[]): StoreReader {
  if (!(reader instanceof SharedStoreReader)) {
    throw new FairleadError(
      "STORE_BAD_OPTION",
      "only a reader that sees everything can be narrowed; pass the one of store.reader() or attachReader()",
    );
  }
  return new NarrowReader(reader, kinds);
}

class NarrowReader implements StoreReader {
  readonly #base: SharedStoreReader<readonly Kind[]>;
  readonly #needs = new Map<string, RowPlan>();
  readonly #view: StoreView;
  readonly #subscriptions = new Set<Subscription>();
  readonly #closing = new AbortController();

  constructor(base: SharedStoreReader<readonly Kind[]>, kinds: readonly (AnyKind | RowPlan)[]) {
    this.#base = base;
    const view: Record<string, unknown> = Object.create(refusing((name) => this.#notNeeded(name)));
    for (const kind of kinds) {
      const plan = "cells" in kind ? kind : kind.plan();
      if (this.#needs.has(plan.name)) {
        throw new FairleadError(
          "STORE_KIND_EXISTS",
          `"${plan.name}" is named twice; merge what is asked of it into one`,
        );
      }
      this.#needs.set(plan.name, plan);
      Object.defineProperty(view, plan.name, { enumerable: true, get: base.perMoment(() => base.objectsOf(plan)) });
    }
    Object.defineProperty(view, "kind", { value: (name: string) => base.objectsOf(this.#need(name)) });
    // The view has a property for each kind; the types of the kinds are known to the caller only.
    this.#view = view as StoreView;
  }

  get readerId(): number {
    return this.#base.readerId;
  }

  get kinds(): readonly string[] {
    const there = new Set(this.#base.kinds);
    return [...this.#needs.keys()].filter((name) => there.has(name));
  }

  read<T>(callback: (view: StoreView) => T extends PromiseLike<unknown> ? never : T): T {
    this.#checkOpen();
    return this.#base.read<T>(() => callback(this.#view));
  }

  changes<K extends Kind>(kind: K, listener: ChangeListener<K>): Subscription {
    this.#checkOpen();
    // The listener gets views of this kind; that their type is K's is known to the caller only.
    const inner = this.#base.changesOf(this.#need(kind), listener as AnyListener);
    const stop = (): void => {
      this.#subscriptions.delete(subscription);
      inner.stop();
    };
    const subscription: Subscription = { stop, [Symbol.dispose]: stop };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async whenSynced(kinds?: readonly KindName[], options: WaitOptions = {}): Promise<void> {
    this.#checkOpen();
    const needs = kinds?.map((kind) => this.#need(kind)) ?? [...this.#needs.values()];
    const missing = (): string[] => needs.filter((need) => !this.#base.isSyncedFor(need)).map((need) => need.name);
    const { signal } = this.#closing;
    await this.#base.until(missing, {
      ...options,
      signal: options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]),
    });
  }

  status(kind: KindName): KindStatus {
    const need = this.#need(kind);
    return { ...this.#base.statusOf(need.name), synced: this.#base.isSyncedFor(need) };
  }

  staleness(kind: KindName, nowMs: number = Date.now()): number {
    const { currentAtMs } = this.status(kind);
    return currentAtMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, (nowMs - currentAtMs) / 1000);
  }

  stats(): StoreStats {
    const stats = this.#base.stats();
    const kinds = Object.entries(stats.kinds).filter(([name]) => this.#needs.has(name));
    return { ...stats, kinds: Object.fromEntries(kinds) };
  }

  dump(kind: KindName, options: DumpOptions = {}): ObjectData[] {
    this.#checkOpen();
    const need = this.#need(kind);
    return this.#base.dumpOf(() => this.#base.objectsOf(need), options);
  }

  renew(handle: StoreHandle): void {
    this.#base.renew(handle);
  }

  flush(): void {
    this.#base.flush();
  }

  close(): void {
    for (const subscription of this.#subscriptions) {
      subscription.stop();
    }
    this.#closing.abort(closed());
  }

  #need(kind: KindName): RowPlan {
    const name = typeof kind === "string" ? kind : kind.name;
    const need = this.#needs.get(name);
    if (need === undefined) {
      throw this.#notNeeded(name);
    }
    return need;
  }

  #notNeeded(name: string): FairleadError {
    const needed = [...this.#needs.keys()].join(", ") || "none";
    return new FairleadError(
      "STORE_KIND_NOT_NEEDED",
      `"${name}" is not among the kinds that are needed (${needed}); add "${name}" to "needs"`,
      { facts: { kind: name } },
    );
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) {
      throw closed();
    }
  }
}

function closed(): FairleadError {
  return new FairleadError("STORE_CLOSED", "this reader is closed; make another one");
}

/**
 * What a view inherits from: whatever name is not the view's own is refused. Only the names that the language itself looks
 * for are let through. Kinds that are there are the view's own properties, which do not come here.
 */
function refusing(refusal: (name: string) => Error): object {
  return new Proxy(Object.prototype, {
    get(target, name, receiver) {
      if (typeof name === "string" && !(name in target) && name !== "then" && name !== "toJSON") {
        throw refusal(name);
      }
      return Reflect.get(target, name, receiver);
    },
  });
}
