import { FairleadError } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";

/** One level of a copy: what it shows, and what it refuses to. */
interface Shape {
  readonly leaves: Set<string>;
  readonly groups: Map<string, Shape>;
  /** Getters of the fields that are not followed. */
  readonly missing: object;
}

const HEADER = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"];

const shapes = new WeakMap<AnyKind, Shape>();

/**
 * A copy of a view that outlives the read, in the same shape: objects on the way to a field are always there, and a field of the
 * kind's table that is not followed throws STORE_FIELD_NOT_DECLARED.
 */
export function detached(kind: AnyKind, view: object): object {
  let shape = shapes.get(kind);
  if (shape === undefined) {
    shape = shapeOf(kind);
    shapes.set(kind, shape);
  }
  return copyOf(shape, view);
}

function shapeOf(kind: AnyKind): Shape {
  const root = emptyShape();
  root.leaves.add("key");
  for (const field of HEADER) {
    placed(root, ["metadata", field]).leaves.add(field);
  }
  const { cells } = kind.plan();
  for (const { type, shownAs } of cells) {
    if (type !== "owned") {
      placed(root, shownAs).leaves.add(shownAs[shownAs.length - 1]);
    }
  }
  const followed = new Set(cells.map((cell) => cell.field));
  for (const [field, data] of Object.entries(kind.fields)) {
    const path = data.derived === true ? [field] : data.path.split(".");
    if (!followed.has(field) && data.type !== "owned") {
      refuse(placed(root, path), kind, field, path);
    }
  }
  return root;
}

function emptyShape(): Shape {
  return { leaves: new Set(), groups: new Map(), missing: {} };
}

/** The level on which the path ends. */
function placed(root: Shape, path: readonly string[]): Shape {
  let shape = root;
  for (const step of path.slice(0, -1)) {
    const next = shape.groups.get(step) ?? emptyShape();
    shape.groups.set(step, next);
    shape = next;
  }
  return shape;
}

function refuse(shape: Shape, kind: AnyKind, field: string, path: readonly string[]): void {
  const name = path[path.length - 1];
  if (shape.leaves.has(name) || shape.groups.has(name)) {
    return;
  }
  Object.defineProperty(shape.missing, name, {
    configurable: true,
    get() {
      throw new FairleadError(
        "STORE_FIELD_NOT_DECLARED",
        `"${kind.name}" is followed without "${path.join(".")}"; add "${field}" to the fields that the controller owns or watches it with`,
        { facts: { kind: kind.name, field } },
      );
    },
  });
}

function copyOf(shape: Shape, view: object): object {
  const copy: Record<string, unknown> = Object.create(shape.missing);
  // Views have a getter for every step of their paths.
  const from = view as Readonly<Record<string, unknown>>;
  for (const leaf of shape.leaves) {
    copy[leaf] = copyValue(from[leaf]);
  }
  for (const [name, group] of shape.groups) {
    const inner = from[name];
    if (typeof inner === "object" && inner !== null) {
      copy[name] = copyOf(group, inner);
    }
  }
  return copy;
}

function copyValue(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => (hasToJson(item) ? item.toJSON() : item));
  }
  return typeof value === "object" && value !== null ? { ...value } : value;
}

function hasToJson(value: unknown): value is { toJSON(): unknown } {
  return typeof value === "object" && value !== null && "toJSON" in value;
}
