import type { DerivedField, ElementTable, Field, FieldTable, RecordsField } from "./field.ts";

/** One value of a view: [path, type of the value]. */
type Leaf = readonly [string, unknown];

/** Metadata that every view has, whatever was selected. */
type HeaderLeaf<Namespaced extends boolean> =
  | readonly ["key", string]
  | readonly ["metadata.name", string]
  | readonly ["metadata.namespace", Namespaced extends true ? string : undefined]
  | readonly ["metadata.uid", string]
  | readonly ["metadata.resourceVersion", string]
  | readonly ["metadata.creationTimestamp", string | undefined]
  | readonly ["metadata.deletionTimestamp", string | undefined];

/** The whole object, where it is kept. */
type JsonLeaf<Selected extends string> = "json" extends Selected ? readonly ["json", unknown] : never;

type Head<Path> = Path extends `${infer First}.${string}` ? First : Path;

type Below<L extends Leaf, Key> = L extends readonly [`${infer First}.${infer Rest}`, infer Value]
  ? First extends Key
    ? readonly [Rest, Value]
    : never
  : never;

/** Nested read-only object out of leaves. */
type Shape<L extends Leaf> = {
  readonly [Key in Head<L[0]> & string]: [Extract<L, readonly [Key, unknown]>] extends [never]
    ? Shape<Below<L, Key>>
    : Extract<L, readonly [Key, unknown]>[1];
};

type ElementLeaf<Element extends ElementTable, Names extends keyof Element> = {
  [Name in Names]: FieldLeaf<Name & string, Element[Name]>;
}[Names];

type FieldLeaf<Name extends string, F> =
  F extends RecordsField<infer Path, infer Element>
    ? readonly [Path, readonly Shape<ElementLeaf<Element, keyof Element>>[]]
    : F extends DerivedField<infer Value>
      ? readonly [Name, Value]
      : F extends Field<infer Path, infer Value>
        ? readonly [Path, Value]
        : never;

type PartName<Name extends string, Selected extends string> = Selected extends `${Name}.${infer Part}` ? Part : never;

type SelectedLeaf<Name extends string, F, Selected extends string> = Name extends Selected
  ? FieldLeaf<Name, F>
  : F extends RecordsField<infer Path, infer Element>
    ? [PartName<Name, Selected>] extends [never]
      ? never
      : readonly [Path, readonly Shape<ElementLeaf<Element, PartName<Name, Selected> & keyof Element>>[]]
    : never;

type TableLeaf<Fields extends FieldTable, Selected extends string> = {
  [Name in keyof Fields & string]: SelectedLeaf<Name, Fields[Name], Selected>;
}[keyof Fields & string];

/** What can be selected from a table: names of fields, and "list.part" for the parts of a `records` field. */
export type FieldName<Fields extends FieldTable> = {
  [Name in keyof Fields & string]: Fields[Name] extends RecordsField<string, infer Element>
    ? Name | `${Name}.${keyof Element & string}`
    : Name;
}[keyof Fields & string];

/**
 * The read-only view of one object, in the shape of its Kubernetes JSON, with the selected fields only. Objects on the way
 * to a field always exist (`pod.status` is there even when the server sent none); absent strings are undefined. Of a kind
 * that is not known to the types only the metadata is.
 */
export type View<
  Fields extends FieldTable,
  Selected extends string,
  Namespaced extends boolean,
> = string extends Selected
  ? Shape<HeaderLeaf<true> | HeaderLeaf<false>>
  : Shape<TableLeaf<Fields, Selected> | HeaderLeaf<Namespaced> | JsonLeaf<Selected>>;
