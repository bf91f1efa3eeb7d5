import type { OwnerNode } from "./owner-tree.ts";

/** A service and what is behind it, by the direct owners of the pods. */
export interface ServiceRecord {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  type: string;
  /** Empty for a service without one: its EndpointSlices say what is behind it. */
  selector: readonly (readonly [key: string, value: string])[];
  readonly pods: Set<LinkedPod>;
  /** Number of pods by their direct owner. */
  readonly owners: Map<OwnerNode, number>;
}

/** What the links need of a pod. */
export interface LinkedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly owner: OwnerNode;
  /** Services that it is behind. */
  services: readonly ServiceRecord[];
}

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** Finds pods by labels: the caller's index. Pods that the model has not seen yet, or not any more, do no harm. */
export type PodFinder = (namespace: string, labels: Labels) => Iterable<string>;

const NONE: readonly ServiceRecord[] = [];

/**
 * Which pods are behind which services. A service with a selector has the pods that match it; one without has those that
 * its EndpointSlices name. A change of a pod costs its labels, one of a service its own pods.
 */
export class ServiceLinks {
  readonly services = new Map<string, ServiceRecord>();
  /** Services with a selector, by namespace, and key and value of the first pair of it. */
  readonly #byPair = new Map<string, Map<string, Map<string, Set<ServiceRecord>>>>();
  /** Used anew for each pod, so that a change that moves nothing allocates nothing. */
  readonly #wanted: ServiceRecord[] = [];
  /** Uids by slice, slices by service, and for each uid how often a service names it. */
  readonly #slices = new Map<string, { readonly service: string; readonly uids: readonly string[] }>();
  readonly #slicesOf = new Map<string, Set<string>>();
  readonly #targets = new Map<string, Map<string, number>>();
  readonly #ofOwner = new Map<OwnerNode, Set<ServiceRecord>>();
  readonly #podByUid: (uid: string) => LinkedPod | undefined;
  readonly #find: PodFinder;

  constructor(podByUid: (uid: string) => LinkedPod | undefined, find: PodFinder) {
    this.#podByUid = podByUid;
    this.#find = find;
  }

  /** Services with pods of this direct owner behind them. */
  ofOwner(owner: OwnerNode): Iterable<ServiceRecord> {
    return this.#ofOwner.get(owner) ?? NONE;
  }

  /** A pod is new, or has changed: `labels` as they are now. */
  linkPod(pod: LinkedPod, labels: Labels): void {
    const wanted = this.#servicesFor(pod, labels);
    const before = pod.services;
    if (wanted.length === before.length && wanted.every((service) => before.includes(service))) {
      return;
    }
    for (const service of before) {
      if (!wanted.includes(service)) {
        this.#unlink(service, pod);
      }
    }
    for (const service of wanted) {
      if (!before.includes(service)) {
        this.#link(service, pod);
      }
    }
    pod.services = [...wanted];
  }

  unlinkPod(pod: LinkedPod): void {
    for (const service of pod.services) {
      this.#unlink(service, pod);
    }
    pod.services = NONE;
  }

  /** Gives true when the service is new. */
  putService(
    key: string,
    name: { namespace: string; name: string },
    spec: { type: string; selector: Labels },
  ): boolean {
    const selector = Object.entries(spec.selector).sort(([a], [b]) => (a < b ? -1 : 1));
    const before = this.services.get(key);
    if (before !== undefined && String(before.selector) === String(selector)) {
      before.type = spec.type;
      return false;
    }
    if (before !== undefined) {
      this.removeService(key);
    }
    const service: ServiceRecord = { key, ...name, type: spec.type, selector, pods: new Set(), owners: new Map() };
    this.services.set(key, service);
    if (selector.length === 0) {
      this.#linkTargets(service);
    } else {
      const [label, value] = selector[0];
      const byLabel = madeIn(this.#byPair, service.namespace, () => new Map<string, Map<string, Set<ServiceRecord>>>());
      addTo(
        madeIn(byLabel, label, () => new Map<string, Set<ServiceRecord>>()),
        value,
        service,
      );
      this.#linkAll(service, this.#find(service.namespace, spec.selector));
    }
    return before === undefined;
  }

  /** Gives true when it was there. */
  removeService(key: string): boolean {
    const service = this.services.get(key);
    if (service === undefined) {
      return false;
    }
    this.services.delete(key);
    if (service.selector.length > 0) {
      this.#forgetPair(service);
    }
    for (const pod of [...service.pods]) {
      this.#unlink(service, pod);
      pod.services = pod.services.filter((other) => other !== service);
    }
    return true;
  }

  /** The endpoints of a slice; `service` is the key of its service. No uids: the slice is gone. */
  putSlice(key: string, service: string, uids: readonly string[]): void {
    const before = this.#slices.get(key);
    if (before !== undefined) {
      this.#target(before.uids, before.service, -1);
      removeFrom(this.#slicesOf, before.service, key);
      this.#slices.delete(key);
    }
    if (uids.length > 0) {
      this.#slices.set(key, { service, uids });
      addTo(this.#slicesOf, service, key);
      this.#target(uids, service, 1);
    }
    const touched = new Set(before?.service === undefined ? [service] : [service, before.service]);
    for (const name of touched) {
      const record = this.services.get(name);
      if (record !== undefined && record.selector.length === 0) {
        this.#retarget(record, before?.uids ?? []);
        this.#linkAll(
          record,
          uids.filter((uid) => this.#targets.get(uid)?.has(name)),
        );
      }
    }
  }

  #target(uids: readonly string[], service: string, by: 1 | -1): void {
    for (const uid of uids) {
      const counts = this.#targets.get(uid) ?? new Map<string, number>();
      const count = (counts.get(service) ?? 0) + by;
      if (count > 0) {
        counts.set(service, count);
        this.#targets.set(uid, counts);
      } else {
        counts.delete(service);
        if (counts.size === 0) {
          this.#targets.delete(uid);
        }
      }
    }
  }

  /** Unlinks those of the pods that no slice of the service names any more. */
  #retarget(service: ServiceRecord, uids: readonly string[]): void {
    for (const uid of uids) {
      const pod = this.#podByUid(uid);
      if (pod !== undefined && service.pods.has(pod) && !this.#targets.get(uid)?.has(service.key)) {
        this.#unlink(service, pod);
        pod.services = pod.services.filter((other) => other !== service);
      }
    }
  }

  #linkTargets(service: ServiceRecord): void {
    for (const slice of this.#slicesOf.get(service.key) ?? []) {
      this.#linkAll(service, this.#slices.get(slice)?.uids ?? []);
    }
  }

  #linkAll(service: ServiceRecord, uids: Iterable<string>): void {
    for (const uid of uids) {
      const pod = this.#podByUid(uid);
      if (pod !== undefined && !service.pods.has(pod)) {
        this.#link(service, pod);
        pod.services = [...pod.services, service];
      }
    }
  }

  /** The list is used anew by the next call. */
  #servicesFor(pod: LinkedPod, labels: Labels): readonly ServiceRecord[] {
    const found = this.#wanted;
    found.length = 0;
    const byLabel = this.#byPair.get(pod.namespace);
    if (byLabel !== undefined) {
      for (const label in labels) {
        for (const service of byLabel.get(label)?.get(labels[label]) ?? NONE) {
          if (service.selector.every(([key, value]) => labels[key] === value)) {
            found.push(service);
          }
        }
      }
    }
    for (const key of this.#targets.get(pod.uid)?.keys() ?? []) {
      const service = this.services.get(key);
      if (service !== undefined && service.selector.length === 0) {
        found.push(service);
      }
    }
    return found;
  }

  #forgetPair(service: ServiceRecord): void {
    const [label, value] = service.selector[0];
    const byLabel = this.#byPair.get(service.namespace);
    const byValue = byLabel?.get(label);
    if (byLabel !== undefined && byValue !== undefined) {
      removeFrom(byValue, value, service);
      if (byValue.size === 0) {
        byLabel.delete(label);
      }
      if (byLabel.size === 0) {
        this.#byPair.delete(service.namespace);
      }
    }
  }

  #link(service: ServiceRecord, pod: LinkedPod): void {
    service.pods.add(pod);
    service.owners.set(pod.owner, (service.owners.get(pod.owner) ?? 0) + 1);
    addTo(this.#ofOwner, pod.owner, service);
  }

  #unlink(service: ServiceRecord, pod: LinkedPod): void {
    service.pods.delete(pod);
    const left = (service.owners.get(pod.owner) ?? 0) - 1;
    if (left > 0) {
      service.owners.set(pod.owner, left);
    } else {
      service.owners.delete(pod.owner);
      removeFrom(this.#ofOwner, pod.owner, service);
    }
  }
}

function madeIn<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}

function addTo<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = map.get(key);
  if (set === undefined) {
    map.set(key, new Set([value]));
  } else {
    set.add(value);
  }
}

function removeFrom<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = map.get(key);
  if (set?.delete(value) && set.size === 0) {
    map.delete(key);
  }
}
