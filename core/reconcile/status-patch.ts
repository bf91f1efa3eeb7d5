import { type Condition, type ConditionContext, setCondition } from "./condition.ts";

/** A status, or a part of one. */
export type StatusFields = Readonly<Record<string, unknown>>;

/** What has to be patched. */
export interface StatusPatch {
  /** Merge patch of `status`. */
  readonly status: StatusFields;
  /** It has a whole list that others may write too: only onto the version that it was made from. */
  readonly needsVersion: boolean;
}

/**
 * What makes `current` say what `wanted` does; undefined: it does already. Fields that `wanted` does not name stay, conditions are
 * joined by their type, nested objects are replaced.
 */
export function statusPatch(
  current: StatusFields,
  wanted: StatusFields,
  context: ConditionContext,
): StatusPatch | undefined {
  const status: Record<string, unknown> = {};
  let needsVersion = false;
  for (const [field, value] of Object.entries(wanted)) {
    const is = current[field];
    const should = field === "conditions" && isConditions(value) ? joined(is, value, context) : (value ?? null);
    const patch = mergePatch(is, should);
    if (patch !== undefined) {
      status[field] = patch;
      needsVersion ||= Array.isArray(should);
    }
  }
  return Object.keys(status).length === 0 ? undefined : { status, needsVersion };
}

function joined(current: unknown, wanted: readonly Condition[], context: ConditionContext): readonly Condition[] {
  const { generation } = context;
  let list: readonly Condition[] = isConditions(current) ? current : [];
  for (const one of wanted) {
    const before = list.find(({ type }) => type === one.type);
    const isSame =
      before?.status === one.status &&
      before.reason === one.reason &&
      before.message === one.message &&
      before.observedGeneration === (one.observedGeneration ?? generation);
    list = isSame ? list : setCondition(list, one, context);
  }
  return list;
}

function isConditions(value: unknown): value is readonly Condition[] {
  return Array.isArray(value) && value.every((one) => typeof one === "object" && one !== null && "type" in one);
}

/** The merge patch from one value to another; undefined: they are the same. null stands for absent. */
function mergePatch(is: unknown, should: unknown): unknown {
  if (isRecord(is) && isRecord(should)) {
    const patch: Record<string, unknown> = {};
    for (const key of new Set([...Object.keys(is), ...Object.keys(should)])) {
      const part = mergePatch(is[key], should[key] ?? null);
      if (part !== undefined) {
        patch[key] = part;
      }
    }
    return Object.keys(patch).length === 0 ? undefined : patch;
  }
  return isSameJson(is, should) ? undefined : should;
}

/** True for values that are the same JSON to the API server: null and undefined are as if they were not there. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a ?? undefined, b ?? undefined)) {
    return true;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, at) => isSameJson(item, b[at]));
  }
  if (!isRecord(a) || !isRecord(b)) {
    return false;
  }
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => isSameJson(a[key], b[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
