import type { Duration, PluginClock, PluginEvents } from "../api/context.ts";
import type { AnyKind, Kind, ViewOf } from "../kinds/kind.ts";
import type { FieldName } from "../kinds/view-type.ts";
import type { Logger } from "../log.ts";
import type { ObjectView, StoreReader, StoreView } from "../store/reader.ts";
import type { ReconcileKube } from "./kube.ts";
import type { ObjectLike, When } from "./predicate.ts";

/** What is to be reconciled: an object by its name, whether it exists or not. */
export interface Request {
  /** "namespace/name", or the name of a cluster-scoped object. */
  readonly key: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** What a reconcile says when it has done its work; nothing at all is right too. A throw is a retry, `terminal` is none. */
export interface ReconcileResult<Status extends object = object> {
  /** Reconciles again after this time even if nothing changes. Default: not. */
  readonly requeueAfter?: Duration | undefined;
  /** Written to the status subresource where it differs. Default: nothing is written. */
  readonly status?: Status | undefined;
  /** Priority of what comes again, whether by `requeueAfter` or by a retry. Default: the one that it had. */
  readonly priority?: number | undefined;
}

/** The object that a reconcile gets: a copy of its own, with its `key`. */
export type ReconciledObject<K> = "objectType" extends keyof K
  ? NonNullable<K["objectType"]> & { readonly key: string }
  : ViewOf<K> & { readonly apiVersion: string; readonly kind: string };

/** The status that a reconcile of the kind may give. */
export type StatusOf<K> = "objectType" extends keyof K
  ? NonNullable<K["objectType"]> extends { readonly status?: infer Status }
    ? StatusPatch<NonNullable<Status>>
    : object
  : object;

/** Conditions are merged by type, the rest is replaced: nothing has to be given that is not to be changed. */
type StatusPatch<Status> = Status extends object ? Partial<Status> : object;

/** All that a reconcile gets beside its object. */
export interface ReconcileContext<Kinds extends AnyKind = AnyKind> {
  readonly request: Request;
  /** Reads and writes objects. Writes are refused once the reconcile is over, or this process does not lead any more. */
  readonly kube: ReconcileKube;
  /** Lines carry `controller` and `key`. */
  readonly log: Logger;
  /** Aborted at the deadline, on stop, and when this process does not lead any more. */
  readonly signal: AbortSignal;
  /** 1, and one more for each time that it failed since it last succeeded. */
  readonly attempt: number;
  readonly events: PluginEvents;
  /** The kinds of the controller, as they are in the cache. */
  readonly store: StoreReader<readonly Kinds[]>;
  readonly clock: PluginClock;
}

/** Where a mapping can look. */
export interface MappingContext {
  /** The kinds of the controller, at the moment of the change. */
  readonly view: StoreView;
  /** The kind that `for` names; undefined in a controller of `keys`. */
  readonly kind: AnyKind | undefined;
}

/** Which requests an object stands for: keys ("shop/cart"). Sync; of an update both states are asked. */
export interface Mapping<View = never> {
  (object: View, context: MappingContext): Iterable<string> | string | undefined;
  /** Kinds that it looks at, beside that of the object. */
  readonly kinds?: readonly AnyKind[];
  /** Fields of the object that it looks at. */
  readonly fields?: readonly string[];
}

/** How to look at one kind. */
export interface SourceOptions<View> {
  /** Changes for which it says no are passed over. Default: none. */
  readonly when?: When<View> | readonly When<View>[];
}

/** How to look at the children. */
export interface OwnsOptions<View, Field extends string> extends SourceOptions<View> {
  /**
   * Fields of the children that the reconcile reads. A change of another field that this controller has not applied itself
   * is passed over, and so is its own write where none of them changed. Default: all are kept and every change of others
   * counts, none of its own.
   */
  readonly fields?: readonly Field[];
}

/** A kind with these fields, and those that every child is watched with. */
export type ChildKind<K, Wanted extends string> =
  K extends Kind<infer Name, infer Fields, string, infer Namespaced, infer Index>
    ? Kind<Name, Fields, Wanted | "labels" | "owners" | "finalizers" | "generation", Namespaced, Index>
    : never;

/** Names of the fields that can be asked of a kind. */
export type FieldsOf<K> = K extends Kind<string, infer Fields, string, boolean, string> ? FieldName<Fields> : never;

/** Begins a controller; see `controller`. */
export interface ControllerStart {
  /** The kind whose objects are reconciled. */
  for<const K extends AnyKind>(kind: K, options?: SourceOptions<ObjectView<K>>): ControllerBuilder<K, K>;
  /** Reconciles keys that mappings give, whether there is an object of that name or not. */
  keys(): ControllerBuilder<undefined, never>;
}

/** Says step by step what a controller is. Immutable: each method gives a new one. */
export interface ControllerBuilder<For, Kinds extends AnyKind> {
  /** A change of a child whose controller reference names an object of the `for` kind reconciles that object. */
  owns<const K extends AnyKind, const Wanted extends FieldsOf<K> = FieldsOf<K>>(
    kind: K,
    options?: OwnsOptions<ObjectView<K>, Wanted>,
  ): ControllerBuilder<For, Kinds | ChildKind<K, Wanted>>;
  /** A change of these objects reconciles what the mapping names. */
  watches<const K extends AnyKind>(
    kind: K,
    mapping: Mapping<ObjectView<K>>,
    options?: SourceOptions<ObjectView<K>>,
  ): ControllerBuilder<For, Kinds | K>;
  /** Changes of any kind for which one of these says no are passed over. */
  when(...predicates: readonly When<ObjectLike>[]): ControllerBuilder<For, Kinds>;
  /** How many keys are reconciled at once. Default 10. */
  concurrency(keys: number): ControllerBuilder<For, Kinds>;
  /** How long one reconcile may take; it is retried then. Default 60 s. */
  deadline(time: Duration): ControllerBuilder<For, Kinds>;
  /** Where leader election is on: only in the leader (default), or in every process. */
  runOn(where: "leader" | "every"): ControllerBuilder<For, Kinds>;
  /** As whom it writes. Default: its name. */
  fieldManager(name: string): ControllerBuilder<For, Kinds>;
  /** Called instead of `reconcile` when there is no such object any more. Default: nothing is called. */
  deleted(
    handler: (request: Request, context: ReconcileContext<Kinds>) => GivenResult<object>,
  ): ControllerBuilder<For, Kinds>;
  /** What it does. Ends the definition. Throws CONTROLLER_BAD_DEFINITION. */
  reconcile(handler: Reconciler<For, Kinds>): ControllerDefinition;
}

/** Brings one object to where it should be. Called with the key alone in a controller of `keys`. */
export type Reconciler<For, Kinds extends AnyKind> = (
  object: For extends AnyKind ? ReconciledObject<For> : Request,
  context: ReconcileContext<Kinds>,
) => GivenResult<StatusOf<For>>;

/** A result or nothing, now or later. */
type GivenResult<Status extends object> =
  | ReconcileResult<Status>
  | undefined
  | void
  | Promise<ReconcileResult<Status> | undefined>
  | Promise<void>;

/** One kind that a controller looks at. */
export interface ControllerSource {
  readonly role: "for" | "owns" | "watches";
  /** With all the fields that the controller wants of it. */
  readonly kind: AnyKind;
  /** What `owns` was given. */
  readonly fields: readonly string[] | undefined;
  readonly when: readonly When<ObjectLike>[];
  readonly mapping: Mapping<ObjectLike>;
}

/** A controller as plain, immutable data: nothing runs before it is given to `createController` or a plugin's host. */
export interface ControllerDefinition {
  readonly name: string;
  /** As it was given; undefined in a controller of `keys`. */
  readonly for: AnyKind | undefined;
  readonly sources: readonly ControllerSource[];
  /** Each kind once, with all fields that are wanted of it. */
  readonly kinds: readonly AnyKind[];
  readonly concurrency: number;
  readonly deadlineMs: number;
  readonly runOn: "leader" | "every";
  readonly fieldManager: string;
  /** Given what `for` says: the object, or the request. */
  readonly reconcile: (object: unknown, context: ReconcileContext) => unknown;
  readonly deleted: ((request: Request, context: ReconcileContext) => unknown) | undefined;
}

/** The parts of a key. */
export function requestOf(key: string): Request {
  const slash = key.indexOf("/");
  return slash < 0
    ? { key, namespace: undefined, name: key }
    : { key, namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
