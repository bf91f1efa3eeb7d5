import type { StoreReader } from "../store/reader.ts";
import type { Clock, Timer } from "../watch/clock.ts";
import { compareVersions } from "../wire/version.ts";
import type { OwnWrite } from "./own-write.ts";

/** What one request has written to one object, as long as the store may not have it. */
interface Written {
  readonly kind: string;
  readonly key: string;
  /** The newest version that was written; "" for an immediate delete. */
  version: string;
  isDelete: boolean;
  /** It was made by the request, and may not be in the store yet. One that was there before and is absent now is gone. */
  isNew: boolean;
  /** Own steps from version to version. */
  readonly steps: Map<string, string>;
  atMs: number;
}

/** What is remembered at most; what comes after is neither waited for nor known as an echo. */
const MOST_OBJECTS = 50_000;
/** An object whose change never comes (a selector leaves it out) is forgotten. */
const FORGET_AFTER_MS = 60_000;
/** Time for a change to be told, before the store itself is asked what became of a write. */
const LOOK_AFTER_MS = 200;

/**
 * The writes of one controller that have not come back through the watch: a request is not reconciled on a cache older than
 * its own last write, and a change that is only its own write is no news to it.
 */
export class OwnWrites {
  readonly #store: Pick<StoreReader, "read">;
  readonly #clock: Clock;
  readonly #lost: (request: string) => void;
  /** By object, then by request. */
  readonly #objects = new Map<string, Map<string, Written>>();
  readonly #requests = new Map<string, Set<string>>();
  #timer: Timer | undefined;
  #isStopped = false;

  /** `lost`: what the request has made was gone before anybody was told of it. */
  constructor(store: Pick<StoreReader, "read">, clock: Clock, lost: (request: string) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#lost = lost;
  }

  /** Objects that are remembered. */
  get size(): number {
    return this.#objects.size;
  }

  /** `isKnown`: the request knows all that is in it, so that its echo is no news. */
  wrote(request: string, write: OwnWrite, isKnown: boolean): void {
    if (this.#isStopped) {
      return;
    }
    const object = nameOf(write.kind, write.key);
    let writers = this.#objects.get(object);
    if (writers === undefined) {
      if (this.#objects.size >= MOST_OBJECTS) {
        return;
      }
      writers = new Map();
      this.#objects.set(object, writers);
    }
    let written = writers.get(request);
    if (written === undefined) {
      const { kind, key } = write;
      written = { kind, key, version: "", isDelete: false, isNew: false, steps: new Map(), atMs: 0 };
      writers.set(request, written);
      const objects = this.#requests.get(request) ?? new Set();
      this.#requests.set(request, objects.add(object));
    }
    written.atMs = this.#clock.now();
    written.isDelete = write.verb === "delete";
    written.isNew ||= write.before === "" || write.before === undefined;
    if (compareVersions(write.resourceVersion, written.version) > 0) {
      written.version = write.resourceVersion;
    }
    if (isKnown && write.before !== undefined && write.resourceVersion !== "") {
      written.steps.set(write.before, write.resourceVersion);
    }
    this.#timer ??= this.#lookLater();
  }

  /** Nothing is remembered any more; a write that was on its way may still be answered. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.clear();
  }

  /** True when the store has all that the request has written. Cheap when it has written nothing lately. */
  isSeen(request: string): boolean {
    const objects = this.#requests.get(request);
    if (objects === undefined) {
      return true;
    }
    return this.#store.read((view) => {
      for (const object of objects) {
        const written = this.#objects.get(object)?.get(request);
        if (written !== undefined && !isIn(view.kind(written.kind), written)) {
          return false;
        }
      }
      return true;
    });
  }

  /** What the request has written is not waited for any more. */
  giveUp(request: string): void {
    for (const object of this.#requests.get(request) ?? []) {
      this.#forget(object, request);
    }
  }

  /** True when a change of an object, "" standing for absent, is nothing but the request's own writes. */
  isEcho(request: string, kind: string, key: string, before: string, after: string): boolean {
    const steps = this.#objects.size === 0 ? undefined : this.#objects.get(nameOf(kind, key))?.get(request)?.steps;
    if (steps === undefined) {
      return false;
    }
    let version: string | undefined = before;
    for (let left = steps.size; left > 0 && version !== undefined; left--) {
      version = steps.get(version);
      if (version === after) {
        return true;
      }
    }
    return false;
  }

  /** A change of the object was told to all whom it concerns; `version` "": it is gone. */
  told(kind: string, key: string, version: string): void {
    if (this.#objects.size === 0) {
      return;
    }
    const object = nameOf(kind, key);
    for (const [request, written] of this.#objects.get(object) ?? []) {
      if (version === "" ? written.isDelete || !written.isNew : compareVersions(version, written.version) >= 0) {
        this.#forget(object, request);
      }
    }
  }

  #forget(object: string, request: string): void {
    const writers = this.#objects.get(object);
    writers?.delete(request);
    if (writers?.size === 0) {
      this.#objects.delete(object);
    }
    const objects = this.#requests.get(request);
    objects?.delete(object);
    if (objects?.size === 0) {
      this.#requests.delete(request);
    }
  }

  #lookLater(): Timer {
    return this.#clock.setTimer(LOOK_AFTER_MS, () => this.#look(), true);
  }

  /** What was made and deleted between two batches is in neither of them: nobody is told. The store knows of it. */
  #look(): void {
    const now = this.#clock.now();
    const lost = new Set<string>();
    this.#store.read((view) => {
      for (const [object, writers] of this.#objects) {
        for (const [request, written] of writers) {
          const ageMs = now - written.atMs;
          const objects = view.kind(written.kind);
          const isAbsent = objects.get(written.key) === undefined;
          // What is there is told in its turn, and may be an echo then.
          const isOver = ageMs >= LOOK_AFTER_MS && isAbsent && isIn(objects, written);
          if (!isOver && ageMs < FORGET_AFTER_MS) {
            continue;
          }
          this.#forget(object, request);
          if (isAbsent && written.isNew && !written.isDelete) {
            lost.add(request);
          }
        }
      }
      return undefined;
    });
    this.#timer = this.#objects.size === 0 ? undefined : this.#lookLater();
    for (const request of lost) {
      this.#lost(request);
    }
  }
}

/** Namespaces and names have no bar in them. */
function nameOf(kind: string, key: string): string {
  return `${kind}|${key}`;
}

/** What is asked of the objects of a kind. */
interface Objects {
  get(key: string): Versioned | undefined;
  readonly deleted: { get(key: string): Versioned | undefined };
}

interface Versioned {
  readonly metadata: { readonly resourceVersion: string; readonly deletionTimestamp?: string | undefined };
}

function isIn(objects: Objects, { key, version, isDelete, isNew }: Written): boolean {
  const object = objects.get(key);
  if (object !== undefined) {
    const { resourceVersion, deletionTimestamp } = object.metadata;
    const isNewer = version !== "" && compareVersions(resourceVersion, version) >= 0;
    return isNewer || (isDelete && deletionTimestamp !== undefined);
  }
  // Its last finalizer may have been taken away.
  if (isDelete || !isNew) {
    return true;
  }
  const deleted = objects.deleted.get(key);
  return deleted !== undefined && compareVersions(deleted.metadata.resourceVersion, version) >= 0;
}
