import type { Histogram, PluginMetrics } from "../../core/api/index.ts";

/** From 1 ms on, each twice the one before, as CoreDNS has them. */
const BUCKETS = Array.from({ length: 20 }, (_, n) => 0.001 * 2 ** n);
const KINDS = ["headless_with_selector", "cluster_ip"] as const;

/**
 * How long changes of endpoints are on their way, under the name that dashboards of CoreDNS know. The same one for whoever
 * asks: the main thread declares it, the one that follows the store observes.
 */
export function programmingHistogram(metrics: PluginMetrics): Histogram<{ service_kind: typeof KINDS }> {
  return metrics
    .named("coredns")
    .histogram(
      "kubernetes_dns_programming_duration_seconds",
      "Time from a change of endpoints in Kubernetes until it could be answered.",
      { buckets: BUCKETS, labels: { service_kind: KINDS } },
    );
}
