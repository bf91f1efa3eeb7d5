import {
  bool,
  condition,
  enumOf,
  integer,
  name,
  nameMap,
  optionalBool,
  optionalInteger,
  records,
  text,
  time,
} from "./field.ts";
import { defineKind } from "./kind.ts";
import { CONDITION, TEMPLATE_CONTAINER, WORKLOAD } from "./parts.ts";

/** Jobs. */
export const jobs = defineKind({
  apiVersion: "batch/v1",
  kind: "Job",
  plural: "jobs",
  name: "jobs",
  namespaced: true,
  fields: {
    ...WORKLOAD,
    parallelism: optionalInteger("spec.parallelism"),
    completions: optionalInteger("spec.completions"),
    backoffLimit: optionalInteger("spec.backoffLimit"),
    activeDeadlineSeconds: optionalInteger("spec.activeDeadlineSeconds"),
    ttlSecondsAfterFinished: optionalInteger("spec.ttlSecondsAfterFinished"),
    completionMode: name("spec.completionMode"),
    suspended: optionalBool("spec.suspend"),
    active: integer("status.active"),
    succeeded: integer("status.succeeded"),
    failed: integer("status.failed"),
    readyPods: optionalInteger("status.ready"),
    startTime: time("status.startTime"),
    completionTime: time("status.completionTime"),
    conditions: records("status.conditions", { ...CONDITION, lastProbeTime: time("lastProbeTime") }),
    complete: condition("status.conditions", "Complete"),
    hasFailed: condition("status.conditions", "Failed"),
  },
  indexes: { labels: true, owner: true },
});

/** CronJobs. */
export const cronJobs = defineKind({
  apiVersion: "batch/v1",
  kind: "CronJob",
  plural: "cronjobs",
  name: "cronjobs",
  namespaced: true,
  fields: {
    schedule: text("spec.schedule"),
    timeZone: name("spec.timeZone"),
    concurrencyPolicy: enumOf("spec.concurrencyPolicy", "Allow", "Forbid", "Replace"),
    suspended: optionalBool("spec.suspend"),
    startingDeadlineSeconds: optionalInteger("spec.startingDeadlineSeconds"),
    successfulJobsHistoryLimit: optionalInteger("spec.successfulJobsHistoryLimit"),
    failedJobsHistoryLimit: optionalInteger("spec.failedJobsHistoryLimit"),
    templateLabels: nameMap("spec.jobTemplate.spec.template.metadata.labels"),
    templateContainers: records("spec.jobTemplate.spec.template.spec.containers", TEMPLATE_CONTAINER),
    templateHostNetwork: bool("spec.jobTemplate.spec.template.spec.hostNetwork"),
    active: records("status.active", { namespace: name("namespace"), name: text("name"), uid: text("uid") }),
    lastScheduleTime: time("status.lastScheduleTime"),
    lastSuccessfulTime: time("status.lastSuccessfulTime"),
  },
  indexes: { labels: true, owner: true },
});
