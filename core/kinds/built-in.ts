import { customResourceDefinitions } from "./apiextensions.ts";
import { daemonSets, deployments, replicaSets, statefulSets } from "./apps.ts";
import { cronJobs, jobs } from "./batch.ts";
import { leases } from "./coordination.ts";
import { configMaps, namespaces, nodes, pods, secrets, services } from "./core.ts";
import { endpointSlices } from "./discovery.ts";
import { events, eventsV1 } from "./events.ts";
import type { AnyKind } from "./kind.ts";

/** Every kind that has a table here. */
export const BUILT_IN_KINDS: readonly AnyKind[] = [
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
];

/** The built-in kind of that name in the store ("pods"), or undefined. */
export function builtInKind(name: string): AnyKind | undefined {
  return BUILT_IN_KINDS.find((kind) => kind.name === name);
}
