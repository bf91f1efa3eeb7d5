import { onRefused, onStatusEvent } from "./answers.ts";
import { spread } from "./backoff.ts";
import {
  cancelProbe,
  cancelReplace,
  close,
  count,
  type Draft,
  probe,
  report,
  reportOnce,
  setPhase,
  stopTimer,
} from "./draft.ts";
import { WATCH_LIMITS, type WatchLimits } from "./limits.ts";
import {
  backOff,
  failed,
  finishLoad,
  loseVersion,
  openPage,
  openWatch,
  proceed,
  restartLoad,
  shrinkPage,
  startIdle,
  streamCut,
  takeVersion,
  waitFor,
} from "./moves.ts";
import { onProbed, onProbeFailed } from "./probe-rules.ts";
import type { Input, ReflectorState, Step } from "./reflector-state.ts";
import { onTimer } from "./timer-rules.ts";
import { isBelow } from "./version-order.ts";

/**
 * The watch engine's rules for one kind in one scope. Pure: `now` is a monotonic clock in milliseconds, `random` gives
 * numbers in [0, 1). Inputs of requests that are over are ignored; after `stop` nothing is done any more.
 */
export function next(
  state: ReflectorState,
  input: Input,
  now: number,
  random: () => number,
  limits: WatchLimits = WATCH_LIMITS,
): Step {
  if (state.mode === "stopped" || isLate(state, input)) {
    return { state, actions: [] };
  }
  const draft: Draft = { s: { ...state }, actions: [], now, random, limits };
  apply(draft, input);
  return { state: draft.s, actions: draft.actions };
}

function isLate(state: ReflectorState, input: Input): boolean {
  if (input.kind === "probed" || input.kind === "probeFailed") {
    return !state.probing || input.id !== state.probe;
  }
  return "id" in input && (!state.open || input.id !== state.request);
}

function apply(d: Draft, input: Input): void {
  switch (input.kind) {
    case "start":
      if (d.s.mode === "idle") {
        proceed(d);
      }
      return;
    case "stop":
      stop(d);
      return;
    case "relist":
      relist(d, input.reason);
      return;
    case "wake":
      wake(d);
      return;
    case "suspect":
      probe(d);
      return;
    case "head":
      onHead(d);
      return;
    case "refused":
      onRefused(d, input.status);
      return;
    case "data":
      onData(d, input.bytes, input.events, input.version);
      return;
    case "bookmark":
      onBookmark(d, input.version, input.initialEnd);
      return;
    case "status":
      onStatusEvent(d, input.status);
      return;
    case "broken":
      onBroken(d, input.code, input.message);
      return;
    case "disorder":
      onDisorder(d, input.message);
      return;
    case "end":
      onEnd(d);
      return;
    case "fail":
      onFail(d, input.code, input.message);
      return;
    case "page":
      onPage(d, input.version, input.token);
      return;
    case "timer":
      onTimer(d, input.name);
      return;
    case "probed":
      onProbed(d, input.version);
      return;
    case "probeFailed":
      onProbeFailed(d);
      return;
    default:
      input satisfies never;
  }
}

function stop(d: Draft): void {
  close(d, false);
  cancelProbe(d);
  stopTimer(d, "retry");
  cancelReplace(d);
  setPhase(d, "stopped");
  d.s.mode = "stopped";
}

function onHead(d: Draft): void {
  const { s } = d;
  if (s.headSeen) {
    return;
  }
  s.headSeen = true;
  s.lastByteAt = d.now;
  s.absent = 0;
  stopTimer(d, "head");
  startIdle(d);
  setPhase(d, s.mode === "watching" ? "watching" : "listing");
  if (s.outage && s.mode === "watching") {
    s.outage = false;
    probe(d);
  }
}

function onData(d: Draft, bytes: number, events: number, version: string): void {
  const { s } = d;
  s.lastByteAt = d.now;
  s.streamBytes += bytes;
  if (events === 0) {
    return;
  }
  s.streamEvents += events;
  if (s.mode !== "watching") {
    return;
  }
  s.brokenStreak = 0;
  if (version !== "") {
    takeVersion(d, version);
  }
  d.actions.push({ kind: "markCurrent" });
}

function onBookmark(d: Draft, version: string, initialEnd: boolean): void {
  const { s } = d;
  s.lastByteAt = d.now;
  s.streamEvents++;
  if (s.mode === "streaming") {
    if (initialEnd && version !== "") {
      stopTimer(d, "deadline");
      if (finishLoad(d, version)) {
        s.mode = "watching";
        startIdle(d);
        setPhase(d, "watching");
      }
    }
    return;
  }
  if (s.mode !== "watching" || version === "") {
    return;
  }
  if (!s.bookmarks) {
    s.bookmarks = true;
    s.watchIdleMs = d.limits.watchIdleMs;
  }
  s.brokenStreak = 0;
  if (!isBelow(version, s.version)) {
    takeVersion(d, version);
  }
  d.actions.push({ kind: "markCurrent" });
}

function onPage(d: Draft, version: string, token: string): void {
  const { s } = d;
  close(d, true);
  s.brokenStreak = 0;
  if (s.pageVersion === "") {
    s.pageVersion = version;
  }
  if (token !== "" && token === s.pageToken) {
    report(
      d,
      "warn",
      "WATCH_PAGE_REPEATED",
      "the list's continue token leads back to the same page; listing in one response",
    );
    restartLoad(d, s.loadVersion);
    s.pageSize = 0;
    count(d, "errors");
    backOff(d, 0);
    return;
  }
  if (token !== "") {
    s.pageToken = token;
    openPage(d);
    return;
  }
  if (s.pageVersion === "") {
    report(d, "warn", "WATCH_LIST_NO_VERSION", "the list carries no resourceVersion");
    count(d, "errors");
    restartLoad(d, s.loadVersion);
    backOff(d, 0);
    return;
  }
  if (finishLoad(d, s.pageVersion)) {
    openWatch(d, s.version, false);
  }
}

function onEnd(d: Draft): void {
  const { s } = d;
  if (s.mode !== "watching") {
    // A stream that ends before its end mark: cut by someone on the way, or the server does not know what was asked.
    streamCut(d, true);
    return;
  }
  close(d, true);
  count(d, "reconnects");
  const lived = d.now - s.openedAt;
  if (lived < d.limits.watchFloorMs && s.streamEvents === 0) {
    count(d, "errors");
    backOff(d, 0);
    return;
  }
  const rest = d.limits.watchFloorMs - lived;
  if (rest > 0) {
    waitFor(d, spread(rest, d.random), s.phase);
    return;
  }
  openWatch(d, s.version, false);
}

function onFail(d: Draft, code: string, message: string): void {
  const { s } = d;
  s.outage = true;
  s.refusedAuth = code === "KUBE_AUTH";
  reportOnce(d, code, message);
  // A probe on the same connection has little hope either; the next answer brings a new one.
  cancelProbe(d);
  if (s.mode === "streaming") {
    streamCut(d, true);
    return;
  }
  if (s.mode === "listing" && s.headSeen) {
    shrinkPage(d);
  }
  failed(d, true);
}

function onBroken(d: Draft, code: string, message: string): void {
  const { s } = d;
  s.brokenStreak++;
  count(d, "brokenFrames");
  report(d, "warn", code, message);
  if (s.brokenStreak === 3 && !s.jsonOnly) {
    s.jsonOnly = true;
  }
  if (s.brokenStreak % 6 === 0 && s.mode === "watching") {
    // The same bytes break every time: step over them with a list.
    loseVersion(d);
  }
  if (s.mode === "streaming") {
    streamCut(d, false);
    return;
  }
  if (s.mode === "listing") {
    shrinkPage(d);
  }
  failed(d, false);
}

function onDisorder(d: Draft, message: string): void {
  report(d, "warn", "WATCH_DISORDER", message);
  failed(d, false);
  loseVersion(d);
}

function relist(d: Draft, reason: string): void {
  const { s } = d;
  if (s.mode === "idle" || s.loading) {
    return;
  }
  report(d, "info", "WATCH_RELIST", `listing again: ${reason}`);
  count(d, "relists");
  close(d, false);
  restartLoad(d, s.version);
  if (s.mode !== "waiting") {
    proceed(d);
  }
}

function wake(d: Draft): void {
  const { s } = d;
  if (s.mode === "waiting" && (s.refusedAuth || s.phase === "notServed" || s.phase === "forbidden")) {
    stopTimer(d, "retry");
    proceed(d);
  }
}
