import type { ConfigName } from "./cases.ts";

/** Everything but "hidden", which is there to stay unseen. */
const EXPOSED = ["shop", "bank", "rail", "bare", "kube-system"];
const ZONES = ["cluster.local", "in-addr.arpa", "ip6.arpa"];

/** What a set-up may lead to. */
export interface SetUp {
  /** "address:port" that config C forwards to. */
  readonly upstream?: string;
}

interface Config {
  /** Lines of the kubernetes block of a Corefile. */
  readonly kubernetes: readonly string[];
  readonly zones: readonly string[];
  /** Whether names of elsewhere are forwarded, and cached as CoreDNS is shipped to do. */
  readonly forwards: boolean;
  readonly options: Readonly<Record<string, unknown>>;
}

const CONFIGS: Readonly<Record<ConfigName, Config>> = {
  D: { kubernetes: ["pods disabled"], zones: ZONES, forwards: false, options: { pods: "disabled" } },
  I: {
    kubernetes: ["pods insecure", "ignore empty_service"],
    zones: ZONES,
    forwards: false,
    options: { pods: "insecure", ignoreEmptyServices: true },
  },
  V: {
    kubernetes: ["pods verified", "endpoint_pod_names"],
    zones: ZONES,
    forwards: false,
    options: { pods: "verified", endpointPodNames: true },
  },
  C: {
    kubernetes: ["pods insecure", "fallthrough in-addr.arpa ip6.arpa"],
    zones: ZONES,
    forwards: true,
    options: { pods: "insecure" },
  },
  E: {
    kubernetes: ["pods disabled", "noendpoints"],
    zones: ["cluster.local"],
    forwards: false,
    options: { pods: "disabled", noEndpoints: true, reverse: [] },
  },
  N: { kubernetes: ["pods disabled"], zones: ZONES, forwards: false, options: { pods: "disabled" } },
};

/** Options of our plugin for a set-up, as YAML would have them. */
export function pluginOptions(name: ConfigName, port: number, setUp: SetUp = {}): Readonly<Record<string, unknown>> {
  const { options, forwards } = CONFIGS[name];
  return {
    listen: `127.0.0.1:${port}`,
    zone: "cluster.local",
    ptr: "endpoints",
    namespaces: { allow: EXPOSED },
    ...options,
    ...(forwards ? { forward: [{ zone: ".", to: [setUp.upstream] }], cache: { positive: 30, negative: 30 } } : {}),
  };
}

/** A Corefile for a set-up. */
export function corefile(name: ConfigName, port: number, kubeconfig: string, setUp: SetUp = {}): string {
  const { kubernetes, zones, forwards } = CONFIGS[name];
  const lines = [`kubeconfig ${kubeconfig}`, `namespaces ${EXPOSED.join(" ")}`, ...kubernetes];
  const block = [
    "errors",
    `kubernetes ${zones.join(" ")} {\n${lines.map((line) => `        ${line}`).join("\n")}\n    }`,
    ...(forwards ? ["cache 30", "loadbalance", `forward . ${setUp.upstream}`] : []),
  ];
  return `.:${port} {\n    bind 127.0.0.1\n${block.map((line) => `    ${line}`).join("\n")}\n}\n`;
}
