export type { FieldData } from "../kinds/field.ts";
export type { AnyKind, Kind, ViewOf } from "../kinds/kind.ts";
export type { KubeClient, KubeObject, Resource, ResourceName } from "../kube/client.ts";
export type { LogFields, Logger } from "../log.ts";
export type { ControllerDefinition, ReconcileContext, ReconcileResult, Request } from "../reconcile/controller.ts";
export type { ReconcileKube } from "../reconcile/kube.ts";
export type { HostedController } from "../reconcile/run-host.ts";
export type { Change, ChangeBatch, ObjectView, StoreReader, StoreView } from "../store/reader.ts";
export type {
  Duration,
  EventSubject,
  HandlersOf,
  PluginClock,
  PluginContext,
  PluginControllers,
  PluginEvents,
  PluginKube,
  PluginServices,
  PluginTasks,
  PluginTimer,
  PluginTimers,
  ServiceHandlers,
  ServiceOf,
  TaskOptions,
} from "./context.ts";
export type {
  AskedHook,
  DeclaredHook,
  DeclaredHookKind,
  DeclaredHookOptions,
  HealthVote,
  Hook,
  ObjectReference,
  PluginHooks,
  Tap,
  WriteRequest,
  WriteVerdict,
} from "./hooks.ts";
export type { ClosedLabels, Counter, Gauge, Histogram, LabelValues, PluginMetrics } from "./metrics.ts";
export type { KindsOf, NeededCustomKind, NeededKind, NeededKindOf, NeededKindOptions, Needs } from "./needs.ts";
export type { AnyPlugin, ContractVersion, OptionsOf, OptionsSchema, PermissionRule, Plugin } from "./plugin.ts";
export type { PluginThread, PluginThreads, ThreadContext, ThreadStart } from "./thread.ts";
