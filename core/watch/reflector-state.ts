import type { KindCounter } from "../store/store.ts";
import { WATCH_LIMITS, type WatchLimits } from "./limits.ts";

/** What a reflector is doing. `streaming`: WatchList before its end mark; `waiting`: until a retry. */
export type Mode = "idle" | "streaming" | "listing" | "watching" | "waiting" | "stopped";

/** What others see of it; the numbers of `KindStatus.phase`. */
export const PHASE = {
  idle: 0,
  connecting: 1,
  listing: 2,
  watching: 3,
  backingOff: 4,
  notServed: 5,
  forbidden: 6,
  stopped: 7,
} as const;
export type Phase = keyof typeof PHASE;

/** A reflector between two inputs: one kind in one scope. Plain data. */
export interface ReflectorState {
  readonly mode: Mode;
  readonly phase: Phase;
  /** Number of the last request; 0 before the first. Inputs of older requests are ignored. */
  readonly request: number;
  /** That request is in flight. */
  readonly open: boolean;
  /** Its response head has come. */
  readonly headSeen: boolean;
  readonly openedAt: number;
  readonly lastByteAt: number;
  /** When the idle timer should fire. */
  readonly idleDueAt: number;
  /** Events and bookmarks that the open watch has brought. */
  readonly streamEvents: number;
  /** Bytes that the open request has brought. */
  readonly streamBytes: number;
  /** Version from which the next watch goes on; "" = unknown, so a load is needed. */
  readonly version: string;
  /** Highest version ever taken over; a load that ends below it is doubted once. */
  readonly seen: string;
  /** A load (streamed or paged) must be finished before watching. */
  readonly loading: boolean;
  /** resourceVersion that the load asks for; "" = the newest. */
  readonly loadVersion: string;
  /** The store is between beginReplace and endReplace. */
  readonly replacing: boolean;
  /** Paged list: token of the next page, version of the first page ("" before it), page size (0 = all in one). */
  readonly pageToken: string;
  readonly pageVersion: string;
  readonly pageSize: number;
  readonly synced: boolean;
  /** WatchList does not work for this resource: remembered for all later loads. */
  readonly noWatchList: boolean;
  /** This load goes on as a paged list. */
  readonly listOnly: boolean;
  /** Streamed lists cut in a row. */
  readonly streamCuts: number;
  /** Only JSON is asked for, since protobuf kept breaking. */
  readonly jsonOnly: boolean;
  /** Streams in a row that ended in bytes we could not read. */
  readonly brokenStreak: number;
  /** Failures in a row, and when the wait after the last one ends. */
  readonly failures: number;
  readonly retryAt: number;
  /** Code of the last trouble that was reported. */
  readonly trouble: string;
  /** When the version was last found expired. */
  readonly expiredAt: number;
  /** The connection was lost or silent: the server's version is checked after the next connect. */
  readonly outage: boolean;
  readonly probing: boolean;
  /** Number of the last probe. */
  readonly probe: number;
  /** Our version when it was asked for: events may overtake its answer, so that the answer says nothing about later ones. */
  readonly probeFloor: string;
  readonly probeFailures: number;
  /** A version below ours was seen once. */
  readonly suspected: boolean;
  /** "Not found" answers in a row. */
  readonly absent: number;
  /** Credentials were refused; new ones end the wait. */
  readonly refusedAuth: boolean;
  /** This server sends bookmarks for this kind. */
  readonly bookmarks: boolean;
  /** Silence that an open watch is allowed. */
  readonly watchIdleMs: number;
}

/** A Status from the server, or the little that is known of an error answer without one. */
export interface RefusalStatus {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs: number;
  readonly causes: readonly string[];
}

export type TimerName = "retry" | "head" | "idle" | "deadline" | "probe";

/** What can happen to a reflector. `id` names the request that it belongs to. */
export type Input =
  | { readonly kind: "start" }
  | { readonly kind: "stop" }
  /** List again although the version is known: drift, or room in a full store. */
  | { readonly kind: "relist"; readonly reason: string }
  /** Something changed that may end a wait: renewed credentials, a CRD that was established. */
  | { readonly kind: "wake" }
  /** Someone saw a version below ours: look. */
  | { readonly kind: "suspect" }
  /** A 200 whose content type can be read. */
  | { readonly kind: "head"; readonly id: number }
  /** Any other status, with its body decoded where it is a Status. */
  | { readonly kind: "refused"; readonly id: number; readonly status: RefusalStatus }
  /** Bytes came; `version` is that of the last event in them, "" when there was none. */
  | {
      readonly kind: "data";
      readonly id: number;
      readonly bytes: number;
      readonly events: number;
      readonly version: string;
    }
  | { readonly kind: "bookmark"; readonly id: number; readonly version: string; readonly initialEnd: boolean }
  /** An ERROR event inside the stream. */
  | { readonly kind: "status"; readonly id: number; readonly status: RefusalStatus }
  /** Content that cannot be read: wrong content type, torn or oversized frame, another kind. */
  | { readonly kind: "broken"; readonly id: number; readonly code: string; readonly message: string }
  /** Events came in an order that no server gives: the set may be wrong. */
  | { readonly kind: "disorder"; readonly id: number; readonly message: string }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "fail"; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: "page"; readonly id: number; readonly version: string; readonly token: string }
  | { readonly kind: "timer"; readonly name: TimerName }
  /** Answer of a probe: the server's version now. */
  | { readonly kind: "probed"; readonly id: number; readonly version: string }
  | { readonly kind: "probeFailed"; readonly id: number };

/** What the shell has to do, in order. */
export type Action =
  | {
      readonly kind: "openWatch";
      readonly id: number;
      readonly version: string;
      readonly sendInitialEvents: boolean;
      readonly timeoutSeconds: number;
      readonly jsonOnly: boolean;
    }
  | {
      readonly kind: "list";
      readonly id: number;
      readonly version: string;
      /** 0 = no limit. */
      readonly limit: number;
      readonly token: string;
      readonly jsonOnly: boolean;
    }
  /** End the open request; nothing of it may be heard any more. */
  | { readonly kind: "cancel" }
  | { readonly kind: "probeVersion"; readonly id: number }
  | { readonly kind: "cancelProbe" }
  | { readonly kind: "startTimer"; readonly name: TimerName; readonly ms: number }
  | { readonly kind: "stopTimer"; readonly name: TimerName }
  | { readonly kind: "beginReplace" }
  | { readonly kind: "endReplace" }
  | { readonly kind: "cancelReplace" }
  /** Remove everything, with tombstones. */
  | { readonly kind: "clear" }
  | { readonly kind: "markSynced" }
  /** The kind is known to be as new as the server now. */
  | { readonly kind: "markCurrent" }
  | { readonly kind: "setVersion"; readonly version: string }
  | { readonly kind: "setPhase"; readonly phase: Phase }
  | { readonly kind: "rememberNoWatchList"; readonly reason: string }
  | { readonly kind: "count"; readonly counter: KindCounter }
  | {
      readonly kind: "report";
      readonly level: "info" | "warn" | "error";
      readonly code: string;
      readonly message: string;
    };

/** A state and what to do to get there. */
export interface Step {
  readonly state: ReflectorState;
  readonly actions: readonly Action[];
}

/** A reflector that was not started. `noWatchList`: what earlier reflectors of the kind found out. */
export function initialState(options: { noWatchList?: boolean; limits?: WatchLimits } = {}): ReflectorState {
  const limits = options.limits ?? WATCH_LIMITS;
  return {
    mode: "idle",
    phase: "idle",
    request: 0,
    open: false,
    headSeen: false,
    openedAt: 0,
    lastByteAt: 0,
    idleDueAt: 0,
    streamEvents: 0,
    streamBytes: 0,
    version: "",
    seen: "",
    loading: true,
    loadVersion: "",
    replacing: false,
    pageToken: "",
    pageVersion: "",
    pageSize: limits.pageSize,
    synced: false,
    noWatchList: options.noWatchList ?? false,
    listOnly: false,
    streamCuts: 0,
    jsonOnly: false,
    brokenStreak: 0,
    failures: 0,
    retryAt: Number.NEGATIVE_INFINITY,
    trouble: "",
    expiredAt: Number.NEGATIVE_INFINITY,
    outage: false,
    probing: false,
    probe: 0,
    probeFloor: "",
    probeFailures: 0,
    suspected: false,
    absent: 0,
    refusedAuth: false,
    bookmarks: false,
    watchIdleMs: limits.watchIdleMs,
  };
}
