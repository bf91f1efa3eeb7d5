import { FairleadError } from "../errors.ts";
import type { AnyKind } from "../kinds/kind.ts";

/** One level of a copy: what it shows, and what it refuses to. */
interface Shape {
  readonly leaves: string[];
  readonly groups: [name: string, shape: Shape][];
  /** Getters of the fields that are not followed, and levels on which nothing is. */
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
  addLeaf(root, ["key"]);
  for (const field of HEADER) {
    addLeaf(root, ["metadata", field]);
  }
  const { cells } = kind.plan();
  for (const { type, shownAs } of cells) {
    if (type !== "owned") {
      addLeaf(root, shownAs);
    }
  }
  const followed = new Set(cells.map((cell) => cell.field));
  for (const [field, data] of Object.entries(kind.fields)) {
    if (!followed.has(field) && data.type !== "owned") {
      refuse(root, kind, field, data.derived === true ? [field] : data.path.split("."));
    }
  }
  return root;
}

function emptyShape(): Shape {
  return { leaves: [], groups: [], missing: {} };
}

function addLeaf(root: Shape, path: readonly string[]): void {
  let shape = root;
  for (const step of path.slice(0, -1)) {
    let next = shape.groups.find(([name]) => name === step)?.[1];
    if (next === undefined) {
      next = emptyShape();
      shape.groups.push([step, next]);
    }
    shape = next;
  }
  shape.leaves.push(path[path.length - 1]);
}

/** Gives a field that is not followed a getter that says so. Levels that have nothing else are shared by all copies. */
function refuse(root: Shape, kind: AnyKind, field: string, path: readonly string[]): void {
  let shape: Shape | undefined = root;
  let level = root.missing;
  for (const step of path.slice(0, -1)) {
    shape = shape?.groups.find(([name]) => name === step)?.[1];
    level = shape?.missing ?? sharedLevel(level, step);
  }
  const name = path[path.length - 1];
  const isTaken = shape?.leaves.includes(name) === true || shape?.groups.some(([group]) => group === name) === true;
  if (isTaken || Object.hasOwn(level, name)) {
    return;
  }
  Object.defineProperty(level, name, {
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

function sharedLevel(above: object, step: string): object {
  const found = Object.getOwnPropertyDescriptor(above, step)?.value;
  if (typeof found === "object" && found !== null) {
    return found;
  }
  const made = {};
  Object.defineProperty(above, step, { configurable: true, value: made });
  return made;
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
