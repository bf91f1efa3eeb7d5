import type { AnyKind } from "../kinds/kind.ts";
import type { KubeObject } from "../kube/client.ts";
import type { OwnedObject } from "./apply.ts";
import { applyObject } from "./apply-run.ts";
import { detached } from "./cached-object.ts";
import type { ReconciledObject } from "./controller.ts";
import { createOrUpdate, deleteObject } from "./edits.ts";
import { changeFinalizer } from "./finalizer.ts";
import { KindMap, type KindName, keyParts } from "./kind-map.ts";
import { KnownState } from "./known-state.ts";
import type { RunHooks } from "./own-write.ts";
import { writeStatus } from "./status-write.ts";
import {
  type DeleteMode,
  type EditableObject,
  type GivenObject,
  getLive,
  type KubeOptions,
  type SharedWrites,
  type WriteMode,
  type WriteOutcome,
  type WriteRun,
} from "./write-run.ts";

/**
 * Reads and writes of one reconcile. A write that would change nothing is not sent. Writes throw what the run is ended by
 * (RECONCILE_TIMEOUT, RECONCILE_STOPPED, ELECTION_LOST) before they are sent, and the codes of the Kubernetes client (KUBE_*).
 */
export interface ReconcileKube {
  /**
   * Server-side apply, one object after the other, as the controller's field manager. Fields that are not applied any more are
   * removed. Rejects with RECONCILE_CONFLICT, RECONCILE_ALREADY_OWNED, RECONCILE_BAD_OBJECT.
   */
  apply(...objects: readonly (KubeObject | OwnedObject)[]): Promise<readonly WriteOutcome[]>;
  /**
   * Reads the object, lets `change` edit a copy (or give another one) and writes that when it differs. Made when it is not there;
   * repeated when somebody else was faster. For what apply cannot express.
   */
  createOrUpdate(
    object: KindName & { readonly metadata: { readonly name: string; readonly namespace?: string | undefined } },
    change: (object: EditableObject) => EditableObject | undefined,
  ): Promise<WriteOutcome>;
  /**
   * Brings the status to what is given. What it does not name stays; conditions are joined by type and keep the time of their
   * last transition. False: nothing had to be written, or the object is gone.
   */
  patchStatus(object: GivenObject, status: object): Promise<boolean>;
  /**
   * Once it is resolved the object has the finalizer. False: it had it before. Rejects with RECONCILE_OBJECT_GONE when the
   * object is gone or being deleted, so that nothing is made for it that nobody cleans up.
   */
  ensureFinalizer(object: GivenObject, finalizer: string): Promise<boolean>;
  /** False: it was not there. An object that is being deleted goes with its last finalizer. */
  removeFinalizer(object: GivenObject, finalizer: string): Promise<boolean>;
  /** False: it is not there, or is being deleted already. */
  delete(kind: KindName, key: string, mode?: DeleteMode): Promise<boolean>;
  /** The object as the API server has it now; undefined: there is none. */
  get(kind: KindName, key: string): Promise<KubeObject | undefined>;
  /** A copy of the object in the store: only the fields that are followed. Undefined: there is none, or the kind is not followed. */
  cached<K extends AnyKind>(kind: K, key: string): CachedObject<K> | undefined;
  /** The same with other ways to write. */
  with(mode: WriteMode): ReconcileKube;
}

/** A copy of an object in the store. */
export type CachedObject<K> = ReconciledObject<K>;

/** Makes the reads and writes of a controller's reconciles. */
export interface ReconcileKubes {
  /** For one reconcile. */
  open(run: RunHooks): ReconcileKube;
}

/** What outlives a reconcile is kept here: what was written, and what the server made of it. */
export function createReconcileKubes(options: KubeOptions): ReconcileKubes {
  const { kinds, fieldManager, client, dryRun = false } = options;
  const shared: SharedWrites = {
    ...options,
    map: new KindMap(kinds, fieldManager, client),
    known: new KnownState(options),
  };
  return { open: (run) => openKube({ shared, run, mode: { dryRun }, recent: new Map(), statuses: new Map() }) };
}

function openKube(writes: WriteRun): ReconcileKube {
  const { shared, run, mode } = writes;
  /** Where "await" was forgotten, the process must not end by an unhandled rejection. */
  const kept = <Outcome>(work: Promise<Outcome>): Promise<Outcome> => {
    work.catch((error: unknown) => run.failed?.(error));
    return work;
  };
  return Object.freeze({
    apply: (...objects) => kept(applyAll(writes, objects)),
    createOrUpdate: (object, change) => kept(createOrUpdate(writes, object, change)),
    patchStatus: (object, status) => kept(writeStatus(writes, object, status)),
    ensureFinalizer: (object, finalizer) => kept(changeFinalizer(writes, object, finalizer, true)),
    removeFinalizer: (object, finalizer) => kept(changeFinalizer(writes, object, finalizer, false)),
    delete: (kind, key, how = {}) => kept(deleteObject(writes, kind, key, how)),
    get: (kind, key) => kept(getObject(writes, kind, key)),
    cached: (kind, key) => cachedObject(shared, kind, key),
    with: (more) => openKube({ ...writes, mode: { ...mode, ...more }, run }),
  } satisfies ReconcileKube);
}

async function applyAll(
  writes: WriteRun,
  objects: readonly (KubeObject | OwnedObject)[],
): Promise<readonly WriteOutcome[]> {
  const outcomes: WriteOutcome[] = [];
  for (const object of objects) {
    outcomes.push(await applyObject(writes, object));
  }
  return outcomes;
}

async function getObject(writes: WriteRun, kind: KindName, key: string): Promise<KubeObject | undefined> {
  const { namespace, name } = keyParts(key);
  return await getLive(writes, await writes.shared.map.find(kind), namespace, name);
}

function cachedObject<K extends AnyKind>(shared: SharedWrites, kind: K, key: string): CachedObject<K> | undefined {
  const followed = shared.map.known(kind)?.followed?.kind;
  if (followed === undefined) {
    return undefined;
  }
  const copy = shared.store.read((view): object | undefined => {
    const object = view.kind(followed.name).get(key);
    if (object === undefined) {
      return undefined;
    }
    const { apiVersion, kind: name } = followed;
    return "read" in kind
      ? { ...object.toJSON(), key }
      : Object.assign(detached(followed, object), { apiVersion, kind: name });
  });
  // The shape is the view's; of a resource it is its JSON, as `defineResource` types it.
  return copy as CachedObject<K> | undefined;
}
