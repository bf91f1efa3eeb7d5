import { FairleadError } from "../errors.ts";
import { BUILT_IN_KINDS } from "../kinds/built-in.ts";
import type { AnyKind } from "../kinds/kind.ts";
import { ownedFieldName } from "../kinds/owned.ts";
import type { KubeClient, ResourceName } from "../kube/client.ts";
import type { Discovery } from "../kube/discovery.ts";

/** Names a kind: one of `fairlead/kinds`, of `defineResource`, or just its names. */
export interface KindName {
  readonly apiVersion: string;
  readonly kind: string;
}

/** A kind as requests need it. */
export interface ServedResource extends KindName {
  readonly plural: string;
  readonly namespaced: boolean;
  /** As it is followed here. */
  readonly followed: FollowedKind | undefined;
}

/** A kind that is in the store. */
export interface FollowedKind {
  readonly kind: AnyKind;
  /** Its rows hold what the controller's field manager owns, under this name. */
  readonly ownedField: string | undefined;
  /** All objects are followed: one that is not there does not exist. */
  readonly isWhole: boolean;
}

/** Finds kinds by their names: those that are followed, the built-in ones, and the rest by discovery. */
export class KindMap {
  readonly #known = new Map<string, ServedResource>();
  readonly #client: Pick<KubeClient, "json">;
  #discovery: Promise<Discovery> | undefined;

  constructor(kinds: readonly AnyKind[], fieldManager: string, client: Pick<KubeClient, "json">) {
    this.#client = client;
    const ownedField = ownedFieldName(fieldManager);
    for (const kind of [...BUILT_IN_KINDS, ...kinds]) {
      const { apiVersion, plural, namespaced } = kind;
      const isOwned = kind.selected.includes(ownedField);
      const isWhole = kind.fieldSelector === undefined && kind.labelSelector === undefined;
      const followed = kinds.includes(kind)
        ? { kind, ownedField: isOwned ? ownedField : undefined, isWhole }
        : undefined;
      this.#known.set(nameOf(kind), { apiVersion, kind: kind.kind, plural, namespaced, followed });
    }
  }

  /** The kind, when no request is needed to know it. */
  known(name: KindName): ServedResource | undefined {
    return this.#known.get(nameOf(name));
  }

  /** Rejects with KUBE_KIND_NOT_SERVED. */
  async find(name: KindName): Promise<ServedResource> {
    const known = this.known(name);
    if (known !== undefined) {
      return known;
    }
    this.#discovery ??= import("../kube/discovery.ts").then(({ createDiscovery }) => createDiscovery(this.#client));
    const { apiVersion, kind, plural, namespaced } = await (await this.#discovery).resolve(name.apiVersion, name.kind);
    const found = { apiVersion, kind, plural, namespaced, followed: undefined };
    this.#known.set(nameOf(name), found);
    return found;
  }
}

function nameOf({ apiVersion, kind }: KindName): string {
  return `${apiVersion} ${kind}`;
}

/** Where an object of the kind is. Throws RECONCILE_BAD_OBJECT for a namespace too many or too few. */
export function placeOf(
  { apiVersion, kind, plural, namespaced }: ServedResource,
  namespace: string | undefined,
  name: string,
): ResourceName {
  if (namespaced !== (namespace !== undefined && namespace !== "")) {
    const wrong = namespaced ? "needs a namespace" : `is cluster-scoped and cannot be in namespace "${namespace}"`;
    throw new FairleadError("RECONCILE_BAD_OBJECT", `${kind} "${name}" ${wrong}`, { facts: { kind, name } });
  }
  return { apiVersion, plural, name, ...(namespaced ? { namespace } : {}) };
}

/** Namespace and name of a key: "shop/cart", or "cart" for cluster-scoped kinds. */
export function keyParts(key: string): { readonly namespace: string | undefined; readonly name: string } {
  const cut = key.indexOf("/");
  return cut < 0 ? { namespace: undefined, name: key } : { namespace: key.slice(0, cut), name: key.slice(cut + 1) };
}

/** The key of an object, as the store has it. */
export function keyOf(namespace: unknown, name: unknown): string {
  return typeof namespace === "string" && namespace !== "" ? `${namespace}/${String(name)}` : String(name);
}
