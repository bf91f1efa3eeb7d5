export { customResourceDefinitions } from "./apiextensions.ts";
export { daemonSets, deployments, replicaSets, statefulSets } from "./apps.ts";
export { cronJobs, jobs } from "./batch.ts";
export { BUILT_IN_KINDS, type BuiltInKinds, builtInKind } from "./built-in.ts";
export { leases } from "./coordination.ts";
export { configMaps, namespaces, nodes, pods, secrets, services } from "./core.ts";
export { type CrdChoice, type CustomKindDefinition, defineCustomKind, kindFromCrd } from "./custom.ts";
export { endpointSlices } from "./discovery.ts";
export { events, eventsV1 } from "./events.ts";
export {
  bool,
  condition,
  count,
  enumOf,
  type FieldData,
  type FieldTable,
  integer,
  intOrText,
  ip,
  long,
  microTime,
  name,
  nameMap,
  names,
  optionalBool,
  optionalInteger,
  records,
  sum,
  text,
  textMap,
  texts,
  time,
} from "./field.ts";
export {
  type AnyKind,
  defineKind,
  type IndexOf,
  type IndexTable,
  type Kind,
  type KindDefinition,
  mergeKinds,
  type ViewOf,
  type Where,
} from "./kind.ts";
export type { Keep, RowPlan } from "./plan.ts";
