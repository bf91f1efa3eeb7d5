import { FairleadError } from "../errors.ts";
import { bool, type FieldTable, integer, name, nameMap, names, records, text, textMap } from "./field.ts";
import { layOut } from "./layout.ts";
import type { Keep, RowPlan } from "./plan.ts";
import type { FieldName, View } from "./view-type.ts";

/** Fields that every kind has without declaring them. */
const COMMON_FIELDS = {
  labels: nameMap("metadata.labels"),
  annotations: textMap("metadata.annotations"),
  owners: records("metadata.ownerReferences", {
    apiVersion: name("apiVersion"),
    kind: name("kind"),
    name: text("name"),
    uid: text("uid"),
    controller: bool("controller"),
  }),
  finalizers: names("metadata.finalizers"),
  generation: integer("metadata.generation"),
};

/** Types of the fields that every kind has. */
export type CommonFields = typeof COMMON_FIELDS;

/**
 * Declared indexes: index name -> true (the field of that name, or `labels`, or `owner`), or the name of a field, or
 * "list.part" for a field inside a list, or several of them in order of preference. An index exists while one of its
 * fields is selected.
 */
export type IndexTable = Readonly<Record<string, true | string | readonly string[]>>;

/** What a kind is made of. */
export interface KindDefinition<
  Name extends string,
  Fields extends FieldTable,
  Namespaced extends boolean,
  Indexes extends IndexTable,
> {
  /** "v1", "apps/v1". */
  readonly apiVersion: string;
  readonly kind: string;
  /** As in the path of the API: "pods". */
  readonly plural: string;
  /** Short unique name in the store: `view.<name>`. The plural, unless another kind has it. */
  readonly name: Name;
  readonly namespaced: Namespaced;
  readonly fields: Fields;
  readonly indexes?: Indexes;
  /** Default "fields". */
  readonly keep?: Keep;
  /** Sent with every list and watch. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** Which objects of a kind are wanted. An empty string switches a default selector off. */
export interface Where {
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** A kind that can be watched, with the fields selected so far. Immutable: every method gives a new one. */
export interface Kind<
  Name extends string = string,
  Fields extends FieldTable = FieldTable,
  Selected extends string = string,
  Namespaced extends boolean = boolean,
  Index extends string = string,
> {
  readonly name: Name;
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: Namespaced;
  /** False for custom resources. */
  readonly builtIn: boolean;
  readonly fields: Fields;
  readonly indexes: IndexTable;
  readonly selected: readonly Selected[];
  readonly kept: Keep;
  readonly fieldSelector: string | undefined;
  readonly labelSelector: string | undefined;
  /** Exists in types only. */
  readonly indexNames?: Index;
  /** Keeps only the named fields (by default all of the table); "list.part" keeps parts of a list's elements. */
  select<const Wanted extends FieldName<Fields>>(
    ...names: readonly Wanted[]
  ): Kind<Name, Fields, Wanted | Extract<Selected, "json">, Namespaced, Index>;
  /** Watches only what the selectors match, on the server. */
  where(where: Where): Kind<Name, Fields, Selected, Namespaced, Index>;
  /** Adds indexes: `endpointSlices.index({ address: "endpoints.addresses" })`. */
  index<const More extends IndexTable>(
    more: More,
  ): Kind<Name, Fields, Selected, Namespaced, Index | (keyof More & string)>;
  /** How much of the object is kept beside the fields: with "slim" and "full" the view has `json`, the whole object. */
  keep<const Kept extends Keep>(
    keep: Kept,
  ): Kind<Name, Fields, Kept extends "fields" ? Exclude<Selected, "json"> : Selected | "json", Namespaced, Index>;
  /** Layout of the rows. Throws KIND_UNKNOWN_FIELD. */
  plan(): RowPlan;
}

/** A kind of which nothing more is known. */
export type AnyKind = Kind;

/** The read-only view type of a kind's objects. */
export type ViewOf<K> =
  K extends Kind<string, infer Fields, infer Selected, infer Namespaced, string>
    ? View<Fields, Selected, Namespaced>
    : never;

/** Names of a kind's indexes. */
export type IndexOf<K> = K extends Kind<string, FieldTable, string, boolean, infer Index> ? Index : never;

/** Declares a kind of the API server itself, which is read as protobuf when only fields are kept. */
export function defineKind<
  const Name extends string,
  const Fields extends FieldTable,
  const Namespaced extends boolean,
  const Indexes extends IndexTable = Record<never, true>,
>(
  definition: KindDefinition<Name, Fields, Namespaced, Indexes>,
): Kind<Name, Fields & CommonFields, keyof (Fields & CommonFields) & string, Namespaced, keyof Indexes & string> {
  return declare(definition, true);
}

/** `defineKind` for both built-in and custom kinds. */
export function declare<
  Name extends string,
  Fields extends FieldTable,
  Namespaced extends boolean,
  Indexes extends IndexTable,
>(
  definition: KindDefinition<Name, Fields, Namespaced, Indexes>,
  builtIn: boolean,
): Kind<Name, Fields & CommonFields, keyof (Fields & CommonFields) & string, Namespaced, keyof Indexes & string> {
  const fields: Fields & CommonFields = { ...COMMON_FIELDS, ...definition.fields };
  // Object.keys gives strings; these are the keys of the literal above.
  const all = Object.keys(fields) as (keyof (Fields & CommonFields) & string)[];
  return make({
    name: definition.name,
    apiVersion: definition.apiVersion,
    kind: definition.kind,
    plural: definition.plural,
    namespaced: definition.namespaced,
    builtIn,
    fields,
    indexes: definition.indexes ?? {},
    selected: all,
    kept: definition.keep ?? "fields",
    fieldSelector: definition.fieldSelector,
    labelSelector: definition.labelSelector,
  });
}

/**
 * One kind with the fields of all of them: what is watched when several ask for the same kind. Where one has a selector and
 * another has none, there is none. Throws KIND_SELECTORS_DIFFER, KIND_NOT_THE_SAME.
 */
export function mergeKinds<
  Name extends string,
  Fields extends FieldTable,
  Selected extends string,
  Namespaced extends boolean,
  Index extends string,
>(
  kinds: readonly [
    Kind<Name, Fields, Selected, Namespaced, Index>,
    ...Kind<Name, Fields, Selected, Namespaced, Index>[],
  ],
): Kind<Name, Fields, Selected, Namespaced, Index> {
  const [first, ...others] = kinds;
  let merged: KindState<Name, Fields, Selected, Namespaced> = first;
  for (const other of others) {
    if (other.name !== first.name || other.apiVersion !== first.apiVersion || other.kind !== first.kind) {
      throw new FairleadError(
        "KIND_NOT_THE_SAME",
        `"${other.name}" (${other.apiVersion} ${other.kind}) cannot be merged with "${first.name}" (${first.apiVersion} ${first.kind})`,
      );
    }
    merged = {
      ...merged,
      fields: { ...other.fields, ...merged.fields },
      indexes: { ...other.indexes, ...merged.indexes },
      selected: [...new Set([...merged.selected, ...other.selected])],
      kept: KEEP_ORDER[Math.max(KEEP_ORDER.indexOf(merged.kept), KEEP_ORDER.indexOf(other.kept))],
      fieldSelector: widerSelector(first.name, "field", merged.fieldSelector, other.fieldSelector),
      labelSelector: widerSelector(first.name, "label", merged.labelSelector, other.labelSelector),
    };
  }
  return make(merged);
}

const KEEP_ORDER: readonly Keep[] = ["fields", "slim", "full"];

/** Everything of a kind but its methods. */
type KindState<
  Name extends string = string,
  Fields extends FieldTable = FieldTable,
  Selected extends string = string,
  Namespaced extends boolean = boolean,
> = Omit<Kind<Name, Fields, Selected, Namespaced>, "select" | "where" | "index" | "keep" | "plan" | "indexNames">;

function make<
  Name extends string,
  Fields extends FieldTable,
  Selected extends string,
  Namespaced extends boolean,
  Index extends string,
>(state: KindState<Name, Fields, Selected, Namespaced>): Kind<Name, Fields, Selected, Namespaced, Index> {
  return Object.freeze({
    ...state,
    select: <const Wanted extends FieldName<Fields>>(...selected: readonly Wanted[]) =>
      make<Name, Fields, Wanted | Extract<Selected, "json">, Namespaced, Index>({ ...state, selected }),
    where: (where: Where) =>
      make<Name, Fields, Selected, Namespaced, Index>({
        ...state,
        fieldSelector: chosen(where.fieldSelector, state.fieldSelector),
        labelSelector: chosen(where.labelSelector, state.labelSelector),
      }),
    index: <const More extends IndexTable>(more: More) =>
      make<Name, Fields, Selected, Namespaced, Index | (keyof More & string)>({
        ...state,
        indexes: { ...state.indexes, ...more },
      }),
    // Only the type says "json": the cell follows from what is kept.
    keep: <const Kept extends Keep>(kept: Kept) =>
      make<Name, Fields, Kept extends "fields" ? Exclude<Selected, "json"> : Selected | "json", Namespaced, Index>({
        ...state,
        kept,
        selected: state.selected as readonly (Kept extends "fields" ? Exclude<Selected, "json"> : Selected | "json")[],
      }),
    plan: () => layOut(state),
  });
}

function chosen(asked: string | undefined, before: string | undefined): string | undefined {
  return asked === undefined ? before : asked || undefined;
}

function widerSelector(kind: string, what: string, a: string | undefined, b: string | undefined): string | undefined {
  if (a === b) {
    return a;
  }
  if (a === undefined || b === undefined) {
    return undefined;
  }
  throw new FairleadError(
    "KIND_SELECTORS_DIFFER",
    `"${kind}" is asked for with the ${what} selectors "${a}" and "${b}"; use one selector for both, or none and filter when reading`,
  );
}
