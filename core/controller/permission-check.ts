import type { PermissionRule } from "../api/plugin.ts";

/** One thing that is done at the API server, in the words of RBAC. */
export interface KubeAccess {
  /** "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection". */
  readonly verb: string;
  /** "" is the core group. */
  readonly group: string;
  /** "pods", "pods/status". */
  readonly resource: string;
  /** Left out where it is not about one object. */
  readonly name?: string;
}

/** What is needed of a plugin to know its rules. */
export interface RulesSource {
  readonly permissions: readonly PermissionRule[];
  readonly kinds: readonly WatchedKind[];
}

interface WatchedKind {
  readonly apiVersion: string;
  readonly plural: string;
}

/** Events that plugins report, and Fairlead about them. */
const EVENT_RULE: PermissionRule = { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] };

/** True when one of the rules allows it. */
export function covers(rules: readonly PermissionRule[], access: KubeAccess): boolean {
  return rules.some(
    (rule) =>
      has(rule.verbs, access.verb) &&
      has(rule.apiGroups, access.group) &&
      hasResource(rule.resources, access.resource) &&
      (rule.resourceNames === undefined ||
        rule.resourceNames.length === 0 ||
        (access.name !== undefined && rule.resourceNames.includes(access.name))),
  );
}

function has(list: readonly string[], value: string): boolean {
  return list.includes(value) || list.includes("*");
}

function hasResource(list: readonly string[], resource: string): boolean {
  if (has(list, resource)) {
    return true;
  }
  const [, subresource] = resource.split("/");
  return subresource !== undefined && list.includes(`*/${subresource}`);
}

/** The rules that watching these kinds needs. */
export function watchRules(kinds: readonly WatchedKind[]): PermissionRule[] {
  return kinds.map(({ apiVersion, plural }) => ({
    apiGroups: [groupOf(apiVersion)],
    resources: [plural],
    verbs: ["list", "watch"],
  }));
}

/** The group of "apps/v1" is "apps", that of "v1" is "". */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

/**
 * The least set of rules for these plugins, and for kinds that are followed beside them: merged, sorted, each right once.
 * With plugins there is a rule for the events that they report.
 */
export function rulesFor(plugins: readonly RulesSource[], kinds: readonly WatchedKind[]): PermissionRule[] {
  return mergeRules([
    ...watchRules(kinds),
    ...plugins.flatMap((plugin) => [...watchRules(plugin.kinds), ...plugin.permissions]),
    ...(plugins.length > 0 ? [EVENT_RULE] : []),
  ]);
}

/** The same rights in as few rules as is readable: one for each group and set of verbs. */
export function mergeRules(rules: readonly PermissionRule[]): PermissionRule[] {
  const rights = rightsOf(rules);
  const needed = rights.filter((right) => !rights.some((other) => other !== right && isWithin(right, other)));
  const byResource = groupBy(needed, ({ group, resource, name }) => JSON.stringify([group, resource, name]));
  const withVerbs = [...byResource.values()].map((same) => ({
    ...same[0],
    verbs: sortedVerbs(same.map(({ verb }) => verb)),
  }));
  const byVerbs = groupBy(withVerbs, ({ group, resource, name, verbs }) =>
    // Names belong to one resource: they are not mixed with those of another.
    JSON.stringify(name === undefined ? [group, verbs] : [group, verbs, resource]),
  );
  return [...byVerbs.values()]
    .map((same): PermissionRule => {
      const [{ group, verbs, name }] = same;
      const resources = [...new Set(same.map(({ resource }) => resource))].sort();
      const names = name === undefined ? {} : { resourceNames: same.flatMap((each) => each.name ?? []).sort() };
      return { apiGroups: [group], resources, ...names, verbs };
    })
    .sort((a, b) => compare(sortKey(a), sortKey(b)));
}

/** One verb on one resource, for one name where there is one. */
export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly name: string | undefined;
}

/** Each right of the rules once. */
export function rightsOf(rules: readonly PermissionRule[]): Right[] {
  const rights = new Map<string, Right>();
  for (const { apiGroups, resources, verbs, resourceNames } of rules) {
    const names = resourceNames === undefined || resourceNames.length === 0 ? [undefined] : resourceNames;
    for (const group of apiGroups) {
      for (const resource of resources) {
        for (const verb of verbs) {
          for (const name of names) {
            rights.set(JSON.stringify([group, resource, verb, name]), { group, resource, verb, name });
          }
        }
      }
    }
  }
  return [...rights.values()];
}

/** The rule that grants just this. */
export function ruleOf({ group, resource, verb, name }: Right): PermissionRule {
  const names = name === undefined ? {} : { resourceNames: [name] };
  return { apiGroups: [group], resources: [resource], verbs: [verb], ...names };
}

function isWithin(right: Right, wider: Right): boolean {
  return (
    (wider.group === right.group || wider.group === "*") &&
    hasResource([wider.resource], right.resource) &&
    (wider.verb === right.verb || wider.verb === "*") &&
    (wider.name === undefined || wider.name === right.name)
  );
}

/** The order in which people write verbs. */
const VERBS = ["*", "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

function sortedVerbs(verbs: readonly string[]): string[] {
  const place = (verb: string): number => (VERBS.includes(verb) ? VERBS.indexOf(verb) : VERBS.length);
  return [...new Set(verbs)].sort((a, b) => place(a) - place(b) || compare(a, b));
}

function sortKey({ apiGroups, resources, resourceNames, verbs }: PermissionRule): string {
  return JSON.stringify([apiGroups[0], resources, resourceNames ?? [], verbs]);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) {
      groups.set(keyOf(item), [item]);
    } else {
      group.push(item);
    }
  }
  return groups;
}

/** Rules as YAML, ready to be pasted into a Role or ClusterRole. */
export function rulesAsYaml(rules: readonly PermissionRule[]): string {
  const list = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(", ")}]`;
  return rules
    .map(
      ({ apiGroups, resources, resourceNames, verbs }) =>
        `- apiGroups: ${list(apiGroups)}\n  resources: ${list(resources)}\n` +
        (resourceNames === undefined ? "" : `  resourceNames: ${list(resourceNames)}\n`) +
        `  verbs: ${list(verbs)}\n`,
    )
    .join("");
}
