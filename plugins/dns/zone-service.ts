import type { GroupRecord, HostRecord, PortRecord, TargetRecord } from "./records.ts";
import { PROTOCOLS } from "./records.ts";
import { addressBytes, addressKey, dashed, labelsOf } from "./zone-names.ts";
import type { ServiceView, SliceView } from "./zone-needs.ts";

/** A service as the zone shows it. */
export type ServiceRecord =
  | { readonly kind: "host"; readonly host: HostRecord; readonly left: number }
  /** ExternalName: the labels of its target. */
  | { readonly kind: "alias"; readonly labels: Uint8Array };

/** What decides how services are shown. */
export interface ServiceRules {
  readonly endpointPodNames: boolean;
  readonly ignoreEmptyServices: boolean;
  readonly noEndpoints: boolean;
  /** Endpoints of one service that get names; further ones are left out. */
  readonly maxEndpoints: number;
}

/** Endpoints with one label, which are one name. */
interface OpenTarget {
  readonly v4: Uint8Array[];
  readonly v6: Uint8Array[];
  /** One of `OpenHost.ports`. */
  ports: readonly PortRecord[];
}

interface OpenHost {
  readonly v4: Uint8Array[];
  readonly v6: Uint8Array[];
  /** By label. */
  readonly targets: Map<string, OpenTarget>;
  /** Lists of ports by what they say, so that equal ones are the same. */
  readonly ports: Map<string, readonly PortRecord[]>;
  /** Addresses that are in already. */
  readonly seen: Set<string>;
  count: number;
  left: number;
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const HEADLESS = "None";
/** Longest pod name that becomes a label. */
const LONGEST_LABEL = 63;
/** As many addresses as a target of a record can have. */
const MOST_OF_TARGET = 255;
/** As many addresses as a record can have. */
const MOST_ADDRESSES = 65_535;

/** Reads a service and its slices; undefined when its name does not exist. Pure. */
export function readService(
  service: ServiceView,
  slices: readonly SliceView[],
  rules: ServiceRules,
): ServiceRecord | undefined {
  if (service.spec.type === "ExternalName") {
    const { externalName = "" } = service.spec;
    const labels = addressBytes(externalName) === undefined ? labelsOf(externalName) : undefined;
    return labels === undefined ? undefined : { kind: "alias", labels };
  }
  const { clusterIP } = service.spec;
  const addresses = service.spec.clusterIPs.length > 0 ? service.spec.clusterIPs : clusterIP ? [clusterIP] : [];
  const isHeadless = addresses[0] === HEADLESS;
  const open = readEndpoints(slices, rules);
  if (isHeadless ? open.count === 0 : rules.ignoreEmptyServices && open.count === 0) {
    return undefined;
  }
  const groups = groupsOf(open);
  if (isHeadless) {
    const host: HostRecord = { isHeadless, v4: open.v4, v6: open.v6, ports: [], groups };
    return { kind: "host", host, left: open.left };
  }
  const bytes = addresses.flatMap((address) => addressBytes(address) ?? []);
  const host: HostRecord = {
    isHeadless,
    v4: bytes.filter(isV4),
    v6: bytes.filter((address) => !isV4(address)),
    ports: readPorts(service.spec.ports),
    groups,
  };
  return bytes.length === 0 ? undefined : { kind: "host", host, left: open.left };
}

/** An endpoint is ready unless it says otherwise; one that is ending never says that it is. */
function isReady({ conditions }: SliceView["endpoints"][number]): boolean {
  return conditions.ready ?? conditions.terminating !== true;
}

function readEndpoints(slices: readonly SliceView[], rules: ServiceRules): OpenHost {
  const open: OpenHost = { v4: [], v6: [], targets: new Map(), ports: new Map(), seen: new Set(), count: 0, left: 0 };
  if (rules.noEndpoints) {
    return open;
  }
  // In the order of their names, so that the same slices give the same records, whatever happened before.
  for (const slice of [...slices].sort(byName)) {
    if (slice.addressType === "FQDN") {
      continue;
    }
    const ports = sharedPorts(open, readPorts(slice.ports));
    for (const endpoint of slice.endpoints) {
      if (isReady(endpoint)) {
        readEndpoint(endpoint, ports, rules, open);
      }
    }
  }
  return open;
}

function readEndpoint(
  endpoint: SliceView["endpoints"][number],
  ports: readonly PortRecord[],
  rules: ServiceRules,
  open: OpenHost,
): void {
  for (const address of endpoint.addresses) {
    const bytes = addressBytes(address);
    if (bytes === undefined) {
      continue;
    }
    if (open.count >= Math.min(rules.maxEndpoints, MOST_ADDRESSES)) {
      open.left++;
      continue;
    }
    open.count++;
    addTarget(labelOf(endpoint, address, rules), bytes, ports, open);
  }
}

function addTarget(label: string, bytes: Uint8Array, ports: readonly PortRecord[], open: OpenHost): void {
  let target = open.targets.get(label);
  if (target === undefined) {
    target = { v4: [], v6: [], ports };
    open.targets.set(label, target);
  } else if (target.ports !== ports) {
    target.ports = sharedPorts(open, [...target.ports, ...ports]);
  }
  const key = addressKey(bytes);
  const isNew = !open.seen.has(key);
  if (isNew) {
    open.seen.add(key);
    (isV4(bytes) ? open.v4 : open.v6).push(bytes);
  }
  const own = isV4(bytes) ? target.v4 : target.v6;
  const isThere = !isNew && own.some((other) => Buffer.compare(other, bytes) === 0);
  if (!isThere && target.v4.length + target.v6.length < MOST_OF_TARGET) {
    own.push(bytes);
  }
}

/** The list of ports that says the same: each port once, in an order that does not depend on where it was read. */
function sharedPorts(open: OpenHost, ports: readonly PortRecord[]): readonly PortRecord[] {
  const byText = new Map(ports.map((port) => [`${port.name}/${port.protocol}/${port.number}`, port]));
  const texts = [...byText.keys()].sort();
  const signature = texts.join();
  const found = open.ports.get(signature) ?? texts.flatMap((text) => byText.get(text) ?? []);
  open.ports.set(signature, found);
  return found;
}

/** Targets by their ports. Each label is in one group, with all its addresses. */
function groupsOf({ targets }: OpenHost): GroupRecord[] {
  const groups = new Map<readonly PortRecord[], TargetRecord[]>();
  for (const [label, { v4, v6, ports }] of targets) {
    const target = { label, v4, v6 };
    const group = groups.get(ports);
    if (group === undefined) {
      groups.set(ports, [target]);
    } else {
      group.push(target);
    }
  }
  return [...groups].map(([ports, targets]) => ({ ports, targets }));
}

/** The name of an endpoint below its service: its hostname, or its pod's name where that is wished, or its address. */
function labelOf(endpoint: SliceView["endpoints"][number], address: string, rules: ServiceRules): string {
  const { hostname, targetRef } = endpoint;
  const name = hostname?.toLowerCase();
  if (name !== undefined && LABEL.test(name)) {
    return name;
  }
  const pod = rules.endpointPodNames && targetRef.kind === "Pod" ? (targetRef.name ?? "") : "";
  return pod.length <= LONGEST_LABEL && LABEL.test(pod) ? pod : dashed(address);
}

/** Ports without a number stand for all of them, which no record can say. */
function readPorts(
  ports: readonly {
    readonly name: string | undefined;
    readonly protocol: string | undefined;
    readonly port: number | undefined;
  }[],
): PortRecord[] {
  return ports.flatMap(({ name = "", protocol = "TCP", port = 0 }) => {
    const number = PROTOCOLS.indexOf(protocol.toLowerCase());
    const isPort = port > 0 && port <= 65_535 && number >= 0;
    return isPort ? [{ number: port, protocol: number, name: name.toLowerCase().slice(0, LONGEST_LABEL) }] : [];
  });
}

function isV4(address: Uint8Array): boolean {
  return address.length === 4;
}

function byName(a: SliceView, b: SliceView): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
