import { bool, condition, enumOf, integer, intOrText, name, optionalInteger, records, text, time } from "./field.ts";
import { defineKind } from "./kind.ts";
import { CONDITION, WORKLOAD } from "./parts.ts";

/** Deployments. */
export const deployments = defineKind({
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  name: "deployments",
  namespaced: true,
  fields: {
    ...WORKLOAD,
    desiredReplicas: optionalInteger("spec.replicas"),
    paused: bool("spec.paused"),
    strategy: enumOf("spec.strategy.type", "RollingUpdate", "Recreate"),
    maxSurge: intOrText("spec.strategy.rollingUpdate.maxSurge"),
    maxUnavailable: intOrText("spec.strategy.rollingUpdate.maxUnavailable"),
    minReadySeconds: integer("spec.minReadySeconds"),
    observedGeneration: integer("status.observedGeneration"),
    replicas: integer("status.replicas"),
    updatedReplicas: integer("status.updatedReplicas"),
    readyReplicas: integer("status.readyReplicas"),
    availableReplicas: integer("status.availableReplicas"),
    unavailableReplicas: integer("status.unavailableReplicas"),
    conditions: records("status.conditions", { ...CONDITION, lastUpdateTime: time("lastUpdateTime") }),
    available: condition("status.conditions", "Available"),
    progressing: condition("status.conditions", "Progressing"),
  },
  indexes: { labels: true, owner: true },
});

/** ReplicaSets. */
export const replicaSets = defineKind({
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  plural: "replicasets",
  name: "replicasets",
  namespaced: true,
  fields: {
    ...WORKLOAD,
    desiredReplicas: optionalInteger("spec.replicas"),
    minReadySeconds: integer("spec.minReadySeconds"),
    observedGeneration: integer("status.observedGeneration"),
    replicas: integer("status.replicas"),
    fullyLabeledReplicas: integer("status.fullyLabeledReplicas"),
    readyReplicas: integer("status.readyReplicas"),
    availableReplicas: integer("status.availableReplicas"),
    conditions: records("status.conditions", CONDITION),
  },
  indexes: { labels: true, owner: true },
});

/** StatefulSets. */
export const statefulSets = defineKind({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  name: "statefulsets",
  namespaced: true,
  fields: {
    ...WORKLOAD,
    desiredReplicas: optionalInteger("spec.replicas"),
    serviceName: name("spec.serviceName"),
    podManagementPolicy: enumOf("spec.podManagementPolicy", "OrderedReady", "Parallel"),
    updateStrategy: enumOf("spec.updateStrategy.type", "RollingUpdate", "OnDelete"),
    partition: optionalInteger("spec.updateStrategy.rollingUpdate.partition"),
    observedGeneration: integer("status.observedGeneration"),
    replicas: integer("status.replicas"),
    readyReplicas: integer("status.readyReplicas"),
    currentReplicas: integer("status.currentReplicas"),
    updatedReplicas: integer("status.updatedReplicas"),
    availableReplicas: integer("status.availableReplicas"),
    currentRevision: text("status.currentRevision"),
    updateRevision: text("status.updateRevision"),
    conditions: records("status.conditions", CONDITION),
  },
  indexes: { labels: true, owner: true },
});

/** DaemonSets. */
export const daemonSets = defineKind({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  name: "daemonsets",
  namespaced: true,
  fields: {
    ...WORKLOAD,
    updateStrategy: enumOf("spec.updateStrategy.type", "RollingUpdate", "OnDelete"),
    observedGeneration: integer("status.observedGeneration"),
    currentNumberScheduled: integer("status.currentNumberScheduled"),
    desiredNumberScheduled: integer("status.desiredNumberScheduled"),
    updatedNumberScheduled: integer("status.updatedNumberScheduled"),
    numberMisscheduled: integer("status.numberMisscheduled"),
    numberReady: integer("status.numberReady"),
    numberAvailable: integer("status.numberAvailable"),
    numberUnavailable: integer("status.numberUnavailable"),
    conditions: records("status.conditions", CONDITION),
  },
  indexes: { labels: true, owner: true },
});
