import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codeOf, FairleadError } from "../../core/errors.ts";
import { type ApiClient, createApiClient } from "./api-client.ts";
import { type AuditEntry, readAuditLog } from "./audit-log.ts";
import { type CertificateSubject, createAuthority, createSigningKey, issue, type KeyPair } from "./certificates.ts";
import {
  ALL_COMPONENTS,
  auditPolicy,
  type ComponentName,
  type Layout,
  layoutOf,
  type Ports,
  type ProcessName,
  programOf,
} from "./components.ts";
import { ControlPlane } from "./control-plane.ts";
import { etcdCompact, etcdRevision } from "./etcd.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { markRunFolder, RUN_FOLDER, removeLeftovers } from "./leftovers.ts";
import { apiServerFlags, type NodeAddresses, REAL_NODE } from "./node-settings.ts";
import { freePorts } from "./ports.ts";
import { ensurePrograms, type Progress } from "./programs.ts";
import { untilQuiet } from "./quiet.ts";
import { prepareRealNode, type RealNode, startRealNode } from "./real-node.ts";
import type { Shape } from "./seed-shape.ts";
import { seededFolder } from "./seeded-folder.ts";
import { Supervised } from "./supervised.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
import { grant, serviceAccountToken, type UserRule } from "./users.ts";

export { type ApiClient, type ApiResponse, openKubeconfig, type WatchEvent } from "./api-client.ts";
export type { AuditEntry } from "./audit-log.ts";
export { type ChurnOptions, type ChurnResult, churn } from "./churn.ts";
export type { ComponentName } from "./components.ts";
export { whyNoCluster } from "./programs.ts";
export { type RealNode, whyNoRealNode } from "./real-node.ts";
export { type SeedResult, seed } from "./seed.ts";
export type { Shape } from "./seed-shape.ts";
export type { TcpProxy } from "./tcp-proxy.ts";
export type { UserRule } from "./users.ts";

/** How a cluster is started. */
export interface ClusterOptions {
  /** Default: all. `["etcd", "apiserver"]` starts in about 3 s. */
  readonly components?: readonly ComponentName[];
  /** Starts with the objects of a shape, made once and then kept in the cache folder. Needs all components for its making only. */
  readonly seeded?: Shape;
  /** Further flags of the API server without dashes; they win over ours. */
  readonly apiServerFlags?: Readonly<Record<string, string>>;
  /** Feature gates of the API server. */
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** "real" adds a node that runs pods for real: kubelet, containerd, kube-proxy. Needs root. Default: simulated ones only. */
  readonly node?: "simulated" | "real";
  /** Told what takes long: builds and seeding. Default: lines on stderr. */
  readonly progress?: Progress;
}

/** A user with few rights. */
export interface UserOptions {
  readonly groups?: readonly string[];
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: in ten years. In the past for a certificate that has expired. */
  readonly notAfter?: Date;
}

/** A further API server on the same etcd, as behind a load balancer. */
export interface SecondApiServer {
  readonly name: ProcessName;
  readonly url: string;
  readonly port: number;
  readonly kubeconfigPath: string;
  readonly client: ApiClient;
}

/** The state of etcd at one moment. */
export interface EtcdSnapshot {
  readonly folder: string;
  /** Revision, which is the newest resource version. */
  readonly revision: number;
}

/** A real control plane on loopback. `stop` or `await using` ends it; it also ends when the process that started it does. */
export interface Cluster extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly etcdPort: number;
  readonly components: readonly ComponentName[];
  /** The node that runs pods for real, where one was asked for. */
  readonly realNode?: RealNode;
  /** Run folder, gone after `stop`. */
  readonly folder: string;
  /** Kubeconfig of an administrator, certificates inside. */
  readonly kubeconfigPath: string;
  readonly caPem: string;
  readonly admin: KeyPair;
  /** Ready-made client of the administrator. */
  readonly client: ApiClient;
  readonly request: ApiClient["request"];
  readonly send: ApiClient["send"];
  /** A user who logs in with a certificate and may do what the rules say; gives the path of a kubeconfig. */
  createUser(name: string, rules: readonly UserRule[], options?: UserOptions): Promise<string>;
  /** A certificate by the cluster's own authority. */
  certificate(subject: CertificateSubject): KeyPair;
  /** A token of a service account, which is made if need be. Default: valid for an hour; the API server's least is 600 s. */
  serviceAccountToken(namespace: string, name: string, seconds?: number): Promise<string>;
  /** Writes a kubeconfig with a token, or one that leads to another URL (a proxy); gives its path. */
  writeKubeconfig(name: string, options: { readonly url?: string; readonly token?: string }): Promise<string>;
  /** Ends one component; SIGTERM is polite, SIGKILL a crash. */
  stopComponent(name: ProcessName, signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts a component that was stopped: same ports, same data; resolves when it is ready. */
  startComponent(name: ProcessName): Promise<void>;
  /** Both. */
  restart(name: ProcessName, signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Stops a component in its tracks: connections stay open, nothing is answered. */
  freeze(name: ProcessName): void;
  thaw(name: ProcessName): void;
  /** Process id of a component. */
  pid(name: ProcessName): number;
  /** Waits until the control plane has little to do, after a seeded start some 20 s; false if it has not within two minutes. */
  quiet(): Promise<boolean>;
  /** Throws away etcd's history up to now; gives the revision. What the API server still holds in memory it goes on serving. */
  compactEtcd(): Promise<number>;
  /** Compacts etcd and restarts the API server: every watch from an older version gets 410 Expired from then on. */
  expireVersions(): Promise<number>;
  /** Keeps etcd's state of this moment. */
  snapshotEtcd(): Promise<EtcdSnapshot>;
  /** Puts a state back, as after a disaster: everything restarts and resource versions go back. */
  restoreEtcd(snapshot: EtcdSnapshot): Promise<void>;
  /** A TCP proxy in front of the API server that can cut, delay, throttle and swallow; stopped with the cluster. */
  proxy(): Promise<TcpProxy>;
  /** Starts one more API server on the same etcd. */
  secondApiServer(): Promise<SecondApiServer>;
  /** Requests that clients made (not the control plane's own), oldest first. */
  auditLog(): Promise<readonly AuditEntry[]>;
  /** Path of the log of a component. */
  logPath(name: ProcessName): string;
  /** Ends all processes and removes the run folder. Safe to call twice. */
  stop(): Promise<void>;
}

const AUTHORITY = "fairlead-test-authority";
const KUBELET_USER = `system:node:${REAL_NODE}`;
const PROXY_USER = "system:kube-proxy";
/** Without the controller manager pods have no service account to run as. */
const NODE_NEEDS: readonly ComponentName[] = ["etcd", "apiserver", "controller-manager"];
const PORT_TRIES = 3;
const QUIET_SHARE = 0.2;
const QUIET_DEADLINE_MS = 120_000;
const HOUR_SECONDS = 3600;

/**
 * Starts a real control plane, building its programs first if the cache lacks them.
 * Throws CLUSTER_GO_MISSING, CLUSTER_BUILD_FAILED, CLUSTER_COMPONENT_FAILED.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const progress = options.progress ?? ((line) => process.stderr.write(`cluster: ${line}\n`));
  const data = options.seeded === undefined ? undefined : await seededFolder(options.seeded, startCluster, progress);
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(options, data, progress);
    } catch (error) {
      if (codeOf(error) !== "CLUSTER_PORT_TAKEN" || tries === PORT_TRIES) {
        throw error;
      }
    }
  }
}

async function startOnce(options: ClusterOptions, data: string | undefined, progress: Progress): Promise<Cluster> {
  const components = ALL_COMPONENTS.filter((name) => (options.components ?? ALL_COMPONENTS).includes(name));
  if (options.node === "real" && !NODE_NEEDS.every((name) => components.includes(name))) {
    throw new FairleadError("CLUSTER_BAD_OPTION", `a real node needs the components ${NODE_NEEDS.join(", ")}`);
  }
  const programs = await ensurePrograms(components.map(programOf), progress);
  const [apiserver, etcd, etcdPeer, kwok] = await freePorts(4);
  const ports: Ports = { apiserver, etcd, etcdPeer, kwok };
  await removeLeftovers(tmpdir());
  const layout = layoutOf(await mkdtemp(join(tmpdir(), RUN_FOLDER)));
  const supervised = new Supervised(layout.folder);
  markRunFolder(layout.folder, supervised.pid);
  try {
    await makeFolders(layout);
    const ground = options.node === "real" ? await prepareRealNode(supervised, layout.folder, progress) : undefined;
    const addresses = ground?.host.addresses;
    const credentials = await writeFiles(layout, apiserver, data, addresses);
    const plane = new ControlPlane({ layout, programs, ports, supervised });
    const ready = { ...options, apiServerFlags: { ...nodeFlags(layout, addresses), ...options.apiServerFlags } };
    const cluster = clusterOf({ layout, plane, supervised, credentials, ports, options: ready });
    await startAll(plane, components);
    if (ground === undefined) {
      return cluster;
    }
    const realNode = await startRealNode(ground, {
      runFolder: layout.folder,
      clientCa: layout.pki("ca.crt"),
      kubeletKubeconfig: layout.kubeconfig(KUBELET_USER),
      proxyKubeconfig: layout.kubeconfig(PROXY_USER),
      hasSimulatedNodes: components.includes("kwok"),
      client: cluster.client,
    });
    return Object.assign(cluster, { realNode });
  } catch (error) {
    await supervised.end();
    throw error;
  }
}

async function startAll(plane: ControlPlane, names: readonly ProcessName[]): Promise<void> {
  const servers = names.filter((name) => name === "etcd" || name.startsWith("apiserver"));
  const others = names.filter((name) => !servers.includes(name));
  for (const group of [servers, others]) {
    // An API server waits for its etcd by itself, so both start at once.
    for (const name of group) {
      await plane.start(name);
    }
    await Promise.all(group.map((name) => plane.ready(name)));
  }
}

interface Credentials {
  readonly authority: KeyPair & { readonly name: string };
  readonly admin: KeyPair;
}

async function makeFolders(layout: Layout): Promise<void> {
  for (const folder of ["pki", "kubeconfigs", "logs", "snapshots"]) {
    await mkdir(join(layout.folder, folder), { mode: 0o700 });
  }
}

function nodeFlags(layout: Layout, addresses: NodeAddresses | undefined): Readonly<Record<string, string>> {
  const client = { cert: layout.pki("kubelet-client.crt"), key: layout.pki("kubelet-client.key") };
  return addresses === undefined ? {} : apiServerFlags(addresses, client);
}

async function writeFiles(
  layout: Layout,
  port: number,
  data: string | undefined,
  addresses: NodeAddresses | undefined,
): Promise<Credentials> {
  if (data === undefined) {
    const made = createAuthority(AUTHORITY);
    const signing = createSigningKey();
    await writeFile(layout.pki("ca.crt"), made.certPem);
    await writeFile(layout.pki("ca.key"), made.keyPem, { mode: 0o600 });
    await writeFile(layout.pki("service-accounts.key"), signing.privatePem, { mode: 0o600 });
    await writeFile(layout.pki("service-accounts.pub"), signing.publicPem);
  } else {
    await cp(join(data, "pki"), join(layout.folder, "pki"), { recursive: true });
    await cp(join(data, "etcd"), layout.etcdData, { recursive: true });
  }
  const certPem = await readFile(layout.pki("ca.crt"), "utf8");
  const authority = { name: AUTHORITY, certPem, keyPem: await readFile(layout.pki("ca.key"), "utf8") };
  const hosts = ["localhost", "127.0.0.1", "10.96.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  const reached = addresses === undefined ? hosts : [...hosts, addresses.machine];
  const serving = issue(authority, { name: "kube-apiserver", hosts: reached });
  await writeFile(layout.pki("apiserver.crt"), serving.certPem);
  await writeFile(layout.pki("apiserver.key"), serving.keyPem, { mode: 0o600 });
  await writeFile(layout.auditPolicy, auditPolicy());
  const masters = ["system:masters"];
  for (const [name, groups] of [
    ["system:kube-controller-manager", []],
    ["system:kube-scheduler", []],
    ["kwok", masters],
  ] as const) {
    const pair = issue(authority, { name, groups });
    const text = kubeconfigText(`https://127.0.0.1:${port}`, certPem, name, { kind: "certificate", pair });
    await writeFile(layout.kubeconfig(name), text, { mode: 0o600 });
  }
  if (addresses !== undefined) {
    const client = issue(authority, { name: "kube-apiserver-kubelet-client", groups: masters });
    await writeFile(layout.pki("kubelet-client.crt"), client.certPem);
    await writeFile(layout.pki("kubelet-client.key"), client.keyPem, { mode: 0o600 });
    for (const [name, groups] of [
      [KUBELET_USER, ["system:nodes"]],
      [PROXY_USER, []],
    ] as const) {
      const pair = issue(authority, { name, groups });
      const over = `https://${addresses.machine}:${port}`;
      const text = kubeconfigText(over, certPem, name, { kind: "certificate", pair });
      await writeFile(layout.kubeconfig(name), text, { mode: 0o600 });
    }
  }
  const admin = issue(authority, { name: "admin", groups: masters });
  const text = kubeconfigText(`https://127.0.0.1:${port}`, certPem, "admin", { kind: "certificate", pair: admin });
  await writeFile(layout.kubeconfig("admin"), text, { mode: 0o600 });
  return { authority, admin };
}

interface ClusterParts {
  readonly layout: Layout;
  readonly plane: ControlPlane;
  readonly supervised: Supervised;
  readonly credentials: Credentials;
  readonly ports: Ports;
  readonly options: ClusterOptions;
}

function clusterOf(parts: ClusterParts): Cluster {
  const { layout, plane, supervised, credentials, ports, options } = parts;
  const { authority, admin } = credentials;
  const caPem = authority.certPem;
  const port = ports.apiserver;
  const url = `https://127.0.0.1:${port}`;
  const flags = {
    etcdPort: ports.etcd,
    flags: options.apiServerFlags ?? {},
    featureGates: options.featureGates ?? {},
  };
  const clients: ApiClient[] = [];
  const proxies: TcpProxy[] = [];
  let snapshots = 0;
  let stopped: Promise<void> | undefined;

  function adminClient(serverUrl: string): ApiClient {
    const client = createApiClient({ url: serverUrl, caPem, identity: { kind: "certificate", pair: admin } });
    clients.push(client);
    return client;
  }

  async function write(name: string, text: string): Promise<string> {
    const path = layout.kubeconfig(name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  async function startComponent(name: ProcessName): Promise<void> {
    await plane.start(name);
    await plane.ready(name);
  }

  async function restart(name: ProcessName, signal?: "SIGTERM" | "SIGKILL"): Promise<void> {
    await plane.stop(name, signal);
    await startComponent(name);
  }

  async function compactEtcd(): Promise<number> {
    const revision = await etcdRevision(ports.etcd);
    await etcdCompact(ports.etcd, revision);
    return revision;
  }

  async function stop(): Promise<void> {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    for (const one of clients) {
      one.close();
    }
    await supervised.end();
  }

  const client = adminClient(url);
  plane.addApiServer({ name: "apiserver", port, ...flags }, client);
  const cluster: Cluster = {
    url,
    port,
    etcdPort: ports.etcd,
    components: options.components ?? ALL_COMPONENTS,
    folder: layout.folder,
    kubeconfigPath: layout.kubeconfig("admin"),
    caPem,
    admin,
    client,
    request: client.request,
    send: client.send,
    async createUser(name, rules, userOptions) {
      await grant(client, name, rules);
      const pair = issue(authority, { name, ...userOptions });
      return write(name, kubeconfigText(url, caPem, name, { kind: "certificate", pair }));
    },
    certificate: (subject) => issue(authority, subject),
    serviceAccountToken: (namespace, name, seconds = HOUR_SECONDS) =>
      serviceAccountToken(client, namespace, name, seconds),
    writeKubeconfig(name, { url: other, token }) {
      const identity =
        token === undefined ? ({ kind: "certificate", pair: admin } as const) : ({ kind: "token", token } as const);
      return write(name, kubeconfigText(other ?? url, caPem, name, identity));
    },
    stopComponent: (name, signal) => plane.stop(name, signal),
    startComponent,
    restart,
    freeze: (name) => plane.freeze(name),
    thaw: (name) => plane.thaw(name),
    pid: (name) => plane.pid(name),
    quiet: () =>
      untilQuiet(
        plane.names().map((name) => plane.pid(name)),
        QUIET_SHARE,
        QUIET_DEADLINE_MS,
      ),
    compactEtcd,
    async expireVersions() {
      const revision = await compactEtcd();
      await restart("apiserver");
      return revision;
    },
    async snapshotEtcd() {
      const folder = join(layout.folder, "snapshots", String(++snapshots));
      const revision = await etcdRevision(ports.etcd);
      // Frozen in between two writes, its files are what a crash would leave behind, and it recovers from that.
      plane.freeze("etcd");
      try {
        await cp(layout.etcdData, folder, { recursive: true });
      } finally {
        plane.thaw("etcd");
      }
      return { folder, revision };
    },
    async restoreEtcd(snapshot) {
      const names = plane.names();
      for (const name of names.toReversed()) {
        await plane.stop(name, "SIGKILL");
      }
      await rm(layout.etcdData, { recursive: true });
      await cp(snapshot.folder, layout.etcdData, { recursive: true });
      await startAll(plane, names);
    },
    async proxy() {
      const proxy = await startTcpProxy({ host: "127.0.0.1", port });
      proxies.push(proxy);
      return proxy;
    },
    async secondApiServer() {
      const [secondPort] = await freePorts(1);
      const name: ProcessName = `apiserver-${plane.names().filter((one) => one.startsWith("apiserver")).length + 1}`;
      const secondUrl = `https://127.0.0.1:${secondPort}`;
      const secondClient = adminClient(secondUrl);
      plane.addApiServer({ name, port: secondPort, ...flags }, secondClient);
      await startComponent(name);
      const pair = { kind: "certificate", pair: admin } as const;
      const kubeconfigPath = await write(name, kubeconfigText(secondUrl, caPem, "admin", pair));
      return { name, url: secondUrl, port: secondPort, kubeconfigPath, client: secondClient };
    },
    auditLog: () => readAuditLog(layout.auditLog("apiserver")),
    logPath: (name) => layout.log(name),
    stop() {
      stopped ??= stop();
      return stopped;
    },
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
  return cluster;
}
