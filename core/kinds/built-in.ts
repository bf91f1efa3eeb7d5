import { customResourceDefinitions } from "./apiextensions.ts";
import { daemonSets, deployments, replicaSets, statefulSets } from "./apps.ts";
import { cronJobs, jobs } from "./batch.ts";
import { leases } from "./coordination.ts";
import { configMaps, namespaces, nodes, pods, secrets, services } from "./core.ts";
import { endpointSlices } from "./discovery.ts";
import { events, eventsV1 } from "./events.ts";
import type { AnyKind } from "./kind.ts";

const ALL = [
  namespaces,
  nodes,
  pods,
  services,
  endpointSlices,
  configMaps,
  secrets,
  deployments,
  replicaSets,
  statefulSets,
  daemonSets,
  jobs,
  cronJobs,
  leases,
  events,
  eventsV1,
  customResourceDefinitions,
] as const;

/** Every kind that has a table here. */
export const BUILT_IN_KINDS: readonly AnyKind[] = ALL;

/** The kinds that have a table here, by their name in the store. */
export type BuiltInKinds = { readonly [K in (typeof ALL)[number] as K["name"]]: K };

/** The built-in kind of that name in the store ("pods"), or undefined. */
export function builtInKind(name: string): AnyKind | undefined {
  return BUILT_IN_KINDS.find((kind) => kind.name === name);
}
