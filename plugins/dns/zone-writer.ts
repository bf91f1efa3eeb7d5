import type { NameIndex } from "./name-index.ts";
import { RecordWriter } from "./record-writer.ts";
import {
  addressesIn,
  DOMAIN,
  HOST_HEADLESS,
  type HostRecord,
  type PointerRecord,
  type PortRecord,
  pointersIn,
  RANK,
  TAG,
  targetsIn,
  VALUE,
} from "./records.ts";
import { sameTargets } from "./zone-difference.ts";
import { addressKey } from "./zone-names.ts";
import type { ServiceRecord } from "./zone-service.ts";

/** Names of one address that are kept. */
const MOST_POINTERS = 200;

const NONE: readonly PointerRecord[] = [];
const NO_LABELS: ReadonlySet<string> = new Set();

/** What an old value and its successor say of endpoints and addresses. */
interface Picture {
  /** Endpoints by label. */
  readonly hosts: Map<string, { readonly addresses: Uint8Array[]; readonly ports: PortRecord[] }>;
  /** Names by address. */
  readonly pointers: Map<string, { readonly address: Uint8Array; readonly names: PointerRecord[] }>;
}

/**
 * Writes services into an index. What a service had before is read back from the index, so nothing else is kept in memory,
 * and only what differs is written. The index's writing thread only.
 */
export class ZoneWriter {
  readonly #index: NameIndex;
  readonly #records = new RecordWriter();
  readonly #hasEndpointPointers: boolean;
  /** Everything that was to be written found room. */
  fits = true;

  constructor(index: NameIndex, hasEndpointPointers: boolean) {
    this.#index = index;
    this.#hasEndpointPointers = hasEndpointPointers;
  }

  /**
   * Writes a service, with its endpoints and the names of its addresses; undefined takes all of it away. What is there already
   * is not looked at again, unless `isForced`.
   */
  putService(key: Uint8Array, record: ServiceRecord | undefined, isForced: boolean): void {
    const host = record?.kind === "host" ? record.host : undefined;
    const value = host === undefined ? undefined : this.#records.host(host);
    if (value !== undefined && !isForced && this.#index.holds(TAG.service, key, value.bytes, value.length)) {
      return;
    }
    const old = this.#index.find(TAG.service, key, 0, key.length);
    const labels = value === undefined || this.#put(TAG.service, key, value) ? host : undefined;
    // Its old value can be read until the next commit. Without its own record nobody would know later what there is of it.
    const { before, after } = this.#picture(key, old, labels, isForced);
    if (record === undefined) {
      this.#index.remove(TAG.service, key);
    } else if (record.kind === "alias") {
      this.#put(TAG.service, key, this.#records.alias(record.labels));
    }
    this.#apply(key, before, after, isForced);
  }

  /** Makes a name exist, or not. */
  putEmpty(key: Uint8Array, exists: boolean): void {
    if (exists) {
      this.#put(TAG.service, key, this.#records.empty());
    } else {
      this.#index.remove(TAG.service, key);
    }
  }

  putPod(key: Uint8Array, facts: readonly string[] | undefined): void {
    if (facts === undefined) {
      this.#index.remove(TAG.pod, key);
    } else {
      this.#put(TAG.pod, key, this.#records.pod(facts));
    }
  }

  /** Addresses without ports under a key. */
  putHost(tag: number, key: Uint8Array, addresses: readonly Uint8Array[] | undefined): void {
    if (addresses === undefined) {
      this.#index.remove(tag, key);
    } else {
      this.#put(tag, key, this.#records.host({ isHeadless: false, ...byFamily(addresses), ports: [], groups: [] }));
    }
  }

  /** An alias under a key of its own. */
  putAlias(tag: number, key: Uint8Array, labels: Uint8Array | undefined): void {
    if (labels === undefined) {
      this.#index.remove(tag, key);
    } else {
      this.#put(tag, key, this.#records.alias(labels));
    }
  }

  /** Addresses that a key has in the index. */
  hostAddresses(tag: number, key: Uint8Array): Uint8Array[] {
    const at = this.#index.find(tag, key, 0, key.length);
    return at !== 0 && this.#index.bytes[at] === VALUE.host ? addressesIn(this.#index.bytes, at) : [];
  }

  /** Replaces the names of an address for which `isOwn` holds. */
  putPointers(address: Uint8Array, isOwn: (name: PointerRecord) => boolean, names: Iterable<PointerRecord>): void {
    const at = this.#index.find(TAG.address, address, 0, address.length);
    const before = at === 0 ? NONE : pointersIn(this.#index.bytes, at);
    const all = [...before.filter((name) => !isOwn(name)), ...names].sort(byRank).slice(0, MOST_POINTERS);
    if (all.length === 0) {
      this.#index.remove(TAG.address, address);
    } else {
      this.#put(TAG.address, address, this.#records.pointers(all));
    }
  }

  #put(tag: number, key: Uint8Array, { bytes, length }: RecordWriter): boolean {
    const fits = this.#index.put(tag, key, bytes, length);
    this.fits &&= fits;
    return fits;
  }

  #apply(key: Uint8Array, before: Picture, after: Picture, isForced: boolean): void {
    for (const label of before.hosts.keys()) {
      if (!after.hosts.has(label)) {
        this.#index.remove(TAG.service, below(label, key));
      }
    }
    for (const [label, { addresses, ports }] of after.hosts) {
      const host: HostRecord = { isHeadless: false, ...byFamily(addresses), ports, groups: [] };
      this.#put(TAG.service, below(label, key), this.#records.host(host));
    }
    for (const [text, { address, names }] of before.pointers) {
      if (!after.pointers.has(text)) {
        this.putPointers(address, (name) => hasName(names, name), NONE);
      }
    }
    for (const [text, { address, names }] of after.pointers) {
      const old = before.pointers.get(text)?.names ?? NONE;
      if (isForced || old.length !== names.length || names.some((name) => !hasName(old, name))) {
        this.putPointers(address, (name) => hasName(old, name) || hasName(names, name), names);
      }
    }
  }

  /** What differs between the old value of a service at `old` (0: none) and its new one. */
  #picture(
    key: Uint8Array,
    old: number,
    host: HostRecord | undefined,
    isForced: boolean,
  ): Record<"before" | "after", Picture> {
    const { bytes } = this.#index;
    const before: Picture = { hosts: new Map(), pointers: new Map() };
    const after: Picture = { hosts: new Map(), pointers: new Map() };
    const hasOld = old !== 0 && bytes[old] === VALUE.host;
    const groups = host?.groups ?? [];
    const same = hasOld && !isForced ? sameTargets(bytes, old, groups) : NO_LABELS;
    if (hasOld) {
      if (bytes[old + HOST_HEADLESS] === 0) {
        this.#addOwn(before, key, addressesIn(bytes, old));
      }
      for (const { label, addresses } of targetsIn(bytes, old, (label) => !same.has(label))) {
        this.#addTarget(before, key, { label, addresses, ports: [] });
      }
    }
    if (host !== undefined && !host.isHeadless) {
      this.#addOwn(after, key, [...host.v4, ...host.v6]);
    }
    for (const { ports, targets } of groups) {
      for (const { label, v4, v6 } of targets) {
        if (!same.has(label)) {
          this.#addTarget(after, key, { label, addresses: [...v4, ...v6], ports });
        }
      }
    }
    return { before, after };
  }

  #addOwn(picture: Picture, key: Uint8Array, addresses: readonly Uint8Array[]): void {
    for (const address of addresses) {
      addPointer(picture, address, { rank: RANK.service, domain: DOMAIN.svc, labels: key, facts: [] });
    }
  }

  #addTarget(
    picture: Picture,
    key: Uint8Array,
    target: {
      readonly label: string;
      readonly addresses: readonly Uint8Array[];
      readonly ports: readonly PortRecord[];
    },
  ): void {
    const host = picture.hosts.get(target.label) ?? { addresses: [], ports: [] };
    picture.hosts.set(target.label, host);
    host.addresses.push(...target.addresses);
    for (const port of target.ports) {
      if (!host.ports.some((own) => isSame(own, port))) {
        host.ports.push(port);
      }
    }
    if (this.#hasEndpointPointers) {
      const labels = below(target.label, key);
      for (const address of target.addresses) {
        addPointer(picture, address, { rank: RANK.endpoint, domain: DOMAIN.svc, labels, facts: [] });
      }
    }
  }
}

/** The key of a name that is one label below another. */
export function below(label: string, key: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + label.length + key.length);
  whole[0] = label.length;
  for (let n = 0; n < label.length; n++) {
    whole[n + 1] = label.charCodeAt(n);
  }
  whole.set(key, 1 + label.length);
  return whole;
}

function addPointer(picture: Picture, address: Uint8Array, name: PointerRecord): void {
  const key = addressKey(address);
  const found = picture.pointers.get(key);
  if (found === undefined) {
    picture.pointers.set(key, { address, names: [name] });
  } else if (!hasName(found.names, name)) {
    found.names.push(name);
  }
}

function hasName(names: readonly PointerRecord[], { rank, labels }: PointerRecord): boolean {
  return names.some((other) => other.rank === rank && Buffer.compare(other.labels, labels) === 0);
}

function isSame(a: PortRecord, b: PortRecord): boolean {
  return a.number === b.number && a.protocol === b.protocol && a.name === b.name;
}

function byFamily(addresses: readonly Uint8Array[]): { readonly v4: Uint8Array[]; readonly v6: Uint8Array[] } {
  return {
    v4: addresses.filter(({ length }) => length === 4),
    v6: addresses.filter(({ length }) => length === 16),
  };
}

/** Best first; the order of the rest is the same whatever was written first. */
function byRank(a: PointerRecord, b: PointerRecord): number {
  return a.rank - b.rank || Buffer.compare(a.labels, b.labels);
}
