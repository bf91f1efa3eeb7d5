import type { Answer } from "./answer.ts";
import { type Fault, faultOf } from "./faults.ts";
import { reached, selectorOf, versionNumber } from "./list.ts";
import { contentTypeOf, type Format } from "./media.ts";
import type { StoredObject } from "./object.ts";
import { renderBookmark, renderErrorEvent, renderEvent } from "./render.ts";
import type { Target } from "./request.ts";
import type { Selector } from "./selectors.ts";
import { expired, failure, invalid, Refusal, type Status, tooLarge } from "./status.ts";
import type { StoredEvent } from "./storage.ts";
import type { World } from "./world.ts";

/** What a watch needs. */
export interface WatchRequest {
  readonly world: World;
  readonly target: Target;
  readonly query: URLSearchParams;
  readonly format: Format;
  readonly answer: Answer;
  readonly faults: readonly Fault[];
}

const LIST_OPTIONS = { group: "meta.k8s.io", plural: "listoptions", kind: "ListOptions" };
const LEAST_TIMEOUT_SECONDS = 1800;
const BATCH_BYTES = 64 * 1024;

/** A watch that is being served, as seen from outside. */
export interface OpenWatch {
  end(): void;
  /** Sends a bookmark of the newest version now, where bookmarks were asked for. */
  bookmark(): void;
  /** Sends what was held back. */
  catchUp(): void;
}

/** Serves a watch until the client, the timeout or a fault ends it. */
export function watch(request: WatchRequest): OpenWatch {
  const stream = new WatchStream(request);
  stream.start();
  return stream;
}

class WatchStream implements OpenWatch {
  readonly #request: WatchRequest;
  readonly #select: Selector;
  readonly #bookmarks: boolean;
  readonly #streamed: boolean;
  readonly #cancels: (() => void)[] = [];
  #version = 0;
  #sent = 0;
  #over = false;
  #silent = false;
  #limit: number | undefined;

  constructor(request: WatchRequest) {
    this.#request = request;
    const { query, target, world } = request;
    this.#select = selectorOf(query, target);
    this.#bookmarks = isTrue(query.get("allowWatchBookmarks"));
    this.#streamed = isTrue(query.get("sendInitialEvents"));
    checkWatchOptions(query, world.behaviour.watchList);
    const stale = faultOf(request.faults, "stale");
    this.#limit = stale && (stale.version ?? world.storage.version - (stale.behind ?? 0));
  }

  start(): void {
    const { query, answer, format, world } = this.#request;
    const text = query.get("resourceVersion") ?? "";
    const wanted = text === "" || text === "0" ? 0 : versionNumber(text, true);
    const initial = this.#streamed || (wanted === 0 && query.get("sendInitialEvents") === null);
    const gone = wanted > 0 && !this.#streamed && wanted < world.storage.oldest;
    if (gone && world.behaviour.expired === "status") {
      throw new Refusal(tooOld(wanted, world));
    }
    answer.onClose(() => this.#release());
    answer.head(200, { "content-type": contentTypeOf(format, true), "cache-control": "no-cache, private" });
    this.#startTimers();
    if (gone) {
      this.#fail(tooOld(wanted, world));
      return;
    }
    if (this.#streamed && wanted > this.#newest()) {
      void this.#awaitVersion(wanted);
      return;
    }
    this.#follow(wanted, initial);
  }

  #newest(): number {
    return Math.min(this.#request.world.storage.version, this.#limit ?? Number.POSITIVE_INFINITY);
  }

  async #awaitVersion(wanted: number): Promise<void> {
    await reached(this.#request.world, () => this.#over || this.#newest() >= wanted);
    if (wanted > this.#newest()) {
      this.#fail(tooLarge(wanted, this.#newest()));
      return;
    }
    this.#follow(wanted, true);
  }

  #follow(wanted: number, initial: boolean): void {
    const { world, target } = this.#request;
    const { storageKey } = target.resource;
    if (this.#over || this.#endsNow()) {
      return;
    }
    if (initial) {
      this.#version = this.#newest();
      this.#sendInitial(world.storage.list(storageKey, this.#version));
      this.#afterInitial();
    } else {
      this.#version = wanted === 0 ? this.#newest() : wanted;
    }
    this.catchUp();
    this.#cancels.push(world.storage.watch(storageKey, (event) => this.#take(event)));
  }

  catchUp(): void {
    const { world, target } = this.#request;
    // Nothing has been followed yet: `#follow` does this itself.
    if (this.#version > 0) {
      for (const event of world.storage.since(target.resource.storageKey, this.#version)) {
        this.#take(event);
      }
    }
  }

  #sendInitial(objects: readonly StoredObject[]): void {
    const { target, format, faults } = this.#request;
    if (faults.length > 0) {
      for (const object of objects.filter((one) => this.#wants(one))) {
        this.#send(renderEvent(target.resource, "ADDED", object, format));
      }
      return;
    }
    let batch: Buffer[] = [];
    let size = 0;
    for (const object of objects) {
      if (!this.#wants(object)) {
        continue;
      }
      const frame = renderEvent(target.resource, "ADDED", object, format);
      batch.push(frame);
      size += frame.length;
      this.#sent++;
      if (size > BATCH_BYTES) {
        this.#request.answer.write(Buffer.concat(batch));
        batch = [];
        size = 0;
      }
    }
    if (size > 0) {
      this.#request.answer.write(Buffer.concat(batch));
    }
  }

  #afterInitial(): void {
    const { world, faults } = this.#request;
    const without = faultOf(faults, "noBookmarks")?.initialEnd === true || !world.behaviour.initialEventsEnd;
    if (this.#streamed && this.#bookmarks && !without) {
      this.#writeBookmark(true);
    }
  }

  #wants(object: StoredObject): boolean {
    const { namespace } = this.#request.target;
    return (namespace === undefined || object.metadata.namespace === namespace) && this.#select(object);
  }

  /** Objects that begin or stop to be selected appear and vanish. */
  #take(event: StoredEvent): void {
    if (
      this.#over ||
      this.#request.world.watchesHeld() ||
      event.version <= this.#version ||
      (this.#limit !== undefined && event.version > this.#limit)
    ) {
      return;
    }
    this.#version = event.version;
    const { target, format } = this.#request;
    const isIn = event.type !== "DELETED" && this.#wants(event.object);
    const wasIn = event.before !== undefined && this.#wants(event.before);
    if (!isIn && !wasIn) {
      return;
    }
    const type = isIn ? (wasIn ? "MODIFIED" : "ADDED") : "DELETED";
    // What leaves the selection is shown as it was, under the version at which it left.
    const left = isIn || event.type === "DELETED" ? event.object : this.#asLeft(event);
    this.#send(renderEvent(target.resource, type, left, format));
  }

  #asLeft(event: StoredEvent): StoredObject {
    const before = event.before ?? event.object;
    return { ...before, metadata: { ...before.metadata, resourceVersion: String(event.version) } };
  }

  #send(frame: Buffer): void {
    const { answer, faults } = this.#request;
    if (this.#over) {
      return;
    }
    if (!this.#silent) {
      answer.write(frame);
    }
    this.#sent++;
    if (faults.length > 0) {
      if (faultOf(faults, "duplicates") && !this.#silent) {
        answer.write(frame);
      }
      this.#endsNow();
    }
  }

  /** Applies what is due after so many events; true when the stream is over or silent for good. */
  #endsNow(): boolean {
    const { faults } = this.#request;
    for (const fault of faults) {
      if ("afterEvents" in fault && fault.afterEvents === this.#sent) {
        this.#misbehave(fault);
      } else if (fault.kind === "blackHole" && fault.afterEvents === undefined && this.#sent === 0) {
        this.#silent = true;
      }
    }
    return this.#over;
  }

  #misbehave(fault: Fault): void {
    const { answer, format, target } = this.#request;
    switch (fault.kind) {
      case "blackHole":
        this.#silent = true;
        return;
      case "endWatch":
        this.end();
        return;
      case "errorEvent":
        this.#fail(
          failure(
            fault.code,
            fault.reason ?? (fault.code === 410 ? "Expired" : "InternalError"),
            fault.message ?? "scripted error",
          ),
        );
        return;
      case "wrongKind":
        answer.write(renderEvent(WRONG, "ADDED", WRONG_OBJECT, { ...format, as: "object" }));
        return;
      case "tornFrame": {
        const frame = renderBookmark(target.resource, String(this.#version), format, false);
        answer.write(frame.subarray(0, Math.min(fault.bytes, frame.length - 1)));
        this.#silent = true;
        if (fault.followedBy === "end") {
          this.end();
        }
        return;
      }
      case "oversizeFrame":
        this.#oversize(fault.bytes);
        return;
    }
  }

  #oversize(bytes: number): void {
    const { answer, format } = this.#request;
    this.#silent = true;
    if (format.wire === "protobuf") {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(Math.min(bytes, 0xffffffff));
      answer.write(head);
    }
    const part = Buffer.alloc(BATCH_BYTES, "a");
    for (let left = bytes; left > 0 && !answer.isOver; left -= part.length) {
      answer.write(part.subarray(0, Math.min(left, part.length)));
    }
  }

  #writeBookmark(endsInitial: boolean): void {
    const { answer, target, format } = this.#request;
    if (!this.#over && !this.#silent) {
      answer.write(renderBookmark(target.resource, String(this.#version), format, endsInitial));
    }
  }

  /** Bookmarks say how far this watch is; one that waits for the future says nothing. */
  bookmark(): void {
    const { faults, world } = this.#request;
    const now = this.#newest();
    if (world.watchesHeld()) {
      return;
    }
    if (!this.#bookmarks || faultOf(faults, "noBookmarks") || this.#version === 0 || this.#version > now) {
      return;
    }
    this.#version = now;
    this.#writeBookmark(false);
  }

  #startTimers(): void {
    const { world, query } = this.#request;
    const { clock, random, behaviour } = world;
    const asked = Number(query.get("timeoutSeconds") ?? 0);
    const seconds = asked > 0 ? asked : LEAST_TIMEOUT_SECONDS + random.below(LEAST_TIMEOUT_SECONDS);
    this.#cancels.push(clock.after(seconds * 1000, () => this.end()));
    // The last bookmark comes two seconds before the end.
    if (seconds > 2) {
      this.#cancels.push(clock.after((seconds - 2) * 1000, () => this.bookmark()));
    }
    const next = () => {
      this.bookmark();
      cancel = clock.after(behaviour.bookmarkPeriodMs, next);
    };
    let cancel = clock.after(behaviour.bookmarkPeriodMs, next);
    this.#cancels.push(() => cancel());
  }

  #fail(status: Status): void {
    if (!this.#over) {
      this.#request.answer.write(renderErrorEvent(status, this.#request.format));
      this.end();
    }
  }

  end(): void {
    if (!this.#over) {
      this.#release();
      this.#request.answer.end();
    }
  }

  #release(): void {
    this.#over = true;
    for (const cancel of this.#cancels.splice(0)) {
      cancel();
    }
  }
}

const WRONG = {
  group: "",
  version: "v1",
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  singular: "secret",
  namespaced: true,
  shortNames: [],
  categories: [],
  subresources: [],
  counted: false,
  fieldLabels: {},
  custom: false,
  names: "subdomain",
  storageKey: "/secrets",
} as const;

const WRONG_OBJECT: StoredObject = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: "wrong",
    namespace: "default",
    uid: "wrong",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
};

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1";
}

function tooOld(wanted: number, world: World): Status {
  return expired(`too old resource version: ${wanted} (${world.storage.oldest})`);
}

function checkWatchOptions(query: URLSearchParams, watchList: boolean): void {
  const asked = query.get("sendInitialEvents");
  const match = query.get("resourceVersionMatch") ?? "";
  const refuse = (field: string, why: string) =>
    invalid(LIST_OPTIONS, "", [{ field, reason: "FieldValueForbidden", message: `Forbidden: ${why}` }]);
  if (asked === null) {
    if (match !== "") {
      throw refuse(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
      );
    }
    return;
  }
  if (!watchList) {
    throw refuse(
      "sendInitialEvents",
      "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
    );
  }
  if (match !== "NotOlderThan") {
    throw refuse("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
}
