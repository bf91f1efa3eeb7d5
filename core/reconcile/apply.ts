import { FairleadError } from "../errors.ts";
import type { KubeObject } from "../kube/client.ts";
import { type Owner, type OwnerOptions, withOwner } from "./owner.ts";

/** An object to apply together with its owner: see `apply.owned`. */
export interface OwnedObject {
  readonly owner: Owner;
  readonly object: KubeObject;
  readonly options: OwnerOptions;
}

/** What makes objects for `kube.apply`. */
export const apply: {
  /**
   * The object as a child of `owner`: it goes when the owner goes, and what others change in the applied fields is taken back. Without
   * a namespace it gets the owner's. Throws RECONCILE_BAD_OWNER, RECONCILE_ALREADY_OWNED.
   */
  owned(owner: Owner, object: KubeObject, options?: OwnerOptions): OwnedObject;
} = Object.freeze({
  owned(owner: Owner, object: KubeObject, options: OwnerOptions = {}): OwnedObject {
    const { namespace } = owner.metadata;
    const metadata = object.metadata?.namespace === undefined ? { ...object.metadata, namespace } : object.metadata;
    return Object.freeze({ owner, object: withOwner(owner, { ...object, metadata }, options), options });
  },
});

/** A configuration ready to be applied. */
export interface Configuration {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly owner: Owner | undefined;
  /** Without null, undefined and what only the server writes. */
  readonly object: KubeObject & Readonly<Record<string, unknown>>;
}

/** Written by the server alone. */
const OF_SERVER: ReadonlySet<string> = new Set([
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "managedFields",
  "selfLink",
]);

/** Reads what was given to `kube.apply`. Throws RECONCILE_BAD_OBJECT. */
export function configurationOf(given: KubeObject | OwnedObject): Configuration {
  if (typeof given !== "object" || given === null) {
    throw new FairleadError("RECONCILE_BAD_OBJECT", `what is applied is an object; this is ${String(given)}`);
  }
  const { owner, object } = isOwned(given) ? given : { owner: undefined, object: given };
  const { apiVersion, kind, metadata } = object;
  const { name, namespace } = metadata ?? {};
  if (typeof apiVersion !== "string" || typeof kind !== "string" || typeof name !== "string" || name === "") {
    const shown = `${String(apiVersion)} ${String(kind)} "${String(name)}"`;
    throw new FairleadError(
      "RECONCILE_BAD_OBJECT",
      `what is applied needs apiVersion, kind and metadata.name; this is ${shown}`,
    );
  }
  if (namespace !== undefined && typeof namespace !== "string") {
    throw new FairleadError("RECONCILE_BAD_OBJECT", `the namespace of ${kind} "${name}" is no text`);
  }
  const clean = withoutNothing({ ...object, metadata: withoutServerFields(metadata ?? {}) });
  return { apiVersion, kind, name, namespace, owner, object: withEncodedData(apiVersion, kind, clean) };
}

function isOwned(given: KubeObject | OwnedObject): given is OwnedObject {
  return "owner" in given && "object" in given && !("kind" in given);
}

function withoutServerFields(metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(metadata).filter(([field]) => !OF_SERVER.has(field)));
}

/** The server takes null for absent; JSON has no undefined. */
function withoutNothing(object: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    if (value !== undefined && value !== null) {
      kept[key] = cleaned(value);
    }
  }
  return kept;
}

function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(cleaned);
  }
  if (value instanceof Date) {
    return value.toISOString();
  }
  // A non-null object can be read by any key.
  return typeof value === "object" && value !== null ? withoutNothing(value as Record<string, unknown>) : value;
}

/** The server turns stringData of a Secret into data, and then owns what we never named. */
function withEncodedData(apiVersion: string, kind: string, object: Configuration["object"]): Configuration["object"] {
  const { stringData, ...rest } = object;
  if (apiVersion !== "v1" || kind !== "Secret" || typeof stringData !== "object" || stringData === null) {
    return object;
  }
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString("base64"),
  ]);
  const data = typeof rest.data === "object" ? rest.data : {};
  return { ...rest, data: { ...data, ...Object.fromEntries(encoded) } };
}
