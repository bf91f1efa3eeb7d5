import type { Duration } from "../api/context.ts";
import { FairleadError } from "../errors.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const LONGEST_MS = 2 ** 31 - 1;

/** Milliseconds of a time as plugins write it. Throws PLUGIN_BAD_DURATION. */
export function milliseconds(time: Duration): number {
  const match = typeof time === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(time) : null;
  const ms = match === null ? time : Number(match[1]) * UNITS[match[2]];
  if (typeof ms !== "number" || !(ms >= 0 && ms <= LONGEST_MS)) {
    throw new FairleadError(
      "PLUGIN_BAD_DURATION",
      `"${String(time)}" is not a time; write milliseconds or "500ms", "30s", "5m", "2h", less than 24 days`,
    );
  }
  return ms;
}
