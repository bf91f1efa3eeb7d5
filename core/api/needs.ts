import type { BuiltInKinds } from "../kinds/built-in.ts";
import type { FieldData } from "../kinds/field.ts";
import type { AnyKind, Kind } from "../kinds/kind.ts";
import type { Keep } from "../kinds/plan.ts";
import type { FieldName } from "../kinds/view-type.ts";

/** How a built-in kind is needed: all its fields, some by name, or with more to say. */
export type NeededKind = true | readonly string[] | NeededKindOptions;

/** A built-in kind with selectors, indexes or more of the object. */
export interface NeededKindOptions {
  /** Default: all fields of the kind. */
  readonly fields?: readonly string[];
  /** Default "fields". */
  readonly keep?: Keep;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** More indexes: name -> field. */
  readonly indexes?: Readonly<Record<string, string>>;
}

/** A custom resource, declared by the plugin: its fields are plain data. */
export interface NeededCustomKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Default: the key in `needs`. */
  readonly plural?: string;
  readonly fields: Readonly<Record<string, FieldData>>;
  readonly keep?: Keep;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly indexes?: Readonly<Record<string, string>>;
}

/** As `NeededKind`, with the names of the kind's own fields. */
type NeededBuiltIn<K> =
  K extends Kind<string, infer Fields, string, boolean, string>
    ?
        | true
        | readonly FieldName<Fields>[]
        | (NeededKindOptions & { readonly fields?: readonly FieldName<Fields>[] })
        | AnyKind
    : never;

/** Kinds that a plugin reads, by their name in the store: `{ pods: ["phase", "labels"], services: true }`. */
export type Needs = {
  readonly [Name in keyof BuiltInKinds]?: NeededBuiltIn<BuiltInKinds[Name]>;
} & { readonly [name: string]: NeededKind | NeededCustomKind | AnyKind };

type NamesIn<Wanted, All extends string> = Wanted extends readonly (infer Name)[]
  ? Extract<Name, All>
  : Wanted extends { readonly fields: readonly (infer Name)[] }
    ? Extract<Name, All>
    : All;

type Narrowed<K, Wanted> =
  K extends Kind<infer Name, infer Fields, string, infer Namespaced, infer Index>
    ? Kind<Name, Fields, NamesIn<Wanted, FieldName<Fields>>, Namespaced, Index>
    : never;

/** The kind behind one key of `needs`, with the fields that were asked for. */
export type NeededKindOf<N, Name extends keyof N & string> = N[Name] extends AnyKind
  ? N[Name]
  : Name extends keyof BuiltInKinds
    ? Narrowed<BuiltInKinds[Name], N[Name]>
    : Kind<Name>;

/** The kinds of `needs` as a list, as the store's types want them. */
export type KindsOf<N> = readonly { [Name in keyof N & string]: NeededKindOf<N, Name> }[keyof N & string][];
