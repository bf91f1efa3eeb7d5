/** When a thread that ended by itself is started again. */
export interface CrashPolicy {
  /** Crashes count for so long, milliseconds. */
  readonly windowMs: number;
  /** With so many within the window it is given up. */
  readonly maxCrashes: number;
  /** Wait before the first restart, milliseconds; doubled for each further crash within the window. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

/** Three crashes in five minutes are one too many. */
export const CRASH_POLICY: CrashPolicy = { windowMs: 300_000, maxCrashes: 3, baseDelayMs: 500, maxDelayMs: 30_000 };

/** What to do after a crash. */
export type AfterCrash =
  | { readonly kind: "restart"; readonly delayMs: number }
  | { readonly kind: "give-up"; readonly crashes: number };

/**
 * Decides what to do after a crash. Pure: `crashesAtMs` are the times of all crashes so far, this one included, `random` is
 * between 0 and 1. Half of each delay is jitter, so that threads that fell together do not rise together.
 */
export function afterCrash(
  crashesAtMs: readonly number[],
  nowMs: number,
  random: number,
  policy: CrashPolicy = CRASH_POLICY,
): AfterCrash {
  const crashes = crashesAtMs.filter((atMs) => nowMs - atMs < policy.windowMs).length;
  if (crashes >= policy.maxCrashes) {
    return { kind: "give-up", crashes };
  }
  const fullMs = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.max(0, crashes - 1));
  return { kind: "restart", delayMs: fullMs / 2 + (fullMs / 2) * random };
}
