import { join } from "node:path";
import { REAL_NODE_LABEL } from "./node-settings.ts";
import type { ProgramName } from "./programs.ts";
import { sourceFolder } from "./source-folder.ts";

/** Parts of a control plane that can be chosen. */
export type ComponentName = "etcd" | "apiserver" | "controller-manager" | "scheduler" | "kwok";

/** All of them, in the order in which they start. */
export const ALL_COMPONENTS: readonly ComponentName[] = [
  "etcd",
  "apiserver",
  "controller-manager",
  "scheduler",
  "kwok",
];

/** A process of a cluster: one of each component, and any further API servers on the same etcd. */
export type ProcessName = ComponentName | `apiserver-${number}`;

/** Files of one cluster, all below its run folder. */
export interface Layout {
  readonly folder: string;
  readonly pki: (file: string) => string;
  readonly kubeconfig: (user: string) => string;
  readonly log: (name: ProcessName) => string;
  readonly auditLog: (name: ProcessName) => string;
  readonly auditPolicy: string;
  readonly etcdData: string;
}

/** Ports on loopback. */
export interface Ports {
  readonly apiserver: number;
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly kwok: number;
}

/** What an API server is started with. */
export interface ApiServerSettings {
  readonly name: ProcessName;
  readonly port: number;
  readonly etcdPort: number;
  /** Flags of the caller, which win over ours. */
  readonly flags: Readonly<Record<string, string>>;
  readonly featureGates: Readonly<Record<string, boolean>>;
}

/** Where everything of a cluster lies. */
export function layoutOf(folder: string): Layout {
  return {
    folder,
    pki: (file) => join(folder, "pki", file),
    kubeconfig: (user) => join(folder, "kubeconfigs", `${user.replace(/[^A-Za-z0-9.-]/g, "-")}.json`),
    log: (name) => join(folder, "logs", `${name}.log`),
    auditLog: (name) => join(folder, "logs", `${name}-audit.log`),
    auditPolicy: join(folder, "audit-policy.json"),
    etcdData: join(folder, "etcd"),
  };
}

/** The program that a process runs. */
export function programOf(name: ProcessName): ProgramName {
  switch (name) {
    case "etcd":
    case "kwok":
      return name;
    case "controller-manager":
      return "kube-controller-manager";
    case "scheduler":
      return "kube-scheduler";
    default:
      return "kube-apiserver";
  }
}

/** Who watches and lists inside a control plane is not written to the audit log: it is there to see what clients under test do. */
export function auditPolicy(): string {
  const policy = {
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    omitStages: ["RequestReceived"],
    rules: [
      { level: "None", users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "kwok"] },
      { level: "None", userGroups: ["system:serviceaccounts:kube-system"] },
      { level: "None", nonResourceURLs: ["/readyz*", "/livez*", "/healthz*"] },
      { level: "Metadata" },
    ],
  };
  return JSON.stringify(policy);
}

/** Arguments of etcd. Nothing is synced to disk: a test cluster need not survive the machine. */
export function etcdArgs(layout: Layout, ports: Ports): readonly string[] {
  const client = `http://127.0.0.1:${ports.etcd}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return flags({
    name: "test",
    "data-dir": layout.etcdData,
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `test=${peer}`,
    "unsafe-no-fsync": "true",
    "quota-backend-bytes": String(8 * 2 ** 30),
    "max-wals": "1",
    "max-snapshots": "1",
    "log-level": "warn",
  });
}

/** Arguments of an API server: TLS with an own authority, RBAC and the audit log on. */
export function apiServerArgs(layout: Layout, settings: ApiServerSettings): readonly string[] {
  const gates = Object.entries(settings.featureGates).map(([gate, on]) => `${gate}=${on}`);
  return flags({
    "etcd-servers": `http://127.0.0.1:${settings.etcdPort}`,
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    "secure-port": String(settings.port),
    "endpoint-reconciler-type": "none",
    "cert-dir": layout.pki(settings.name),
    "client-ca-file": layout.pki("ca.crt"),
    "tls-cert-file": layout.pki("apiserver.crt"),
    "tls-private-key-file": layout.pki("apiserver.key"),
    "authorization-mode": "Node,RBAC",
    "allow-privileged": "true",
    "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
    "service-account-key-file": layout.pki("service-accounts.pub"),
    "service-account-signing-key-file": layout.pki("service-accounts.key"),
    "service-cluster-ip-range": "10.96.0.0/12",
    "audit-policy-file": layout.auditPolicy,
    "audit-log-path": layout.auditLog(settings.name),
    "audit-log-maxsize": "200",
    "audit-log-maxbackup": "1",
    profiling: "false",
    ...(gates.length > 0 ? { "feature-gates": gates.join(",") } : {}),
    ...settings.flags,
  });
}

/** Arguments of the controller manager, fast enough for thousands of pods. */
export function controllerManagerArgs(layout: Layout): readonly string[] {
  return flags({
    kubeconfig: layout.kubeconfig("system:kube-controller-manager"),
    "secure-port": "0",
    "leader-elect": "false",
    "use-service-account-credentials": "true",
    "root-ca-file": layout.pki("ca.crt"),
    "service-account-private-key-file": layout.pki("service-accounts.key"),
    "cluster-signing-cert-file": layout.pki("ca.crt"),
    "cluster-signing-key-file": layout.pki("ca.key"),
    "kube-api-qps": "2000",
    "kube-api-burst": "4000",
    "concurrent-deployment-syncs": "20",
    "concurrent-replicaset-syncs": "20",
    "concurrent-service-endpoint-syncs": "20",
    "concurrent-endpoint-syncs": "20",
    "concurrent-namespace-syncs": "20",
    profiling: "false",
  });
}

/** Arguments of the scheduler. */
export function schedulerArgs(layout: Layout): readonly string[] {
  const kubeconfig = layout.kubeconfig("system:kube-scheduler");
  return flags({
    kubeconfig,
    "authentication-kubeconfig": kubeconfig,
    "authorization-kubeconfig": kubeconfig,
    "secure-port": "0",
    "leader-elect": "false",
    "kube-api-qps": "2000",
    "kube-api-burst": "4000",
    profiling: "false",
  });
}

/** Arguments of kwok, which plays every node and every pod by the stages of this folder, but for a node that is real. */
export function kwokArgs(layout: Layout, ports: Ports): readonly string[] {
  return flags({
    kubeconfig: layout.kubeconfig("kwok"),
    config: join(sourceFolder(), "modules", "kwok", "stages.yaml"),
    "manage-all-nodes": "false",
    "manage-nodes-with-label-selector": `!${REAL_NODE_LABEL}`,
    "node-lease-duration-seconds": "40",
    "server-address": `127.0.0.1:${ports.kwok}`,
    cidr: "10.128.0.0/12",
  });
}

function flags(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}
