import { missingRule } from "../kube/status-error.ts";
import { spread } from "./backoff.ts";
import { cancelProbe, cancelReplace, close, count, type Draft, probe, report, reportOnce } from "./draft.ts";
import { backOff, failed, giveUpStreaming, loseVersion, proceed, restartLoad, waitFor } from "./moves.ts";
import type { RefusalStatus } from "./reflector-state.ts";
import { classify } from "./refusal.ts";

/** An answer with an error status instead of a list or a watch. */
export function onRefused(d: Draft, status: RefusalStatus): void {
  const { s } = d;
  const streaming = s.mode === "streaming";
  const refusal = classify(status);
  if (refusal !== "absent") {
    s.absent = 0;
  }
  switch (refusal) {
    case "unauthorized":
      s.refusedAuth = true;
      report(
        d,
        "error",
        "KUBE_UNAUTHORIZED",
        `the server refuses our credentials (${status.message}); log in again or fetch the kubeconfig again`,
      );
      failed(d, true, status.retryAfterMs);
      return;
    case "forbidden":
      onForbidden(d, status);
      return;
    case "absent":
      onAbsent(d, status);
      return;
    case "unusable":
      if (streaming) {
        giveUpStreaming(d, `${status.code} ${status.reason}: ${status.message}`, true);
        return;
      }
      report(d, "error", "WATCH_BAD_REQUEST", `the server refuses the request: ${status.message}`);
      s.jsonOnly = s.jsonOnly || status.code === 406;
      failed(d, true);
      if (status.code === 400) {
        loseVersion(d);
      }
      return;
    default:
      onTrouble(d, status, true);
      return;
  }
}

/** An ERROR event: the stream is over. */
export function onStatusEvent(d: Draft, status: RefusalStatus): void {
  onTrouble(d, status, false);
}

/** Errors that mean the same as an answer and inside a stream. */
function onTrouble(d: Draft, status: RefusalStatus, alreadyOver: boolean): void {
  const { s } = d;
  switch (classify(status)) {
    case "expired":
      onExpired(d, status.message, alreadyOver);
      return;
    case "corrupt":
      failed(d, alreadyOver);
      loseVersion(d);
      return;
    case "tooLarge":
      // Behind a lagging replica we only wait; a server that was set back is found by the probe.
      failed(d, alreadyOver, status.retryAfterMs);
      probe(d);
      return;
    case "unusable":
      if (s.mode === "streaming") {
        giveUpStreaming(d, `${status.code} ${status.reason}: ${status.message}`, alreadyOver);
        return;
      }
      break;
    case "throttled":
      break;
    default:
      s.outage = s.outage || status.code === 502 || status.code === 503 || status.code === 504;
      // The server may be able to list where it cannot stream.
      s.listOnly = s.listOnly || s.mode === "streaming";
  }
  reportOnce(d, "WATCH_REFUSED", `the server answers ${status.code} ${status.reason}: ${status.message}`);
  failed(d, alreadyOver, status.retryAfterMs);
}

function onExpired(d: Draft, message: string, alreadyOver: boolean): void {
  const { s } = d;
  if (s.mode === "listing" && s.pageToken !== "") {
    // The list took longer than the server keeps its snapshot: all in one response then, which streams as well.
    close(d, alreadyOver);
    restartLoad(d, "");
    s.pageSize = 0;
    report(d, "info", "WATCH_PAGE_EXPIRED", "the list's continue token expired; listing in one response");
    pause(d);
    return;
  }
  reportOnce(d, "WATCH_EXPIRED", `version "${s.version}" is too old for the server, loading anew: ${message}`);
  const watched = s.mode === "watching";
  close(d, alreadyOver);
  loseVersion(d);
  const first = watched && d.now - s.expiredAt > d.limits.healthyAfterMs;
  s.expiredAt = d.now;
  if (first) {
    proceed(d);
    return;
  }
  count(d, "errors");
  backOff(d, 0);
}

/** Restarts at once the first time, with growing pauses when it happens again soon. */
function pause(d: Draft): void {
  const first = d.now - d.s.expiredAt > d.limits.healthyAfterMs;
  d.s.expiredAt = d.now;
  if (first) {
    proceed(d);
    return;
  }
  count(d, "errors");
  backOff(d, 0);
}

function onForbidden(d: Draft, status: RefusalStatus): void {
  const { s } = d;
  if (s.phase !== "forbidden") {
    report(d, "error", "KUBE_FORBIDDEN", withRule(status.message));
  }
  close(d, true);
  cancelReplace(d);
  if (s.pageToken !== "") {
    restartLoad(d, s.loadVersion);
  }
  count(d, "errors");
  waitFor(d, spread(d.limits.forbiddenRetryMs, d.random), "forbidden");
}

/** The server's words and the rule to paste; a followed kind needs both verbs, whichever was refused. */
function withRule(message: string): string {
  const missing = missingRule(message);
  if (missing === undefined) {
    return message;
  }
  const rule = missing.rule.replace(/verbs: \["(?:list|watch)"\]/, 'verbs: ["list", "watch"]');
  return `${message}; add to ${missing.role}: ${rule}`;
}

function onAbsent(d: Draft, status: RefusalStatus): void {
  const { s } = d;
  close(d, true);
  count(d, "errors");
  s.absent++;
  if (s.synced && s.absent < 2) {
    // One of several API servers may not know a new resource yet: asked again before anything is removed.
    cancelReplace(d);
    waitFor(d, spread(d.limits.confirmMs, d.random), "backingOff");
    return;
  }
  if (s.absent <= 2 && s.phase !== "notServed") {
    report(d, "warn", "KUBE_KIND_NOT_SERVED", `the server does not serve this kind: ${status.message}`);
  }
  cancelReplace(d);
  if (s.phase !== "notServed") {
    d.actions.push({ kind: "clear" });
  }
  loseVersion(d);
  s.seen = "";
  s.outage = false;
  cancelProbe(d);
  waitFor(d, spread(d.limits.notServedRetryMs, d.random), "notServed");
}
