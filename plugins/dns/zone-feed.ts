import type { NameIndex } from "./name-index.ts";
import { HOST_HEADLESS, pointersIn, RANK, SERVER_ADDRESSES, SERVER_SERVICE, TAG, VALUE } from "./records.ts";
import type { ZoneOptions } from "./settings.ts";
import { type Dirty, SERVICE_LABEL, ZoneChanges } from "./zone-changes.ts";
import { NamespaceRules } from "./zone-filter.ts";
import { addressBytes, labelsOf } from "./zone-names.ts";
import type { ZoneStore, ZoneView } from "./zone-needs.ts";
import { ZonePods } from "./zone-pods.ts";
import { readService } from "./zone-service.ts";
import { ZoneWriter } from "./zone-writer.ts";

/** How to keep an index current. */
export interface ZoneFeedOptions {
  readonly store: ZoneStore;
  /** An index that this thread made. */
  readonly index: NameIndex;
  readonly zone: ZoneOptions;
  /** Addresses of this server, for the zone's NS record and its name's addresses. Default: none. */
  readonly ownAddresses?: readonly string[];
  /** Wall clock, milliseconds. Default `Date.now`. */
  readonly now?: () => number;
  /** How long a deleted pod's address is still said to be its own, milliseconds. Default 300000. */
  readonly keepDeletedMs?: number;
  /** A name found no room, the first after all had; `NameIndex.isFull` until they have again. */
  readonly onFull?: () => void;
  /** The index was copied to drop its free bytes: answer from this one, here and in other threads. Default: it never is. */
  readonly onRenewed?: (index: NameIndex) => void;
  /** Seconds from a change of endpoints in Kubernetes until it could be answered; for each one that tells when it was. */
  readonly onProgrammed?: (seconds: number, isHeadless: boolean) => void;
  /** A service could not be written; the others go on. */
  readonly onError?: (error: unknown, key: string) => void;
}

/** Numbers that only grow, and of now where the name ends in "Entries". */
export interface ZoneFeedStats {
  /** Services, pods' addresses, namespaces and nodes that were looked at. */
  readonly updates: number;
  /** Runs of updates. */
  readonly runs: number;
  readonly failures: number;
  /** Time from the first change of a run until all of it could be answered, microseconds, summed over runs. */
  readonly applyMicros: number;
  readonly compactions: number;
  /** Endpoints over the limit of their service, which have no names. */
  readonly leftOutEntries: number;
  /** Services that found no room. */
  readonly refusedEntries: number;
}

/** Keeps an index current until it is closed. */
export interface ZoneFeed {
  /** Resolves when every name has been written once. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  readonly stats: ZoneFeedStats;
  /** The index as it is now. */
  readonly index: NameIndex;
  /** Writes everything that waits, at once. */
  flush(): void;
  close(): void;
}

/** A turn of the event loop is not held for longer, milliseconds; questions wait meanwhile. */
const BUDGET_MS = 2;
const KEEP_DELETED_MS = 300_000;
/** Below so many free bytes a copy is not worth it. */
const LEAST_WASTE = 8 * 1024 * 1024;
const COMPACT_EVERY_MS = 60_000;
const NO_LABELS = new Uint8Array(0);

/**
 * Follows a store and writes what it says into an index. Changes mark what they touch; each is looked at once for a turn of
 * the event loop, in its state of then, so that a thousand changes of a service cost one. The index's writing thread.
 */
export function feedZone(options: ZoneFeedOptions): ZoneFeed {
  return new Feed(options);
}

class Feed implements ZoneFeed {
  readonly synced: Promise<void>;
  readonly #options: ZoneFeedOptions;
  readonly #rules: NamespaceRules;
  readonly #pods: ZonePods;
  readonly #now: () => number;
  readonly #changes: ZoneChanges;
  readonly #refused = new Set<string>();
  readonly #leftOut = new Map<string, number>();
  readonly #counts = { updates: 0, runs: 0, failures: 0, applyMicros: 0, compactions: 0 };
  #index: NameIndex;
  #writer: ZoneWriter;
  #markSynced: () => void = () => {};
  /** Names were removed since those that found no room were tried. */
  #hasRoom = false;
  #isRecovering = false;
  #isQueued = false;
  #isClosed = false;
  /** When the first change came that waits, 0: none does. */
  #dirtySince = 0;
  #compactedAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ZoneFeedOptions) {
    const { index, zone, now = Date.now, keepDeletedMs = KEEP_DELETED_MS } = options;
    this.#options = options;
    this.#index = index;
    this.#now = now;
    this.#rules = new NamespaceRules(zone);
    this.#pods = new ZonePods(zone, { now, keepMs: keepDeletedMs });
    this.#writer = new ZoneWriter(index, zone.ptr !== "services");
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
    this.#writeServer();
    this.#changes = new ZoneChanges({
      store: options.store,
      zone,
      pods: this.#pods,
      index: () => this.#index,
      onMarked: () => this.#marked(),
    });
  }

  get isSynced(): boolean {
    return this.#index.isSynced;
  }

  get index(): NameIndex {
    return this.#index;
  }

  get stats(): ZoneFeedStats {
    let leftOutEntries = 0;
    for (const left of this.#leftOut.values()) {
      leftOutEntries += left;
    }
    return { ...this.#counts, leftOutEntries, refusedEntries: this.#refused.size };
  }

  flush(): void {
    this.#options.store.flush();
    while (!this.#run(BUDGET_MS)) {}
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#changes.stop();
  }

  #marked(): void {
    this.#dirtySince ||= performance.now();
    this.#queue();
  }

  #queue(): void {
    if (this.#isQueued || this.#isClosed) {
      return;
    }
    this.#isQueued = true;
    queueMicrotask(() => this.#turn());
  }

  #turn(): void {
    if (this.#isClosed) {
      return;
    }
    if (this.#run(BUDGET_MS)) {
      this.#isQueued = false;
    } else {
      setImmediate(() => this.#turn());
    }
  }

  /** Looks at what is marked; false when time was up before the end. */
  #run(budgetMs: number): boolean {
    const { store } = this.#options;
    const end = performance.now() + budgetMs;
    for (const key of this.#pods.forgotten()) {
      this.#changes.mark("pods", key);
    }
    const isDone = store.read((view) => this.#drain(view, end));
    this.#hasRoom = this.#index.commit(Math.floor(this.#now() / 1000)) || this.#hasRoom;
    if (isDone && this.#hasRoom) {
      this.#hasRoom = false;
      this.#retry();
    }
    this.#counts.runs++;
    if (isDone) {
      this.#done();
    }
    return isDone && this.#changes.isClean;
  }

  #drain(view: ZoneView, end: number): boolean {
    for (const [what, key] of this.#changes.take()) {
      this.#counts.updates++;
      try {
        this.#writer.fits = true;
        this.#write(what, key, view);
        this.#settle(`${what} ${key}`);
      } catch (error) {
        this.#counts.failures++;
        this.#options.onError?.(error, key);
      }
      if (performance.now() > end) {
        return false;
      }
    }
    return true;
  }

  #write(what: Dirty, key: string, view: ZoneView): void {
    switch (what) {
      case "services":
        this.#writeService(key, view);
        return;
      case "namespaces":
        this.#writeNamespace(key, view);
        return;
      case "pods":
        this.#pods.write(key, view, this.#writer, (namespace) => this.#rules.has(namespace));
        return;
      case "nodes":
        this.#pods.writeNode(key, view.nodes.get(key), this.#writer);
    }
  }

  #writeService(key: string, view: ZoneView): void {
    const [namespace, name] = key.split("/");
    const labels = labelsOf(`${name}.${namespace}`);
    if (labels === undefined || name.includes(".")) {
      return;
    }
    const { zone } = this.#options;
    const service = this.#rules.has(namespace) ? view.services.get(namespace, name) : undefined;
    const isWanted = service !== undefined && hasLabels(service.metadata.labels, zone.labels);
    const slices =
      isWanted && !zone.noEndpoints ? view.endpointslices.select({ namespace, labels: { [SERVICE_LABEL]: name } }) : [];
    const record = isWanted ? readService(service, slices, zone) : undefined;
    const left = record?.kind === "host" ? record.left : 0;
    if (left > 0) {
      this.#leftOut.set(key, left);
    } else {
      this.#leftOut.delete(key);
    }
    // After a refusal the record may be there and what belongs to it not.
    this.#writer.putService(labels, record, this.#isRecovering || this.#refused.has(`services ${key}`));
  }

  #writeNamespace(name: string, view: ZoneView): void {
    const labels = labelsOf(name);
    if (labels !== undefined && !name.includes(".")) {
      this.#writer.putEmpty(labels, this.#rules.has(name) && view.namespaces.has(name));
    }
  }

  /** Remembers what found no room. */
  #settle(key: string): void {
    if (this.#writer.fits) {
      this.#refused.delete(key);
      return;
    }
    const wasEmpty = this.#refused.size === 0;
    this.#refused.add(key);
    if (wasEmpty) {
      this.#options.onFull?.();
    }
  }

  /** Something was removed: what found no room may find it now. */
  #retry(): void {
    for (const text of this.#refused) {
      const at = text.indexOf(" ");
      // Made by #settle, from what was marked.
      this.#changes.mark(text.slice(0, at) as Dirty, text.slice(at + 1));
    }
  }

  /** Nothing waits any more. */
  #done(): void {
    if (this.#changes.isClean) {
      if (this.#dirtySince > 0) {
        this.#counts.applyMicros += Math.round((performance.now() - this.#dirtySince) * 1000);
        this.#dirtySince = 0;
      }
      this.#tellProgrammed();
      this.#recover();
      if (this.#changes.isComplete && !this.#index.isSynced) {
        this.#index.markSynced(true);
        this.#markSynced();
      }
    }
    this.#writeServer();
    this.#compact();
    clearTimeout(this.#timer);
    const next = this.#pods.nextForgottenAt;
    if (next !== undefined && !this.#isClosed) {
      this.#timer = setTimeout(() => this.#queue(), Math.max(1000, next - this.#now()));
      this.#timer.unref();
    }
  }

  #tellProgrammed(): void {
    const { onProgrammed } = this.#options;
    for (const { atMs, service } of this.#changes.takeTriggers()) {
      const [namespace, name] = service.split("/");
      const key = labelsOf(`${name}.${namespace}`) ?? NO_LABELS;
      const at = this.#index.find(TAG.service, key, 0, key.length);
      const isShown = at !== 0 && this.#index.bytes[at] === VALUE.host;
      if (isShown) {
        onProgrammed?.(Math.max(0, this.#now() - atMs) / 1000, this.#index.bytes[at + HOST_HEADLESS] === 1);
      }
    }
  }

  /** All that found no room has it now. What was lost of others meanwhile, such as names of shared addresses, is written again. */
  #recover(): void {
    if (!this.#index.isFull || this.#refused.size > 0) {
      this.#isRecovering = false;
      return;
    }
    if (this.#isRecovering) {
      this.#isRecovering = false;
      this.#index.markRoom();
      return;
    }
    this.#isRecovering = true;
    this.#changes.markAll();
    this.#queue();
  }

  /** The server's own addresses, and the service that it is behind when it is an endpoint of one. */
  #writeServer(): void {
    const addresses = (this.#options.ownAddresses ?? []).flatMap((text) => addressBytes(text) ?? []);
    this.#writer.putHost(TAG.server, SERVER_ADDRESSES, addresses);
    const services = addresses.flatMap((address) => {
      const at = this.#index.find(TAG.address, address, 0, address.length);
      const names = at === 0 ? [] : pointersIn(this.#index.bytes, at);
      return names.filter(({ rank }) => rank === RANK.endpoint).map(({ labels }) => labels.subarray(labels[0] + 1));
    });
    this.#writer.putAlias(TAG.server, SERVER_SERVICE, services[0]);
  }

  /** Copies the index when most of it is free bytes, or a name found no room because of them. */
  #compact(): void {
    const { onRenewed } = this.#options;
    const { bytes, free } = this.#index.stats;
    const isWaste = free > LEAST_WASTE && free > bytes / 2;
    const isTorn = this.#refused.size > 0 && free > this.#index.bytes.length / 4;
    const sinceMs = performance.now() - this.#compactedAtMs;
    if (onRenewed === undefined || !(isWaste || isTorn) || (sinceMs < COMPACT_EVERY_MS && this.#compactedAtMs > 0)) {
      return;
    }
    this.#compactedAtMs = performance.now();
    try {
      this.#index = this.#index.compact();
    } catch (error) {
      // There is no memory for a copy; this one goes on.
      this.#options.onError?.(error, "index");
      return;
    }
    this.#counts.compactions++;
    this.#writer = new ZoneWriter(this.#index, this.#options.zone.ptr !== "services");
    onRenewed(this.#index);
    if (this.#refused.size > 0) {
      this.#retry();
      this.#queue();
    }
  }
}

function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  for (const key in wanted) {
    if (labels[key] !== wanted[key]) {
      return false;
    }
  }
  return true;
}
