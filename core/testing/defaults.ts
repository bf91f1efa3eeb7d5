import { at, ensureObject, isObject, type JsonObject } from "./object.ts";

/** What defaults need beside the object. */
export interface DefaultsContext {
  /** Gives a free cluster address for a Service. */
  readonly clusterIp: () => string;
}

/** Fills in what the server fills in for kinds that have defaults. Changes the object. */
export function setDefaults(kind: string, object: JsonObject): void {
  DEFAULTS[kind]?.(object);
}

/** Fills in what admission and allocators fill in after the defaults. Changes the object; false when there was nothing to do. */
export function admit(kind: string, object: JsonObject, context: DefaultsContext): boolean {
  ADMISSION[kind]?.(object, context);
  return Object.hasOwn(ADMISSION, kind);
}

/** An update that leaves out what was allocated keeps it. Changes the object. */
export function keepAllocated(kind: string, object: JsonObject, before: JsonObject): void {
  const fields = ALLOCATED[kind] ?? [];
  const spec = fields.length > 0 ? ensureObject(object, "spec") : {};
  for (const field of fields) {
    const old = at(before, "spec", field);
    if (old !== undefined && (spec[field] === undefined || spec[field] === "")) {
      spec[field] = old;
    }
  }
}

const ALLOCATED: Readonly<Record<string, readonly string[]>> = {
  Service: ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"],
  Namespace: ["finalizers"],
  Pod: ["nodeName", "priority", "preemptionPolicy", "tolerations"],
};

function set(object: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) {
    object[key] ??= value;
  }
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

const DEFAULTS: Readonly<Record<string, (object: JsonObject) => void>> = {
  Pod(pod) {
    const spec = ensureObject(pod, "spec");
    podSpec(spec);
    set(spec, { enableServiceLinks: true });
  },
  Namespace(namespace) {
    const metadata = ensureObject(namespace, "metadata");
    ensureObject(metadata, "labels")["kubernetes.io/metadata.name"] = metadata.name;
  },
  Secret(secret) {
    set(secret, { type: "Opaque" });
    const texts = secret.stringData;
    if (isObject(texts)) {
      const data = ensureObject(secret, "data");
      for (const [key, value] of Object.entries(texts)) {
        data[key] = Buffer.from(String(value)).toString("base64");
      }
      delete secret.stringData;
    }
  },
  Service: service,
  Deployment(deployment) {
    const spec = ensureObject(deployment, "spec");
    set(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    const strategy = ensureObject(spec, "strategy");
    set(strategy, { type: "RollingUpdate" });
    if (strategy.type === "RollingUpdate") {
      set(ensureObject(strategy, "rollingUpdate"), { maxUnavailable: "25%", maxSurge: "25%" });
    }
    template(spec);
  },
  ReplicaSet(set_) {
    const spec = ensureObject(set_, "spec");
    set(spec, { replicas: 1 });
    template(spec);
  },
  StatefulSet(set_) {
    const spec = ensureObject(set_, "spec");
    set(spec, {
      replicas: 1,
      podManagementPolicy: "OrderedReady",
      revisionHistoryLimit: 10,
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
    });
    const strategy = ensureObject(spec, "updateStrategy");
    set(strategy, { type: "RollingUpdate" });
    if (strategy.type === "RollingUpdate") {
      set(ensureObject(strategy, "rollingUpdate"), { partition: 0 });
    }
    template(spec);
  },
  DaemonSet(daemon) {
    const spec = ensureObject(daemon, "spec");
    set(spec, { revisionHistoryLimit: 10 });
    const strategy = ensureObject(spec, "updateStrategy");
    set(strategy, { type: "RollingUpdate" });
    if (strategy.type === "RollingUpdate") {
      set(ensureObject(strategy, "rollingUpdate"), { maxUnavailable: 1, maxSurge: 0 });
    }
    template(spec);
  },
  Job(job) {
    jobSpec(ensureObject(job, "spec"));
  },
  CronJob(cron) {
    const spec = ensureObject(cron, "spec");
    set(spec, { concurrencyPolicy: "Allow", suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 });
    template(ensureObject(ensureObject(spec, "jobTemplate"), "spec"));
  },
  EndpointSlice(slice) {
    for (const port of objects(slice.ports)) {
      set(port, { name: "", protocol: "TCP" });
    }
  },
  CustomResourceDefinition(crd) {
    const spec = ensureObject(crd, "spec");
    const names = ensureObject(spec, "names");
    set(spec, { conversion: { strategy: "None" } });
    set(names, { singular: String(names.kind ?? "").toLowerCase(), listKind: `${String(names.kind ?? "")}List` });
  },
};

function jobSpec(spec: JsonObject): void {
  set(spec, {
    parallelism: 1,
    backoffLimit: 6,
    completionMode: "NonIndexed",
    suspend: false,
    manualSelector: spec.manualSelector,
    podReplacementPolicy: "TerminatingOrFailed",
  });
  if (spec.completions === undefined && spec.parallelism === 1) {
    spec.completions = 1;
  }
  template(spec);
}

function template(spec: JsonObject): void {
  const inner = ensureObject(ensureObject(spec, "template"), "spec");
  podSpec(inner);
}

function podSpec(spec: JsonObject): void {
  set(spec, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
  });
  if (!isObject(spec.securityContext)) {
    spec.securityContext = {};
  }
  if (spec.serviceAccountName !== undefined) {
    set(spec, { serviceAccount: spec.serviceAccountName });
  }
  for (const one of [
    ...objects(spec.containers),
    ...objects(spec.initContainers),
    ...objects(spec.ephemeralContainers),
  ]) {
    container(one);
  }
  for (const volume of objects(spec.volumes)) {
    for (const source of ["configMap", "secret", "downwardAPI", "projected"]) {
      if (isObject(volume[source])) {
        set(volume[source], { defaultMode: 420 });
      }
    }
  }
}

function container(one: JsonObject): void {
  const image = String(one.image ?? "");
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  const latest = !image.includes("@") && (tag === undefined || tag === "latest");
  set(one, {
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: latest ? "Always" : "IfNotPresent",
    resources: {},
  });
  for (const port of objects(one.ports)) {
    set(port, { protocol: "TCP" });
  }
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    const probe = one[name];
    if (isObject(probe)) {
      set(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
      if (isObject(probe.httpGet)) {
        set(probe.httpGet, { path: "/", scheme: "HTTP" });
      }
    }
  }
  const resources = one.resources;
  if (isObject(resources) && isObject(resources.limits)) {
    const requests = ensureObject(resources, "requests");
    set(requests, { ...resources.limits });
  }
  for (const variable of objects(one.env)) {
    const reference = at(variable, "valueFrom", "fieldRef");
    if (isObject(reference)) {
      set(reference, { apiVersion: "v1" });
    }
  }
}

function service(object: JsonObject): void {
  const spec = ensureObject(object, "spec");
  set(spec, { type: "ClusterIP", sessionAffinity: "None" });
  for (const port of objects(spec.ports)) {
    set(port, { protocol: "TCP" });
    // The canonical form shows a zero where there was none.
    port.targetPort = port.targetPort || (port.port ?? 0);
  }
  if (spec.type === "ExternalName") {
    return;
  }
  set(spec, { internalTrafficPolicy: "Cluster" });
  if (spec.type === "NodePort" || spec.type === "LoadBalancer") {
    set(spec, { externalTrafficPolicy: "Cluster" });
  }
  if (spec.type === "LoadBalancer") {
    set(spec, { allocateLoadBalancerNodePorts: true });
  }
}

const ADMISSION: Readonly<Record<string, (object: JsonObject, context: DefaultsContext) => void>> = {
  Pod(pod) {
    const spec = ensureObject(pod, "spec");
    set(spec, { preemptionPolicy: "PreemptLowerPriority", priority: 0 });
    const tolerations = objects(spec.tolerations);
    for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
      if (!tolerations.some((one) => one.key === key)) {
        tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
      }
    }
    spec.tolerations = tolerations;
  },
  Namespace(namespace) {
    set(ensureObject(namespace, "spec"), { finalizers: ["kubernetes"] });
  },
  Service(object, context) {
    const spec = ensureObject(object, "spec");
    if (spec.type !== "ExternalName") {
      const clusterIp = spec.clusterIP || context.clusterIp();
      spec.clusterIP = clusterIp;
      set(spec, { clusterIPs: [clusterIp], ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" });
    }
  },
};
