export { apply, type OwnedObject } from "./apply.ts";
export { controller } from "./builder.ts";
export { type Condition, condition, setCondition } from "./condition.ts";
export type {
  ControllerBuilder,
  ControllerDefinition,
  ControllerStart,
  Mapping,
  MappingContext,
  OwnsOptions,
  ReconcileContext,
  ReconciledObject,
  ReconcileResult,
  Reconciler,
  Request,
  SourceOptions,
} from "./controller.ts";
export type { ReconcileKube } from "./kube.ts";
export { mapping } from "./mapping.ts";
export type { Owner, OwnerOptions } from "./owner.ts";
export { type AnyPredicate, type ObjectChange, type Predicate, predicates, type When } from "./predicate.ts";
export { defineResource, type Resource, type ResourceObject } from "./resource.ts";
export type { Column, ResourceDefinition, Rule, VersionDefinition } from "./resource-definition.ts";
export { terminal } from "./terminal.ts";
export type { DeleteMode, EditableObject, GivenObject, WriteMode, WriteOutcome } from "./write-run.ts";
