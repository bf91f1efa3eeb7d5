import type { KindsOf, NeededKindOf, ObjectView, StoreReader, StoreView } from "../../core/api/index.ts";

/** What the zone is made of, as a plugin's `needs`. */
export const zoneNeeds = {
  namespaces: ["phase"],
  services: ["labels", "type", "clusterIP", "clusterIPs", "externalName", "ports.name", "ports.protocol", "ports.port"],
  endpointslices: [
    "labels",
    "annotations",
    "addressType",
    "endpoints.addresses",
    "endpoints.ready",
    "endpoints.terminating",
    "endpoints.hostname",
    "endpoints.targetKind",
    "endpoints.targetName",
    "ports.name",
    "ports.protocol",
    "ports.port",
  ],
  pods: ["podIPs.ip", "hostNetwork", "nodeName"],
  nodes: ["addresses.type", "addresses.address"],
} as const;

/** Names of the kinds. */
export type ZoneKind = keyof typeof zoneNeeds;

type Kinds = KindsOf<typeof zoneNeeds>;

/** A store that has them. */
export type ZoneStore = StoreReader<Kinds>;

/** What `ZoneStore.read` gives. */
export type ZoneView = StoreView<Kinds>;

export type ServiceView = ObjectView<NeededKindOf<typeof zoneNeeds, "services">>;
export type SliceView = ObjectView<NeededKindOf<typeof zoneNeeds, "endpointslices">>;
export type PodView = ObjectView<NeededKindOf<typeof zoneNeeds, "pods">>;
export type NodeView = ObjectView<NeededKindOf<typeof zoneNeeds, "nodes">>;

/** A kind for `ZoneStore.changes`, which looks at its name only: kinds themselves are not loaded into a thread. */
export function zoneKind<Name extends ZoneKind>(name: Name): NeededKindOf<typeof zoneNeeds, Name> {
  return { name } as NeededKindOf<typeof zoneNeeds, Name>;
}

/** The kinds that a zone with these options reads; the others need not be watched for it. */
export function kindsOfZone(zone: {
  readonly pods: "disabled" | "insecure" | "verified";
  readonly ptr: "services" | "endpoints" | "pods";
  readonly noEndpoints: boolean;
}): readonly ZoneKind[] {
  const kinds: ZoneKind[] = ["namespaces", "services"];
  if (!zone.noEndpoints) {
    kinds.push("endpointslices");
  }
  if (zone.pods === "verified" || zone.ptr === "pods") {
    kinds.push("pods");
  }
  if (zone.ptr === "pods") {
    kinds.push("nodes");
  }
  return kinds;
}
