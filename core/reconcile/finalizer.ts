import { codeOf, FairleadError } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import { keyOf, placeOf } from "./kind-map.ts";
import { type GivenObject, getLive, tell, type WriteRun } from "./write-run.ts";

/** Tries when others write to the object at the same time. */
const MOST_TRIES = 5;

/** Adds or removes one finalizer; true when it was written. See `ReconcileKube`. */
export async function changeFinalizer(
  writes: WriteRun,
  given: GivenObject,
  finalizer: string,
  isWanted: boolean,
): Promise<boolean> {
  const { shared, run, mode, statuses } = writes;
  const { namespace, name } = given.metadata;
  const resource = await shared.map.find(given);
  const place = placeOf(resource, namespace, name);
  const id = `${resource.apiVersion} ${resource.kind} ${keyOf(namespace, name)}`;
  let base: GivenObject | KubeObject = statuses.get(id) ?? given;
  for (let tries = 1; ; tries++) {
    const { resourceVersion, deletionTimestamp } = base.metadata ?? {};
    const finalizers = finalizersOf(base);
    if (isWanted && typeof deletionTimestamp === "string") {
      throw objectGone(id, finalizer);
    }
    if (finalizers.includes(finalizer) === isWanted) {
      return false;
    }
    const next = isWanted ? [...finalizers, finalizer] : finalizers.filter((one) => one !== finalizer);
    const before = typeof resourceVersion === "string" ? resourceVersion : undefined;
    run.fence();
    try {
      const patch = { metadata: { finalizers: next, resourceVersion: before } };
      const answer = await shared.client.patch(place, "merge", patch, {
        fieldManager: shared.fieldManager,
        dryRun: mode.dryRun === true,
        signal: run.signal,
      });
      statuses.set(id, answer);
      tell(writes, resource, answer, { verb: "finalizer", before });
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === "KUBE_NOT_FOUND") {
        return absent(id, finalizer, isWanted);
      }
      if (code !== "KUBE_CONFLICT" || tries === MOST_TRIES) {
        throw error;
      }
    }
    const live = await getLive(writes, resource, namespace, name);
    if (live === undefined || (given.metadata.uid !== undefined && live.metadata?.uid !== given.metadata.uid)) {
      return absent(id, finalizer, isWanted);
    }
    base = live;
  }
}

function absent(object: string, finalizer: string, isWanted: boolean): false {
  if (isWanted) {
    throw objectGone(object, finalizer);
  }
  return false;
}

/** Whoever goes on would make what nobody cleans up. */
function objectGone(object: string, finalizer: string): FairleadError {
  return new FairleadError(
    "RECONCILE_OBJECT_GONE",
    `${object} is gone or going, and can get no finalizer "${finalizer}" any more; nothing may be made for it`,
    { facts: { object, finalizer } },
  );
}

function finalizersOf(object: GivenObject | KubeObject): readonly string[] {
  const finalizers = object.metadata?.finalizers;
  return Array.isArray(finalizers) ? finalizers : [];
}
