import type { WatchLimits } from "./limits.ts";
import type { Action, Phase, ReflectorState, TimerName } from "./reflector-state.ts";
import { isNumeric } from "./version-order.ts";

/** The state being changed by one input, and the actions so far. */
export interface Draft {
  s: { -readonly [K in keyof ReflectorState]: ReflectorState[K] };
  readonly actions: Action[];
  readonly now: number;
  readonly random: () => number;
  readonly limits: WatchLimits;
}

/** Ends the open request, whatever it is, with its timers. */
export function close(d: Draft, alreadyOver: boolean): void {
  const { s } = d;
  if (!s.open) {
    return;
  }
  s.open = false;
  if (!alreadyOver) {
    d.actions.push({ kind: "cancel" });
  }
  stopTimer(d, "head");
  stopTimer(d, "idle");
  stopTimer(d, "deadline");
}

/** True while a version below ours would mean something: not when the newest is being loaded anyway. */
export function canProbe(s: ReflectorState): boolean {
  return isNumeric(s.version) && !(s.loading && s.loadVersion === "");
}

/** Asks the server for its version, to find out whether it went back in time. */
export function probe(d: Draft): void {
  const { s } = d;
  if (s.probing || !canProbe(s)) {
    return;
  }
  s.probing = true;
  s.probe++;
  s.probeFloor = s.version;
  d.actions.push({ kind: "probeVersion", id: s.probe });
}

/** Forgets a running or planned probe. */
export function cancelProbe(d: Draft): void {
  if (d.s.probing) {
    d.s.probing = false;
    d.actions.push({ kind: "cancelProbe" });
  }
  stopTimer(d, "probe");
}

/** Begins a replacement; one that is under way is given up. */
export function beginReplace(d: Draft): void {
  cancelReplace(d);
  d.s.replacing = true;
  d.actions.push({ kind: "beginReplace" });
}

/** Gives a replacement up: nothing vanishes by it. */
export function cancelReplace(d: Draft): void {
  if (d.s.replacing) {
    d.s.replacing = false;
    d.actions.push({ kind: "cancelReplace" });
  }
}

/** Starts a timer, or starts it anew. */
export function startTimer(d: Draft, name: TimerName, ms: number): void {
  d.actions.push({ kind: "startTimer", name, ms });
}

/** Stops a timer, running or not. */
export function stopTimer(d: Draft, name: TimerName): void {
  d.actions.push({ kind: "stopTimer", name });
}

/** Tells a new phase. */
export function setPhase(d: Draft, phase: Phase): void {
  if (d.s.phase !== phase) {
    d.s.phase = phase;
    d.actions.push({ kind: "setPhase", phase });
  }
}

/** Counts one. */
export function count(d: Draft, counter: Extract<Action, { kind: "count" }>["counter"]): void {
  d.actions.push({ kind: "count", counter });
}

/** Reports a trouble once, not at each try of a row of failures. */
export function reportOnce(d: Draft, code: string, message: string): void {
  if (d.s.failures === 0 || d.s.trouble !== code) {
    d.s.trouble = code;
    report(d, "warn", code, message);
  }
}

/** Reports for the log. */
export function report(d: Draft, level: "info" | "warn" | "error", code: string, message: string): void {
  d.actions.push({ kind: "report", level, code, message });
}
