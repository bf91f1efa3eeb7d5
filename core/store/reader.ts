import type { FieldTable } from "../kinds/field.ts";
import type { IndexOf, Kind, ViewOf } from "../kinds/kind.ts";
import type { StoreHandle } from "./handle.ts";
import type { KindStatus } from "./store.ts";

/** One object as a reader sees it: valid only inside the callback that it was given to. */
export type ObjectView<K> = ViewOf<K> & {
  /** A copy as plain data, in the shape of the object's JSON; keep this, not the view. */
  toJSON(): ObjectData;
};

/** A plain copy of an object. */
export type ObjectData = { readonly [field: string]: unknown };

/** One requirement of a set-based label selector. */
export interface LabelExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}

/** What `select` looks for; everything given must hold. */
export interface Selection {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly expressions?: readonly LabelExpression[];
}

/** Objects that are gone, in their last state; remembered for five minutes by default. */
export interface DeletedObjects<View, Index extends string> {
  /** The last one that had this key. */
  get(namespaceOrKey: string, name?: string): View | undefined;
  byUid(uid: string): View | undefined;
  by(index: Index, value: string | number | boolean): View[];
  all(): View[];
}

/** The objects of one kind. All answers belong to the same moment. */
export interface KindObjects<View, Index extends string> extends Iterable<View> {
  /** `get("shop", "cart-1")` or `get("shop/cart-1")`; `get("node-1")` for cluster-scoped kinds. */
  get(namespaceOrKey: string, name?: string): View | undefined;
  has(namespaceOrKey: string, name?: string): boolean;
  readonly size: number;
  /** All objects at once; iterate over the kind itself to see one after the other. */
  all(): View[];
  inNamespace(namespace: string): View[];
  byLabel(key: string, value: string): View[];
  /** Objects with an owner reference to this uid. */
  byOwner(uid: string): View[];
  byUid(uid: string): View | undefined;
  /** Objects with this value in a declared index, such as "podIP". Throws STORE_INDEX_NOT_DECLARED. */
  by(index: Index, value: string | number | boolean): View[];
  /** Objects that match a label selector; the shortest list of candidates is walked. */
  select(selection: Selection): View[];
  readonly deleted: DeletedObjects<View, Index>;
}

/** The objects of a kind with its own view and index types. */
export type ObjectsOf<K> = KindObjects<ObjectView<K>, IndexOf<K>>;

/** What `read` gives to its callback: every kind by its name. */
export type StoreView<Kinds extends readonly Kind[] = readonly Kind[]> = {
  readonly [K in Kinds[number] as K["name"]]: ObjectsOf<K>;
} & {
  /** A kind by its name. Throws STORE_UNKNOWN_KIND. */
  kind(name: string): ObjectsOf<AnyFields>;
};

/** A kind of which the fields are not known to the type checker. */
type AnyFields = Kind<string, FieldTable, string, boolean, string>;

/** What happened to one object since a listener was last told. The views are valid only inside the listener. */
export type Change<View> =
  | { readonly op: "added"; readonly old: undefined; readonly new: View }
  | { readonly op: "updated"; readonly old: View; readonly new: View }
  /** `old`: the last state that the listener was shown; when it fell far behind, the last state of all. */
  | { readonly op: "deleted"; readonly old: View; readonly new: undefined }
  /** Changed while the listener fell far behind: the state it was shown last is not there any more. */
  | { readonly op: "resync"; readonly old: undefined; readonly new: View };

/** Changes of one kind up to one moment; an object appears at most once. Valid only inside the listener. */
export interface ChangeBatch<View> extends Iterable<Change<View>> {
  /**
   * "synced": the complete initial set, all "added"; always the first. "resync": the listener had fallen far behind. When
   * the store was renewed, what changed meanwhile comes as one batch; there a key may be deleted and added again.
   */
  readonly kind: "synced" | "changes" | "resync";
  readonly size: number;
}

/** Called with each batch of changes. */
export type ChangeListener<K> = (batch: ChangeBatch<ObjectView<K>>) => void;

/** A listener's subscription. */
export interface Subscription {
  /** The listener is not called again. */
  stop(): void;
  [Symbol.dispose](): void;
}

/** How to wait for kinds to be complete. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Default: for ever. */
  readonly timeoutMs?: number;
}

/** Which objects to copy out. */
export interface DumpOptions {
  /** At most so many. */
  readonly limit?: number;
  readonly namespace?: string;
}

/** What one kind takes. */
export interface KindStats {
  readonly objects: number;
  /** Bytes of its records, those included that wait for readers and of deleted objects. */
  readonly bytes: number;
  /** Bytes of its tables and posting lists. */
  readonly indexBytes: number;
  /** Deleted objects that are still remembered. */
  readonly deleted: number;
}

/** What a store takes. */
export interface StoreStats {
  readonly version: number;
  readonly kinds: Readonly<Record<string, KindStats>>;
  readonly segments: {
    readonly records: number;
    readonly tables: number;
    readonly free: number;
    readonly bytes: number;
  };
  /** Bytes of records that can be seen, by someone. */
  readonly liveBytes: number;
  /** Old states that wait until no reader needs them. */
  readonly pendingRecords: number;
  readonly dictionary: { readonly strings: number; readonly bytes: number };
  readonly readers: number;
  /** Pieces of memory that this reader keeps: 2 while a renewed one is being filled. */
  readonly memories: 1 | 2;
}

/** Reads a store from one thread. */
export interface StoreReader<Kinds extends readonly Kind[] = readonly Kind[]> {
  /** The reader's place in the newest memory; `releaseReader` wants it when a thread ends without `close`. */
  readonly readerId: number;
  /** Names of the kinds in the store now: kinds may come and go. */
  readonly kinds: readonly string[];
  /**
   * Calls back with a view of one moment and gives what it returns. The callback is synchronous: a promise is a type error,
   * and STORE_ASYNC_READ. May be nested: the same moment.
   */
  read<T>(callback: (view: StoreView<Kinds>) => T extends PromiseLike<unknown> ? never : T): T;
  /**
   * Calls `listener` with the initial set once the kind is complete, then with what changes. When the kind is dropped all
   * its objects are told as deleted; when it comes back, as added. Throws STORE_UNKNOWN_KIND.
   */
  changes<K extends Kind>(kind: K, listener: ChangeListener<K>): Subscription;
  /**
   * Resolves when the kinds (default: all that are there) are complete and listeners of this reader have their initial sets;
   * a named one that was dropped is waited for until it comes back. Rejects with STORE_NOT_SYNCED, STORE_CLOSED, or the signal's reason.
   */
  whenSynced(kinds?: readonly (string | { readonly name: string })[], options?: WaitOptions): Promise<void>;
  /** Counters of a kind, as they are now; of one that was dropped: none, and phase 7. Throws STORE_UNKNOWN_KIND. */
  status(kind: string | { readonly name: string }): KindStatus;
  /** Seconds since the kind was last known to be current; Infinity before the first list. */
  staleness(kind: string | { readonly name: string }, nowMs?: number): number;
  stats(): StoreStats;
  /** Plain copies of a kind's objects. */
  dump(kind: string | { readonly name: string }, options?: DumpOptions): ObjectData[];
  /**
   * For a reader in another thread than the store's, with the handle after `Store.renew`: goes over to the new memory as
   * the store's own reader does. Until then it serves from the old one. Throws STORE_CLOSED, STORE_BAD_PLAN for a handle of
   * another store, STORE_TOO_MANY_READERS, STORE_READER_TAKEN.
   */
  renew(handle: StoreHandle): void;
  /** Tells listeners now what they would be told at the next turn of the event loop. */
  flush(): void;
  /** Ends all subscriptions and gives the reader's place free. */
  close(): void;
}
