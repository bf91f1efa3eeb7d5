import type { NameBytes } from "./answer-question.ts";
import type { NameIndex } from "./name-index.ts";
import {
  GROUP_HEAD,
  GROUP_PORTS,
  GROUP_TARGETS,
  groupsAt,
  HOST_GROUPS,
  HOST_HEADLESS,
  HOST_PORTS,
  PORT_HEAD,
  PROTOCOLS,
  portsAt,
  SERVER_ADDRESSES,
  short,
  TAG,
  VALUE,
} from "./records.ts";
import { hexOf, readDashed } from "./zone-names.ts";
import type { WireZone } from "./zone-plan.ts";

/** What a name is. */
export const FOUND = {
  nothing: 0,
  /** It exists, without records: a namespace, or something lies below it. */
  empty: 1,
  /** A service or an endpoint: `Lookup.value` is its host value. */
  host: 2,
  /** "_port._proto" of a service, whose host value it is. */
  port: 3,
  /** An ExternalName. */
  alias: 4,
  /** A pod by its address: `Lookup.address`; `value` is 0 where pods are not checked. */
  pod: 5,
  /** The version of the scheme. */
  version: 6,
  /** This server; `value` may be 0. */
  server: 7,
  /** The zone itself. */
  apex: 8,
  /** An address: `value` is its pointers value. */
  pointers: 9,
} as const;

const label = (text: string): Uint8Array => Uint8Array.of(text.length, ...Buffer.from(text));
const SVC = label("svc");
const POD = label("pod");
const NODE = label("node");
const DNS = label("dns");
const NS = label("ns");
const VERSION = label("dns-version");
const ARPA = label("arpa");
const IN_ADDR = label("in-addr");
const PROTOCOL_LABELS = PROTOCOLS.map((protocol) => label(`_${protocol}`));

const UNDERSCORE = 95;
const V4_LABELS = 4;
const V6_LABELS = 32;

/** What decides which names there are. */
export interface LookupRules {
  readonly zone: WireZone;
  readonly pods: "disabled" | "insecure" | "verified";
  /** Nodes have names. */
  readonly nodes: boolean;
}

/** Finds what a name is. One for a thread; allocates nothing. */
export class Lookup {
  index: NameIndex;
  /** Offset of what was found in the bytes of the index. */
  value = 0;
  readonly address = new Uint8Array(16);
  addressLength = 0;
  readonly #rules: LookupRules;
  readonly #key = new Uint8Array(96);

  constructor(index: NameIndex, rules: LookupRules) {
    this.index = index;
    this.#rules = rules;
  }

  /** A name of the cluster's zone. */
  find(name: NameBytes): number {
    const { zone, nodes } = this.#rules;
    const depth = name.count - zone.labels;
    this.value = 0;
    if (depth === 0) {
      return FOUND.apex;
    }
    const kind = depth - 1;
    if (name.isLabel(kind, SVC)) {
      return this.#service(name, kind);
    }
    if (name.isLabel(kind, POD)) {
      return this.#pod(name, kind);
    }
    if (nodes && name.isLabel(kind, NODE)) {
      return kind === 0 ? FOUND.empty : this.#stored(TAG.node, name.bytes, 0, name.labels[kind]);
    }
    if (depth === 1 && name.isLabel(kind, VERSION)) {
      return FOUND.version;
    }
    return this.#server(name, depth);
  }

  /** A name of a reverse zone of so many labels. */
  findReverse(name: NameBytes, zoneLabels: number): number {
    const depth = name.count - zoneLabels;
    this.value = 0;
    if (depth === 0) {
      return FOUND.apex;
    }
    const parts = name.count - 2;
    const isV4 = name.isLabel(parts, IN_ADDR) && name.isLabel(parts + 1, ARPA);
    if (!(isV4 ? this.#octets(name, parts) : this.#nibbles(name, parts))) {
      return this.#server(name, depth);
    }
    // The beginning of an address has others below it; that none of them has a name is not worth knowing.
    if (parts < (isV4 ? V4_LABELS : V6_LABELS)) {
      return FOUND.empty;
    }
    this.value = this.index.find(TAG.address, this.address, 0, isV4 ? 4 : 16);
    return this.value === 0 ? FOUND.nothing : FOUND.pointers;
  }

  /** What is kept under a key, as one of `FOUND`. */
  #stored(tag: number, bytes: Uint8Array, start: number, end: number): number {
    this.value = this.index.find(tag, bytes, start, end);
    if (this.value === 0) {
      return FOUND.nothing;
    }
    const kind = this.index.bytes[this.value];
    return kind === VALUE.host ? FOUND.host : kind === VALUE.alias ? FOUND.alias : FOUND.empty;
  }

  #service(name: NameBytes, kind: number): number {
    if (kind === 0) {
      return FOUND.empty;
    }
    const end = name.labels[kind];
    if (kind <= 3) {
      const found = this.#stored(TAG.service, name.bytes, 0, end);
      return found === FOUND.nothing && kind === 3 ? this.#protocol(name, end) : found;
    }
    if (kind !== 4 || name.bytes[1] !== UNDERSCORE || name.bytes[0] < 2) {
      return FOUND.nothing;
    }
    const protocol = protocolOf(name, 1);
    if (protocol < 0 || this.#stored(TAG.service, name.bytes, name.labels[2], end) !== FOUND.host) {
      return FOUND.nothing;
    }
    return this.hasPort(protocol, name) ? FOUND.port : FOUND.nothing;
  }

  /** "_tcp.cart.shop" exists when a port has a name below it. */
  #protocol(name: NameBytes, end: number): number {
    const protocol = protocolOf(name, 0);
    if (protocol < 0 || this.#stored(TAG.service, name.bytes, name.labels[1], end) !== FOUND.host) {
      return FOUND.nothing;
    }
    return this.hasPort(protocol, undefined) ? FOUND.empty : FOUND.nothing;
  }

  /** True when the host at `value` has a port with this protocol, and the name that the first label says. */
  hasPort(protocol: number, name: NameBytes | undefined): boolean {
    const { bytes } = this.index;
    const at = this.value;
    if (bytes[at + HOST_HEADLESS] === 0) {
      return anyPort(bytes, portsAt(bytes, at), bytes[at + HOST_PORTS], protocol, name);
    }
    let group = groupsAt(bytes, at);
    for (let n = short(bytes, at + HOST_GROUPS); n > 0; n--) {
      if (anyPort(bytes, group + GROUP_HEAD, bytes[group + GROUP_PORTS], protocol, name)) {
        return true;
      }
      group = groupEnd(bytes, group);
    }
    return false;
  }

  #pod(name: NameBytes, kind: number): number {
    const { pods } = this.#rules;
    if (kind === 0) {
      return FOUND.empty;
    }
    if (pods === "disabled" || kind > 2) {
      return FOUND.nothing;
    }
    const { bytes, labels } = name;
    const start = labels[kind - 1];
    const end = labels[kind];
    if (this.#stored(TAG.service, bytes, start, end) === FOUND.nothing || kind === 1) {
      return this.value === 0 ? FOUND.nothing : FOUND.empty;
    }
    this.value = 0;
    this.addressLength = readDashed(bytes, 1, 1 + bytes[0], this.address);
    if (this.addressLength === 0) {
      return FOUND.nothing;
    }
    if (pods === "insecure") {
      return isHostAddress(this.address, this.addressLength) ? FOUND.pod : FOUND.nothing;
    }
    const key = this.#key;
    let at = 0;
    for (let n = start; n < end; n++) {
      key[at++] = bytes[n];
    }
    for (let n = 0; n < this.addressLength; n++) {
      key[at++] = this.address[n];
    }
    this.value = this.index.find(TAG.pod, key, 0, at);
    return this.value === 0 ? FOUND.nothing : FOUND.pod;
  }

  /** "ns.dns" and the name above it, in every zone. */
  #server(name: NameBytes, depth: number): number {
    if (depth > 2 || !name.isLabel(depth - 1, DNS)) {
      return FOUND.nothing;
    }
    if (depth === 1) {
      return FOUND.empty;
    }
    if (!name.isLabel(0, NS)) {
      return FOUND.nothing;
    }
    this.value = this.index.find(TAG.server, SERVER_ADDRESSES, 0, 1);
    return FOUND.server;
  }

  /** Reads up to four labels as the numbers of an address, the last one first. */
  #octets(name: NameBytes, parts: number): boolean {
    if (parts > V4_LABELS) {
      return false;
    }
    for (let n = 0; n < parts; n++) {
      const at = name.labels[n];
      const size = name.bytes[at];
      let value = 0;
      for (let digit = at + 1; digit <= at + size; digit++) {
        const code = name.bytes[digit];
        if (code < 48 || code > 57 || (digit > at + 1 && value === 0)) {
          return false;
        }
        value = value * 10 + code - 48;
      }
      if (value > 255 || size > 3) {
        return false;
      }
      this.address[parts - 1 - n] = value;
    }
    return true;
  }

  #nibbles(name: NameBytes, parts: number): boolean {
    if (parts > V6_LABELS) {
      return false;
    }
    this.address.fill(0);
    for (let n = 0; n < parts; n++) {
      const at = name.labels[n];
      const digit = name.bytes[at] === 1 ? hexOf(name.bytes[at + 1]) : -1;
      if (digit < 0) {
        return false;
      }
      const place = parts - 1 - n;
      this.address[place >> 1] |= (place & 1) === 0 ? digit << 4 : digit;
    }
    return true;
  }
}

/** Where the group after this one begins. */
export function groupEnd(bytes: Uint8Array, group: number): number {
  return group + GROUP_TARGETS + ((short(bytes, group) << 16) | short(bytes, group + 2));
}

/** True when the port at `at` has this protocol, and the name in the first label without its underscore. */
export function isPort(bytes: Uint8Array, at: number, protocol: number, name: NameBytes | undefined): boolean {
  const size = bytes[at + 3];
  if (bytes[at + 2] !== protocol || size === 0) {
    return false;
  }
  if (name === undefined) {
    return true;
  }
  if (name.bytes[0] !== size + 1) {
    return false;
  }
  for (let n = 0; n < size; n++) {
    if (bytes[at + PORT_HEAD + n] !== name.bytes[2 + n]) {
      return false;
    }
  }
  return true;
}

function anyPort(
  bytes: Uint8Array,
  start: number,
  count: number,
  protocol: number,
  name: NameBytes | undefined,
): boolean {
  let at = start;
  for (let n = 0; n < count; n++) {
    if (isPort(bytes, at, protocol, name)) {
      return true;
    }
    at += PORT_HEAD + bytes[at + 3];
  }
  return false;
}

/** The protocol that a label names, or -1. */
export function protocolOf(name: NameBytes, at: number): number {
  for (let n = 0; n < PROTOCOL_LABELS.length; n++) {
    if (name.isLabel(at, PROTOCOL_LABELS[n])) {
      return n;
    }
  }
  return -1;
}

/** False for addresses that no pod has: unspecified, loopback, multicast, reserved, IPv4 written as IPv6. */
function isHostAddress(address: Uint8Array, length: number): boolean {
  if (length === 4) {
    return address[0] !== 0 && address[0] !== 127 && address[0] < 224;
  }
  if (address[0] === 0xff) {
    return false;
  }
  for (let n = 0; n < 10; n++) {
    if (address[n] !== 0) {
      return true;
    }
  }
  return false;
}
