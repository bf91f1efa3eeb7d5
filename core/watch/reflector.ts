import { codeOf, messageOf } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { Exchange, ResponseHead, ResponseSink, Transport } from "../kube/transport.ts";
import { FLAG_VERSION_TEXT, ROW_FLAGS, ROW_VERSION, type RowBuilder } from "../store/row.ts";
import type { KindCounter, KindWriter } from "../store/store.ts";
import {
  acceptHeader,
  createListDecoder,
  createWatchDecoder,
  decodeStatus,
  formatOf,
  type ListDecoder,
  type WatchDecoder,
  type WireStatus,
} from "../wire/decoder.ts";
import { retryAfterMs } from "./backoff.ts";
import type { Clock, Timer } from "./clock.ts";
import type { CommitBatch } from "./commit-batch.ts";
import { EventOrder } from "./event-order.ts";
import type { WatchLimits } from "./limits.ts";
import { next } from "./machine.ts";
import { listPath, type WatchScope, watchPath } from "./paths.ts";
import { type Probe, startProbe } from "./probe.ts";
import {
  type Action,
  type Input,
  initialState,
  type Phase,
  type ReflectorState,
  type RefusalStatus,
  type TimerName,
} from "./reflector-state.ts";
import { namespaceReplacement, type Replacement, wholeReplacement } from "./replacement.ts";
import { versionOf } from "./row-text.ts";
import type { WatchMemory } from "./watch-memory.ts";

/** Error bodies are read up to this size. */
const MAX_ERROR_BYTES = 64 * 1024;

/** What reflectors of one engine share. */
export interface ReflectorHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: WatchLimits;
  /** One scratch row for all: a row lives only within one call. */
  readonly builder: RowBuilder;
  readonly batch: CommitBatch;
  readonly memory: WatchMemory;
  report(level: "info" | "warn" | "error", code: string, message: string, plan: RowPlan, scope: WatchScope): void;
}

/** Told by a reflector to whoever sums up several of them. */
export interface ReflectorListener {
  synced(): void;
  current(wallMs: number): void;
  phase(phase: Phase): void;
  version(version: string): void;
  count(counter: KindCounter, amount: number): void;
  /** An object did not fit into the store. */
  refused(): void;
}

/** Follows one kind in one scope: does what the machine says, and tells it what happens. Ingest thread only. */
export class Reflector {
  readonly plan: RowPlan;
  readonly scope: WatchScope;
  readonly #writer: KindWriter;
  readonly #host: ReflectorHost;
  readonly #listener: ReflectorListener;
  readonly #replacement: Replacement;
  readonly #order = new EventOrder();
  readonly #timers = new Map<TimerName, Timer>();
  #state: ReflectorState;
  #exchange: Exchange | undefined;
  #probe: Probe | undefined;
  /** Number of the request whose bytes are taken; 0 = none. */
  #live = 0;
  /** Events of the chunk being read that the machine was not told of yet, and whether one had a version to go on from. */
  #fresh = 0;
  #freshBytes = 0;
  #freshVersion = false;
  readonly #lastVersion = new Int32Array(2);
  #lastVersionText = "";

  constructor(plan: RowPlan, scope: WatchScope, writer: KindWriter, host: ReflectorHost, listener: ReflectorListener) {
    this.plan = plan;
    this.scope = scope;
    this.#writer = writer;
    this.#host = host;
    this.#listener = listener;
    this.#replacement =
      scope.namespace === undefined ? wholeReplacement(writer) : namespaceReplacement(writer, scope.namespace);
    this.#state = initialState({ noWatchList: host.memory.isListOnly(plan), limits: host.limits });
  }

  /** The machine's state, for status and tests. */
  get state(): ReflectorState {
    return this.#state;
  }

  start(): void {
    this.#feed({ kind: "start" });
  }

  /** Ends everything; nothing of this reflector happens any more. */
  stop(): void {
    this.#feed({ kind: "stop" });
  }

  /** Lists again although the watch is healthy. */
  relist(reason: string): void {
    this.#feed({ kind: "relist", reason });
  }

  /** Tries again now if it waits for credentials, permission or the resource. */
  wake(): void {
    this.#feed({ kind: "wake" });
  }

  /** Someone saw the server at a version below ours. */
  suspect(): void {
    this.#feed({ kind: "suspect" });
  }

  #feed(input: Input): void {
    const { clock, random, limits } = this.#host;
    const step = next(this.#state, input, clock.now(), random, limits);
    this.#state = step.state;
    for (const action of step.actions) {
      this.#do(action);
    }
  }

  #do(action: Action): void {
    switch (action.kind) {
      case "openWatch":
        this.#openWatch(action);
        return;
      case "list":
        this.#openList(action);
        return;
      case "cancel":
        this.#live = 0;
        this.#exchange?.cancel();
        this.#exchange = undefined;
        return;
      case "probeVersion":
        this.#startProbe(action.id);
        return;
      case "cancelProbe":
        this.#probe?.cancel();
        this.#probe = undefined;
        return;
      case "startTimer":
        this.#startTimer(action.name, action.ms);
        return;
      case "stopTimer":
        this.#timers.get(action.name)?.clear();
        this.#timers.delete(action.name);
        return;
      case "beginReplace":
        this.#replacement.begin();
        return;
      case "endReplace":
        this.#replacement.end();
        this.#host.batch.touch();
        return;
      case "cancelReplace":
        this.#replacement.cancel();
        return;
      case "clear":
        this.#writer.clear(this.scope.namespace === undefined ? undefined : { namespace: this.scope.namespace });
        this.#host.batch.touch();
        return;
      default:
        this.#tell(action);
    }
  }

  #tell(action: Action): void {
    const { memory, clock } = this.#host;
    switch (action.kind) {
      case "markSynced":
        this.#listener.synced();
        return;
      case "markCurrent":
        this.#listener.current(clock.wallNow());
        return;
      case "setVersion":
        this.#listener.version(action.version);
        return;
      case "setPhase":
        this.#listener.phase(action.phase);
        return;
      case "rememberNoWatchList":
        memory.rememberListOnly(this.plan);
        return;
      case "count":
        this.#listener.count(action.counter, 1);
        return;
      case "report":
        this.#host.report(action.level, action.code, action.message, this.plan, this.scope);
        return;
      default:
    }
  }

  #startTimer(name: TimerName, ms: number): void {
    this.#timers.get(name)?.clear();
    const timer = this.#host.clock.setTimer(ms, () => {
      this.#timers.delete(name);
      this.#feed({ kind: "timer", name });
    });
    this.#timers.set(name, timer);
  }

  #startProbe(id: number): void {
    this.#probe = startProbe(this.plan, this.scope, this.#host, (version) => {
      this.#probe = undefined;
      this.#feed(version === undefined ? { kind: "probeFailed", id } : { kind: "probed", id, version });
    });
  }

  #openWatch(action: Extract<Action, { kind: "openWatch" }>): void {
    const { id } = action;
    this.#order.restart(action.version);
    const path = watchPath(this.plan, this.scope, {
      version: action.version,
      initial: action.sendInitialEvents,
      timeoutSeconds: action.timeoutSeconds,
    });
    this.#open(id, path, "watch", action.jsonOnly, (format) => {
      const decoder = createWatchDecoder(this.plan, format, this.#writer.interner, this.#host.builder, {
        event: (type, row) => this.#onEvent(id, type, row),
        bookmark: (version, initialEnd) => this.#onBookmark(id, version, initialEnd),
        error: (status) => {
          this.#flush(id);
          this.#fromStream(id, { kind: "status", id, status: refusalOf(status, status.code, 0) });
        },
      });
      return { decoder, end: () => this.#endWatch(id, decoder) };
    });
  }

  #openList(action: Extract<Action, { kind: "list" }>): void {
    const { id } = action;
    this.#open(id, listPath(this.plan, this.scope, action), "list", action.jsonOnly, (format) => {
      const decoder = createListDecoder(this.plan, format, this.#writer.interner, this.#host.builder, {
        item: (row) => {
          if (this.#live === id) {
            this.#put(row);
            this.#fresh++;
          }
        },
      });
      return { decoder, end: () => this.#endPage(id, decoder) };
    });
  }

  #open(
    id: number,
    path: string,
    purpose: "watch" | "list",
    jsonOnly: boolean,
    reader: (format: "protobuf" | "json") => StreamReader,
  ): void {
    this.#live = id;
    this.#fresh = 0;
    this.#freshBytes = 0;
    this.#freshVersion = false;
    const accept = jsonOnly ? "application/json" : acceptHeader(this.plan, purpose);
    const exchange = this.#host.transport.open(
      { method: "GET", path, headers: { accept }, headTimeoutMs: this.#host.limits.headMs },
      this.#sink(id, reader),
    );
    if (this.#live === id) {
      this.#exchange = exchange;
    }
  }

  #sink(id: number, reader: (format: "protobuf" | "json") => StreamReader): ResponseSink {
    let stream: StreamReader | undefined;
    let failure: ErrorBody | undefined;
    return {
      head: (head) => {
        const format = head.status === 200 ? formatOf(head.headers["content-type"]) : undefined;
        if (format !== undefined) {
          this.#attempt(id, () => {
            stream = reader(format);
          });
          this.#fromStream(id, { kind: "head", id });
        } else if (head.status === 200) {
          const type = head.headers["content-type"] ?? "none";
          this.#broken(id, "WIRE_CONTENT_TYPE", `the content type "${type}" is neither protobuf nor JSON`);
        } else {
          failure = new ErrorBody(head, this.#host.clock.wallNow());
        }
      },
      data: (chunk) => {
        if (this.#live !== id) {
          return;
        }
        if (failure !== undefined) {
          failure.push(chunk);
        } else if (stream !== undefined) {
          const { decoder } = stream;
          this.#freshBytes += chunk.length;
          this.#attempt(id, () => decoder.push(chunk));
          this.#flush(id);
        }
      },
      end: () => {
        if (failure !== undefined) {
          this.#over(id, { kind: "refused", id, status: failure.status() });
        } else {
          stream?.end();
        }
      },
      fail: (error) => {
        if (failure !== undefined) {
          this.#over(id, { kind: "refused", id, status: failure.status() });
        } else {
          this.#over(id, { kind: "fail", id, code: error.code, message: error.message });
        }
      },
    };
  }

  /** An input that leaves the request open. */
  #fromStream(id: number, input: Input): void {
    if (this.#live === id) {
      this.#feed(input);
    }
  }

  /** An input after which the request is over. */
  #over(id: number, input: Input): void {
    if (this.#live === id) {
      this.#live = 0;
      this.#exchange = undefined;
      this.#feed(input);
    }
  }

  #attempt(id: number, read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#flush(id);
      this.#broken(id, codeOf(error), messageOf(error));
    }
  }

  #broken(id: number, code: string, message: string): void {
    this.#fromStream(id, { kind: "broken", id, code, message });
  }

  /** Tells the machine what the chunk brought so far. */
  #flush(id: number): void {
    if (this.#live !== id || (this.#freshBytes === 0 && this.#fresh === 0)) {
      return;
    }
    const input: Input = {
      kind: "data",
      id,
      bytes: this.#freshBytes,
      events: this.#fresh,
      version: this.#freshVersion ? this.#lastVersionText || this.#numericVersion() : "",
    };
    this.#listener.count("bytes", this.#freshBytes);
    if (this.#fresh > 0) {
      this.#listener.count("events", this.#fresh);
      this.#host.batch.touch();
    }
    this.#fresh = 0;
    this.#freshBytes = 0;
    this.#freshVersion = false;
    this.#feed(input);
  }

  #numericVersion(): string {
    const low = this.#lastVersion[0] >>> 0;
    const high = this.#lastVersion[1] >>> 0;
    return high < 0x200000 ? String(high * 0x100000000 + low) : String((BigInt(high) << 32n) | BigInt(low));
  }

  #onEvent(id: number, type: "ADDED" | "MODIFIED" | "DELETED", row: RowBuilder): void {
    if (this.#live !== id) {
      return;
    }
    if (this.#state.mode === "watching" && !this.#isNew(id, row)) {
      return;
    }
    if (type === "DELETED") {
      this.#writer.remove(row);
    } else {
      this.#put(row);
    }
    this.#fresh++;
  }

  /** Judges an event of an established watch by its version, and keeps the version to go on from. */
  #isNew(id: number, row: RowBuilder): boolean {
    const { words } = row;
    if ((words[ROW_FLAGS] & FLAG_VERSION_TEXT) !== 0) {
      this.#lastVersionText = versionOf(row);
      this.#freshVersion = true;
      return true;
    }
    const low = words[ROW_VERSION];
    const high = words[ROW_VERSION + 1];
    const verdict = this.#order.judge(low, high);
    if (verdict === "disorder") {
      this.#flush(id);
      const message = `an event of version ${versionOf(row)} came after one of ${this.#numericVersion()}`;
      this.#fromStream(id, { kind: "disorder", id, message });
    }
    if (verdict !== "new") {
      return false;
    }
    this.#lastVersion[0] = low;
    this.#lastVersion[1] = high;
    this.#lastVersionText = "";
    this.#freshVersion = true;
    return true;
  }

  #put(row: RowBuilder): void {
    if (this.#state.replacing) {
      this.#replacement.saw(row);
    }
    if (this.#writer.put(row) === "refused") {
      this.#listener.refused();
    }
  }

  #onBookmark(id: number, version: string, initialEnd: boolean): void {
    this.#flush(id);
    this.#fromStream(id, { kind: "bookmark", id, version, initialEnd });
    if (this.#live === id && this.#state.mode === "watching") {
      this.#order.restart(this.#state.version);
    }
  }

  #endWatch(id: number, decoder: WatchDecoder): void {
    this.#attempt(id, () => decoder.end());
    this.#over(id, { kind: "end", id });
  }

  #endPage(id: number, decoder: ListDecoder): void {
    this.#attempt(id, () => {
      const { resourceVersion, continueToken } = decoder.end();
      this.#flush(id);
      this.#over(id, { kind: "page", id, version: resourceVersion, token: continueToken });
    });
  }
}

interface StreamReader {
  readonly decoder: WatchDecoder | ListDecoder;
  end(): void;
}

/** Collects the body of an error response. */
class ErrorBody {
  readonly #head: ResponseHead;
  readonly #wallNow: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(head: ResponseHead, wallNow: number) {
    this.#head = head;
    this.#wallNow = wallNow;
  }

  push(chunk: Buffer): void {
    if (this.#size < MAX_ERROR_BYTES) {
      this.#size += chunk.length;
      this.#chunks.push(chunk);
    }
  }

  status(): RefusalStatus {
    const { status, headers } = this.#head;
    const asked = retryAfterMs(headers["retry-after"], this.#wallNow);
    const body = Buffer.concat(this.#chunks);
    const known = decodeStatus(formatOf(headers["content-type"]) ?? "json", body);
    if (known !== undefined) {
      return refusalOf(known, status, asked);
    }
    const message = body.toString("utf8", 0, 200).trim();
    return { code: status, reason: "", message: message || `HTTP ${status}`, retryAfterMs: asked, causes: [] };
  }
}

function refusalOf(status: WireStatus, code: number, askedMs: number): RefusalStatus {
  return {
    code,
    reason: status.reason,
    message: status.message,
    retryAfterMs: Math.max(askedMs, status.retryAfterSeconds * 1000),
    causes: status.causes,
  };
}
