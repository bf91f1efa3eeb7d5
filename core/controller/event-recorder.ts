import { hostname } from "node:os";
import type { ObjectReference } from "../api/hooks.ts";
import { codeOf, messageOf } from "../errors.ts";
import { sha256 } from "../kinds/sha256.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import type { Logger } from "../log.ts";
import type { Clock, Timer } from "../watch/clock.ts";
import type { KubeCall } from "./plugin-site.ts";

/** One event as a plugin reports it. */
export interface ReportedEvent {
  readonly type: "Normal" | "Warning";
  readonly about: ObjectReference;
  readonly reason: string;
  readonly message: string;
}

/** What became of a plugin's events. */
export interface EventFigures {
  sent: number;
  /** Counted in an event that was there already. */
  joined: number;
  /** Too many, or refused by the server. */
  dropped: number;
}

export interface EventRecorderOptions {
  readonly plugin: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly send: (call: KubeCall, signal: AbortSignal) => Promise<unknown>;
}

/** New events: so many at once, and then so many a second. */
const BURST = 50;
const PER_SECOND = 5;
/** New events about one object: so many at once, and then one in five minutes. */
const BURST_OF_OBJECT = 25;
const PER_SECOND_OF_OBJECT = 1 / 300;
/** Objects whose events are counted. */
const MAX_OBJECTS = 2000;
/** Events that wait to be sent. */
const MAX_WAITING = 500;
/** Events that are remembered, to join later ones with them. */
const MAX_SERIES = 2000;
const SERIES_ENDS_AFTER_MS = 360_000;
/** A repeated event is counted at the server at most this often. */
const JOIN_EVERY_MS = 10_000;
/** How often one is sent while the server is not there; every ten seconds. */
const MAX_TRIES = 12;
/** After the server forbade events. */
const PAUSE_MS = 60_000;
const LONGEST_NOTE = 1024;
const LONGEST_WORD = 128;

/** The server is not there, or not ready. */
const PASSING: ReadonlySet<string> = new Set([
  "KUBE_UNREACHABLE",
  "KUBE_RESET",
  "KUBE_TIMEOUT",
  "KUBE_UNAVAILABLE",
  "KUBE_TOO_MANY_REQUESTS",
  "KUBE_INTERNAL",
]);

interface Series {
  readonly key: string;
  readonly event: ReportedEvent;
  readonly name: string;
  readonly firstAt: number;
  lastAt: number;
  count: number;
  /** What the server knows; 0: not even the event. */
  sentCount: number;
  isWaiting: boolean;
  /** In vain, one after the other. */
  tries: number;
}

/** Reports the events of one plugin to the API server, in the background. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #bucket: TokenBucket;
  readonly #series = new Map<string, Series>();
  readonly #objects = new Map<string, TokenBucket>();
  readonly #waiting: Series[] = [];
  readonly #ending = new AbortController();
  readonly figures: EventFigures = { sent: 0, joined: 0, dropped: 0 };
  #sending: Promise<void> | undefined;
  #timer: Timer | undefined;
  #pausedUntilMs = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(PER_SECOND, BURST, () => options.clock.now());
  }

  /** Never waits and never throws. */
  report(event: ReportedEvent): void {
    const { clock } = this.#options;
    if (this.#ending.signal.aborted) {
      return;
    }
    const now = clock.now();
    const { about, type, reason } = event;
    const key = `${type}\n${reason}\n${about.uid}\n${about.kind}\n${about.namespace ?? ""}\n${about.name}`;
    const known = this.#series.get(key);
    if (known !== undefined && now - known.lastAt < SERIES_ENDS_AFTER_MS) {
      known.count++;
      known.lastAt = now;
      this.figures.joined++;
      this.#joinLater();
      return;
    }
    if (now < this.#pausedUntilMs || this.#waiting.length >= MAX_WAITING || !this.#hasTokens(about)) {
      this.figures.dropped++;
      return;
    }
    this.#forgetOld(now);
    const salt = sha256(`${key}\n${clock.wallNow()}\n${this.#series.size}`, "hex");
    const name = `${about.name.slice(0, 200)}.${salt.slice(0, 16)}`;
    const series = {
      key,
      event,
      name,
      firstAt: clock.wallNow(),
      lastAt: now,
      count: 1,
      sentCount: 0,
      isWaiting: false,
      tries: 0,
    };
    this.#series.delete(key); // to the end of the order
    this.#series.set(key, series);
    this.#enqueue(series);
  }

  /** Resolves when nothing waits to be sent. Counts of repeated events are sent now. */
  async flush(): Promise<void> {
    this.#joinNow();
    await this.#sending;
    // Events that were on their way have been repeated meanwhile.
    this.#joinNow();
    await this.#sending;
  }

  /** Sends what waits, for so many milliseconds at most; then ends. */
  async stop(deadlineMs: number): Promise<void> {
    const timer = this.#options.clock.setTimer(deadlineMs, () => this.#ending.abort());
    await this.flush();
    timer.clear();
    this.#timer?.clear();
    this.#ending.abort();
  }

  /** One of the recorder's and one of the object's, or none. */
  #hasTokens(about: ObjectReference): boolean {
    const id = about.uid || `${about.kind}/${about.namespace ?? ""}/${about.name}`;
    let bucket = this.#objects.get(id);
    if (bucket === undefined) {
      bucket = new TokenBucket(PER_SECOND_OF_OBJECT, BURST_OF_OBJECT, () => this.#options.clock.now());
      this.#objects.set(id, bucket);
      for (const [oldest] of this.#objects) {
        if (this.#objects.size <= MAX_OBJECTS) {
          break;
        }
        this.#objects.delete(oldest);
      }
    }
    if (!hasToken(bucket)) {
      return false;
    }
    if (!hasToken(this.#bucket)) {
      bucket.giveBack();
      return false;
    }
    return true;
  }

  #forgetOld(now: number): void {
    for (const [key, series] of this.#series) {
      const isOver = now - series.lastAt >= SERIES_ENDS_AFTER_MS && !series.isWaiting;
      if (!isOver && this.#series.size < MAX_SERIES) {
        return;
      }
      this.#series.delete(key);
    }
  }

  #enqueue(series: Series): void {
    if (!series.isWaiting) {
      series.isWaiting = true;
      this.#waiting.push(series);
    }
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  #joinLater(): void {
    this.#timer ??= this.#options.clock.setTimer(
      JOIN_EVERY_MS,
      () => {
        this.#timer = undefined;
        this.#joinNow();
      },
      true,
    );
  }

  #joinNow(): void {
    for (const series of this.#series.values()) {
      if (series.count > series.sentCount && (series.sentCount > 0 || series.tries > 0)) {
        this.#enqueue(series);
      }
    }
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#ending;
    for (let series = this.#waiting.shift(); series !== undefined; series = this.#waiting.shift()) {
      series.isWaiting = false;
      if (signal.aborted || this.#options.clock.now() < this.#pausedUntilMs) {
        this.figures.dropped++;
        continue;
      }
      await this.#send(series, signal);
    }
  }

  async #send(series: Series, signal: AbortSignal): Promise<void> {
    const isNew = series.sentCount === 0;
    const { count } = series;
    try {
      await this.#options.send(isNew ? this.#create(series) : this.#join(series), signal);
      this.#isSent(series, isNew, count);
    } catch (error) {
      this.#isRefused(series, isNew, error, signal);
    }
  }

  #isSent(series: Series, isNew: boolean, count: number): void {
    this.figures.sent += Number(isNew);
    series.sentCount = count;
    series.tries = 0;
    if (series.count > series.sentCount) {
      this.#joinLater();
    }
  }

  #isRefused(series: Series, isNew: boolean, error: unknown, signal: AbortSignal): void {
    const code = codeOf(error);
    const { plugin, log, clock } = this.#options;
    if (isNew && code === "KUBE_ALREADY_EXISTS") {
      // The name is only ours: an answer that was lost.
      this.#isSent(series, isNew, 1);
      return;
    }
    if (!signal.aborted && (PASSING.has(code) || (!isNew && code === "KUBE_NOT_FOUND")) && ++series.tries < MAX_TRIES) {
      // The server forgets events after a while: then it is a new one.
      series.sentCount = code === "KUBE_NOT_FOUND" ? 0 : series.sentCount;
      this.#joinLater();
      return;
    }
    this.figures.dropped++;
    this.#series.delete(series.key);
    if (signal.aborted) {
      return;
    }
    if (code === "KUBE_FORBIDDEN") {
      this.#pausedUntilMs = clock.now() + PAUSE_MS;
    }
    log.warn({ plugin, reason: series.event.reason, code, detail: messageOf(error) }, "event not reported");
  }

  #create({ event, name, firstAt, count, lastAt }: Series): KubeCall {
    const { about, type, reason, message } = event;
    const namespace = about.namespace ?? "default";
    const object = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name, namespace },
      eventTime: microTime(firstAt),
      reportingController: `fairlead/${this.#options.plugin}`,
      reportingInstance: hostname().slice(0, LONGEST_WORD) || "fairlead",
      action: reason.slice(0, LONGEST_WORD),
      reason: reason.slice(0, LONGEST_WORD),
      regarding: about,
      note: cut(message, LONGEST_NOTE),
      type,
      ...(count > 1 ? { series: { count, lastObservedTime: this.#timeOf(lastAt) } } : {}),
    };
    return { verb: "create", args: [{ apiVersion: "events.k8s.io/v1", plural: "events", namespace }, object] };
  }

  #join({ event, name, count, lastAt }: Series): KubeCall {
    const lastObservedTime = this.#timeOf(lastAt);
    const target = {
      apiVersion: "events.k8s.io/v1",
      plural: "events",
      namespace: event.about.namespace ?? "default",
      name,
    };
    return { verb: "patch", args: [target, "merge", { series: { count, lastObservedTime } }] };
  }

  #timeOf(at: number): string {
    const { clock } = this.#options;
    return microTime(clock.wallNow() - (clock.now() - at));
  }
}

function hasToken(bucket: TokenBucket): boolean {
  if (bucket.reserve() === 0) {
    return true;
  }
  bucket.giveBack();
  return false;
}

function microTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.(\d{3})Z$/, ".$1000Z");
}

/** So many bytes of UTF-8 at most. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) {
    return text;
  }
  return Buffer.from(text)
    .subarray(0, bytes - 3)
    .toString("utf8")
    .replace(/\uFFFD+$/, "")
    .concat("…");
}
