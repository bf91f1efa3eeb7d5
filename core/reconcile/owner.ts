import { FairleadError } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";

/** An object that may own others: the reconciled one, or any live one. */
export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined; readonly uid: string };
}

/** One entry of `metadata.ownerReferences`. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** How an object is owned. */
export interface OwnerOptions {
  /** The one that manages it; an object has one at most. Default true. */
  readonly controller?: boolean;
  /** A foreground deletion of the owner waits for it. Default: as `controller`. */
  readonly blockOwnerDeletion?: boolean;
}

/**
 * The object with a reference to its owner, by which the cluster removes it when the owner is gone. Throws RECONCILE_BAD_OWNER where
 * the cluster would remove it at once, or never: an owner in another namespace, a namespaced owner of a cluster-scoped object, one
 * without uid; and RECONCILE_ALREADY_OWNED for a second controller.
 */
export function withOwner(owner: Owner, object: KubeObject, options: OwnerOptions = {}): KubeObject {
  const { controller = true, blockOwnerDeletion = controller } = options;
  const { name, namespace, uid } = owner.metadata;
  const metadata = object.metadata ?? {};
  const what = `${object.kind} "${metadata.name}"`;
  if (typeof uid !== "string" || uid === "") {
    throw bad(`${owner.kind} "${name}" cannot own ${what}: it has no uid; take the owner from the cluster`);
  }
  if (namespace !== undefined && namespace !== metadata.namespace) {
    const where = metadata.namespace === undefined ? "has no namespace" : `is in namespace "${metadata.namespace}"`;
    throw bad(
      `${owner.kind} "${namespace}/${name}" cannot own ${what}, which ${where}; an owner in a namespace owns only objects of that namespace: use a label and a finalizer instead`,
    );
  }
  const reference: OwnerReference = {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name,
    uid,
    ...(controller ? { controller } : {}),
    ...(blockOwnerDeletion ? { blockOwnerDeletion } : {}),
  };
  const others = referencesOf(object).filter((other) => other.uid !== uid);
  const other = controllerOf(others);
  if (controller && other !== undefined) {
    throw alreadyOwned(what, other, `${owner.kind} "${name}"`);
  }
  return { ...object, metadata: { ...metadata, ownerReferences: [...others, reference] } };
}

/** The reference to the controller. */
export function controllerOf(references: readonly OwnerReference[]): OwnerReference | undefined {
  return references.find((reference) => reference.controller === true);
}

/** Owner references of an object; none where there are none. */
export function referencesOf(object: KubeObject): readonly OwnerReference[] {
  const references = object.metadata?.ownerReferences;
  // The API server holds nothing else there; ours come from `withOwner`.
  return Array.isArray(references) ? (references as OwnerReference[]) : [];
}

/** Another controller manages the object. */
export function alreadyOwned(what: string, other: OwnerReference, owner: string): FairleadError {
  return new FairleadError(
    "RECONCILE_ALREADY_OWNED",
    `${what} belongs to ${other.kind} "${other.name}" and cannot belong to ${owner} too; use another name for it`,
    { facts: { owner: `${other.kind}/${other.name}`, ownerUid: other.uid } },
  );
}

function bad(message: string): FairleadError {
  return new FairleadError("RECONCILE_BAD_OWNER", message);
}
