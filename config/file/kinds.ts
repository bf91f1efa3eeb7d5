import { kindsOfNeeds } from "../../core/controller/plugin-needs.ts";
import { messageOf } from "../../core/errors.ts";
import { BUILT_IN_KINDS, builtInKind } from "../../core/kinds/built-in.ts";
import { type AnyKind, mergeKinds } from "../../core/kinds/kind.ts";
import { didYouMean } from "../../core/nearest.ts";
import type { ConfigProblem } from "./problem.ts";
import { type ConfigNode, nodeAt, type PathStep, type Place, pathText, plainOf } from "./tree.ts";

/** One kind of `kinds`. */
interface Wanted {
  readonly name: string;
  /** Undefined in a list of names. */
  readonly needed: ConfigNode | undefined;
  readonly place: Place;
  readonly path: readonly PathStep[];
}

/** The kinds that `kinds` names; what is wrong with one is told at its place. */
export function followedKinds(root: ConfigNode, tell: (problem: ConfigProblem) => void): AnyKind[] {
  return wantedKinds(nodeAt(root, ["kinds"])).flatMap((wanted) => {
    const problems = namesWrong(wanted);
    problems.forEach(tell);
    if (problems.length > 0) {
      return [];
    }
    try {
      const needed = wanted.needed === undefined ? true : plainOf(wanted.needed);
      return kindsOfNeeds("fairlead.yaml", { [wanted.name]: needed });
    } catch (error) {
      const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
      tell({ place: wanted.place, path: pathText(wanted.path), message: messageOf(reason) });
      return [];
    }
  });
}

/** One who asks for kinds, and where that is written. */
export interface KindsAsker {
  readonly kinds: readonly AnyKind[];
  readonly place: Place;
  readonly path: readonly PathStep[];
}

/** Kinds that two ask for in ways that cannot be watched as one: other selectors, or another kind of the same name. */
export function tellKindsThatDiffer(askers: readonly KindsAsker[], tell: (problem: ConfigProblem) => void): void {
  const known = new Map<string, AnyKind>();
  for (const { kinds, place, path } of askers) {
    for (const kind of kinds) {
      const before = known.get(kind.name);
      try {
        known.set(kind.name, before === undefined ? kind : mergeKinds([before, kind]));
      } catch (error) {
        tell({ place, path: pathText(path), message: messageOf(error) });
      }
    }
  }
}

function wantedKinds(node: ConfigNode | undefined): Wanted[] {
  switch (node?.kind) {
    case "list":
      return node.items.flatMap((item, i) =>
        item.kind === "scalar" && typeof item.value === "string"
          ? [{ name: item.value, needed: undefined, place: item.at, path: ["kinds", i] }]
          : [],
      );
    case "table":
      return [...node.entries].flatMap(([name, { keyAt, value }]) =>
        value.kind === "scalar" && value.value !== true
          ? []
          : [{ name, needed: value, place: keyAt, path: ["kinds", name] }],
      );
    default:
      return []; // the schema says what is wrong
  }
}

/** Names of kinds and fields that do not exist, each at its own place. */
function namesWrong({ name, needed, place, path }: Wanted): ConfigProblem[] {
  if (needed?.kind === "table" && (needed.entries.has("apiVersion") || needed.entries.has("kind"))) {
    return []; // a custom resource
  }
  const kind = builtInKind(name);
  if (kind === undefined) {
    const near = didYouMean(
      name,
      BUILT_IN_KINDS.map((each) => each.name),
    );
    const custom = "; a custom resource needs apiVersion, kind, namespaced and fields";
    return [{ place, path: pathText(path), message: `no built-in kind is called "${name}"${near || custom}` }];
  }
  const isShort = needed?.kind === "list";
  const fields = isShort ? needed : needed === undefined ? undefined : nodeAt(needed, ["fields"]);
  const base = isShort ? path : [...path, "fields"];
  return (fields?.kind === "list" ? fields.items : []).flatMap((item, i) => {
    const field = plainOf(item);
    if (typeof field !== "string" || hasField(kind, field)) {
      return [];
    }
    const near = didYouMean(field, Object.keys(kind.fields)) || `; see fairlead's page on kinds and fields`;
    return [{ place: item.at, path: pathText([...base, i]), message: `${name} have no field "${field}"${near}` }];
  });
}

function hasField(kind: AnyKind, field: string): boolean {
  try {
    kind.select(field).plan();
    return true;
  } catch {
    return false;
  }
}
