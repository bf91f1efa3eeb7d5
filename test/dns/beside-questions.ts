import type { Random } from "../../core/testing/index.ts";
import type { ApiClient } from "../cluster/cluster.ts";

/** A name and a type. */
export interface Question {
  readonly name: string;
  readonly type: string;
}

interface Named {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: Record<string, string> };
}

interface Service extends Named {
  readonly spec: { readonly clusterIP?: string; readonly ports?: readonly { name?: string; protocol?: string }[] };
}

interface Slice extends Named {
  readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly hostname?: string }[];
}

interface Pod extends Named {
  readonly status: { readonly podIP?: string };
}

/** What of a cluster questions are made from. */
export interface ClusterNames {
  readonly services: readonly Service[];
  readonly slices: readonly Slice[];
  readonly pods: readonly Pod[];
}

const PAGE = 500;
const TYPES = ["A", "AAAA", "SRV", "TXT", "CNAME", "PTR"];
const SERVICE_LABEL = "kubernetes.io/service-name";

/** Reads them from the API server. */
export async function clusterNames(client: ApiClient): Promise<ClusterNames> {
  return {
    services: await listAll(client, "/api/v1/services"),
    slices: await listAll(client, "/apis/discovery.k8s.io/v1/endpointslices"),
    pods: await listAll(client, "/api/v1/pods"),
  };
}

async function listAll<T>(client: ApiClient, path: string): Promise<readonly T[]> {
  const items: T[] = [];
  let token = "";
  do {
    const { body } = await client.send("GET", `${path}?limit=${PAGE}&continue=${encodeURIComponent(token)}`);
    items.push(...body.items);
    token = body.metadata.continue ?? "";
  } while (token !== "");
  return items;
}

/** Questions about a service: its own names, of all types, and some that nobody has. */
export function serviceQuestions({ metadata, spec }: Service): readonly Question[] {
  const name = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
  const ports = (spec.ports ?? []).filter((port) => port.name !== undefined);
  const ofPorts = ports.flatMap((port) => {
    const label = `_${port.name}._${(port.protocol ?? "TCP").toLowerCase()}.${name}`;
    return [ask(label, "SRV"), ask(label, "A")];
  });
  const ip = spec.clusterIP ?? "";
  return [
    ...TYPES.map((type) => ask(name, type)),
    ...ofPorts,
    ask(`_nope._tcp.${name}`, "SRV"),
    ask(`nope.${name}`, "A"),
    ask(`${name}.${metadata.namespace}.svc.cluster.local`, "A"),
    ask(mixedCase(name), "A"),
    ...(/^\d/.test(ip) ? [ask(reverseName(ip), "PTR"), ask(reverseName(ip), "A")] : []),
  ];
}

/** Questions about what is behind a service. */
export function sliceQuestions({ metadata, endpoints }: Slice): readonly Question[] {
  const service = metadata.labels?.[SERVICE_LABEL];
  return (endpoints ?? []).flatMap(({ addresses, hostname }) =>
    addresses.flatMap((address) => {
      const label = hostname ?? address.replaceAll(".", "-");
      const name = `${label}.${service}.${metadata.namespace}.svc.cluster.local`;
      return [ask(name, "A"), ask(name, "AAAA"), ask(name, "SRV"), ask(reverseName(address), "PTR")];
    }),
  );
}

/** Questions of all kinds about a part of a cluster, chosen by chance. */
export function sampleQuestions(names: ClusterNames, random: Random, count: number): readonly Question[] {
  const questions: Question[] = [...FIXED];
  for (let at = 0; at < count; at++) {
    questions.push(...serviceQuestions(random.pick(names.services)));
    questions.push(...sliceQuestions(random.pick(names.slices)));
    const { metadata, status } = random.pick(names.pods);
    const dashed = (status.podIP ?? "10.0.0.0").replaceAll(".", "-");
    questions.push(ask(`${dashed}.${metadata.namespace}.pod.cluster.local`, "A"));
    questions.push(ask(`${dashed}.${random.pick(names.pods).metadata.namespace}.pod.cluster.local`, "A"));
    questions.push(ask(`${dashed}.${metadata.namespace}.pod.cluster.local`, "SRV"));
    questions.push(ask(`${metadata.namespace}.svc.cluster.local`, random.pick(TYPES)));
    questions.push(ask(`${metadata.namespace}.pod.cluster.local`, "A"));
    questions.push(ask(`n${random.suffix(5)}.${metadata.namespace}.svc.cluster.local`, random.pick(TYPES)));
    questions.push(ask(`x.n${random.suffix(5)}.svc.cluster.local`, "A"));
  }
  return questions;
}

const FIXED: readonly Question[] = [
  ...["A", "AAAA", "SRV", "TXT", "MX", "SOA", "HINFO"].map((type) => ask("cluster.local", type)),
  ...["A", "TXT"].map((type) => ask("dns-version.cluster.local", type)),
  ...["svc", "pod", "dns", "foo"].map((label) => ask(`${label}.cluster.local`, "A")),
  ask("kubernetes.default.svc.cluster.local", "A"),
  ask("_https._tcp.kubernetes.default.svc.cluster.local", "SRV"),
  ask("_tcp.kubernetes.default.svc.cluster.local", "SRV"),
  ask("https.tcp.kubernetes.default.svc.cluster.local", "SRV"),
  ask("in-addr.arpa", "SOA"),
  ask("10.in-addr.arpa", "PTR"),
  ask("www.example.org", "A"),
];

function ask(name: string, type: string): Question {
  return { name, type };
}

function reverseName(address: string): string {
  return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
}

function mixedCase(name: string): string {
  return [...name].map((letter, at) => (at % 2 === 0 ? letter.toUpperCase() : letter)).join("");
}
