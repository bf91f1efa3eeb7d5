import type { Change } from "../store/reader.ts";

/** What a predicate looks at: views, valid only inside of it. */
export type ObjectChange<View = ObjectLike> = Change<View>;

/** What every view has. */
export interface ObjectLike {
  readonly key: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: string | undefined;
  };
}

/** Says which changes are of interest. Those of this module say yes to all that is added, deleted or seen anew. */
export interface Predicate<View = never> {
  /** Fields that it looks at, by name; the kind is followed with them. */
  readonly fields?: readonly string[];
  test(change: ObjectChange<View>): boolean;
}

/** What `when` takes: a predicate of this module, or a function of your own. Sync; a throw lets the change through. */
export type When<View = never> = Predicate<View> | ((change: ObjectChange<View>) => boolean);

/** A predicate that fits every kind: it is asked about views of any kind. */
export type AnyPredicate = Predicate<ObjectLike>;

/** What `and`, `or` and `not` are made of. */
type Part = AnyPredicate | ((change: ObjectChange<ObjectLike>) => boolean);

/** Which changes make a reconcile worth while. */
export const predicates = {
  /** The spec has changed: `metadata.generation` differs. Of kinds without one (ConfigMap, Secret, …): anything. */
  generation: (): AnyPredicate =>
    ofUpdates(["generation"], (before, after) => {
      const generation = valueAt(after, "metadata.generation");
      return !generation || generation !== valueAt(before, "metadata.generation") || isDeletionNew(before, after);
    }),
  /** A label was added, changed or removed. */
  labels: (): AnyPredicate => changed("labels", "metadata.labels"),
  /** An annotation was added, changed or removed. */
  annotations: (): AnyPredicate => changed("annotations", "metadata.annotations"),
  /** One of these paths has changed: `field("spec.replicas")`. The kind must have selected them, or keep its JSON. */
  field: (...paths: readonly string[]): AnyPredicate =>
    ofUpdates([], (before, after) => paths.some((path) => differs(before, after, path))),
  /** It is another version: not one that was only listed again. */
  resourceVersion: (): AnyPredicate =>
    ofUpdates([], (before, after) => before.metadata.resourceVersion !== after.metadata.resourceVersion),
  /** All of them say yes. */
  and: (...parts: readonly Part[]): AnyPredicate => ({
    fields: fieldsOf(parts),
    test: (change) => parts.every((part) => passes(part, change)),
  }),
  /** One of them says yes. */
  or: (...parts: readonly Part[]): AnyPredicate => ({
    fields: fieldsOf(parts),
    test: (change) => parts.some((part) => passes(part, change)),
  }),
  /** It says no. */
  not: (part: Part): AnyPredicate => ({ fields: fieldsOf([part]), test: (change) => !passes(part, change) }),
};

/** Asks a predicate of either form. */
export function passes<View>(when: When<View>, change: ObjectChange<View>): boolean {
  return typeof when === "function" ? when(change) : when.test(change);
}

/** Names of the fields that predicates look at. */
export function fieldsOf(parts: readonly When<never>[]): readonly string[] {
  return parts.flatMap((part) => (typeof part === "function" ? [] : (part.fields ?? [])));
}

/** The value at a path of a view, and of its JSON where the kind keeps that. */
export function valueAt(view: object, path: string): unknown {
  let value: unknown = view;
  for (const step of path.split(".")) {
    if (typeof value !== "object" || value === null) {
      return undefined;
    }
    value = Reflect.get(value, step);
  }
  if (value !== undefined || !("json" in view) || view.json === undefined || view.json === null) {
    return value;
  }
  return typeof view.json === "object" ? valueAt(view.json, path) : undefined;
}

/** True when the values at a path of two views are not the same. */
export function differs(before: object, after: object, path: string): boolean {
  const [a, b] = [valueAt(before, path), valueAt(after, path)];
  return a !== b && JSON.stringify(a) !== JSON.stringify(b);
}

function isDeletionNew(before: ObjectLike, after: ObjectLike): boolean {
  return before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp;
}

function changed(field: string, path: string): AnyPredicate {
  return ofUpdates([field], (before, after) => differs(before, after, path) || isDeletionNew(before, after));
}

function ofUpdates(fields: readonly string[], test: (before: ObjectLike, after: ObjectLike) => boolean): AnyPredicate {
  return { fields, test: (change) => change.op !== "updated" || test(change.old, change.new) };
}
