import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { ObjectReference } from "../api/hooks.ts";
import { codeOf, messageOf } from "../errors.ts";
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
/** Events that wait to be sent. */
const MAX_WAITING = 500;
/** Events that are remembered, to join later ones with them. */
const MAX_SERIES = 2000;
const SERIES_ENDS_AFTER_MS = 360_000;
/** A repeated event is counted at the server at most this often. */
const JOIN_EVERY_MS = 10_000;
/** After the server forbade events. */
const PAUSE_MS = 60_000;
const LONGEST_NOTE = 1024;
const LONGEST_WORD = 128;

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
}

/** Reports the events of one plugin to the API server, in the background. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #bucket: TokenBucket;
  readonly #series = new Map<string, Series>();
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
    if (now < this.#pausedUntilMs || this.#waiting.length >= MAX_WAITING || !this.#hasToken()) {
      this.figures.dropped++;
      return;
    }
    this.#forgetOld(now);
    const salt = createHash("sha256").update(`${key}\n${clock.wallNow()}\n${this.#series.size}`).digest("hex");
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

  #hasToken(): boolean {
    if (this.#bucket.reserve() === 0) {
      return true;
    }
    this.#bucket.giveBack();
    return false;
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
      if (series.sentCount > 0 && series.count > series.sentCount) {
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
      this.figures.sent += Number(isNew);
      series.sentCount = isNew ? 1 : count;
      if (series.count > series.sentCount) {
        this.#joinLater();
      }
    } catch (error) {
      this.figures.dropped++;
      this.#series.delete(series.key);
      if (signal.aborted) {
        return;
      }
      const { plugin, log, clock } = this.#options;
      if (codeOf(error) === "KUBE_FORBIDDEN") {
        this.#pausedUntilMs = clock.now() + PAUSE_MS;
      }
      log.warn(
        { plugin, reason: series.event.reason, code: codeOf(error), detail: messageOf(error) },
        "event not reported",
      );
    }
  }

  #create({ event, name, firstAt }: Series): KubeCall {
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
    };
    return { verb: "create", args: [{ apiVersion: "events.k8s.io/v1", plural: "events", namespace }, object] };
  }

  #join({ event, name, count, lastAt }: Series): KubeCall {
    const { clock } = this.#options;
    const lastObservedTime = microTime(clock.wallNow() - (clock.now() - lastAt));
    const target = {
      apiVersion: "events.k8s.io/v1",
      plural: "events",
      namespace: event.about.namespace ?? "default",
      name,
    };
    return { verb: "patch", args: [target, "merge", { series: { count, lastObservedTime } }] };
  }
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
