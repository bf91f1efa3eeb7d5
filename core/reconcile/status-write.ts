import { codeOf } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import { keyOf, placeOf } from "./kind-map.ts";
import { type StatusFields, statusPatch } from "./status-patch.ts";
import { type GivenObject, getLive, tell, type WriteRun } from "./write-run.ts";

/** Tries when others write to the object at the same time. */
const MOST_TRIES = 5;

/** Patches the status where it differs; see `ReconcileKube.patchStatus`. */
export async function writeStatus(writes: WriteRun, given: GivenObject, status: object): Promise<boolean> {
  const { shared, run, mode, statuses } = writes;
  const { namespace, name } = given.metadata;
  const resource = await shared.map.find(given);
  const place = { ...placeOf(resource, namespace, name), subresource: "status" };
  const id = `${resource.apiVersion} ${resource.kind} ${keyOf(namespace, name)}`;
  // Any object can be read by its keys.
  const wanted = status as StatusFields;
  let base: GivenObject | KubeObject = statuses.get(id) ?? given;
  for (let tries = 1; ; tries++) {
    const { resourceVersion, generation } = base.metadata ?? {};
    const patch = statusPatch(fieldsOf(base.status), wanted, {
      nowMs: shared.clock.wallNow(),
      generation: typeof generation === "number" ? generation : undefined,
    });
    if (patch === undefined) {
      return false;
    }
    const before = patch.needsVersion && typeof resourceVersion === "string" ? resourceVersion : undefined;
    const body = { ...(before === undefined ? {} : { metadata: { resourceVersion: before } }), status: patch.status };
    run.fence();
    try {
      const answer = await shared.client.patch(place, "merge", body, {
        fieldManager: shared.fieldManager,
        dryRun: mode.dryRun === true,
        signal: run.signal,
      });
      statuses.set(id, answer);
      tell(writes, resource, answer, { verb: "status", before });
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === "KUBE_NOT_FOUND") {
        return false;
      }
      if (code !== "KUBE_CONFLICT" || tries === MOST_TRIES) {
        throw error;
      }
    }
    const live = await getLive(writes, resource, namespace, name);
    if (live === undefined || (given.metadata.uid !== undefined && live.metadata?.uid !== given.metadata.uid)) {
      return false;
    }
    base = live;
  }
}

function fieldsOf(status: unknown): StatusFields {
  // A non-null object can be read by any key.
  return typeof status === "object" && status !== null ? (status as StatusFields) : {};
}
