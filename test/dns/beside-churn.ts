import type { Random } from "../../core/testing/index.ts";
import type { ApiClient } from "../cluster/cluster.ts";
import type { Question } from "./beside-questions.ts";

/** Services and slices of one namespace that come, change and go, through the API server. */
export interface ServiceChurn {
  /** Makes changes, one after the other. */
  turn(changes: number): Promise<void>;
  /** Ends a turn: makes a headless service and its slice; once its name has an address, all before is known. */
  mark(): Promise<string>;
  /** Questions about everything that was ever made. */
  questions(): readonly Question[];
}

type Kind = "address" | "headless" | "external";

interface Made {
  readonly name: string;
  readonly kind: Kind;
  alive: boolean;
}

const NAMESPACE = "beside";
const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;
const KINDS: readonly Kind[] = ["address", "address", "headless", "headless", "external"];
const TARGETS = [
  "kubernetes.default.svc.cluster.local",
  "s0.beside.svc.cluster.local",
  "www.example.org",
  "nope.beside.svc.cluster.local",
];

/** Makes the namespace. */
export async function serviceChurn(client: ApiClient, random: Random): Promise<ServiceChurn> {
  await client.send("POST", "/api/v1/namespaces", { metadata: { name: NAMESPACE } });
  const all: Made[] = [];
  const addresses = new Set<string>();
  let marks = 0;

  async function create(): Promise<void> {
    const one: Made = { name: `s${all.length}`, kind: random.pick(KINDS), alive: true };
    all.push(one);
    const ports = [{ name: "web", port: 80 }, ...(random.below(2) === 0 ? [{ name: "tls", port: 443 }] : [])];
    const spec =
      one.kind === "external"
        ? { type: "ExternalName", externalName: random.pick(TARGETS) }
        : { ports, ...(one.kind === "headless" ? { clusterIP: "None" } : {}) };
    await client.send("POST", SERVICES, { metadata: { name: one.name }, spec });
    if (one.kind !== "external") {
      await client.send("POST", SLICES, slice(one.name));
    }
  }

  function slice(service: string): object {
    const endpoints = Array.from({ length: random.below(5) }, (_, at) => {
      const address = `10.77.${random.below(4)}.${1 + random.below(250)}`;
      addresses.add(address);
      const hostname = random.below(3) === 0 ? { hostname: `host-${at}` } : {};
      return { addresses: [address], ...hostname, conditions: { ready: random.below(4) !== 0 } };
    });
    return {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: service, labels: { "kubernetes.io/service-name": service } },
      addressType: "IPv4",
      endpoints,
      ports: [{ name: "web", port: 8080, protocol: "TCP" }],
    };
  }

  async function change(): Promise<void> {
    const alive = all.filter((one) => one.alive);
    if (alive.length < 10 || random.below(3) === 0) {
      return create();
    }
    const one = random.pick(alive);
    if (random.below(3) === 0) {
      one.alive = false;
      await client.send("DELETE", `${SERVICES}/${one.name}`);
      if (one.kind !== "external" && random.below(4) !== 0) {
        await client.request("DELETE", `${SLICES}/${one.name}`); // Now and then a slice outlives its service.
      }
      return;
    }
    if (one.kind === "external") {
      await client.send("PATCH", `${SERVICES}/${one.name}`, { spec: { externalName: random.pick(TARGETS) } });
      return;
    }
    await client.send("PATCH", `${SLICES}/${one.name}`, slice(one.name));
  }

  return {
    async turn(changes) {
      for (let at = 0; at < changes; at++) {
        await change();
      }
    },
    async mark() {
      const name = `mark-${marks++}`;
      await client.send("POST", SERVICES, { metadata: { name }, spec: { clusterIP: "None", ports: [{ port: 80 }] } });
      const endpoints = [{ addresses: ["10.77.9.9"], conditions: { ready: true } }];
      await client.send("POST", SLICES, { ...slice(name), endpoints });
      return `${name}.${NAMESPACE}.svc.cluster.local`;
    },
    questions() {
      const names = all.map((one) => `${one.name}.${NAMESPACE}.svc.cluster.local`);
      const ofAddresses = [...addresses].flatMap((address) => {
        const reverse = `${address.split(".").reverse().join(".")}.in-addr.arpa`;
        return [{ name: reverse, type: "PTR" }];
      });
      const ofNames = names.flatMap((name) => [
        ...["A", "AAAA", "SRV", "CNAME", "TXT"].map((type) => ({ name, type })),
        { name: `host-0.${name}`, type: "A" },
        { name: `_web._tcp.${name}`, type: "SRV" },
        { name: `_tls._tcp.${name}`, type: "SRV" },
      ]);
      return [...ofNames, ...ofAddresses];
    },
  };
}
