import type { ApiServer } from "./api-server.ts";
import { timeText } from "./clock.ts";
import type { ObjectInput, StoredObject } from "./object.ts";

/** Kinds that are looked at. */
export interface KindName {
  readonly apiVersion: string;
  readonly kind: string;
}

/** What the controllers of Kubernetes would do in a cluster that has none. */
export interface FakeControlPlane {
  /** Does what is to be done; true when that changed something. */
  act(): boolean;
}

/** How Deployments fare: their pods get ready at once, or never. */
export type DeploymentFate = "ready" | "stuck";

const FOREGROUND = "foregroundDeletion";

/**
 * The garbage collector, and the status of Deployments, over an API server in this process. `kinds`: those whose objects own
 * or are owned.
 */
export function fakeControlPlane(
  server: ApiServer,
  options: { readonly kinds: () => Iterable<KindName>; readonly deployments: () => DeploymentFate },
): FakeControlPlane {
  const act = (): boolean => {
    const objects = [...options.kinds()].flatMap(({ apiVersion, kind }) => server.objects.list(apiVersion, kind));
    // What was collected must not be written again.
    return collect(server, objects) || settleDeployments(server, objects, options.deployments());
  };
  return { act };
}

/** Deletes what has lost all of its owners, as the garbage collector does in the background, and in the foreground. */
function collect(server: ApiServer, objects: readonly StoredObject[]): boolean {
  const byUid = new Map(objects.map((object) => [object.metadata.uid, object]));
  let isChanged = false;
  const blocked = new Set<string>();
  for (const object of objects) {
    const owners = (object.metadata.ownerReferences ?? []).map(({ uid }) => byUid.get(uid));
    if (owners.length === 0) {
      continue;
    }
    const isOrphan = owners.every((owner) => owner === undefined || isGoing(owner, FOREGROUND));
    for (const owner of owners) {
      if (owner?.metadata.uid !== undefined) {
        blocked.add(owner.metadata.uid);
      }
    }
    if (isOrphan) {
      isChanged = remove(server, object) || isChanged;
    }
  }
  for (const object of objects) {
    if (isGoing(object, FOREGROUND) && !blocked.has(object.metadata.uid ?? "")) {
      isChanged = without(server, object, FOREGROUND) || isChanged;
    }
  }
  return isChanged;
}

function isGoing({ metadata }: StoredObject, finalizer: string): boolean {
  return metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(finalizer);
}

/** What has finalizers is only marked: those who set them take them away. */
function remove(server: ApiServer, object: StoredObject): boolean {
  const { metadata } = object;
  if ((metadata.finalizers ?? []).length === 0) {
    return server.objects.delete(referenceTo(object)) !== undefined;
  }
  if (metadata.deletionTimestamp !== undefined) {
    return false;
  }
  put(server, { ...object, metadata: { ...metadata, deletionTimestamp: timeText(server.clock.now()) } });
  return true;
}

function without(server: ApiServer, object: StoredObject, finalizer: string): boolean {
  const finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
  if (finalizers.length === 0) {
    return server.objects.delete(referenceTo(object)) !== undefined;
  }
  put(server, { ...object, metadata: { ...object.metadata, finalizers } });
  return true;
}

function settleDeployments(server: ApiServer, objects: readonly StoredObject[], fate: DeploymentFate): boolean {
  let isChanged = false;
  for (const object of objects) {
    if (
      object.kind !== "Deployment" ||
      object.apiVersion !== "apps/v1" ||
      object.metadata.deletionTimestamp !== undefined
    ) {
      continue;
    }
    const { replicas = 1 } = (object.spec ?? {}) as { readonly replicas?: number };
    const ready = fate === "ready" ? replicas : 0;
    const status = {
      observedGeneration: object.metadata.generation ?? 1,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: replicas - ready,
    };
    const before = object.metadata.resourceVersion;
    const shown = Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0));
    isChanged = put(server, { ...object, status: shown }).metadata.resourceVersion !== before || isChanged;
  }
  return isChanged;
}

function put(server: ApiServer, object: StoredObject): StoredObject {
  // What is stored can be stored again.
  return server.objects.apply(object as unknown as ObjectInput);
}

function referenceTo({ apiVersion, kind, metadata }: StoredObject) {
  return { apiVersion, kind, name: metadata.name, namespace: metadata.namespace };
}
