import { RCODE } from "./codes.ts";
import { isUnder, wireName } from "./resolve-question.ts";
import type { Verdict } from "./resolve-verdict.ts";
import type { CacheOptions } from "./settings.ts";

/** Options of the cache with all defaults filled in. */
export interface CacheRules {
  readonly positive: number;
  readonly negative: number;
  readonly servfail: number;
  readonly minimum: number;
  readonly stale: number;
  readonly staleTtl: number;
  readonly staleAfterMs: number;
  readonly recheck: number;
  readonly keepTtl: boolean;
  readonly prefetchHits: number;
  /** On the wire. */
  readonly exceptPositive: readonly string[];
  readonly exceptNegative: readonly string[];
}

/** Seconds that it is remembered that nobody replied (RFC 9520 asks for at least one). */
const SILENCE_SECONDS = 1;
/** Most of a failure's time (RFC 2308). */
const MOST_FAILURE_SECONDS = 300;

/** Fills in the defaults. */
export function cacheRules(options: CacheOptions): CacheRules {
  const zones = (names: readonly string[] = []): string[] => names.flatMap((name) => wireName(name) ?? []);
  return {
    positive: options.positive,
    negative: options.negative,
    servfail: Math.min(options.servfail, MOST_FAILURE_SECONDS),
    minimum: options.minimum ?? 0,
    stale: options.stale,
    staleTtl: options.staleTtl ?? 30,
    staleAfterMs: options.staleAfterMs ?? 1_800,
    recheck: Math.min(options.recheck ?? 30, MOST_FAILURE_SECONDS),
    keepTtl: options.keepTtl ?? false,
    prefetchHits: options.prefetchHits ?? 0,
    exceptPositive: zones(options.exceptPositive),
    exceptNegative: zones(options.exceptNegative),
  };
}

/**
 * Seconds that clients may keep an answer, and whether we keep it: 0 seconds are not kept. All records of an answer get the
 * least TTL of them. `name`: on the wire, lower case. Undefined verdict: nobody replied.
 */
export function keepFor(
  verdict: Verdict | undefined,
  name: string,
  rules: CacheRules,
): { readonly ttl: number; readonly isKept: boolean } {
  if (verdict === undefined) {
    const ttl = Math.min(rules.servfail, SILENCE_SECONDS);
    return { ttl, isKept: ttl > 0 };
  }
  const { kind, rcode } = verdict;
  if (kind === "failure") {
    const isKept = (rcode === RCODE.SERVFAIL || rcode === RCODE.NOTIMP) && rules.servfail > 0;
    return { ttl: isKept ? rules.servfail : 0, isKept };
  }
  const isNegative = kind === "negative" || (kind === "passing" && verdict.answers.length === 0);
  const most = isNegative ? rules.negative : rules.positive;
  const except = isNegative ? rules.exceptNegative : rules.exceptPositive;
  const isExcept = most === 0 || except.some((zone) => isUnder(name, zone));
  if (kind === "passing" || isExcept) {
    return { ttl: isExcept ? verdict.ttl : Math.min(verdict.ttl, most), isKept: false };
  }
  const ttl = Math.min(Math.max(verdict.ttl, rules.minimum), most);
  return { ttl, isKept: ttl > 0 };
}

/** Whether an entry that is asked for now should be renewed before its end: in its last tenth, when it is asked for often. */
export function isDueForRenewal(
  entry: { readonly ttl: number; readonly storedMs: number; readonly hits: number },
  nowMs: number,
  rules: CacheRules,
): boolean {
  if (rules.prefetchHits === 0 || entry.hits < rules.prefetchHits) {
    return false;
  }
  const leftSeconds = entry.ttl - (nowMs - entry.storedMs) / 1000;
  return leftSeconds <= Math.ceil(entry.ttl / 10);
}
