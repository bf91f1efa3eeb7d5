import { codeOf, messageOf } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { Exchange, ResponseSink } from "../kube/transport.ts";
import type { RowBuilder } from "../store/row.ts";
import type { KindWriter } from "../store/store.ts";
import {
  acceptHeader,
  createListDecoder,
  createWatchDecoder,
  formatOf,
  type ListDecoder,
  type WatchDecoder,
} from "../wire/decoder.ts";
import { TimerSet } from "./clock.ts";
import { ErrorBody, refusalOf } from "./error-body.ts";
import { EventVersions } from "./event-versions.ts";
import { next } from "./machine.ts";
import { listPath, type WatchScope, watchPath } from "./paths.ts";
import { type Probe, startProbe } from "./probe.ts";
import type { ReflectorHost, ReflectorListener } from "./reflector-host.ts";
import { type Action, type Input, initialState, type ReflectorState, type TimerName } from "./reflector-state.ts";
import { namespaceReplacement, type Replacement, wholeReplacement } from "./replacement.ts";
import { versionOf } from "./row-text.ts";

/** Follows one kind in one scope: does what the machine says, and tells it what happens. Ingest thread only. */
export class Reflector {
  readonly plan: RowPlan;
  readonly scope: WatchScope;
  readonly #writer: KindWriter;
  readonly #host: ReflectorHost;
  readonly #listener: ReflectorListener;
  readonly #replacement: Replacement;
  readonly #versions = new EventVersions();
  readonly #timers: TimerSet<TimerName>;
  #state: ReflectorState;
  #exchange: Exchange | undefined;
  #probe: Probe | undefined;
  /** Number of the request whose bytes are taken; 0 = none. */
  #live = 0;
  /** Events of the chunk being read that the machine was not told of yet, and whether one had a version to go on from. */
  #fresh = 0;
  #freshBytes = 0;
  #freshVersion = false;

  constructor(plan: RowPlan, scope: WatchScope, writer: KindWriter, host: ReflectorHost, listener: ReflectorListener) {
    this.plan = plan;
    this.scope = scope;
    this.#writer = writer;
    this.#host = host;
    this.#listener = listener;
    this.#replacement =
      scope.namespace === undefined ? wholeReplacement(writer) : namespaceReplacement(writer, scope.namespace);
    this.#timers = new TimerSet(host.clock);
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
        this.#timers.start(action.name, action.ms, () => this.#feed({ kind: "timer", name: action.name }));
        return;
      case "stopTimer":
        this.#timers.stop(action.name);
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

  #startProbe(id: number): void {
    this.#probe = startProbe(this.plan, this.scope, this.#host, (version) => {
      this.#probe = undefined;
      this.#feed(version === undefined ? { kind: "probeFailed", id } : { kind: "probed", id, version });
    });
  }

  #openWatch(action: Extract<Action, { kind: "openWatch" }>): void {
    const { id } = action;
    this.#versions.restart(action.version);
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
      version: this.#freshVersion ? this.#versions.text : "",
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
    const verdict = this.#versions.judge(row);
    if (verdict === "disorder") {
      this.#flush(id);
      const message = `an event of version ${versionOf(row)} came after one of ${this.#versions.number}`;
      this.#fromStream(id, { kind: "disorder", id, message });
    }
    this.#freshVersion ||= verdict === "new";
    return verdict === "new";
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
      this.#versions.restart(this.#state.version);
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
