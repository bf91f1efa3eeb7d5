import type { PluginMetrics } from "../../core/api/index.ts";

/** What is written, by verb. */
const VERBS = ["create", "update", "delete"] as const;
/** Why a copy could not be made. */
const REASONS = ["collision", "refused", "size"] as const;

/** Figures of the mirror. */
export interface MirrorMetrics {
  wrote(verb: (typeof VERBS)[number]): void;
  /** A copy that could not be made, counted each time it is found anew. */
  blocked(reason: (typeof REASONS)[number], count: number): void;
  /** ConfigMaps that are copied, and copies that there are. */
  counted(sources: number, copies: number): void;
}

/** Declares the metrics. */
export function mirrorMetrics(metrics: PluginMetrics): MirrorMetrics {
  const writes = metrics.counter("writes_total", "Copies written, by verb.", { verb: VERBS });
  const blocked = metrics.counter("blocked_total", "Copies that could not be made, by reason.", { reason: REASONS });
  const sources = metrics.gauge("sources", "ConfigMaps that are copied.");
  const copies = metrics.gauge("copies", "Copies in the cluster.");
  return {
    wrote: (verb) => writes.inc({ verb }),
    blocked: (reason, count) => blocked.add(count, { reason }),
    counted(sourceCount, copyCount) {
      sources.set(sourceCount);
      copies.set(copyCount);
    },
  };
}
