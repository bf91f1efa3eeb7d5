import {
  bool,
  condition,
  count,
  enumOf,
  integer,
  intOrText,
  ip,
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
import { defineKind } from "./kind.ts";

const PORT = {
  name: name("name"),
  port: integer("containerPort"),
  hostPort: integer("hostPort"),
  protocol: enumOf("protocol", "TCP", "UDP", "SCTP"),
};

/** Fields of the conditions that most kinds report. */
const CONDITION = {
  type: name("type"),
  status: enumOf("status", "True", "False", "Unknown"),
  reason: name("reason"),
  message: text("message"),
  lastTransitionTime: time("lastTransitionTime"),
};

const CONTAINER_STATUS = {
  name: name("name"),
  image: name("image"),
  imageID: name("imageID"),
  containerID: text("containerID"),
  ready: bool("ready"),
  started: optionalBool("started"),
  restartCount: integer("restartCount"),
  waitingReason: name("state.waiting.reason"),
  waitingMessage: text("state.waiting.message"),
  runningSince: time("state.running.startedAt"),
  terminatedReason: name("state.terminated.reason"),
  exitCode: integer("state.terminated.exitCode"),
  startedAt: time("state.terminated.startedAt"),
  finishedAt: time("state.terminated.finishedAt"),
  lastExitCode: integer("lastState.terminated.exitCode"),
  lastReason: name("lastState.terminated.reason"),
  lastFinishedAt: time("lastState.terminated.finishedAt"),
};

/** Pods that have not ended; `.where({ fieldSelector: "" })` gives the ended ones too. */
export const pods = defineKind({
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  name: "pods",
  namespaced: true,
  fieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
  fields: {
    phase: enumOf("status.phase", "Pending", "Running", "Succeeded", "Failed", "Unknown"),
    reason: name("status.reason"),
    message: text("status.message"),
    podIP: ip("status.podIP"),
    podIPs: records("status.podIPs", { ip: ip("ip") }),
    hostIP: ip("status.hostIP"),
    hostIPs: records("status.hostIPs", { ip: ip("ip") }),
    startTime: time("status.startTime"),
    qosClass: enumOf("status.qosClass", "Guaranteed", "Burstable", "BestEffort"),
    nominatedNodeName: name("status.nominatedNodeName"),
    nodeName: name("spec.nodeName"),
    hostname: text("spec.hostname"),
    subdomain: name("spec.subdomain"),
    hostNetwork: bool("spec.hostNetwork"),
    serviceAccountName: name("spec.serviceAccountName"),
    schedulerName: name("spec.schedulerName"),
    priorityClassName: name("spec.priorityClassName"),
    priority: optionalInteger("spec.priority"),
    restartPolicy: enumOf("spec.restartPolicy", "Always", "OnFailure", "Never"),
    runtimeClassName: name("spec.runtimeClassName"),
    shareProcessNamespace: optionalBool("spec.shareProcessNamespace"),
    terminationGracePeriodSeconds: optionalInteger("spec.terminationGracePeriodSeconds"),
    activeDeadlineSeconds: optionalInteger("spec.activeDeadlineSeconds"),
    nodeSelector: nameMap("spec.nodeSelector"),
    tolerations: records("spec.tolerations", {
      key: name("key"),
      operator: enumOf("operator", "Exists", "Equal"),
      value: name("value"),
      effect: enumOf("effect", "NoSchedule", "PreferNoSchedule", "NoExecute"),
      tolerationSeconds: optionalInteger("tolerationSeconds"),
    }),
    containers: records("spec.containers", {
      name: name("name"),
      image: name("image"),
      ports: records("ports", PORT),
      requests: nameMap("resources.requests"),
      limits: nameMap("resources.limits"),
    }),
    initContainers: records("spec.initContainers", {
      name: name("name"),
      image: name("image"),
      restartPolicy: name("restartPolicy"),
      ports: records("ports", PORT),
      requests: nameMap("resources.requests"),
      limits: nameMap("resources.limits"),
    }),
    ephemeralContainers: records("spec.ephemeralContainers", {
      name: name("name"),
      image: name("image"),
      targetContainerName: name("targetContainerName"),
    }),
    containerStatuses: records("status.containerStatuses", CONTAINER_STATUS),
    initContainerStatuses: records("status.initContainerStatuses", CONTAINER_STATUS),
    ephemeralContainerStatuses: records("status.ephemeralContainerStatuses", CONTAINER_STATUS),
    conditions: records("status.conditions", { ...CONDITION, lastProbeTime: time("lastProbeTime") }),
    restarts: sum("status.containerStatuses.restartCount"),
    containerCount: count("spec.containers"),
    ready: condition("status.conditions", "Ready"),
    scheduled: condition("status.conditions", "PodScheduled"),
    initialized: condition("status.conditions", "Initialized"),
  },
  indexes: { podIP: "podIPs.ip", hostIP: true, nodeName: true, owner: true, labels: true },
});

/** Namespaces. */
export const namespaces = defineKind({
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  name: "namespaces",
  namespaced: false,
  fields: { phase: enumOf("status.phase", "Active", "Terminating") },
  indexes: { labels: true },
});

/** Nodes. */
export const nodes = defineKind({
  apiVersion: "v1",
  kind: "Node",
  plural: "nodes",
  name: "nodes",
  namespaced: false,
  fields: {
    podCIDR: text("spec.podCIDR"),
    podCIDRs: texts("spec.podCIDRs"),
    providerID: text("spec.providerID"),
    unschedulable: bool("spec.unschedulable"),
    taints: records("spec.taints", {
      key: name("key"),
      value: name("value"),
      effect: enumOf("effect", "NoSchedule", "PreferNoSchedule", "NoExecute"),
      timeAdded: time("timeAdded"),
    }),
    addresses: records("status.addresses", {
      type: enumOf("type", "InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"),
      address: text("address"),
    }),
    conditions: records("status.conditions", { ...CONDITION, lastHeartbeatTime: time("lastHeartbeatTime") }),
    ready: condition("status.conditions", "Ready"),
    capacity: nameMap("status.capacity"),
    allocatable: nameMap("status.allocatable"),
    architecture: name("status.nodeInfo.architecture"),
    operatingSystem: name("status.nodeInfo.operatingSystem"),
    osImage: name("status.nodeInfo.osImage"),
    kernelVersion: name("status.nodeInfo.kernelVersion"),
    kubeletVersion: name("status.nodeInfo.kubeletVersion"),
    containerRuntimeVersion: name("status.nodeInfo.containerRuntimeVersion"),
    machineID: text("status.nodeInfo.machineID"),
    systemUUID: text("status.nodeInfo.systemUUID"),
    bootID: text("status.nodeInfo.bootID"),
  },
  indexes: { labels: true, address: "addresses.address" },
});

/** Services. */
export const services = defineKind({
  apiVersion: "v1",
  kind: "Service",
  plural: "services",
  name: "services",
  namespaced: true,
  fields: {
    type: enumOf("spec.type", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    clusterIP: ip("spec.clusterIP"),
    clusterIPs: texts("spec.clusterIPs"),
    externalIPs: texts("spec.externalIPs"),
    externalName: text("spec.externalName"),
    ipFamilies: names("spec.ipFamilies"),
    ipFamilyPolicy: name("spec.ipFamilyPolicy"),
    sessionAffinity: enumOf("spec.sessionAffinity", "None", "ClientIP"),
    publishNotReadyAddresses: bool("spec.publishNotReadyAddresses"),
    externalTrafficPolicy: enumOf("spec.externalTrafficPolicy", "Cluster", "Local"),
    internalTrafficPolicy: name("spec.internalTrafficPolicy"),
    loadBalancerClass: name("spec.loadBalancerClass"),
    selector: nameMap("spec.selector"),
    ports: records("spec.ports", {
      name: name("name"),
      protocol: enumOf("protocol", "TCP", "UDP", "SCTP"),
      appProtocol: name("appProtocol"),
      port: integer("port"),
      targetPort: intOrText("targetPort"),
      nodePort: integer("nodePort"),
    }),
    ingress: records("status.loadBalancer.ingress", { ip: ip("ip"), hostname: text("hostname") }),
  },
  indexes: { clusterIP: true, labels: true, owner: true },
});

/** ConfigMaps with their data. */
export const configMaps = defineKind({
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  name: "configmaps",
  namespaced: true,
  fields: { data: textMap("data"), binaryData: textMap("binaryData"), immutable: optionalBool("immutable") },
  indexes: { labels: true, owner: true },
});

/** Secrets. Nothing watches them unless a plugin declares this kind; `data` stays base64. */
export const secrets = defineKind({
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  name: "secrets",
  namespaced: true,
  fields: { type: name("type"), data: textMap("data"), immutable: optionalBool("immutable") },
  indexes: { labels: true, owner: true },
});
