import { type OwnedNode, ownedOf } from "../kinds/owned.ts";
import { sha256 } from "../kinds/sha256.ts";
import type { KubeObject } from "../kube/client.ts";
import type { StoreReader } from "../store/reader.ts";
import type { Clock } from "../watch/clock.ts";
import { isInScope, type NamespaceScope } from "../watch/namespace-scope.ts";
import { compareVersions } from "../wire/version.ts";
import { keyOf, keyParts, type ServedResource } from "./kind-map.ts";
import type { Difference } from "./owned-compare.ts";
import { controllerOf, type OwnerReference, referencesOf } from "./owner.ts";
import type { KubeOptions } from "./write-run.ts";

/** What is known of an object without a request. */
export interface KnownObject {
  readonly version: string;
  readonly uid: string;
  readonly isDeleting: boolean;
  /** What our field manager owns; undefined: nothing, or not known. */
  readonly owned: OwnedNode | undefined;
  readonly controller: OwnerReference | undefined;
}

/** Known of an object: its state, that there is none, or nothing at all. */
export type Knowledge = KnownObject | "absent" | undefined;

/** An object that does not come in this time was made and removed while the watch was broken; or it is applied again in vain. */
const UNSEEN_MS = 5_000;
/** Peculiarities of the server, by kind. */
const MOST_ACCEPTED = 2000;

/** Answers after which a kind whose objects are as they were applied is looked at only now and then. */
const CLEAN_ANSWERS = 20;
const LOOK_EVERY = 50;

/** What was written to an object in this reconcile. */
export class RecentWrite {
  readonly version: string;
  readonly uid: string;
  readonly atMs: number;
  readonly #answer: KubeObject;
  readonly #fieldManager: string;
  #known: KnownObject | undefined;

  constructor(answer: KubeObject, fieldManager: string, atMs: number) {
    const { resourceVersion, uid } = answer.metadata ?? {};
    this.version = String(resourceVersion ?? "");
    this.uid = String(uid ?? "");
    this.atMs = atMs;
    this.#answer = answer;
    this.#fieldManager = fieldManager;
  }

  /** Read out of the answer when it is first asked for: most are never. */
  get known(): KnownObject {
    this.#known ??= {
      version: this.version,
      uid: this.uid,
      isDeleting: this.#answer.metadata?.deletionTimestamp !== undefined,
      owned: ownedOf(this.#answer, this.#fieldManager),
      controller: controllerOf(referencesOf(this.#answer)),
    };
    return this.#known;
  }
}

/** The writes of one reconcile, by kind and key. The next one begins when the store has them. */
export type RecentWrites = Map<string, RecentWrite>;

/** What is known of objects: the store's state, or the answer to our own last write where that is newer. */
export class KnownState {
  readonly #store: StoreReader;
  readonly #fieldManager: string;
  readonly #clock: Clock;
  readonly #scope: NamespaceScope;
  /** A status has many counters: it is asked for until it says so. */
  readonly #complete = new Set<string>();
  readonly #accepted = new Map<string, Set<string>>();
  /** Answers by kind since one was not as it was applied. */
  readonly #clean = new Map<string, number>();

  constructor({
    store,
    fieldManager,
    clock,
    scope = {},
  }: Pick<KubeOptions, "store" | "fieldManager" | "clock" | "scope">) {
    this.#scope = scope;
    this.#clock = clock;
    this.#store = store;
    this.#fieldManager = fieldManager;
  }

  /** Nothing, unless the kind is followed and complete. */
  of({ followed }: ServedResource, key: string, writes: RecentWrites): Knowledge {
    if (followed === undefined) {
      return undefined;
    }
    const { name } = followed.kind;
    if (!this.#isComplete(name)) {
      return undefined;
    }
    const id = `${name} ${key}`;
    const recent = writes.get(id);
    const [stored, gone] = this.#store.read((view) => {
      const objects = view.kind(name);
      const object = objects.get(key);
      if (object !== undefined) {
        return [knownOf(object, followed.ownedField), undefined];
      }
      const { uid = "", resourceVersion = "" } = objects.deleted.get(key)?.metadata ?? {};
      return [undefined, { uid, version: resourceVersion }];
    });
    if (recent !== undefined) {
      const isSeen = stored === undefined ? this.#isGone(recent, gone) : !isOlder(stored, recent);
      if (!isSeen) {
        return recent.known;
      }
      writes.delete(id);
    }
    return stored ?? (followed.isWhole && this.#isFollowed(key) ? "absent" : undefined);
  }

  /** Reconciles begin when their kinds are complete; who looks earlier is a test, or another's kind. */
  #isComplete(kind: string): boolean {
    if (!this.#complete.has(kind) && this.#store.status(kind).synced) {
      this.#complete.add(kind);
    }
    return this.#complete.has(kind);
  }

  /** Where not all namespaces are followed, what is in another one is not known. */
  #isFollowed(key: string): boolean {
    const { namespace } = keyParts(key);
    return namespace === undefined || isInScope(this.#scope, namespace);
  }

  /** What is not in the store: removed after our write, or not there yet. */
  #isGone(recent: RecentWrite, gone: { readonly uid: string; readonly version: string }): boolean {
    // The last state that was seen may be from before the write; of the same object it is gone all the same.
    return gone.uid === recent.uid || !isOlder(gone, recent) || this.#clock.now() - recent.atMs >= UNSEEN_MS;
  }

  /** Takes over the answer to a write. */
  wrote({ followed }: ServedResource, answer: KubeObject, writes: RecentWrites): RecentWrite {
    const write = new RecentWrite(answer, this.#fieldManager, this.#clock.now());
    if (followed?.ownedField !== undefined) {
      const { namespace, name } = answer.metadata ?? {};
      writes.set(`${followed.kind.name} ${keyOf(namespace, name)}`, write);
    }
    return write;
  }

  /** Whether to look if a new object is as it was applied: most kinds are always. */
  isToBeLookedAt({ apiVersion, kind }: ServedResource): boolean {
    const clean = this.#clean.get(`${apiVersion} ${kind}`) ?? 0;
    this.#clean.set(`${apiVersion} ${kind}`, clean + 1);
    return clean < CLEAN_ANSWERS || clean % LOOK_EVERY === 0;
  }

  /**
   * Remembers differences that are there right after an apply: defaults inside of what is applied as a whole, values that the
   * server or a webhook writes in its own way, fields that it does not store. They hold for all objects of the kind.
   */
  accept(resource: ServedResource, differences: readonly Difference[]): void {
    const id = `${resource.apiVersion} ${resource.kind}`;
    this.#clean.delete(id);
    let accepted = this.#accepted.get(id);
    if (accepted === undefined || accepted.size > MOST_ACCEPTED) {
      accepted = new Set();
      this.#accepted.set(id, accepted);
    }
    for (const difference of differences) {
      accepted.add(tokenOf(difference));
    }
  }

  /** Without those that were accepted. */
  unexpected(resource: ServedResource, differences: readonly Difference[]): readonly Difference[] {
    const accepted = this.#accepted.get(`${resource.apiVersion} ${resource.kind}`);
    return accepted === undefined
      ? differences
      : differences.filter((difference) => !accepted.has(tokenOf(difference)));
  }
}

/** Long values, and those that may be secret, are kept as their hash. */
function tokenOf({ what, path, live, wanted }: Difference): string {
  return sha256(JSON.stringify([what, path, live, wanted]), "base64url");
}

function knownOf(view: object, ownedField: string | undefined): KnownObject {
  // A view has these, or throws for what is not followed.
  const object = view as {
    readonly metadata: {
      readonly resourceVersion: string;
      readonly uid: string;
      readonly deletionTimestamp: string | undefined;
      readonly ownerReferences: readonly OwnerReference[];
    };
    readonly [field: string]: unknown;
  };
  const { resourceVersion, uid, deletionTimestamp } = object.metadata;
  const isDeleting = deletionTimestamp !== undefined;
  if (ownedField === undefined) {
    return { version: resourceVersion, uid, isDeleting, owned: undefined, controller: undefined };
  }
  const reference = controllerOf(object.metadata.ownerReferences);
  return {
    version: resourceVersion,
    uid,
    isDeleting,
    // The cell holds what `ownedFields` says.
    owned: object[ownedField] as OwnedNode | undefined,
    // The view's element ends with this read.
    controller: reference && pick(reference),
  };
}

function pick({ apiVersion, kind, name, uid }: OwnerReference): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true };
}

function isOlder(a: { readonly version: string }, b: { readonly version: string }): boolean {
  return compareVersions(a.version, b.version) < 0;
}
