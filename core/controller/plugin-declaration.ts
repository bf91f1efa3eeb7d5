import type { PermissionRule } from "../api/plugin.ts";
import type { RunOn } from "../election/leadership.ts";
import type { FieldTable } from "../kinds/field.ts";
import { type AnyKind, declare, type IndexTable } from "../kinds/kind.ts";
import type { Keep } from "../kinds/plan.ts";

/** What a plugin says of itself, checked. Plain data, so that it can be sent between threads. */
export interface PluginDeclaration {
  readonly name: string;
  readonly kinds: readonly KindData[];
  readonly permissions: readonly PermissionRule[];
  readonly provides: readonly string[];
  readonly after: readonly string[];
  /** Undefined: it does not say. */
  readonly runOn: RunOn | undefined;
}

/** A kind without its methods. */
export interface KindData {
  readonly name: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly builtIn: boolean;
  readonly fields: FieldTable;
  readonly indexes: IndexTable;
  readonly selected: readonly string[];
  readonly keep: Keep;
  readonly fieldSelector: string | undefined;
  readonly labelSelector: string | undefined;
}

/** The kind as plain data. */
export function kindToData(kind: AnyKind): KindData {
  const { name, apiVersion, plural, namespaced, builtIn, fields, indexes, selected } = kind;
  const { fieldSelector, labelSelector } = kind;
  return {
    name,
    apiVersion,
    kind: kind.kind,
    plural,
    namespaced,
    builtIn,
    fields,
    indexes,
    selected,
    keep: kind.kept,
    fieldSelector,
    labelSelector,
  };
}

/** The kind with its methods again. */
export function kindFromData(data: KindData): AnyKind {
  return declare(data, data.builtIn).select(...data.selected);
}
