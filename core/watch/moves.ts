import { backoffDelay, spread } from "./backoff.ts";
import {
  beginReplace,
  cancelProbe,
  cancelReplace,
  close,
  count,
  type Draft,
  report,
  setPhase,
  startTimer,
} from "./draft.ts";
import type { Phase } from "./reflector-state.ts";
import { isBelow } from "./version-order.ts";

/** Does the next thing: go on with the load, or watch. */
export function proceed(d: Draft): void {
  const { s } = d;
  if (!s.loading) {
    openWatch(d, s.version, false);
    return;
  }
  if (!s.noWatchList && !s.listOnly) {
    openWatch(d, s.loadVersion, true);
    return;
  }
  openPage(d);
}

/** Opens a watch from a version, or with `initial` a streamed list. */
export function openWatch(d: Draft, version: string, initial: boolean): void {
  const { s, limits } = d;
  opened(d, initial ? "streaming" : "watching");
  if (initial) {
    beginReplace(d);
    count(d, "lists");
  }
  const range = limits.serverTimeoutMaxSeconds - limits.serverTimeoutMinSeconds;
  const timeoutSeconds = Math.floor(limits.serverTimeoutMinSeconds + d.random() * (range + 1));
  count(d, "watches");
  d.actions.push({
    kind: "openWatch",
    id: s.request,
    version,
    sendInitialEvents: initial,
    timeoutSeconds: Math.min(timeoutSeconds, limits.serverTimeoutMaxSeconds),
    jsonOnly: s.jsonOnly,
  });
  if (initial) {
    startTimer(d, "deadline", limits.streamMs);
  }
}

/** Asks for the next page of a list. */
export function openPage(d: Draft): void {
  const { s, limits } = d;
  opened(d, "listing");
  if (s.pageToken === "") {
    beginReplace(d);
    s.pageVersion = "";
    count(d, "lists");
  }
  d.actions.push({
    kind: "list",
    id: s.request,
    version: s.pageToken === "" ? s.loadVersion : "",
    limit: s.pageSize,
    token: s.pageToken,
    jsonOnly: s.jsonOnly,
  });
  startTimer(d, "deadline", limits.pageMs);
}

function opened(d: Draft, mode: "streaming" | "listing" | "watching"): void {
  const { s } = d;
  s.mode = mode;
  s.request++;
  s.open = true;
  s.headSeen = false;
  s.openedAt = d.now;
  s.lastByteAt = d.now;
  s.streamEvents = 0;
  s.streamBytes = 0;
  s.refusedAuth = false;
  if (s.phase !== "notServed" && s.phase !== "forbidden") {
    setPhase(d, "connecting");
  }
  startTimer(d, "head", d.limits.headMs);
}

/** Takes over a complete load; false when its version is below what we had, which is believed only the second time. */
export function finishLoad(d: Draft, version: string): boolean {
  const { s } = d;
  if (isBelow(version, s.seen) && !s.suspected) {
    s.suspected = true;
    report(d, "warn", "WATCH_OLD_LIST", `the list is of version ${version}, older than ${s.seen}; asking again`);
    close(d, false);
    restartLoad(d, "");
    waitFor(d, spread(d.limits.confirmMs, d.random), "backingOff");
    return false;
  }
  s.loading = false;
  s.loadVersion = "";
  s.listOnly = false;
  s.streamCuts = 0;
  s.pageToken = "";
  s.pageVersion = "";
  s.pageSize = d.limits.pageSize;
  s.suspected = false;
  s.outage = false;
  s.brokenStreak = 0;
  s.version = version;
  s.seen = version;
  cancelProbe(d);
  if (s.replacing) {
    s.replacing = false;
    d.actions.push({ kind: "endReplace" });
  }
  d.actions.push({ kind: "setVersion", version });
  if (!s.synced) {
    s.synced = true;
    d.actions.push({ kind: "markSynced" });
  }
  d.actions.push({ kind: "markCurrent" });
  return true;
}

/** The version from which the next watch goes on. */
export function takeVersion(d: Draft, version: string): void {
  const { s } = d;
  if (version === s.version) {
    return;
  }
  s.version = version;
  if (!isBelow(version, s.seen)) {
    s.seen = version;
  }
  d.actions.push({ kind: "setVersion", version });
}

/** Counts an error, ends the request and tries the same again later. */
export function failed(d: Draft, alreadyOver: boolean, retryAfter = 0): void {
  const { s } = d;
  close(d, alreadyOver);
  count(d, "errors");
  if (s.mode === "watching") {
    count(d, "reconnects");
  }
  if (s.mode === "streaming") {
    cancelReplace(d);
  }
  backOff(d, retryAfter);
}

/** A streamed list broke off before its end mark: streamed again, and after three in a row paged. */
export function streamCut(d: Draft, alreadyOver: boolean): void {
  const { s } = d;
  s.streamCuts++;
  if (s.streamCuts >= 3) {
    s.listOnly = true;
  }
  failed(d, alreadyOver);
}

/** Asks for less at once next time. */
export function shrinkPage(d: Draft): void {
  const { s } = d;
  s.pageSize = Math.max(d.limits.pageSizeMin, Math.floor((s.pageSize === 0 ? d.limits.pageSize : s.pageSize) / 2));
}

/** Goes on with a paged list and remembers that streaming does not work here. */
export function giveUpStreaming(d: Draft, reason: string, alreadyOver: boolean): void {
  const { s } = d;
  close(d, alreadyOver);
  cancelReplace(d);
  s.listOnly = true;
  s.noWatchList = true;
  d.actions.push({ kind: "rememberNoWatchList", reason });
  report(d, "info", "WATCH_NO_STREAMING", `streamed lists do not work here, using paged lists: ${reason}`);
  openPage(d);
}

/** The version is of no use any more: everything is loaded anew. */
export function loseVersion(d: Draft): void {
  if (d.s.version !== "" && !d.s.loading) {
    count(d, "relists");
  }
  d.s.version = "";
  restartLoad(d, "");
}

/** A load has to begin from its first page. */
export function restartLoad(d: Draft, version: string): void {
  const { s } = d;
  cancelReplace(d);
  s.loading = true;
  s.loadVersion = version;
  s.pageToken = "";
  s.pageVersion = "";
}

/** Waits longer at each failure in a row, and at least as long as the server asks. */
export function backOff(d: Draft, retryAfter: number): void {
  const { s, limits } = d;
  if (d.now - s.retryAt > limits.healthyAfterMs) {
    s.failures = 0;
  }
  const asked = Math.min(retryAfter, limits.retryAfterCapMs);
  const delay = backoffDelay(s.failures, d.random, limits);
  s.failures++;
  const ms = Math.max(delay, asked === 0 ? 0 : asked + d.random() * limits.backoffMinMs);
  waitFor(d, ms, "backingOff");
  s.retryAt = d.now + ms;
}

/** Waits before `proceed`. */
export function waitFor(d: Draft, ms: number, phase: Phase): void {
  d.s.mode = "waiting";
  setPhase(d, phase);
  startTimer(d, "retry", ms);
}

/** Starts to listen for silence. */
export function startIdle(d: Draft): void {
  const ms = idleLimit(d);
  d.s.idleDueAt = d.now + ms;
  startTimer(d, "idle", ms);
}

/** Silence allowed to the open request, milliseconds. */
export function idleLimit(d: Draft): number {
  return d.s.mode === "watching" ? d.s.watchIdleMs : d.limits.listIdleMs;
}
