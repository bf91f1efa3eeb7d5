import { isDeepStrictEqual } from "node:util";
import type { AnyKind } from "../kinds/kind.ts";
import { ownedFieldName } from "../kinds/owned.ts";
import type { Change, ChangeBatch, StoreReader, Subscription } from "../store/reader.ts";
import type { ControllerDefinition, ControllerSource } from "./controller.ts";
import { differs, type ObjectLike, passes, valueAt } from "./predicate.ts";

/** A change of an object that concerns some keys. */
export interface SourceChange {
  readonly kind: string;
  readonly object: string;
  /** Version before and after; "" for absent, undefined for not known. */
  readonly before: string | undefined;
  readonly after: string;
  /** False: the controller learns something from it even if it is its own write. */
  readonly mayBeEcho: boolean;
}

export interface RunSourcesOptions {
  readonly definition: ControllerDefinition;
  readonly store: StoreReader;
  /** Something that concerns these keys. `isNew`: it happened just now, it is not of a list. */
  readonly changed: (keys: Iterable<string>, change: SourceChange, isNew: boolean) => void;
  /** After each batch. */
  readonly batchOver: () => void;
  /** A predicate or mapping threw. */
  readonly failed: (kind: string, error: unknown) => void;
}

/** The change listeners of one controller. */
export class RunSources {
  readonly #options: RunSourcesOptions;
  readonly #subscriptions: Subscription[] = [];
  readonly #waiting: Set<ControllerSource>;

  /** Begins at once. */
  constructor(options: RunSourcesOptions) {
    this.#options = options;
    const { definition, store } = options;
    this.#waiting = new Set(definition.sources);
    for (const source of definition.sources) {
      const fields = (source.fields ?? []).map((name) => pathOf(source.kind, name));
      const look = lookOf(source, definition.fieldManager, fields);
      this.#subscriptions.push(
        store.changes(source.kind, (batch) => this.#onBatch(source, look, batch as ChangeBatch<ObjectLike>)),
      );
    }
  }

  /** True when every source has told all that there is. */
  get isComplete(): boolean {
    return this.#waiting.size === 0;
  }

  stop(): void {
    for (const subscription of this.#subscriptions) {
      subscription.stop();
    }
  }

  #onBatch(source: ControllerSource, look: Look, batch: ChangeBatch<ObjectLike>): void {
    const isNew = batch.kind === "changes";
    for (const change of batch) {
      const isOfInterest = this.#safely(source, true, () => source.when.every((when) => passes(when, change)));
      if (isOfInterest && look.isNews(change)) {
        this.#tell(source, look, change, isNew);
      } else {
        this.#options.changed([], toldOf(source, change, true), isNew);
      }
    }
    this.#waiting.delete(source);
    this.#options.batchOver();
  }

  #tell(source: ControllerSource, look: Look, change: Change<ObjectLike>, isNew: boolean): void {
    const { store, definition } = this.#options;
    const told = toldOf(source, change, !look.isRead(change));
    const isReallyNew = isNew && change.op !== "resync";
    if (source.role === "for") {
      this.#options.changed([told.object], told, isReallyNew);
      return;
    }
    const keys = this.#safely(source, new Set<string>(), () =>
      store.read((view) => {
        const found = new Set<string>();
        const context = { view, kind: definition.for };
        for (const object of [change.new, change.old]) {
          if (object !== undefined) {
            addAll(found, source.mapping(object, context));
          }
        }
        return found;
      }),
    );
    this.#options.changed(keys, told, isReallyNew);
  }

  #safely<T>(source: ControllerSource, otherwise: T, ask: () => T): T {
    try {
      return ask();
    } catch (error) {
      this.#options.failed(source.kind.name, error);
      return otherwise;
    }
  }
}

function addAll(keys: Set<string>, given: Iterable<string> | string | undefined): void {
  if (typeof given === "string") {
    keys.add(given);
    return;
  }
  for (const key of given ?? []) {
    if (typeof key !== "string") {
      throw new TypeError('a mapping gives keys, such as "shop/cart"');
    }
    keys.add(key);
  }
}

function toldOf(source: ControllerSource, change: Change<ObjectLike>, mayBeEcho: boolean): SourceChange {
  const object = (change.new ?? change.old).key;
  const before = change.op === "resync" ? undefined : (change.old?.metadata.resourceVersion ?? "");
  const after = change.new?.metadata.resourceVersion ?? "";
  return {
    kind: source.kind.name,
    object,
    before,
    after,
    mayBeEcho: mayBeEcho && before !== undefined && after !== "",
  };
}

/** How the changes of a source are looked at. */
interface Look {
  /** False: nothing in it can matter to the controller. */
  isNews(change: Change<ObjectLike>): boolean;
  /** True: a field that the reconcile reads has changed. */
  isRead(change: Change<ObjectLike>): boolean;
}

/** Of children with named fields only these count, and what the controller itself has applied. */
function lookOf(source: ControllerSource, fieldManager: string, fields: readonly string[]): Look {
  const owned = ownedFieldName(fieldManager);
  const isRead = ({ old, new: now }: Change<ObjectLike>): boolean => {
    if (now === undefined || fields.length === 0) {
      return false;
    }
    return fields.some((path) => (old === undefined ? !isEmpty(valueAt(now, path)) : differs(old, now, path)));
  };
  if (source.role !== "owns" || source.fields === undefined) {
    return { isNews: () => true, isRead };
  }
  const isNews = (change: Change<ObjectLike>): boolean => {
    if (change.op !== "updated") {
      return true;
    }
    const { old, new: now } = change;
    const mine = valueAt(now, owned);
    return (
      mine === undefined ||
      isRead(change) ||
      old.metadata.deletionTimestamp !== now.metadata.deletionTimestamp ||
      differs(old, now, "metadata.ownerReferences") ||
      !isDeepStrictEqual(valueAt(old, owned), mine)
    );
  };
  return { isNews, isRead };
}

/** As a view shows what is absent. */
function isEmpty(value: unknown): boolean {
  return (
    !value ||
    (Array.isArray(value) && value.length === 0) ||
    (typeof value === "object" && Object.keys(value).length === 0)
  );
}

/** Where a view shows a field. */
function pathOf(kind: AnyKind, name: string): string {
  const [field] = name.split(".");
  const data = Object.hasOwn(kind.fields, field) ? kind.fields[field] : undefined;
  return data === undefined || data.derived ? field : data.path;
}
