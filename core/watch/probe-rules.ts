import { backoffDelay, spread } from "./backoff.ts";
import { canProbe, close, type Draft, report, startTimer, stopTimer } from "./draft.ts";
import { loseVersion, proceed } from "./moves.ts";
import { isBelow } from "./version-order.ts";

/** The server told its version: one below ours twice means that it was restored. */
export function onProbed(d: Draft, version: string): void {
  const { s } = d;
  s.probing = false;
  s.probeFailures = 0;
  if (!canProbe(s)) {
    return;
  }
  if (!isBelow(version, s.probeFloor)) {
    s.suspected = false;
    return;
  }
  if (!s.suspected) {
    s.suspected = true;
    startTimer(d, "probe", spread(d.limits.confirmMs, d.random));
    return;
  }
  report(
    d,
    "error",
    "WATCH_TIME_TRAVEL",
    `the server went back from version ${s.probeFloor} to ${version}; loading anew`,
  );
  const wasWaiting = s.mode === "waiting";
  close(d, false);
  loseVersion(d);
  s.suspected = false;
  s.seen = "";
  if (wasWaiting) {
    stopTimer(d, "retry");
  }
  proceed(d);
}

/** The server did not tell its version: asked again later. */
export function onProbeFailed(d: Draft): void {
  const { s } = d;
  s.probing = false;
  s.probeFailures++;
  startTimer(d, "probe", backoffDelay(s.probeFailures, d.random, d.limits));
}
