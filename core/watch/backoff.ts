import type { WatchLimits } from "./limits.ts";

/** Delay before the next try after `failures` failures in a row, milliseconds: doubled each time, then up to twice that by chance, never above the maximum. */
export function backoffDelay(failures: number, random: () => number, limits: WatchLimits): number {
  const exponent = Math.min(failures, 40);
  const base = Math.min(limits.backoffMinMs * limits.backoffFactor ** exponent, limits.backoffMaxMs / 2);
  return Math.min(base * (1 + random()), limits.backoffMaxMs);
}

/** Spreads a fixed period by up to a half, so that many clients do not come back together. */
export function spread(periodMs: number, random: () => number): number {
  return periodMs * (1 + random() / 2);
}

/** Milliseconds that a Retry-After header asks for (seconds or an HTTP date), 0 when there is none or it makes no sense. */
export function retryAfterMs(header: string | undefined, wallNowMs: number): number {
  if (header === undefined) {
    return 0;
  }
  const text = header.trim();
  if (/^\d{1,15}$/.test(text)) {
    return Number(text) * 1000;
  }
  const at = / GMT$/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, at - wallNowMs);
}
