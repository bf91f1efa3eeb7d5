import { codeOf } from "../errors.ts";
import { type KindName, keyParts, placeOf } from "./kind-map.ts";
import { isSameJson } from "./status-patch.ts";
import {
  type DeleteMode,
  type EditableObject,
  type GivenObject,
  getLive,
  tell,
  type WriteOutcome,
  type WriteRun,
} from "./write-run.ts";

/** Tries when others write to the object at the same time. */
const MOST_TRIES = 5;

/** See `ReconcileKube.createOrUpdate`. */
export async function createOrUpdate(
  writes: WriteRun,
  { apiVersion, kind, metadata }: Pick<GivenObject, "apiVersion" | "kind" | "metadata">,
  change: (object: EditableObject) => EditableObject | undefined,
): Promise<WriteOutcome> {
  const { shared, run, mode } = writes;
  const { namespace, name } = metadata;
  const resource = await shared.map.find({ apiVersion, kind });
  const place = placeOf(resource, namespace, name);
  const options = { fieldManager: shared.fieldManager, dryRun: mode.dryRun === true, signal: run.signal };
  for (let tries = 1; ; tries++) {
    const live = await getLive(writes, resource, namespace, name);
    const fresh = { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
    const draft: EditableObject = { ...structuredClone(live ?? fresh), metadata: { ...(live ?? fresh).metadata } };
    const wanted = change(draft) ?? draft;
    if (live !== undefined && isSameJson(live, wanted)) {
      return "unchanged";
    }
    run.fence();
    try {
      if (live === undefined) {
        const { name: _name, ...collection } = place;
        tell(writes, resource, await shared.client.create(collection, wanted, options), { verb: "create", before: "" });
        return "created";
      }
      const before = String(live.metadata?.resourceVersion ?? "");
      const versioned = { ...wanted, metadata: { ...wanted.metadata, resourceVersion: before } };
      const answer = await shared.client.update(place, versioned, options);
      tell(writes, resource, answer, { verb: "update", before });
      return answer.metadata?.resourceVersion === before ? "unchanged" : "changed";
    } catch (error) {
      const code = codeOf(error);
      const isRace = code === "KUBE_CONFLICT" || code === "KUBE_ALREADY_EXISTS" || code === "KUBE_NOT_FOUND";
      if (!isRace || tries === MOST_TRIES) {
        throw error;
      }
    }
  }
}

/** See `ReconcileKube.delete`. */
export async function deleteObject(writes: WriteRun, kind: KindName, key: string, how: DeleteMode): Promise<boolean> {
  const { shared, run, mode } = writes;
  const { namespace, name } = keyParts(key);
  const resource = await shared.map.find(kind);
  const known = shared.known.of(resource, key, writes.recent);
  if (known === "absent" || known?.isDeleting === true) {
    return false;
  }
  run.fence();
  try {
    const answer = await shared.client.delete(placeOf(resource, namespace, name), {
      ...how,
      uid: how.uid ?? known?.uid,
      dryRun: mode.dryRun === true,
      signal: run.signal,
    });
    writes.recent.delete(`${resource.followed?.kind.name} ${key}`);
    const isObject = answer.kind === resource.kind;
    const metadata = { namespace, name, resourceVersion: isObject ? answer.metadata?.resourceVersion : undefined };
    tell(writes, resource, { metadata }, { verb: "delete", before: how.resourceVersion });
    return true;
  } catch (error) {
    if (codeOf(error) === "KUBE_NOT_FOUND") {
      return false;
    }
    throw error;
  }
}
