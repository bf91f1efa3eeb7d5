import { join } from "node:path";

/** Label of the real node, which a pod selects to be run for real. */
export const REAL_NODE_LABEL = "fairlead.example.org/real-node";
/** Name of the real node. */
export const REAL_NODE = "real-node";
/** Image of the process that holds the namespaces of a pod. */
export const PAUSE_IMAGE = "localhost/fairlead-pause:1";

/** Cgroup that containerd makes the cgroups of all containers in. */
export const CONTAINER_CGROUP = "/k8s.io";

/** Addresses of a real node; each cluster on a machine has its own. */
export interface NodeAddresses {
  /** Name of the machine's end of the link to the node. */
  readonly link: string;
  /** The machine as the node sees it: here the API server is reached. */
  readonly machine: string;
  /** The node itself. */
  readonly node: string;
  /** Length of the prefix of the link. */
  readonly prefix: number;
  /** Range of the addresses of pods. */
  readonly pods: string;
}

/** Files of a real node, all below the run folder of its cluster. */
export interface NodeLayout {
  readonly folder: string;
  readonly containerdConfig: string;
  readonly containerdSocket: string;
  /** Holds a folder for each container, called by its id. */
  readonly containers: string;
  readonly kubeletConfig: string;
  readonly cni: string;
  readonly resolvConf: string;
}

/** The addresses of the nth real node of a machine. */
export function nodeAddresses(slot: number): NodeAddresses {
  const at = `10.241.${slot}`;
  return { link: `fairlead${slot}`, machine: `${at}.1`, node: `${at}.2`, prefix: 30, pods: `10.242.${slot}.0/24` };
}

/** Where everything of a real node lies. */
export function nodeLayout(runFolder: string): NodeLayout {
  const folder = join(runFolder, "node");
  return {
    folder,
    containerdConfig: join(folder, "containerd.toml"),
    containerdSocket: join(folder, "containerd.sock"),
    containers: join(folder, "containerd-state", "io.containerd.runtime.v2.task", "k8s.io"),
    kubeletConfig: join(folder, "kubelet.json"),
    cni: join(folder, "cni"),
    resolvConf: join(folder, "resolv.conf"),
  };
}

/** Flags of an API server that pods and a kubelet reach over the link. */
export function apiServerFlags(addresses: NodeAddresses, client: { readonly cert: string; readonly key: string }) {
  return {
    "bind-address": "0.0.0.0",
    "advertise-address": addresses.machine,
    "endpoint-reconciler-type": "lease",
    "kubelet-preferred-address-types": "InternalIP",
    "kubelet-client-certificate": client.cert,
    "kubelet-client-key": client.key,
  } as const;
}

/** Configuration of containerd: all of its files in the run folder, no right needed to lower an OOM score. */
export function containerdConfig(layout: NodeLayout, cniPlugins: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${JSON.stringify(join(layout.folder, "containerd"))}
state = ${JSON.stringify(join(layout.folder, "containerd-state"))}
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = ${JSON.stringify(layout.containerdSocket)}
[${cri}]
  sandbox_image = ${JSON.stringify(PAUSE_IMAGE)}
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [${cri}.cni]
    bin_dir = ${JSON.stringify(cniPlugins)}
    conf_dir = ${JSON.stringify(layout.cni)}
  [${cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
}

/** Network of the pods: one bridge, addresses from the node's range. */
export function cniConfig(layout: NodeLayout, addresses: NodeAddresses): string {
  const bridge = {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: {
      type: "host-local",
      dataDir: join(layout.folder, "addresses"),
      ranges: [[{ subnet: addresses.pods }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  };
  const portmap = { type: "portmap", capabilities: { portMappings: true } };
  return JSON.stringify({ cniVersion: "1.0.0", name: "pods", plugins: [bridge, portmap] });
}

/** What of the kubelet's configuration depends on the cluster. */
export interface KubeletSettings {
  readonly layout: NodeLayout;
  readonly clientCa: string;
  /** Keeps pods away that do not ask for a real node. */
  readonly tainted: boolean;
}

/** Configuration of the kubelet: a guest on a machine that is not its own. */
export function kubeletConfig(settings: KubeletSettings): string {
  const { layout } = settings;
  return JSON.stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: settings.clientCa },
    },
    authorization: { mode: "Webhook" },
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    containerRuntimeEndpoint: `unix://${layout.containerdSocket}`,
    enforceNodeAllocatable: [],
    evictionHard: { "memory.available": "1Mi", "nodefs.available": "0.1%", "imagefs.available": "0.1%" },
    failCgroupV1: false,
    failSwapOn: false,
    imageGCHighThresholdPercent: 100,
    localStorageCapacityIsolation: false,
    nodeStatusUpdateFrequency: "5s",
    oomScoreAdj: 0,
    podLogsDir: join(layout.folder, "pod-logs"),
    readOnlyPort: 0,
    registerWithTaints: settings.tainted ? [{ key: REAL_NODE_LABEL, value: "true", effect: "NoSchedule" }] : [],
    resolvConf: layout.resolvConf,
    volumePluginDir: join(layout.folder, "volume-plugins"),
  });
}

/** Arguments of the kubelet. */
export function kubeletArgs(layout: NodeLayout, addresses: NodeAddresses, kubeconfig: string): readonly string[] {
  return [
    `--config=${layout.kubeletConfig}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${REAL_NODE}`,
    `--node-ip=${addresses.node}`,
    `--node-labels=${REAL_NODE_LABEL}=true`,
    `--root-dir=${join(layout.folder, "kubelet")}`,
    `--cert-dir=${join(layout.folder, "kubelet-pki")}`,
  ];
}

/** Arguments of kube-proxy: Services by iptables, settings of the machine left alone. */
export function kubeProxyArgs(addresses: NodeAddresses, kubeconfig: string): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${REAL_NODE}`,
    "--proxy-mode=iptables",
    `--cluster-cidr=${addresses.pods}`,
    "--conntrack-max-per-core=0",
    "--conntrack-tcp-timeout-established=0",
    "--conntrack-tcp-timeout-close-wait=0",
    "--oom-score-adj=0",
  ];
}
