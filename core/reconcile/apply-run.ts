import { codeOf, FairleadError } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import { type Configuration, configurationOf, type OwnedObject } from "./apply.ts";
import { keyOf, placeOf, type ServedResource } from "./kind-map.ts";
import type { Knowledge, KnownObject } from "./known-state.ts";
import { type Difference, ownedDifferences } from "./owned-compare.ts";
import { alreadyOwned } from "./owner.ts";
import { tell, type WriteOutcome, type WriteRun } from "./write-run.ts";

/** Applies one object, unless what we own of it is known to be just that. */
export async function applyObject(writes: WriteRun, given: KubeObject | OwnedObject): Promise<WriteOutcome> {
  const { shared, run, mode } = writes;
  const wanted = configurationOf(given);
  const resource = await shared.map.find(wanted);
  const place = placeOf(resource, wanted.namespace, wanted.name);
  const key = keyOf(wanted.namespace, wanted.name);
  const known = shared.known.of(resource, key, writes.recent);
  const object = known === "absent" ? undefined : known;
  checkController(wanted, object, key);
  if (object !== undefined && differences(writes, resource, object, wanted).length === 0) {
    return "unchanged";
  }
  const isOurs = wanted.owner !== undefined && object?.controller?.uid === wanted.owner.metadata.uid;
  const send = (body: KubeObject): Promise<KubeObject> => {
    run.fence();
    return shared.client.apply(place, body, {
      fieldManager: shared.fieldManager,
      force: mode.force ?? isOurs,
      dryRun: mode.dryRun === true,
      signal: run.signal,
    });
  };
  try {
    const { answer, before } = await sendApply(send, wanted.object, object?.version);
    return takeAnswer(writes, { resource, wanted, known, answer, before });
  } catch (error) {
    throw conflictOf(writes, error, resource, key);
  }
}

/**
 * Applies to the version that is known, so that it is sure what the write replaced. When somebody else was faster it is applied to
 * whatever there is: that is what apply is for.
 */
async function sendApply(
  send: (body: KubeObject) => Promise<KubeObject>,
  object: KubeObject,
  version: string | undefined,
): Promise<{ readonly answer: KubeObject; readonly before: string | undefined }> {
  if (version === undefined || version === "") {
    return { answer: await send(object), before: undefined };
  }
  try {
    const metadata = { ...object.metadata, resourceVersion: version };
    return { answer: await send({ ...object, metadata }), before: version };
  } catch (error) {
    const isField = error instanceof FairleadError && error.facts.causes !== undefined;
    if (codeOf(error) !== "KUBE_CONFLICT" || isField) {
      throw error;
    }
    return { answer: await send(object), before: undefined };
  }
}

interface Applied {
  readonly resource: ServedResource;
  readonly wanted: Configuration;
  readonly known: Knowledge;
  readonly answer: KubeObject;
  /** The version that was replaced, where it is sure. */
  readonly before: string | undefined;
}

function takeAnswer(writes: WriteRun, { resource, wanted, known, answer, before }: Applied): WriteOutcome {
  const { shared, mode } = writes;
  const version = answer.metadata?.resourceVersion;
  const isCreated = known === "absent" && isOnlyOurs(answer, shared.fieldManager);
  const isSame = before !== undefined && before === version;
  if (mode.dryRun !== true) {
    const now = shared.known.wrote(resource, answer, writes.recent);
    // One that had to be applied again is always looked at.
    const isLookedAt = !isCreated || shared.known.isToBeLookedAt(resource);
    const left = isLookedAt ? differences(writes, resource, now.known, wanted) : [];
    if (left.length > 0) {
      shared.known.accept(resource, left);
      const { kind } = resource;
      shared.log.debug(
        { controller: shared.controller, kind, fields: left.map(({ path }) => path) },
        "the server keeps other values than were applied",
      );
    }
    tell(writes, resource, answer, { verb: "apply", before: isCreated ? "" : before });
  }
  return isCreated ? "created" : isSame ? "unchanged" : "changed";
}

/** Nobody else has written to the object yet: it was not there before. */
function isOnlyOurs(answer: KubeObject, fieldManager: string): boolean {
  const managers = answer.metadata?.managedFields;
  return Array.isArray(managers) && managers.length === 1 && managers[0]?.manager === fieldManager;
}

function differences(
  { shared }: WriteRun,
  resource: ServedResource,
  { owned }: KnownObject,
  wanted: Configuration,
): readonly Difference[] {
  return shared.known.unexpected(resource, ownedDifferences(owned, wanted.object));
}

function checkController({ owner, kind }: Configuration, known: KnownObject | undefined, key: string): void {
  const other = known?.controller;
  if (owner !== undefined && other !== undefined && other.uid !== owner.metadata.uid) {
    throw alreadyOwned(`${kind} "${key}"`, other, `${owner.kind} "${owner.metadata.name}"`);
  }
}

/** Says which fields of whom an apply would have changed. Other errors stay what they are. */
function conflictOf({ shared }: WriteRun, error: unknown, resource: ServedResource, key: string): unknown {
  const causes = error instanceof FairleadError ? error.facts.causes : undefined;
  if (codeOf(error) !== "KUBE_CONFLICT" || !Array.isArray(causes)) {
    return error;
  }
  const conflicts = causes.map((cause) => /^(?<field>.*?): conflict with "(?<manager>[^"]*)"/.exec(cause)?.groups);
  const named = conflicts.filter((one) => one !== undefined);
  if (named.length === 0) {
    return error;
  }
  const managers = [...new Set(named.map(({ manager }) => manager))];
  const fields = named.map(({ field }) => field);
  const list = named.map(({ field, manager }) => `${field} ("${manager}")`).join(", ");
  return new FairleadError(
    "RECONCILE_CONFLICT",
    `"${shared.controller}" cannot apply ${resource.kind} "${key}": others manage ${list}; leave these fields out, or take them over with kube.with({ force: true }).apply(…)`,
    { cause: error, facts: { controller: shared.controller, kind: resource.kind, key, managers, fields } },
  );
}
