export { type Controller, type ControllerOptions, createController } from "./controller/create-controller.ts";
export { codeOf, type ErrorFacts, FairleadError } from "./errors.ts";
export type { ClusterSource } from "./kube/access.ts";
export { jsonLogger, type LogFields, type Logger, type LogLevel } from "./log.ts";
export type { KindStatus } from "./store/store.ts";
