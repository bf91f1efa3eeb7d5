import { createHash } from "node:crypto";
import type { JsonObject } from "./object.ts";
import type { Resource, ResourceTable } from "./resources.ts";

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const SUB_KINDS: Readonly<Record<string, { kind: string; group: string; version: string; verbs: string[] }>> = {
  scale: { kind: "Scale", group: "autoscaling", version: "v1", verbs: ["get", "patch", "update"] },
  eviction: { kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
};

function subVerbs(sub: string): string[] {
  return SUB_KINDS[sub]?.verbs ?? (sub === "finalize" ? ["update"] : ["get", "patch", "update"]);
}

function byVersion(table: ResourceTable): Map<string, Resource[]> {
  const versions = new Map<string, Resource[]>();
  for (const resource of table.all()) {
    const list = versions.get(resource.apiVersion);
    if (list) {
      list.push(resource);
    } else {
      versions.set(resource.apiVersion, [resource]);
    }
  }
  return versions;
}

/** `/api`. */
export function legacyVersions(address: string): JsonObject {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** `/apis`, or one group for `/apis/<group>`; undefined when there is no such group. */
export function groupList(table: ResourceTable): JsonObject {
  const groups = [...new Set(table.all().map((resource) => resource.group))].filter((group) => group !== "");
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map((group) => groupEntry(table, group)) };
}

/** `/apis/<group>`. */
export function groupOf(table: ResourceTable, group: string): JsonObject | undefined {
  return table.all().some((resource) => resource.group === group && group !== "")
    ? { kind: "APIGroup", apiVersion: "v1", ...groupEntry(table, group) }
    : undefined;
}

function groupEntry(table: ResourceTable, group: string): JsonObject {
  const versions = [
    ...new Set(
      table
        .all()
        .filter((one) => one.group === group)
        .map((one) => one.version),
    ),
  ];
  const entries = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: entries, preferredVersion: entries[0] };
}

/** `/api/v1` and `/apis/<group>/<version>`; undefined when it is not served. */
export function resourceList(table: ResourceTable, apiVersion: string): JsonObject | undefined {
  const resources = byVersion(table).get(apiVersion);
  if (resources === undefined) {
    return undefined;
  }
  const sorted = [...resources].sort((a, b) => (a.plural < b.plural ? -1 : 1));
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersion,
    resources: sorted.flatMap((resource) => [
      legacyEntry(resource),
      ...resource.subresources.map((sub) => legacySub(resource, sub)),
    ]),
  };
}

function legacyEntry(resource: Resource): JsonObject {
  return {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: resource.custom ? CUSTOM_VERBS : VERBS,
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
    storageVersionHash: storageVersionHash(resource),
  };
}

function storageVersionHash(resource: Resource): string {
  const text = `${resource.group}/${resource.version}/${resource.kind}`;
  return createHash("sha256").update(text).digest().subarray(0, 8).toString("base64");
}

function legacySub(resource: Resource, sub: string): JsonObject {
  const { kind, group, version } = SUB_KINDS[sub] ?? {};
  return {
    name: `${resource.plural}/${sub}`,
    singularName: "",
    namespaced: resource.namespaced,
    ...(group === undefined ? {} : { group, version }),
    kind: kind ?? resource.kind,
    verbs: subVerbs(sub),
  };
}

/** Aggregated discovery (apidiscovery.k8s.io/v2) of `/api` or `/apis`. */
export function aggregated(table: ResourceTable, legacy: boolean): JsonObject {
  const groups = new Map<string, JsonObject[]>();
  for (const [apiVersion, resources] of byVersion(table)) {
    const group = resources[0].group;
    if ((group === "") === legacy) {
      const version = apiVersion.slice(apiVersion.indexOf("/") + 1);
      const sorted = [...resources].sort((a, b) => (a.plural < b.plural ? -1 : 1));
      const entry = { version, resources: sorted.map(aggregatedEntry), freshness: "Current" };
      groups.set(group, [...(groups.get(group) ?? []), entry]);
    }
  }
  const items = [...groups].map(([name, versions]) => ({ metadata: name === "" ? {} : { name }, versions }));
  return { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items };
}

function aggregatedEntry(resource: Resource): JsonObject {
  const responseKind = { group: resource.group, version: resource.version, kind: resource.kind };
  const subresources = resource.subresources.map((sub) => {
    const own = SUB_KINDS[sub];
    return {
      subresource: sub,
      responseKind: own ? { group: own.group, version: own.version, kind: own.kind } : responseKind,
      verbs: subVerbs(sub),
    };
  });
  return {
    resource: resource.plural,
    responseKind,
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: VERBS,
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
