/** A copy as the cache shows it. */
export interface CachedCopy {
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** What the cache says about one source; all of one moment. */
export interface Surroundings {
  /** False: there is no such ConfigMap, its labels do not match, or it is being deleted. */
  readonly isSource: boolean;
  /** Namespaces that should have a copy; never the source's own, never one that is being deleted. */
  readonly targets: readonly string[];
  /** Copies of this source, wherever they are. */
  readonly copies: readonly CachedCopy[];
  /** Targets where a ConfigMap of that name is that is no copy of this source. */
  readonly foreign: readonly string[];
}

/** What is to be done for one source. */
export interface MirrorPlan {
  readonly create: readonly string[];
  /** To be read and compared with the source: they changed since they were compared last, or the source did. */
  readonly compare: readonly CachedCopy[];
  readonly remove: readonly CachedCopy[];
  readonly collisions: readonly string[];
}

/** What a copy was found to be, or was made. */
export interface SeenCopy {
  readonly resourceVersion: string;
  readonly digest: string;
}

/** Decides. `digest` of the source, undefined when there is none; `seen` gives what is known of a copy by its namespace. */
export function planFor(
  around: Surroundings,
  digest: string | undefined,
  seen: (namespace: string) => SeenCopy | undefined,
): MirrorPlan {
  if (digest === undefined || !around.isSource) {
    return { create: [], compare: [], remove: around.copies, collisions: [] };
  }
  const targets = new Set(around.targets);
  const taken = new Set([...around.foreign, ...around.copies.map((copy) => copy.namespace)]);
  const isKnown = (copy: CachedCopy): boolean => {
    const last = seen(copy.namespace);
    return last?.resourceVersion === copy.resourceVersion && last.digest === digest;
  };
  return {
    create: around.targets.filter((namespace) => !taken.has(namespace)),
    compare: around.copies.filter((copy) => targets.has(copy.namespace) && !isKnown(copy)),
    remove: around.copies.filter((copy) => !targets.has(copy.namespace)),
    collisions: around.foreign,
  };
}
