import { createHash } from "node:crypto";
import type { ObjectInput } from "./object.ts";

/** What every sample object may be given beside its name. */
export interface SampleMetadata {
  /** Default: `app`, the name without a number at its end: "cart-1" is part of "cart". */
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The object that controls it: another sample object. */
  readonly owner?: ObjectInput;
  /** Default: made from kind, namespace and name, so that the same sample has the same uid. */
  readonly uid?: string;
}

/** What a sample pod may be given. */
export interface SamplePod extends SampleMetadata {
  /** Default "Running". */
  readonly phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  /** Restarts of its container. Default 0. */
  readonly restarts?: number;
  /** Default: true while it is running. */
  readonly ready?: boolean;
  /** Default "node-1"; "" for one that is not scheduled. */
  readonly node?: string;
  /** Default: made from its name, in 10.244.0.0/16. */
  readonly ip?: string;
  /** Default "registry.example.org/<app>:1". */
  readonly image?: string;
}

/** A pod: `pod("shop/cart-1", { restarts: 3 })`. Without a namespace it is in "default". */
export function pod(key: string, given: SamplePod = {}): ObjectInput {
  const base = basic("v1", "Pod", key, given);
  const { phase = "Running", restarts = 0, node = "node-1" } = given;
  const isRunning = phase === "Running";
  const { ready = isRunning, ip = addressFrom(base.uid), image = `registry.example.org/${base.app}:1` } = given;
  const condition = (type: string, yes: boolean) => ({ type, status: yes ? "True" : "False" });
  return {
    ...base.head,
    spec: { containers: [{ name: "main", image }], ...(node === "" ? {} : { nodeName: node }) },
    status: {
      phase,
      ...(isRunning ? { podIP: ip, podIPs: [{ ip }] } : {}),
      conditions: [condition("PodScheduled", node !== ""), condition("Ready", ready)],
      containerStatuses: [{ name: "main", image, imageID: "", ready, restartCount: restarts, state: stateOf(phase) }],
    },
  };
}

/** What a sample service may be given. */
export interface SampleService extends SampleMetadata {
  /** Default: `app`, its name without a number at the end. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Default "ClusterIP". */
  readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** Default 80. */
  readonly port?: number;
  /** Default: made from its name, in 10.96.0.0/16; "None" for a headless one. */
  readonly clusterIP?: string;
  /** For the type "ExternalName". */
  readonly externalName?: string;
}

/** A service: `service("shop/cart")` selects the pods of the samples `shop/cart-1`, `shop/cart-2`, … */
export function service(key: string, given: SampleService = {}): ObjectInput {
  const base = basic("v1", "Service", key, given);
  const { selector = { app: base.app }, type = "ClusterIP", port = 80, externalName } = given;
  if (type === "ExternalName") {
    return { ...base.head, spec: { type, externalName: externalName ?? `${base.app}.example.org` } };
  }
  const clusterIP = given.clusterIP ?? addressFrom(base.uid, "10.96");
  return {
    ...base.head,
    spec: { type, selector, clusterIP, clusterIPs: [clusterIP], ports: [{ port, protocol: "TCP", targetPort: port }] },
    status: { loadBalancer: {} },
  };
}

/** What a sample workload may be given. */
export interface SampleWorkload extends SampleMetadata {
  /** Default 1. */
  readonly replicas?: number;
  /** Default: `replicas`. */
  readonly ready?: number;
  /** Default "registry.example.org/<app>:1". */
  readonly image?: string;
}

/** A deployment: `deployment("shop/cart", { replicas: 3, ready: 2 })`. */
export function deployment(key: string, given: SampleWorkload = {}): ObjectInput {
  return replicated("Deployment", key, given);
}

/** A replica set: `replicaSet("shop/cart-7d4f", { owner: deployment("shop/cart") })`. */
export function replicaSet(key: string, given: SampleWorkload = {}): ObjectInput {
  return replicated("ReplicaSet", key, given);
}

export function statefulSet(key: string, given: SampleWorkload = {}): ObjectInput {
  return replicated("StatefulSet", key, given);
}

/** A daemon set; `replicas` is the number of nodes that it should run on. */
export function daemonSet(key: string, given: SampleWorkload = {}): ObjectInput {
  const base = basic("apps/v1", "DaemonSet", key, given);
  const { replicas = 1, ready = replicas } = given;
  return {
    ...base.head,
    spec: templateOf(base.app, given),
    status: { desiredNumberScheduled: replicas, currentNumberScheduled: replicas, numberReady: ready },
  };
}

export function job(key: string, given: SampleWorkload = {}): ObjectInput {
  const base = basic("batch/v1", "Job", key, given);
  const { template } = templateOf(base.app, given);
  return { ...base.head, spec: { template }, status: { active: given.replicas ?? 1, ready: given.ready ?? 1 } };
}

/** A cron job that runs every hour. */
export function cronJob(key: string, given: SampleWorkload = {}): ObjectInput {
  const base = basic("batch/v1", "CronJob", key, given);
  const { template } = templateOf(base.app, given);
  return { ...base.head, spec: { schedule: "0 * * * *", jobTemplate: { spec: { template } } } };
}

/** What a sample node may be given. */
export interface SampleNode extends SampleMetadata {
  /** Default true. */
  readonly ready?: boolean;
  readonly unschedulable?: boolean;
  /** Default: made from its name, in 192.0.2.0/24. */
  readonly ip?: string;
}

/** A node of the cluster: `node("node-1", { ready: false })`. */
export function node(name: string, given: SampleNode = {}): ObjectInput {
  const base = basic("v1", "Node", name, { labels: { "kubernetes.io/hostname": name }, ...given }, false);
  const { ready = true, ip = addressFrom(base.uid, "192.0.2") } = given;
  return {
    ...base.head,
    spec: given.unschedulable === true ? { unschedulable: true } : {},
    status: {
      addresses: [{ type: "InternalIP", address: ip }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      capacity: { cpu: "16", memory: "64Gi", pods: "110" },
    },
  };
}

/** A namespace; objects in it do not need it to exist. */
export function namespace(name: string, given: SampleMetadata = {}): ObjectInput {
  const base = basic("v1", "Namespace", name, { labels: { "kubernetes.io/metadata.name": name }, ...given }, false);
  return { ...base.head, spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } };
}

/** A ConfigMap: `configMap("shop/settings", { colour: "blue" })`. */
export function configMap(
  key: string,
  data: Readonly<Record<string, string>> = {},
  given: SampleMetadata = {},
): ObjectInput {
  return { ...basic("v1", "ConfigMap", key, given).head, data: { ...data } };
}

interface Basics {
  readonly head: Pick<ObjectInput, "apiVersion" | "kind" | "metadata">;
  /** Name without a number at its end. */
  readonly app: string;
  readonly uid: string;
}

function basic(apiVersion: string, kind: string, key: string, given: SampleMetadata, isNamespaced = true): Basics {
  const slash = isNamespaced ? key.indexOf("/") : -1;
  const name = key.slice(slash + 1);
  const namespaceName = slash < 0 ? "default" : key.slice(0, slash);
  const app = name.replace(/(-\d+)+$/, "");
  const { labels = { app }, annotations, owner, uid = uidFrom(`${kind}/${namespaceName}/${name}`) } = given;
  const metadata = {
    name,
    ...(isNamespaced ? { namespace: namespaceName } : {}),
    uid,
    labels: { ...labels },
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
    ...(owner === undefined ? {} : { ownerReferences: [ownerReference(owner)] }),
  };
  return { head: { apiVersion, kind, metadata }, app, uid };
}

function ownerReference({ apiVersion, kind, metadata }: ObjectInput) {
  const { name, uid } = metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

function replicated(kind: string, key: string, given: SampleWorkload): ObjectInput {
  const base = basic("apps/v1", kind, key, given);
  const { replicas = 1, ready = replicas } = given;
  return {
    ...base.head,
    spec: { replicas, ...templateOf(base.app, given) },
    status: { replicas, readyReplicas: ready, availableReplicas: ready, updatedReplicas: replicas },
  };
}

function templateOf(app: string, { labels = { app }, image = `registry.example.org/${app}:1` }: SampleWorkload) {
  return {
    selector: { matchLabels: { ...labels } },
    template: { metadata: { labels: { ...labels } }, spec: { containers: [{ name: "main", image }] } },
  };
}

function stateOf(phase: string) {
  if (phase === "Running") {
    return { running: { startedAt: "2026-01-01T00:00:00Z" } };
  }
  return phase === "Succeeded" || phase === "Failed"
    ? { terminated: { exitCode: phase === "Failed" ? 1 : 0 } }
    : { waiting: { reason: "ContainerCreating" } };
}

function uidFrom(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/** An address in a network of two or three fixed parts. */
function addressFrom(text: string, network = "10.244"): string {
  const bytes = createHash("sha256").update(text).digest();
  const last = 1 + (bytes[1] % 254);
  return network.split(".").length === 3 ? `${network}.${last}` : `${network}.${bytes[0]}.${last}`;
}
