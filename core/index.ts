export { type Controller, type ControllerOptions, createController } from "./controller/create-controller.ts";
export type { FigureOptions } from "./controller/figures.ts";
export type { HealthCheck, HealthOptions, HealthReport } from "./controller/health.ts";
export type { MetricsOptions, MetricsRegistry } from "./controller/metrics.ts";
export type { LevelControl, StatusOptions } from "./controller/status-server.ts";
export { codeOf, type ErrorFacts, FairleadError } from "./errors.ts";
export type { ClusterSource } from "./kube/access.ts";
export { jsonLogger, type LogFields, type Logger, type LogLevel } from "./log.ts";
export type { KindStatus } from "./store/store.ts";
