import type { ShapeCounts } from "./seed-shape.ts";
import { replicasOf } from "./seed-shape.ts";

/** An object to create and where. */
export interface SeedObject {
  readonly path: string;
  readonly body: object;
}

const WORDS = [
  "cart",
  "checkout",
  "catalog",
  "search",
  "pricing",
  "stock",
  "mail",
  "billing",
  "login",
  "media",
  "review",
  "route",
];
const TIERS = ["frontend", "backend", "worker"];
const VARIABLES_PER_CONTAINER = 18;
const DAEMON_LABEL = "example.org/storage";

/** Nodes, which kwok makes ready. Each has an own address and an own range of pod addresses. */
export function nodeObjects(counts: ShapeCounts): readonly SeedObject[] {
  return times(counts.nodes, (at) => ({
    path: "/api/v1/nodes",
    body: {
      kind: "Node",
      apiVersion: "v1",
      metadata: {
        name: nodeName(at),
        labels: {
          "kubernetes.io/hostname": nodeName(at),
          "kubernetes.io/os": "linux",
          "kubernetes.io/arch": "amd64",
          "topology.kubernetes.io/region": "eu-1",
          "topology.kubernetes.io/zone": `eu-1${"abc"[at % 3]}`,
          "node.kubernetes.io/instance-type": at % 4 === 0 ? "large" : "medium",
          ...(at < counts.daemonNodes ? { [DAEMON_LABEL]: "true" } : {}),
        },
        annotations: { "node.alpha.kubernetes.io/ttl": "0" },
      },
      spec: { podCIDR: podRange(at), podCIDRs: [podRange(at)] },
      status: {
        addresses: [
          { type: "InternalIP", address: `10.64.${Math.floor(at / 250)}.${(at % 250) + 1}` },
          { type: "Hostname", address: nodeName(at) },
        ],
        capacity: { cpu: "64", memory: "256Gi", pods: "250", "ephemeral-storage": "500Gi" },
        allocatable: { cpu: "63", memory: "250Gi", pods: "250", "ephemeral-storage": "450Gi" },
      },
    },
  }));
}

/** Namespaces. */
export function namespaceObjects(counts: ShapeCounts): readonly SeedObject[] {
  return times(counts.namespaces, (at) => ({
    path: "/api/v1/namespaces",
    body: {
      kind: "Namespace",
      apiVersion: "v1",
      metadata: { name: namespaceName(counts, at), labels: { team: `team-${at % 12}` } },
    },
  }));
}

/** Everything that lives in namespaces, the workloads last so that their services are there first. */
export function namespacedObjects(counts: ShapeCounts): readonly SeedObject[] {
  return [
    ...times(counts.services, (at) => service(counts, at)),
    ...times(counts.deployments, (at) => deployment(counts, at)),
    ...times(counts.statefulSets, (at) => statefulSet(counts, at)),
    ...times(counts.daemonSets, (at) => daemonSet(counts, at)),
    ...times(counts.jobs, (at) => job(counts, at)),
    ...times(counts.cronJobs, (at) => cronJob(counts, at)),
  ];
}

/** Name of a namespace of the shape. */
export function namespaceName(counts: ShapeCounts, at: number): string {
  const number = at % counts.namespaces;
  return number === 0 ? "shop" : `shop-${number}`;
}

function nodeName(at: number): string {
  return `node-${String(at + 1).padStart(3, "0")}`;
}

function podRange(at: number): string {
  return `10.${128 + Math.floor(at / 250)}.${at % 250}.0/24`;
}

function appName(at: number): string {
  return `${WORDS[at % WORDS.length]}-${TIERS[at % TIERS.length]}-${at}`;
}

/** The first services belong to stateful sets, the next to one deployment each, and the rest are second ports of a deployment. */
function service(counts: ShapeCounts, at: number): SeedObject {
  const headless = at < counts.statefulSets;
  const target = headless ? at : (at - counts.statefulSets) % counts.deployments;
  const round = headless ? 0 : Math.floor((at - counts.statefulSets) / counts.deployments);
  const app = headless ? statefulName(at) : appName(target);
  const name = round === 0 ? app : `${app}-admin-${round}`;
  const namespace = namespaceName(counts, target);
  const ports =
    round === 0
      ? [
          { name: "http", port: 80, targetPort: "http", protocol: "TCP" },
          { name: "metrics", port: 9090, targetPort: "metrics", protocol: "TCP" },
        ]
      : [{ name: "admin", port: 8081, targetPort: "http", protocol: "TCP" }];
  return {
    path: `/api/v1/namespaces/${namespace}/services`,
    body: {
      kind: "Service",
      apiVersion: "v1",
      metadata: {
        name,
        labels: labelsOf(app, target),
        annotations: { "example.org/owner": `team-${target % 12}@example.org` },
      },
      spec: { selector: { app }, ports, ...(headless ? { clusterIP: "None" } : {}) },
    },
  };
}

function deployment(counts: ShapeCounts, at: number): SeedObject {
  const app = appName(at);
  return {
    path: `/apis/apps/v1/namespaces/${namespaceName(counts, at)}/deployments`,
    body: {
      kind: "Deployment",
      apiVersion: "apps/v1",
      metadata: { name: app, labels: labelsOf(app, at), annotations: annotationsOf(at) },
      spec: {
        replicas: replicasOf(counts, at),
        revisionHistoryLimit: 3,
        selector: { matchLabels: { app } },
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
        template: podTemplate(app, at),
      },
    },
  };
}

function statefulName(at: number): string {
  return `store-${at}`;
}

function statefulSet(counts: ShapeCounts, at: number): SeedObject {
  const app = statefulName(at);
  return {
    path: `/apis/apps/v1/namespaces/${namespaceName(counts, at)}/statefulsets`,
    body: {
      kind: "StatefulSet",
      apiVersion: "apps/v1",
      metadata: { name: app, labels: labelsOf(app, at) },
      spec: {
        replicas: 2,
        serviceName: app,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: { app } },
        template: podTemplate(app, at),
      },
    },
  };
}

function daemonSet(counts: ShapeCounts, at: number): SeedObject {
  const app = `agent-${at}`;
  const template = podTemplate(app, at);
  return {
    path: `/apis/apps/v1/namespaces/${namespaceName(counts, at)}/daemonsets`,
    body: {
      kind: "DaemonSet",
      apiVersion: "apps/v1",
      metadata: { name: app, labels: labelsOf(app, at) },
      spec: {
        selector: { matchLabels: { app } },
        template: { ...template, spec: { ...template.spec, nodeSelector: { [DAEMON_LABEL]: "true" } } },
      },
    },
  };
}

function job(counts: ShapeCounts, at: number): SeedObject {
  return {
    path: `/apis/batch/v1/namespaces/${namespaceName(counts, at)}/jobs`,
    body: {
      kind: "Job",
      apiVersion: "batch/v1",
      metadata: { name: `import-${at}`, labels: labelsOf("import", at) },
      spec: { backoffLimit: 2, template: jobTemplate("import", at) },
    },
  };
}

/** Once a year: a schedule that a restored cluster does not find missed. */
function cronJob(counts: ShapeCounts, at: number): SeedObject {
  return {
    path: `/apis/batch/v1/namespaces/${namespaceName(counts, at)}/cronjobs`,
    body: {
      kind: "CronJob",
      apiVersion: "batch/v1",
      metadata: { name: `report-${at}`, labels: labelsOf("report", at) },
      spec: {
        schedule: "0 3 1 1 *",
        suspend: at % 2 === 1,
        concurrencyPolicy: "Forbid",
        jobTemplate: { spec: { template: jobTemplate("report", at) } },
      },
    },
  };
}

function jobTemplate(app: string, at: number): object {
  const template = podTemplate(app, at);
  return { ...template, spec: { ...template.spec, restartPolicy: "Never" } };
}

function labelsOf(app: string, at: number): Readonly<Record<string, string>> {
  return {
    app,
    "app.kubernetes.io/part-of": "shop",
    tier: TIERS[at % TIERS.length],
    team: `team-${at % 12}`,
  };
}

function annotationsOf(at: number): Readonly<Record<string, string>> {
  return { "example.org/owner": `team-${at % 12}@example.org` };
}

interface PodTemplate {
  readonly metadata: object;
  readonly spec: object;
}

/**
 * A pod as services have them: two containers with 18 variables each, requests, a probe, labels and an annotation. It is
 * about 7 KB as protobuf once it runs, close to the cluster that the bars of the benchmarks were measured on.
 */
function podTemplate(app: string, at: number): PodTemplate {
  return {
    metadata: {
      labels: labelsOf(app, at),
      annotations: { "example.org/config-hash": hex(at * 7 + 3, 16) },
    },
    spec: {
      terminationGracePeriodSeconds: 30,
      securityContext: { runAsNonRoot: true, runAsUser: 65532 },
      containers: [mainContainer(app, at), container(app, "sidecar", at, "metrics", 9090)],
    },
  };
}

function mainContainer(app: string, at: number): object {
  return {
    ...container(app, "main", at, "http", 8080),
    readinessProbe: { httpGet: { path: "/ready", port: "http" } },
  };
}

function container(app: string, name: string, at: number, portName: string, port: number): object {
  return {
    name,
    image: `registry.example.org/shop/${app}-${name}:1.${at % 40}.0`,
    ports: [{ name: portName, containerPort: port }],
    env: variables(app, at),
    resources: { requests: { cpu: "10m", memory: "32Mi" } },
  };
}

function variables(app: string, at: number): readonly object[] {
  const fromElsewhere = [
    { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
    { name: "LOG_LEVEL", valueFrom: { configMapKeyRef: { name: `${app}-config`, key: "log-level", optional: true } } },
  ];
  const plain = times(VARIABLES_PER_CONTAINER - fromElsewhere.length, (number) => ({
    name: `V_${number}`,
    value: hex(at + number, 8),
  }));
  return [...fromElsewhere, ...plain];
}

/** Digits that look like a hash and are the same in every run. */
function hex(seed: number, length: number): string {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  let digits = "";
  while (digits.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    digits += state.toString(16).padStart(8, "0");
  }
  return digits.slice(0, length);
}

function times<T>(count: number, make: (at: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, at) => make(at));
}
