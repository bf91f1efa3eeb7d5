import { type AnyKind, declare, mergeKinds } from "../kinds/kind.ts";
import { ownedFieldName, ownedFields } from "../kinds/owned.ts";

/** What every child is watched with. */
const ALWAYS = ["labels", "owners", "finalizers", "generation"];

/**
 * The kind as it is watched for children: with these fields (default: those that it has selected) and with what `fieldManager`
 * owns of each, by which an apply that would change nothing is found without a request.
 */
export function ownedKind(kind: AnyKind, fields: readonly string[] | undefined, fieldManager: string): AnyKind {
  const name = ownedFieldName(fieldManager);
  const { apiVersion, plural, namespaced, fieldSelector, labelSelector, kept } = kind;
  const owned = { [name]: ownedFields(fieldManager) };
  const head = { apiVersion, kind: kind.kind, plural, name: kind.name, namespaced, fieldSelector, labelSelector };
  const manager: AnyKind = declare({ ...head, fields: owned, keep: kept }, kind.builtIn).select(name);
  return mergeKinds([kind.select(...new Set([...(fields ?? kind.selected), ...ALWAYS])), manager]);
}
