import type { AnyKind, IndexOf, ViewOf } from "../kinds/kind.ts";
import type { Mapping, MappingContext } from "./controller.ts";
import type { ObjectLike } from "./predicate.ts";

/** An owner reference as views show it. */
interface OwnerReference {
  readonly apiVersion: string | undefined;
  readonly kind: string | undefined;
  readonly name: string | undefined;
  readonly uid: string | undefined;
  readonly controller: boolean;
}

/** Ready-made mappings from an object to the keys that it stands for. */
export const mapping = {
  /** The owner of that kind: its controller, or with `any` every owner. */
  toOwner: (kind: AnyKind, options: { readonly any?: boolean } = {}): Mapping<ObjectLike> =>
    withParts(["owners"], [], (object) => ownersOf(object, kind, options.any === true)),
  /**
   * All objects of `kind` whose index `index` has the value that `read` gives from the changed object:
   * `byIndex(pods, "nodeName", (node) => node.metadata.name)`. A resource of one's own has the indexes "labels" and "owner":
   * `byIndex(WebApp, "labels", (configMap) => "config=" + configMap.metadata.name)`. Only those of its own namespace, unless
   * `everywhere`.
   */
  byIndex: <const K extends AnyKind, View extends ObjectLike>(
    kind: K,
    index: IndexOf<K>,
    read: (object: View) => string | number | boolean | undefined,
    options: { readonly everywhere?: boolean } = {},
  ): Mapping<View> =>
    withParts([], [kind], (object, { view }) => {
      const value = read(object);
      const found = value === undefined ? [] : view.kind(kind.name).by(index, value);
      const { namespace } = object.metadata;
      return found
        .filter((one) => options.everywhere === true || namespace === undefined || one.metadata.namespace === namespace)
        .map((one) => one.key);
    }),
  /**
   * Follows controller references from the changed object through these kinds up to the `for` kind:
   * `.watches(pods, mapping.ownerChain(replicaSets, deployments))`.
   */
  ownerChain: (...kinds: readonly AnyKind[]): Mapping<ObjectLike> => {
    const through = kinds.map((kind) => kind.select(...new Set([...kind.selected, "owners"])));
    return withParts(["owners"], through, (object, context) => climb(object, through, context));
  },
  /** The object of the same name. */
  sameName: (): Mapping<ObjectLike> => (object) => object.key,
};

function withParts<View>(
  fields: readonly string[],
  kinds: readonly AnyKind[],
  map: (object: View, context: MappingContext) => Iterable<string>,
): Mapping<View> {
  return Object.freeze(
    Object.assign((object: View, context: MappingContext) => map(object, context), { fields, kinds }),
  );
}

/** Keys of the owners of a kind. Owners are in the namespace of the object, or cluster-scoped. */
export function ownersOf(object: ObjectLike, kind: AnyKind, any: boolean): string[] {
  return referencesOf(object)
    .filter((reference) => (any || reference.controller) && isOf(reference, kind))
    .flatMap((reference) => keyOf(object, reference, kind) ?? []);
}

function referencesOf(object: ObjectLike): readonly OwnerReference[] {
  // Kinds are followed with "owners" wherever this is asked.
  const { ownerReferences = [] } = object.metadata as { readonly ownerReferences?: readonly OwnerReference[] };
  return ownerReferences;
}

/** Versions of one group are the same kind. */
function isOf(reference: OwnerReference, kind: AnyKind): boolean {
  return reference.kind === kind.kind && groupOf(reference.apiVersion ?? "") === groupOf(kind.apiVersion);
}

function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
}

function keyOf(object: ObjectLike, { name }: OwnerReference, kind: AnyKind): string | undefined {
  if (name === undefined) {
    return undefined;
  }
  return kind.namespaced ? `${object.metadata.namespace ?? ""}/${name}` : name;
}

function climb(object: ObjectLike, through: readonly AnyKind[], { view, kind }: MappingContext): string[] {
  let at: ObjectLike | undefined = object;
  for (let step = 0; at !== undefined && step <= through.length; step++) {
    const top = kind === undefined ? [] : ownersOf(at, kind, false);
    if (top.length > 0) {
      return top;
    }
    at = parentOf(at, through, view);
  }
  return [];
}

function parentOf(
  object: ObjectLike,
  through: readonly AnyKind[],
  view: MappingContext["view"],
): ObjectLike | undefined {
  for (const kind of through) {
    const [key] = ownersOf(object, kind, false);
    if (key !== undefined) {
      const objects = view.kind(kind.name);
      // A parent may be gone before its children; its last state still names its own.
      const parent: ViewOf<AnyKind> | undefined = objects.get(key) ?? objects.deleted.get(key);
      return parent;
    }
  }
  return undefined;
}
