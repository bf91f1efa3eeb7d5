import { FairleadError } from "../core/errors.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration such as "250ms", "20s", "5m" or "1h30m". Throws CONFIG_BAD_DURATION. */
export function parseDuration(text: string): number {
  let total = 0;
  let rest = text.trim();
  while (rest !== "") {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)/.exec(rest);
    if (match === null) {
      throw new FairleadError("CONFIG_BAD_DURATION", `"${text}" is not a duration; write it like 20s, 5m or 1h30m`);
    }
    total += Number(match[1]) * UNITS[match[2]];
    rest = rest.slice(match[0].length);
  }
  if (total <= 0 || total > 2 ** 31 - 1) {
    throw new FairleadError("CONFIG_BAD_DURATION", `"${text}" must be more than 0 and less than 24 days`);
  }
  return total;
}
