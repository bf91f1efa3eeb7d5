import type { JsonObject, StoredObject } from "./object.ts";

/** One committed change. */
export interface StoredEvent {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly key: string;
  /** The object after the change; for a deletion its last state under the version of the deletion. */
  readonly object: StoredObject;
  /** The object before; undefined for ADDED. */
  readonly before: StoredObject | undefined;
}

/** All objects at one moment, for going back to it. */
export interface Snapshot {
  readonly version: number;
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, StoredObject>>;
}

/** "namespace/name", or "name" for cluster-wide objects. */
export function keyOf(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

class Shelf {
  objects = new Map<string, StoredObject>();
  events: StoredEvent[] = [];
  /** Sorted keys, as etcd lists them; made again when keys came or went. */
  sorted: readonly string[] | undefined;
  readonly watchers = new Set<(event: StoredEvent) => void>();
}

/** Objects of all kinds under one growing version, with a window of history. */
export class Storage {
  #version: number;
  #oldest: number;
  readonly #historyLimit: number;
  readonly #shelves = new Map<string, Shelf>();

  constructor(options: { readonly historyLimit: number; readonly firstVersion: number }) {
    this.#historyLimit = options.historyLimit;
    this.#version = options.firstVersion;
    this.#oldest = options.firstVersion;
  }

  /** The version of the newest change. */
  get version(): number {
    return this.#version;
  }

  /** The oldest version that can still be read. */
  get oldest(): number {
    return this.#oldest;
  }

  #shelf(storageKey: string): Shelf {
    const found = this.#shelves.get(storageKey);
    if (found !== undefined) {
      return found;
    }
    const made = new Shelf();
    this.#shelves.set(storageKey, made);
    return made;
  }

  get(storageKey: string, key: string): StoredObject | undefined {
    return this.#shelf(storageKey).objects.get(key);
  }

  count(storageKey: string): number {
    return this.#shelf(storageKey).objects.size;
  }

  /** Objects in the order of their keys, at the newest version or, while it is kept, at an older one. */
  list(storageKey: string, version: number = this.#version): StoredObject[] {
    const shelf = this.#shelf(storageKey);
    const newest = shelf.events.at(-1)?.version ?? 0;
    if (version >= newest) {
      shelf.sorted ??= sortKeys(shelf.objects.keys());
      // Sorted keys are those of the map.
      return shelf.sorted.map((key) => shelf.objects.get(key) as StoredObject);
    }
    const then = new Map(shelf.objects);
    for (let i = shelf.events.length - 1; i >= 0 && shelf.events[i].version > version; i--) {
      const event = shelf.events[i];
      if (event.before === undefined) {
        then.delete(event.key);
      } else {
        then.set(event.key, event.before);
      }
    }
    return sortKeys(then.keys()).map((key) => then.get(key) as StoredObject);
  }

  /** Puts an object under a new version, which is written into its metadata. */
  put(storageKey: string, key: string, object: StoredObject): StoredObject {
    const shelf = this.#shelf(storageKey);
    const before = shelf.objects.get(key);
    const version = ++this.#version;
    object.metadata.resourceVersion = String(version);
    shelf.objects.set(key, object);
    if (before === undefined) {
      shelf.sorted = undefined;
    }
    this.#commit(shelf, { version, type: before === undefined ? "ADDED" : "MODIFIED", key, object, before });
    return object;
  }

  /** Removes an object; gives its last state under the version of the deletion. */
  remove(storageKey: string, key: string, last?: StoredObject): StoredObject | undefined {
    const shelf = this.#shelf(storageKey);
    const before = shelf.objects.get(key);
    if (before === undefined) {
      return undefined;
    }
    const version = ++this.#version;
    const final = last ?? before;
    const object = { ...final, metadata: { ...final.metadata, resourceVersion: String(version) } };
    shelf.objects.delete(key);
    shelf.sorted = undefined;
    this.#commit(shelf, { version, type: "DELETED", key, object, before });
    return object;
  }

  #commit(shelf: Shelf, event: StoredEvent): void {
    shelf.events.push(event);
    // Dropped in blocks, so that the cost of shifting is spread.
    if (shelf.events.length > this.#historyLimit * 1.25) {
      const dropped = shelf.events.splice(0, shelf.events.length - this.#historyLimit);
      this.#oldest = Math.max(this.#oldest, dropped[dropped.length - 1].version);
    }
    for (const watcher of [...shelf.watchers]) {
      watcher(event);
    }
  }

  /** Events of a kind after a version, oldest first. */
  since(storageKey: string, version: number): StoredEvent[] {
    const events = this.#shelf(storageKey).events;
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[middle].version <= version) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return events.slice(low);
  }

  /** Calls back on every commit of a kind, in order and at once; the returned function ends it. */
  watch(storageKey: string, callback: (event: StoredEvent) => void): () => void {
    const { watchers } = this.#shelf(storageKey);
    watchers.add(callback);
    return () => watchers.delete(callback);
  }

  /** Forgets history up to a version (default: all of it). */
  compact(version: number = this.#version): void {
    this.#oldest = Math.max(this.#oldest, version);
    for (const shelf of this.#shelves.values()) {
      shelf.events = shelf.events.filter((event) => event.version > version);
    }
  }

  /** Objects never change in place, so this is a shallow copy. */
  snapshot(): Snapshot {
    const objects = new Map<string, ReadonlyMap<string, StoredObject>>();
    for (const [storageKey, shelf] of this.#shelves) {
      objects.set(storageKey, new Map(shelf.objects));
    }
    return { version: this.#version, objects };
  }

  /** Goes back to a snapshot: versions too. Watchers are not told, as nobody tells those of a restored etcd. */
  restore(snapshot: Snapshot): void {
    this.#version = snapshot.version;
    this.#oldest = snapshot.version;
    for (const [storageKey, shelf] of this.#shelves) {
      shelf.objects = new Map(snapshot.objects.get(storageKey) ?? []);
      shelf.events = [];
      shelf.sorted = undefined;
    }
  }

  /** Makes the version grow without a change of the kinds that anyone looks at. */
  bump(by: number): void {
    this.#version += by;
  }
}

function sortKeys(keys: Iterable<string>): string[] {
  return [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

const texts = new WeakMap<StoredObject, string>();

/** JSON of an object without the braces, `kind` and `apiVersion` around it: these differ by where it is sent. Kept. */
export function innerJson(object: StoredObject): string {
  const known = texts.get(object);
  if (known !== undefined) {
    return known;
  }
  const rest: JsonObject = {};
  for (const [key, value] of Object.entries(object)) {
    if (key !== "kind" && key !== "apiVersion") {
      rest[key] = value;
    }
  }
  const text = JSON.stringify(rest).slice(1, -1);
  texts.set(object, text);
  return text;
}
