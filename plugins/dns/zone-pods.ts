import { DOMAIN, type PointerRecord, RANK, TAG } from "./records.ts";
import type { ZoneOptions } from "./settings.ts";
import { addressBytes, dashed, labelsOf } from "./zone-names.ts";
import type { NodeView, PodView, ZoneView } from "./zone-needs.ts";
import { below, type ZoneWriter } from "./zone-writer.ts";

/** Addresses of deleted pods that are remembered at most. */
const MOST_GONE = 50_000;
const SEPARATOR = " ";

/** What pods and nodes give to a zone: which addresses are those of pods, and whose they are. */
export class ZonePods {
  readonly #zone: ZoneOptions;
  readonly #now: () => number;
  readonly #keepMs: number;
  /** When deleted pods are forgotten, by namespace and address, oldest first. Milliseconds. */
  readonly #gone = new Map<string, number>();

  constructor(zone: ZoneOptions, { now, keepMs }: { readonly now: () => number; readonly keepMs: number }) {
    this.#zone = zone;
    this.#now = now;
    this.#keepMs = keepMs;
  }

  /** Keys of what a pod, as it is or was, has a part in: namespace and address. */
  keysOf(pod: PodView): string[] {
    return pod.status.podIPs.flatMap(({ ip }) => (ip ? [`${pod.metadata.namespace}${SEPARATOR}${ip}`] : []));
  }

  /** True when nothing has changed that a name shows. */
  isSame(before: PodView, after: PodView): boolean {
    const { hostNetwork, nodeName } = before.spec;
    const old = before.status.podIPs;
    const { podIPs } = after.status;
    return (
      hostNetwork === after.spec.hostNetwork &&
      nodeName === after.spec.nodeName &&
      old.length === podIPs.length &&
      old.every(({ ip }, n) => ip === podIPs[n].ip)
    );
  }

  /** A pod was deleted: its address is still its own for a while. */
  remember(pod: PodView): void {
    if (this.#zone.ptr !== "pods" || this.#keepMs === 0 || this.#gone.size >= MOST_GONE) {
      return;
    }
    for (const key of this.keysOf(pod)) {
      this.#gone.delete(key);
      this.#gone.set(key, this.#now() + this.#keepMs);
    }
  }

  /** Keys of pods that are forgotten by now. */
  *forgotten(): Iterable<string> {
    const now = this.#now();
    for (const [key, atMs] of this.#gone) {
      if (atMs > now) {
        return;
      }
      this.#gone.delete(key);
      yield key;
    }
  }

  /** When the next deleted pod is forgotten, milliseconds; undefined when there is none. */
  get nextForgottenAt(): number | undefined {
    return this.#gone.values().next().value;
  }

  /** Writes what there is at one namespace and address. */
  write(key: string, view: ZoneView, writer: ZoneWriter, isExposed: (namespace: string) => boolean): void {
    const [namespace, ip] = key.split(SEPARATOR);
    const address = addressBytes(ip);
    const parent = labelsOf(namespace);
    if (address === undefined || parent === undefined) {
      return;
    }
    const pods = isExposed(namespace)
      ? view.pods.by("podIP", ip).filter(({ metadata }) => metadata.namespace === namespace)
      : [];
    const facts = this.#zone.ptr === "pods" && pods.length > 0 ? factsOf(pods.sort(byName)[0]) : [];
    if (this.#zone.pods === "verified") {
      writer.putPod(podKey(parent, address), pods.length > 0 ? facts : undefined);
    }
    if (this.#zone.ptr === "pods") {
      const own = pods.filter((pod) => !pod.spec.hostNetwork);
      const named = own.length > 0 || !isExposed(namespace) ? own : this.#lastOf(key, namespace, ip, view);
      const labels = below(dashed(ip), parent);
      const names = named
        .sort(byName)
        .slice(0, 1)
        .map((pod): PointerRecord => pointerOf(pod, labels));
      writer.putPointers(address, (name) => name.rank === RANK.pod && isSame(name.labels, labels), names);
    }
  }

  /** Writes a node; undefined takes it away. */
  writeNode(name: string, node: NodeView | undefined, writer: ZoneWriter): void {
    const key = labelsOf(name);
    if (key === undefined) {
      return;
    }
    const before = writer.hostAddresses(TAG.node, key);
    const addresses = (node?.status.addresses ?? []).flatMap(({ type, address = "" }) =>
      type === "InternalIP" || type === "ExternalIP" ? (addressBytes(address) ?? []) : [],
    );
    writer.putHost(TAG.node, key, node === undefined ? undefined : addresses);
    const isOwn = (pointer: PointerRecord): boolean => pointer.rank === RANK.node && isSame(pointer.labels, key);
    const own: PointerRecord = { rank: RANK.node, domain: DOMAIN.node, labels: key, facts: [`node=${name}`] };
    for (const address of before) {
      if (!addresses.some((other) => isSame(other, address))) {
        writer.putPointers(address, isOwn, []);
      }
    }
    for (const address of addresses) {
      writer.putPointers(address, isOwn, [own]);
    }
  }

  /** The pod that had the address last, unless it was forgotten. */
  #lastOf(key: string, namespace: string, ip: string, view: ZoneView): PodView[] {
    const until = this.#gone.get(key);
    if (until === undefined || until <= this.#now()) {
      return [];
    }
    const others = view.pods.by("podIP", ip).some((pod) => !pod.spec.hostNetwork);
    const last = view.pods.deleted.by("podIP", ip).filter(({ metadata }) => metadata.namespace === namespace);
    return others ? [] : last.filter((pod) => !pod.spec.hostNetwork).slice(-1);
  }
}

/** Namespace and address as the index has them. */
export function podKey(namespace: Uint8Array, address: Uint8Array): Uint8Array {
  const key = new Uint8Array(namespace.length + address.length);
  key.set(namespace);
  key.set(address, namespace.length);
  return key;
}

function pointerOf(pod: PodView, labels: Uint8Array): PointerRecord {
  return { rank: RANK.pod, domain: DOMAIN.pod, labels, facts: factsOf(pod) };
}

function factsOf(pod: PodView): string[] {
  const { name, namespace } = pod.metadata;
  const { nodeName } = pod.spec;
  return [`pod=${name}`, `namespace=${namespace}`, ...(nodeName ? [`node=${nodeName}`] : [])];
}

function byName(a: PodView, b: PodView): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, n) => b[n] === byte);
}
