/** What a key of the index names. Keys are lower-case wire labels without the zone and without the root's, unless said. */
export const TAG = {
  /** Below `svc`: "shop" a namespace, "cart.shop" a service, "cart-a.cart.shop" an endpoint. */
  service: 1,
  /** The 4 or 16 bytes of an address. */
  address: 2,
  /** The label of a namespace, then the 4 or 16 bytes of an address. */
  pod: 3,
  /** Below `node`: a node's name. */
  node: 4,
  /** What this server says of itself: `SERVER_ADDRESSES`, `SERVER_SERVICE`. */
  server: 5,
} as const;

/** Key of the addresses of this server. */
export const SERVER_ADDRESSES: Uint8Array = Uint8Array.of(0);
/** Key of the service that this server is behind. */
export const SERVER_SERVICE: Uint8Array = Uint8Array.of(1);

/** The first byte of a value: how the rest is laid out. Numbers are big-endian. */
export const VALUE = {
  /** The name exists and has no records. */
  empty: 0,
  /**
   * Addresses and ports. headless(1) addresses4(2) addresses6(2) ports(1) groups(2), then the IPv4 and the IPv6
   * addresses, then ports, then groups. A port: number(2) protocol(1) length(1) name. A group: bytes(4, of all that
   * follows) targets(2) ports(1) addresses(2, of all targets), its ports, its targets. A target: length(1) label addresses4(1) addresses6(1),
   * the addresses. Groups are the endpoints of a service; unless it is headless its answers do not show them.
   */
  host: 1,
  /** length(1) and the whole lower-case wire name. */
  alias: 2,
  /** count(1), then names: rank(1) domain(1) length(1) labels length(1) and the strings of a TXT record. */
  pointers: 3,
  /** length(1) and the strings of a TXT record. */
  pod: 4,
} as const;

/** How good a name is for an address; the best alone are answered. */
export const RANK = { service: 0, endpoint: 1, pod: 2, node: 3 } as const;

/** What follows the labels of a pointer, before the zone. */
export const DOMAIN = { svc: 0, pod: 1, node: 2 } as const;

/** Wire labels of `DOMAIN`, by number. */
export const DOMAIN_LABELS: readonly Uint8Array[] = ["svc", "pod", "node"].map((label) =>
  Uint8Array.of(label.length, ...Buffer.from(label)),
);

// Places in a host value.
/** 1 when the endpoints are the answers. */
export const HOST_HEADLESS = 1;
/** How many IPv4 addresses. */
export const HOST_V4 = 2;
/** How many IPv6 addresses. */
export const HOST_V6 = 4;
/** How many ports. */
export const HOST_PORTS = 6;
/** How many groups. */
export const HOST_GROUPS = 7;
/** Bytes before the addresses. */
export const HOST_HEAD = 9;

// Places in a group of a host value.
/** How many targets; what is before it is the length of all that follows from here. */
export const GROUP_TARGETS = 4;
/** How many ports. */
export const GROUP_PORTS = 6;
/** How many addresses all targets have. */
export const GROUP_ADDRESSES = 7;
/** Bytes before the ports. */
export const GROUP_HEAD = 9;

/** Bytes of a port before its name. */
export const PORT_HEAD = 4;

/** A protocol as a port has it. */
export const PROTOCOLS: readonly string[] = ["tcp", "udp", "sctp"];

/** A port of a host. */
export interface PortRecord {
  readonly number: number;
  /** Place in `PROTOCOLS`. */
  readonly protocol: number;
  /** Lower case; empty: only questions for all ports find it. */
  readonly name: string;
}

/** A name in front of a service's, with its addresses. */
export interface TargetRecord {
  readonly label: string;
  readonly v4: readonly Uint8Array[];
  readonly v6: readonly Uint8Array[];
}

/** Targets that have the same ports. */
export interface GroupRecord {
  readonly ports: readonly PortRecord[];
  readonly targets: readonly TargetRecord[];
}

/** A service or one of its endpoints. */
export interface HostRecord {
  readonly isHeadless: boolean;
  readonly v4: readonly Uint8Array[];
  readonly v6: readonly Uint8Array[];
  /** Ports at the name itself. */
  readonly ports: readonly PortRecord[];
  readonly groups: readonly GroupRecord[];
}

/** A name of an address. */
export interface PointerRecord {
  readonly rank: number;
  readonly domain: number;
  readonly labels: Uint8Array;
  /** Strings of a TXT record. */
  readonly facts: readonly string[];
}

/** One endpoint as a host value knows it: its label and addresses, and where the ports of its group are. */
export interface TargetView {
  readonly label: string;
  /** 4 or 16 bytes each. */
  readonly addresses: readonly Uint8Array[];
  readonly ports: Uint8Array;
}

/** Where one endpoint is in a host value. */
export interface TargetPlace {
  readonly label: string;
  /** Number of IPv4 addresses, number of IPv6 addresses, addresses. */
  readonly at: number;
  readonly group: number;
  readonly portsAt: number;
  readonly portsEnd: number;
}

/** Walks over the endpoints of a host value. */
export function* targetPlaces(bytes: Uint8Array, at: number): Iterable<TargetPlace> {
  let next = groupsAt(bytes, at);
  for (let group = 0; group < short(bytes, at + HOST_GROUPS); group++) {
    const count = short(bytes, next + GROUP_TARGETS);
    const portsAt = next + GROUP_HEAD;
    next = portsEnd(bytes, portsAt, bytes[next + GROUP_PORTS]);
    const end = next;
    for (let n = 0; n < count; n++) {
      const size = bytes[next];
      const label = Buffer.from(bytes.buffer, bytes.byteOffset + next + 1, size).toString("latin1");
      next += 1 + size;
      yield { label, at: next, group, portsAt, portsEnd: end };
      next += 2 + bytes[next] * 4 + bytes[next + 1] * 16;
    }
  }
}

/** The endpoints of a host value, copied out; only those with labels for which `isWanted` holds, where it is given. */
export function targetsIn(bytes: Uint8Array, at: number, isWanted?: (label: string) => boolean): TargetView[] {
  const found: TargetView[] = [];
  for (const place of targetPlaces(bytes, at)) {
    if (isWanted === undefined || isWanted(place.label)) {
      const v4 = bytes[place.at];
      const addresses: Uint8Array[] = [];
      let next = place.at + 2;
      for (let n = v4 + bytes[place.at + 1]; n > 0; n--) {
        const end = next + (addresses.length < v4 ? 4 : 16);
        addresses.push(bytes.slice(next, end));
        next = end;
      }
      found.push({ label: place.label, addresses, ports: bytes.slice(place.portsAt, place.portsEnd) });
    }
  }
  return found;
}

/** Addresses of a host value, copied out. */
export function addressesIn(bytes: Uint8Array, at: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const v4 = short(bytes, at + HOST_V4);
  let next = at + HOST_HEAD;
  for (let n = 0; n < v4 + short(bytes, at + HOST_V6); n++) {
    const length = n < v4 ? 4 : 16;
    found.push(bytes.slice(next, next + length));
    next += length;
  }
  return found;
}

/** Names in a pointers value, copied out. */
export function pointersIn(bytes: Uint8Array, at: number): PointerRecord[] {
  const found: PointerRecord[] = [];
  let next = at + 2;
  for (let n = 0; n < bytes[at + 1]; n++) {
    const labels = bytes.slice(next + 3, next + 3 + bytes[next + 2]);
    const factsAt = next + 3 + labels.length;
    const facts: string[] = [];
    for (let fact = factsAt + 1; fact <= factsAt + bytes[factsAt]; fact += bytes[fact] + 1) {
      facts.push(String.fromCharCode(...bytes.subarray(fact + 1, fact + 1 + bytes[fact])));
    }
    found.push({ rank: bytes[next], domain: bytes[next + 1], labels, facts });
    next = factsAt + 1 + bytes[factsAt];
  }
  return found;
}

/** Where the ports of a host value begin. */
export function portsAt(bytes: Uint8Array, at: number): number {
  return at + HOST_HEAD + short(bytes, at + HOST_V4) * 4 + short(bytes, at + HOST_V6) * 16;
}

/** Where the groups of a host value begin. */
export function groupsAt(bytes: Uint8Array, at: number): number {
  return portsEnd(bytes, portsAt(bytes, at), bytes[at + HOST_PORTS]);
}

/** Where a list of ports ends. */
export function portsEnd(bytes: Uint8Array, at: number, count: number): number {
  let next = at;
  for (let n = 0; n < count; n++) {
    next += PORT_HEAD + bytes[next + 3];
  }
  return next;
}

/** Two bytes as a number. */
export function short(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}
