import type { NameIndex } from "./name-index.ts";
import { pointersIn, RANK, TAG, VALUE } from "./records.ts";
import type { ZoneOptions } from "./settings.ts";
import { addressText, textOf } from "./zone-names.ts";
import { kindsOfZone, type SliceView, type ZoneKind, type ZoneStore, zoneKind } from "./zone-needs.ts";
import type { ZonePods } from "./zone-pods.ts";

/** What must be looked at again, by kind. */
export type Dirty = "services" | "namespaces" | "pods" | "nodes";

/** The order in which it is: pods want their namespaces. */
export const DIRTY_ORDER: readonly Dirty[] = ["namespaces", "services", "nodes", "pods"];

/** The label of a slice that names its service. */
export const SERVICE_LABEL = "kubernetes.io/service-name";
/** When the change happened that a slice tells of: Kubernetes writes it there. */
const TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time";
/** Changes whose way is measured in one run at most. */
const MOST_TRIGGERS = 1000;

/** A change of endpoints on its way. */
export interface Trigger {
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  /** Namespace and name of the service. */
  readonly service: string;
}

type BatchKind = "synced" | "changes" | "resync";

/** What changes are read from. */
export interface ZoneSources {
  readonly store: ZoneStore;
  readonly zone: ZoneOptions;
  readonly pods: ZonePods;
  readonly index: () => NameIndex;
  /** Something was marked, or a kind is complete. */
  readonly onMarked: () => void;
}

/** Follows a store and marks what its changes touch, once for however many of them. */
export class ZoneChanges {
  readonly #sources: ZoneSources;
  readonly #dirty: Record<Dirty, Set<string>> = {
    services: new Set(),
    namespaces: new Set(),
    pods: new Set(),
    nodes: new Set(),
  };
  readonly #incomplete: Set<ZoneKind>;
  readonly #subscriptions: { stop(): void }[] = [];
  #triggers: Trigger[] = [];

  constructor(sources: ZoneSources) {
    this.#sources = sources;
    this.#incomplete = new Set(kindsOfZone(sources.zone));
    this.#follow();
  }

  /** Every kind has been complete once. */
  get isComplete(): boolean {
    return this.#incomplete.size === 0;
  }

  get isClean(): boolean {
    return DIRTY_ORDER.every((what) => this.#dirty[what].size === 0);
  }

  /** Marks something. */
  mark(what: Dirty, key: string): void {
    this.#dirty[what].add(key);
  }

  /** Gives what is marked, and forgets each as it is given. */
  *take(): Iterable<readonly [what: Dirty, key: string]> {
    for (const what of DIRTY_ORDER) {
      const keys = this.#dirty[what];
      for (const key of keys) {
        keys.delete(key);
        yield [what, key];
      }
    }
  }

  /** The changes that tell when they happened, since the last call. */
  takeTriggers(): readonly Trigger[] {
    const triggers = this.#triggers;
    if (triggers.length > 0) {
      this.#triggers = [];
    }
    return triggers;
  }

  stop(): void {
    for (const subscription of this.#subscriptions) {
      subscription.stop();
    }
  }

  #follow(): void {
    const { store, pods } = this.#sources;
    const own = this.#subscriptions;
    own.push(
      store.changes(zoneKind("namespaces"), (batch) => {
        for (const { old, new: next } of batch) {
          this.mark("namespaces", (next ?? old).metadata.name);
        }
        this.#taken("namespaces", batch.kind);
      }),
      store.changes(zoneKind("services"), (batch) => {
        for (const { old, new: next } of batch) {
          this.mark("services", (next ?? old).key);
        }
        this.#taken("services", batch.kind);
      }),
    );
    if (this.#incomplete.has("endpointslices")) {
      own.push(
        store.changes(zoneKind("endpointslices"), (batch) => {
          for (const { old, new: next } of batch) {
            this.#markSlice(old);
            this.#markSlice(next);
            this.#noteTrigger(batch.kind, old, next);
          }
          this.#taken("endpointslices", batch.kind);
        }),
      );
    }
    if (this.#incomplete.has("pods")) {
      own.push(
        store.changes(zoneKind("pods"), (batch) => {
          for (const change of batch) {
            if (change.op === "updated" && pods.isSame(change.old, change.new)) {
              continue;
            }
            const keys = [change.old, change.new].flatMap((pod) => (pod === undefined ? [] : pods.keysOf(pod)));
            for (const key of keys) {
              this.mark("pods", key);
            }
            if (change.op === "deleted") {
              pods.remember(change.old);
            }
          }
          this.#taken("pods", batch.kind);
        }),
      );
    }
    if (this.#incomplete.has("nodes")) {
      own.push(
        store.changes(zoneKind("nodes"), (batch) => {
          for (const { old, new: next } of batch) {
            this.mark("nodes", (next ?? old).metadata.name);
          }
          this.#taken("nodes", batch.kind);
        }),
      );
    }
  }

  #markSlice(slice: SliceView | undefined): void {
    const service = slice?.metadata.labels[SERVICE_LABEL];
    if (slice !== undefined && service !== undefined) {
      this.mark("services", `${slice.metadata.namespace}/${service}`);
    }
  }

  /** Of the initial set it is long ago, and says nothing of the way. */
  #noteTrigger(kind: BatchKind, old: SliceView | undefined, next: SliceView | undefined): void {
    const trigger = next?.metadata.annotations[TRIGGER];
    const service = next?.metadata.labels[SERVICE_LABEL];
    const isNews = kind === "changes" && trigger !== old?.metadata.annotations[TRIGGER];
    if (next === undefined || trigger === undefined || service === undefined || !isNews) {
      return;
    }
    const atMs = Date.parse(trigger);
    if (!Number.isNaN(atMs) && this.#triggers.length < MOST_TRIGGERS) {
      this.#triggers.push({ atMs, service: `${next.metadata.namespace}/${service}` });
    }
  }

  #taken(kind: ZoneKind, how: BatchKind): void {
    if (how === "synced") {
      this.#incomplete.delete(kind);
    }
    if (how === "resync") {
      // What an object was before is not known: all that could be of it is looked at.
      this.markAll();
    }
    this.#sources.onMarked();
  }

  /** Marks all that is in the store and all that is in the index. */
  markAll(): void {
    const { store, zone, pods, index } = this.#sources;
    const kinds = kindsOfZone(zone);
    store.read((view) => {
      for (const { metadata } of view.namespaces) {
        this.mark("namespaces", metadata.name);
      }
      for (const { key } of view.services) {
        this.mark("services", key);
      }
      for (const pod of kinds.includes("pods") ? view.pods : []) {
        for (const key of pods.keysOf(pod)) {
          this.mark("pods", key);
        }
      }
      for (const { metadata } of kinds.includes("nodes") ? view.nodes : []) {
        this.mark("nodes", metadata.name);
      }
    });
    index().each((tag, key, value) => this.#markKey(tag, key, value));
  }

  #markKey(tag: number, key: Uint8Array, value: Uint8Array): void {
    if (tag === TAG.service) {
      const labels = textOf(key).split(".");
      if (labels.length === 1) {
        this.mark("namespaces", labels[0]);
      } else if (labels.length === 2) {
        this.mark("services", `${labels[1]}/${labels[0]}`);
      }
    } else if (tag === TAG.node) {
      this.mark("nodes", textOf(key));
    } else if (tag === TAG.pod) {
      const namespace = key.subarray(0, key[0] + 1);
      this.mark("pods", `${textOf(namespace)} ${addressText(key.subarray(key[0] + 1))}`);
    } else if (tag === TAG.address && value[0] === VALUE.pointers) {
      for (const { rank, labels } of pointersIn(value, 0)) {
        if (rank === RANK.pod) {
          this.mark("pods", `${textOf(labels, labels[0] + 1)} ${addressText(key)}`);
        }
      }
    }
  }
}
