import type { BuiltInKinds } from "../kinds/built-in.ts";
import type { DerivedField, Field, FieldData, RecordsField } from "../kinds/field.ts";
import type { AnyKind, CommonFields, Kind } from "../kinds/kind.ts";
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
  /** Keeps what this field manager has applied, so that a controller of that name applies only what differs. Default: none. */
  readonly appliedBy?: string;
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
  readonly appliedBy?: string;
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

/** Fields that are shown under their path, as these types. */
interface CellValues {
  readonly text: string | undefined;
  readonly name: string | undefined;
  readonly int: number;
  readonly optionalInt: number | undefined;
  readonly long: number;
  readonly bool: boolean;
  readonly optionalBool: boolean | undefined;
  readonly ip: string | undefined;
  readonly time: string | undefined;
  readonly microTime: string | undefined;
  readonly intOrText: number | string | undefined;
  readonly names: readonly string[];
  readonly texts: readonly string[];
  readonly nameMap: Readonly<Record<string, string>>;
  readonly textMap: Readonly<Record<string, string>>;
}

/** A field of a custom resource, as `field.ts` would have made it: its data says what the view shows. */
type TypedField<F> = F extends { readonly type: "sum" | "count" }
  ? DerivedField<number>
  : F extends { readonly type: "condition" }
    ? DerivedField<string | undefined>
    : F extends { readonly path: infer Path extends string; readonly element: infer Element }
      ? RecordsField<Path, TypedFields<Element>>
      : F extends { readonly type: "enum"; readonly path: infer Path extends string }
        ? Field<Path, EnumValue<F>>
        : F extends { readonly type: infer Type extends keyof CellValues; readonly path: infer Path extends string }
          ? Field<Path, CellValues[Type]>
          : FieldData;

type EnumValue<F> = F extends { readonly values: readonly (infer Value)[] }
  ? Value | (string & {}) | undefined
  : string | undefined;

type TypedFields<Fields> = { readonly [Name in keyof Fields & string]: TypedField<Fields[Name]> };

type JsonIn<Wanted> = Wanted extends { readonly keep: "slim" | "full" } ? "json" : never;

type IndexesIn<Wanted> = Wanted extends { readonly indexes: infer Indexes } ? keyof Indexes & string : never;

type CustomKindOf<Name extends string, Wanted> = Wanted extends {
  readonly fields: infer Fields;
  readonly namespaced: infer Namespaced extends boolean;
}
  ? Kind<
      Name,
      TypedFields<Fields> & CommonFields,
      (keyof Fields & string) | keyof CommonFields | JsonIn<Wanted>,
      Namespaced,
      IndexesIn<Wanted> | "labels" | "owner"
    >
  : Kind<Name>;

type NamesIn<Wanted, All extends string> = Wanted extends readonly (infer Name)[]
  ? Extract<Name, All>
  : Wanted extends { readonly fields: readonly (infer Name)[] }
    ? Extract<Name, All>
    : All;

type Narrowed<K, Wanted> =
  K extends Kind<infer Name, infer Fields, string, infer Namespaced, infer Index>
    ? Kind<Name, Fields, NamesIn<Wanted, FieldName<Fields>> | JsonIn<Wanted>, Namespaced, Index | IndexesIn<Wanted>>
    : never;

/** The kind behind one key of `needs`, with the fields that were asked for. */
export type NeededKindOf<N, Name extends keyof N & string> = N[Name] extends AnyKind
  ? N[Name]
  : Name extends keyof BuiltInKinds
    ? Narrowed<BuiltInKinds[Name], N[Name]>
    : CustomKindOf<Name, N[Name]>;

/** The kinds of `needs` as a list, as the store's types want them. */
export type KindsOf<N> = readonly { [Name in keyof N & string]: NeededKindOf<N, Name> }[keyof N & string][];
