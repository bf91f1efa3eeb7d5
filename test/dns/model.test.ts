import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../core/testing/index.ts";
import { Responder } from "../../plugins/dns/answer.ts";
import { NameIndex } from "../../plugins/dns/name-index.ts";
import { feedZone } from "../../plugins/dns/zone-feed.ts";
import { TEST_ZONE, type TestObject, ZoneTestStore } from "../../plugins/dns/zone-store.test-support.ts";
import { decodeMessage, encodeQuery, type Message } from "./message.ts";

const NAMESPACES = ["shop", "bank"];
const NUMBERS = [0, 1, 2, 3];

interface Service {
  readonly namespace: string;
  readonly name: string;
  /** "None": headless. */
  readonly ip: string;
  readonly port: string;
}

interface Slice {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly endpoints: readonly { readonly ip: string; readonly label: string; readonly isReady: boolean }[];
}

/** What a zone should say, written down from its objects in the plainest way. */
class PlainZone {
  readonly names = new Set<string>();
  readonly records = new Map<string, Set<string>>();

  constructor(services: readonly Service[], slices: readonly Slice[]) {
    for (const service of services) {
      this.#service(
        service,
        slices.filter((slice) => isOf(slice, service)),
      );
    }
  }

  of(type: string, name: string): string[] {
    return [...(this.records.get(`${type} ${name}`) ?? [])].sort();
  }

  #service({ namespace, name, ip, port }: Service, slices: readonly Slice[]): void {
    const base = `${name}.${namespace}.svc.cluster.local`;
    const isHeadless = ip === "None";
    const ready = slices.flatMap(({ ports, endpoints }) =>
      endpoints.filter(({ isReady }) => isReady).map(({ ip, label }) => ({ ip, ports, own: `${label}.${base}` })),
    );
    if (isHeadless && ready.length === 0) {
      return;
    }
    this.names.add(base);
    if (!isHeadless) {
      this.#add("A", base, ip);
      this.#add("PTR service", ip, base);
      this.#ports(base, base, [{ name: port, port: 80 }]);
    }
    for (const { ip, ports, own } of ready) {
      this.#add("A", own, ip);
      this.#add("PTR endpoint", ip, own);
      for (const { port } of ports) {
        this.#add("SRV", own, `${port} ${own}`);
      }
      if (isHeadless) {
        this.#add("A", base, ip);
        this.#ports(base, own, ports);
      }
    }
  }

  #ports(base: string, target: string, ports: Slice["ports"]): void {
    for (const { name, port } of ports) {
      this.#add("SRV", base, `${port} ${target}`);
      this.#add("SRV", `_${name}._tcp.${base}`, `${port} ${target}`);
      this.names.add(`_tcp.${base}`);
    }
  }

  #add(type: string, name: string, data: string): void {
    this.names.add(name);
    const key = `${type} ${name}`;
    this.records.set(key, (this.records.get(key) ?? new Set()).add(data));
  }
}

function isOf(slice: Slice, service: Service): boolean {
  return slice.namespace === service.namespace && slice.service === service.name;
}

function serviceObject({ namespace, name, ip, port }: Service): TestObject {
  const ports = [{ name: port, port: 80, protocol: "TCP" }];
  return {
    kind: "Service",
    metadata: { namespace, name },
    spec: { type: "ClusterIP", clusterIP: ip, clusterIPs: [ip], ports },
  };
}

function sliceObject({ namespace, name, service, ports, endpoints }: Slice): TestObject {
  return {
    kind: "EndpointSlice",
    metadata: { namespace, name, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: ports.map((port) => ({ ...port, protocol: "TCP" })),
    endpoints: endpoints.map(({ ip, label, isReady }) => ({
      addresses: [ip],
      hostname: label.length === 1 ? label : undefined,
      conditions: { ready: isReady },
    })),
  };
}

function someService(random: Random): Service {
  const namespace = random.pick(NAMESPACES);
  const ip = random.below(3) === 0 ? "None" : `10.0.${NAMESPACES.indexOf(namespace)}.${random.below(9)}`;
  return { namespace, name: `s${random.pick(NUMBERS)}`, ip, port: random.pick(["web", "tls"]) };
}

function someSlice(random: Random): Slice {
  const service = `s${random.pick(NUMBERS)}`;
  const endpoints = Array.from({ length: random.below(4) }, () => {
    const ip = `172.20.0.${random.below(6)}`;
    const label = random.pick(["a", "b", "", ""]) || ip.replaceAll(".", "-");
    return { ip, label, isReady: random.below(5) > 0 };
  });
  const ports = random.below(4) === 0 ? [] : [{ name: random.pick(["web", "tls"]), port: 8000 + random.below(2) }];
  return { namespace: random.pick(NAMESPACES), name: `${service}-${random.below(2)}`, service, ports, endpoints };
}

/** Puts or removes one object in the store and in a list beside it. */
function change<T extends Service | Slice>(
  list: Map<string, T>,
  one: T,
  { store, toObject, isGone }: { store: ZoneTestStore; toObject: (one: T) => TestObject; isGone: boolean },
): void {
  const key = `${one.namespace}/${one.name}`;
  if (isGone) {
    store.remove(toObject(one));
    list.delete(key);
  } else {
    store.apply(toObject(one));
    list.set(key, one);
  }
}

test("after random changes every name has the records that a plain reading of the objects gives", () => {
  const random = seededRandom(7);
  const wrong: string[] = [];
  for (let round = 0; round < 60; round++) {
    const store = new ZoneTestStore(4 * 1024 * 1024);
    const index = NameIndex.create({ maxBytes: 1 << 20 });
    const feed = feedZone({ store: store.reader, index, zone: TEST_ZONE });
    const services = new Map<string, Service>();
    const slices = new Map<string, Slice>();
    store.markSynced();
    for (let step = 0; step < 40; step++) {
      const isGone = random.below(4) === 0;
      if (random.below(3) === 0) {
        change(services, someService(random), { store, toObject: serviceObject, isGone });
      } else {
        change(slices, someSlice(random), { store, toObject: sliceObject, isGone });
      }
      store.commit();
      if (random.below(2) === 0) {
        feed.flush();
      }
    }
    feed.flush();
    const plain = new PlainZone([...services.values()], [...slices.values()]);
    wrong.push(...differences(index, plain).map((text) => `round ${round}: ${text}`));
    feed.close();
    store.close();
  }
  assert.deepEqual(wrong, []);
});

/** All that is asked of an index and answered otherwise than the plain zone has it. */
function differences(index: NameIndex, plain: PlainZone): string[] {
  const responder = new Responder(index, { zone: TEST_ZONE, maxUdp: 4096, recursionAvailable: false });
  const out = new Uint8Array(65_535);
  const ask = (name: string, type: string): Message => {
    const query = encodeQuery({ name, type });
    return decodeMessage(out.subarray(0, responder.respond(query, query.length, out, true)));
  };
  const found: string[] = [];
  const compare = (what: string, is: readonly string[], should: readonly string[]): void => {
    if (is.join() !== should.join()) {
      found.push(`${what}: ${is} instead of ${should}`);
    }
  };
  for (const name of askedNames(plain)) {
    for (const type of ["A", "SRV"]) {
      const { rcode, an, ar } = ask(name, type);
      const answers = an.map((text) => text.replace(/^\S+ \d+ (A|SRV \d+ \d+) /, "")).sort();
      compare(
        `${type} ${name}`,
        [rcode, ...answers],
        [plain.names.has(name) ? "NOERROR" : "NXDOMAIN", ...plain.of(type, name)],
      );
      const targets = new Set(type === "SRV" ? answers.map((text) => text.replace(/^\d+ /, "")) : []);
      const addresses = [...targets].flatMap((target) => plain.of("A", target).map((ip) => `${target} 5 A ${ip}`));
      compare(`additional ${name}`, [...ar].sort(), addresses.sort());
    }
  }
  for (let last = 0; last < 9; last++) {
    for (const ip of [`10.0.0.${last}`, `10.0.1.${last}`, `172.20.0.${last}`]) {
      const { an } = ask(`${ip.split(".").reverse().join(".")}.in-addr.arpa`, "PTR");
      const names = an.map((text) => text.replace(/^.* PTR /, "")).sort();
      const owners = plain.of("PTR service", ip);
      const isRight = owners.length > 0 && names.length === 1 && owners.includes(names[0]);
      compare(`PTR ${ip}`, names, isRight ? names : owners.length > 0 ? owners : plain.of("PTR endpoint", ip));
    }
  }
  return found;
}

/** The names there are, and some like them that may not be. */
function askedNames(plain: PlainZone): Set<string> {
  const names = new Set([...plain.names].filter((name) => name.endsWith("cluster.local")));
  for (const namespace of NAMESPACES) {
    for (const number of NUMBERS) {
      for (const prefix of [
        "",
        "a.",
        "b.",
        "172-20-0-1.",
        "_web._tcp.",
        "_tls._tcp.",
        "_web._udp.",
        "_tcp.",
        "_udp.",
      ]) {
        names.add(`${prefix}s${number}.${namespace}.svc.cluster.local`);
      }
    }
  }
  return names;
}
