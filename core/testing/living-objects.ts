import { timeText } from "./clock.ts";
import type { JsonObject, ObjectInput } from "./object.ts";
import type { Random } from "./random.ts";

/** A deployment of the simulated cluster, as it should be. */
export interface App {
  readonly namespace: string;
  readonly name: string;
  readonly image: string;
  readonly port: number;
  readonly hasService: boolean;
  readonly clusterIp: string;
  replicas: number;
  revision: number;
  hash: string;
}

/** A pod of the simulated cluster. */
export interface SimPod {
  readonly app: App;
  readonly name: string;
  readonly hash: string;
  readonly uid: string;
  readonly createdAt: string;
  readonly ip: string;
  readonly owner: JsonObject;
  node: SimNode | undefined;
  phase: "Pending" | "Running" | "Failed";
  ready: boolean;
  restarts: number;
}

/** A node of the simulated cluster. */
export interface SimNode {
  readonly name: string;
  readonly ip: string;
  readonly zone: string;
  ready: boolean;
}

const NAMESPACES = ["shop", "payments", "platform", "media", "search", "logistics", "accounts", "reports"];
const WORDS = [
  "cart",
  "checkout",
  "catalog",
  "orders",
  "invoice",
  "ledger",
  "gateway",
  "mailer",
  "session",
  "profile",
  "stock",
  "pricing",
  "thumbnail",
  "player",
  "index",
  "query",
  "tracking",
  "parcel",
  "audit",
  "export",
];
const ROLES = ["", "-api", "-worker", "-web", "-cache", "-sync"];

/** Names and shapes of so many deployments. */
export function planApps(
  random: Random,
  options: { readonly deployments: number; readonly services: number; readonly pods: number },
): App[] {
  const apps: App[] = [];
  const taken = new Set<string>();
  const average = options.pods / Math.max(1, options.deployments);
  let left = options.pods;
  for (let i = 0; i < options.deployments; i++) {
    const namespace = NAMESPACES[i % NAMESPACES.length];
    const base = `${random.pick(WORDS)}${random.pick(ROLES)}`;
    const name = taken.has(`${namespace}/${base}`) ? `${base}-${i}` : base;
    taken.add(`${namespace}/${name}`);
    const isLast = i === options.deployments - 1;
    const wanted = isLast ? left : Math.min(left, Math.max(1, Math.round(average * (0.5 + random.next()))));
    left -= wanted;
    apps.push({
      namespace,
      name,
      image: `registry.example.org/${namespace}/${name}`,
      port: 8000 + random.below(1000),
      hasService: i < options.services,
      clusterIp: `10.96.${(i >> 8) & 255}.${i & 255}`,
      replicas: wanted,
      revision: 1,
      hash: random.suffix(10),
    });
  }
  return apps;
}

/** Names of the namespaces that apps live in. */
export function namespacesOf(apps: readonly App[]): string[] {
  return [...new Set(apps.map((app) => app.namespace))];
}

export function planNodes(count: number): SimNode[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `node-${String(at + 1).padStart(2, "0")}`,
    ip: `192.0.2.${(at % 254) + 1}`,
    zone: `zone-${"abc"[at % 3]}`,
    ready: true,
  }));
}

export function namespaceObject(name: string): ObjectInput {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  };
}

export function nodeObject(node: SimNode, nowMs: number): ObjectInput {
  const status = node.ready ? "True" : "Unknown";
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: node.name,
      labels: {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": node.zone,
      },
    },
    spec: node.ready ? {} : { taints: [{ key: "node.kubernetes.io/unreachable", effect: "NoExecute" }] },
    status: {
      capacity: { cpu: "16", memory: "65536Mi", pods: "250" },
      allocatable: { cpu: "15500m", memory: "63000Mi", pods: "250" },
      conditions: [
        {
          type: "Ready",
          status,
          reason: node.ready ? "KubeletReady" : "NodeStatusUnknown",
          lastHeartbeatTime: timeText(nowMs),
          lastTransitionTime: timeText(nowMs),
        },
      ],
      addresses: [
        { type: "InternalIP", address: node.ip },
        { type: "Hostname", address: node.name },
      ],
      nodeInfo: { kubeletVersion: "v1.36.3", osImage: "simulated", architecture: "amd64", operatingSystem: "linux" },
    },
  };
}

function labelsOf(app: App): { [key: string]: string } {
  return { app: app.name, "app.kubernetes.io/name": app.name, "app.kubernetes.io/part-of": app.namespace };
}

function podSpec(app: App): JsonObject {
  return {
    containers: [
      {
        name: "main",
        image: `${app.image}:1.${app.revision}.0`,
        ports: [{ name: "http", containerPort: app.port, protocol: "TCP" }],
        env: [
          { name: "APP_NAME", value: app.name },
          { name: "LOG_LEVEL", value: "info" },
        ],
        resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "256Mi" } },
        readinessProbe: { httpGet: { path: "/ready", port: "http" }, periodSeconds: 10 },
      },
    ],
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
  };
}

export function deploymentObject(app: App, ready: number, updated: number): ObjectInput {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: app.name,
      namespace: app.namespace,
      labels: labelsOf(app),
      annotations: { "deployment.kubernetes.io/revision": String(app.revision) },
    },
    spec: {
      replicas: app.replicas,
      selector: { matchLabels: { app: app.name } },
      template: { metadata: { labels: labelsOf(app) }, spec: podSpec(app) },
    },
    status: {
      replicas: app.replicas,
      updatedReplicas: updated,
      readyReplicas: ready,
      availableReplicas: ready,
      conditions: [
        {
          type: "Available",
          status: ready > 0 ? "True" : "False",
          reason: ready > 0 ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
        },
      ],
    },
  };
}

export function replicaSetObject(
  app: App,
  hash: string,
  replicas: number,
  ready: number,
  owner: JsonObject,
): ObjectInput {
  const labels = { ...labelsOf(app), "pod-template-hash": hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: `${app.name}-${hash}`, namespace: app.namespace, labels, ownerReferences: [owner] },
    spec: {
      replicas,
      selector: { matchLabels: { app: app.name, "pod-template-hash": hash } },
      template: { metadata: { labels }, spec: podSpec(app) },
    },
    status: { replicas, readyReplicas: ready, availableReplicas: ready },
  };
}

export function podObject(pod: SimPod, nowMs: number): ObjectInput {
  const now = timeText(nowMs);
  const { app, node } = pod;
  const running = pod.phase === "Running";
  const condition = (type: string, yes: boolean) => ({ type, status: yes ? "True" : "False", lastTransitionTime: now });
  const started = running
    ? { running: { startedAt: now } }
    : pod.phase === "Failed"
      ? { terminated: { exitCode: 137, reason: "Error" } }
      : { waiting: { reason: "ContainerCreating" } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod.name,
      namespace: app.namespace,
      uid: pod.uid,
      creationTimestamp: pod.createdAt,
      generateName: `${app.name}-${pod.hash}-`,
      labels: { ...labelsOf(app), "pod-template-hash": pod.hash },
      ownerReferences: [pod.owner],
    },
    spec: { ...podSpec(app), ...(node === undefined ? {} : { nodeName: node.name }) },
    status: {
      phase: pod.phase,
      qosClass: "Burstable",
      ...(node === undefined ? {} : { hostIP: node.ip, hostIPs: [{ ip: node.ip }] }),
      ...(running ? { podIP: pod.ip, podIPs: [{ ip: pod.ip }], startTime: now } : {}),
      conditions: [
        condition("PodScheduled", node !== undefined),
        condition("Ready", pod.ready),
        condition("ContainersReady", pod.ready),
      ],
      ...(node === undefined
        ? {}
        : {
            containerStatuses: [
              {
                name: "main",
                image: `${app.image}:1.${app.revision}.0`,
                imageID: "",
                ready: pod.ready,
                started: running,
                restartCount: pod.restarts,
                state: started,
              },
            ],
          }),
    },
  };
}

export function serviceObject(app: App): ObjectInput {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: app.name, namespace: app.namespace, labels: labelsOf(app) },
    spec: {
      type: "ClusterIP",
      clusterIP: app.clusterIp,
      clusterIPs: [app.clusterIp],
      selector: { app: app.name },
      ports: [{ name: "http", port: 80, protocol: "TCP", targetPort: "http" }],
    },
    status: { loadBalancer: {} },
  };
}

export function sliceObject(app: App, pods: readonly SimPod[], owner: JsonObject): ObjectInput {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${app.name}-main`,
      namespace: app.namespace,
      labels: {
        "kubernetes.io/service-name": app.name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      },
      ownerReferences: [owner],
    },
    addressType: "IPv4",
    endpoints: pods
      .filter((pod) => pod.phase === "Running")
      .map((pod) => ({
        addresses: [pod.ip],
        conditions: { ready: pod.ready, serving: pod.ready, terminating: false },
        nodeName: pod.node?.name ?? "",
        zone: pod.node?.zone ?? "",
        targetRef: { kind: "Pod", namespace: app.namespace, name: pod.name, uid: pod.uid },
      })),
    ports: [{ name: "http", port: app.port, protocol: "TCP" }],
  };
}
