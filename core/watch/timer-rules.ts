import { close, count, type Draft, probe, report, startTimer } from "./draft.ts";
import { failed, giveUpStreaming, idleLimit, openWatch, proceed, shrinkPage, streamCut } from "./moves.ts";
import type { TimerName } from "./reflector-state.ts";

/** What to do when a timer fires. */
export function onTimer(d: Draft, name: TimerName): void {
  const { s } = d;
  switch (name) {
    case "retry":
      if (s.mode === "waiting") {
        proceed(d);
      }
      return;
    case "probe":
      probe(d);
      return;
    case "head":
      if (s.open && !s.headSeen) {
        report(d, "warn", "KUBE_TIMEOUT", `no answer within ${d.limits.headMs} ms`);
        s.outage = true;
        if (s.mode === "streaming") {
          streamCut(d, false);
        } else {
          failed(d, false);
        }
      }
      return;
    case "idle":
      if (s.open) {
        onIdle(d);
      }
      return;
    case "deadline":
      if (s.open) {
        onDeadline(d);
      }
      return;
    default:
      name satisfies never;
  }
}

function onIdle(d: Draft): void {
  const { s, limits } = d;
  const rest = s.lastByteAt + idleLimit(d) - d.now;
  if (rest > 0) {
    s.idleDueAt = d.now + rest;
    startTimer(d, "idle", rest);
    return;
  }
  if (d.now - s.idleDueAt > limits.lateMs) {
    s.idleDueAt = d.now + limits.lateMs;
    startTimer(d, "idle", limits.lateMs);
    return;
  }
  s.outage = true;
  if (s.mode === "streaming") {
    giveUpStreaming(d, `nothing came for ${limits.listIdleMs} ms before the end mark`, false);
    return;
  }
  if (s.mode === "listing") {
    shrinkPage(d);
    failed(d, false);
    return;
  }
  report(d, "warn", "WATCH_SILENT", `the watch was silent for ${s.watchIdleMs} ms; opening a new one`);
  count(d, "reconnects");
  count(d, "errors");
  if (!s.bookmarks) {
    s.watchIdleMs = Math.min(s.watchIdleMs * 2, limits.watchIdleMaxMs);
  }
  close(d, false);
  openWatch(d, s.version, false);
}

function onDeadline(d: Draft): void {
  const { s, limits } = d;
  if (s.mode === "streaming") {
    giveUpStreaming(d, `no end mark within ${limits.streamMs} ms`, false);
  } else if (s.mode === "listing") {
    report(d, "warn", "KUBE_TIMEOUT", `a list page took longer than ${limits.pageMs} ms`);
    shrinkPage(d);
    failed(d, false);
  }
}
