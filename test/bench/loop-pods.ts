import type { ObjectInput } from "../../core/testing/index.ts";

/** `full`: as large as a real pod (about 17 KB of JSON). `slim`: what is needed, so that 150,000 fit into the server. */
export type PodSize = "full" | "slim";

const ENV_VARS = 18;
const VOLUMES = 10;
const PODS_PER_APP = 4;
const NODES = 53;
const NAMESPACES = 40;

/** A running pod, the same for the same number. `round` changes what an update changes. */
export function benchPod(index: number, size: PodSize, round = 0): ObjectInput {
  const app = Math.floor(index / PODS_PER_APP);
  const name = podName(index);
  const labels = { app: `app-${app}`, "pod-template-hash": hex(app), tier: app % 3 === 0 ? "web" : "worker" };
  const owner = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    name: `app-${app}-${hex(app)}`,
    uid: uid("rs", app),
    controller: true,
  };
  const containers = ["main", "sidecar"].map((container) => containerOf(container, app, size));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: namespaceOf(index),
      labels,
      annotations: {
        "example.org/round": String(round),
        ...(size === "full" ? { "example.org/notes": "n".repeat(1500) } : {}),
      },
      ownerReferences: [owner],
      ...(size === "full" ? { managedFields: managedFields() } : {}),
    },
    spec: { nodeName: `node-${index % NODES}`, containers, volumes: size === "full" ? volumes(app) : [] },
    status: {
      phase: "Running",
      podIP: ipOf(index, 10),
      podIPs: [{ ip: ipOf(index, 10) }],
      hostIP: `192.0.2.${index % NODES}`,
      startTime: "2026-01-02T03:04:05Z",
      conditions: ["Ready", "Initialized", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: "True",
        lastTransitionTime: "2026-01-02T03:04:05Z",
      })),
      containerStatuses: ["main", "sidecar"].map((container) => ({
        name: container,
        image: imageOf(app),
        imageID: `registry.example.org/shop/app-${app}@sha256:${"ab".repeat(32)}`,
        containerID: `containerd://${"cd".repeat(32)}`,
        ready: true,
        restartCount: round % 1000,
        state: { running: { startedAt: "2026-01-02T03:04:05Z" } },
      })),
    },
  };
}

function namespaceOf(index: number): string {
  return `shop-${index % NAMESPACES}`;
}

function podName(index: number): string {
  return `app-${Math.floor(index / PODS_PER_APP)}-${hex(index)}`;
}

function containerOf(name: string, app: number, size: PodSize): Record<string, unknown> {
  if (size === "slim") {
    return { name, image: imageOf(app) };
  }
  const probe = {
    httpGet: { path: "/health", port: 8080, scheme: "HTTP" },
    periodSeconds: 10,
    timeoutSeconds: 1,
    failureThreshold: 3,
  };
  return {
    name,
    image: imageOf(app),
    imagePullPolicy: "IfNotPresent",
    ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
    env: Array.from({ length: ENV_VARS }, (_, at) => ({
      name: `SETTING_${at}`,
      value: `value ${at} of app ${app}, in some length`,
    })),
    resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "1", memory: "512Mi" } },
    livenessProbe: probe,
    readinessProbe: probe,
    startupProbe: probe,
    volumeMounts: Array.from({ length: VOLUMES }, (_, at) => ({
      name: `volume-${at}`,
      mountPath: `/mnt/volume-${at}`,
      readOnly: true,
    })),
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
  };
}

function volumes(app: number): Record<string, unknown>[] {
  return Array.from({ length: VOLUMES }, (_, at) => ({
    name: `volume-${at}`,
    configMap: { name: `app-${app}-config-${at}`, defaultMode: 420 },
  }));
}

/** Managed fields are about a third of a real pod. */
function managedFields(): Record<string, unknown>[] {
  const env = Object.fromEntries(
    Array.from({ length: ENV_VARS }, (_, at) => [
      `k:{"name":"SETTING_${at}"}`,
      { ".": {}, "f:name": {}, "f:value": {} },
    ]),
  );
  const container = {
    ".": {},
    "f:image": {},
    "f:name": {},
    "f:env": { ".": {}, ...env },
    "f:resources": {},
    "f:ports": {},
  };
  return ["manager", "scheduler", "kubelet"].map((manager) => ({
    manager,
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-02T03:04:05Z",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:spec": { "f:containers": { 'k:{"name":"main"}': container, 'k:{"name":"sidecar"}': container } } },
  }));
}

function imageOf(app: number): string {
  return `registry.example.org/shop/app-${app}:1.${app % 20}.0`;
}

function ipOf(index: number, first: number): string {
  return `${first}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
}

function uid(what: string, index: number): string {
  return `${what === "rs" ? "5e7a0000" : "b0d00000"}-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;
}

function hex(index: number): string {
  return (Math.imul(index + 1, 2654435761) >>> 0).toString(16).padStart(8, "0");
}
